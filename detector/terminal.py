"""Where the station speaks to a person: standard error, so that standard output stays free for programs."""

from rich.console import Console

stderr = Console(stderr=True, highlight=False)
