"""Detection networks. `table.MODELS` names them; one file a family."""
