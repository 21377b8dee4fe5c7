"""Where the station speaks to a person: standard error, so that standard output stays free for programs."""

import os
import sys
from pathlib import Path

from rich.console import Console

#: A name that holds `:key:` keeps it.
stderr = Console(stderr=True, highlight=False, emoji=False)

#: Control characters as the pictures that Unicode has for them, or as they are escaped.
_CONTROLS = (
    {code: chr(0x2400 + code) for code in range(0x20)}
    | {0x7F: "\u2421"}
    | {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
)


def tell(text: str, style: str | None = None) -> None:
    """Prints a message as it stands, a line whatever its length."""
    stderr.print(text, style=style, markup=False, soft_wrap=True)


def visible(text: str) -> str:
    """The text on one line, its control characters to be seen: what a file is called moves no cursor."""
    return text.translate(_CONTROLS)


def open_missing_streams() -> None:
    """A service may start with standard streams closed: they lead nowhere from then on, in place of being None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The first file to be opened gets the free number: a ledger or a scan must not become standard error.
            nowhere = Path(os.devnull).open(mode, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
            setattr(sys, name, nowhere)
