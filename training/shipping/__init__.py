"""From a checkpoint to a file that a station takes: export and its gate, alarm scores, INT8, publishing."""
