"""`python -m training.simulation OUTPUT`: writes the example scans."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.simulation.examples import write_examples


def main(arguments: list[str] | None = None) -> None:
    """Writes the examples and names each file on standard output."""
    parser = argparse.ArgumentParser(prog="python -m training.simulation", description="Writes the example scans.")
    parser.add_argument("output", type=Path, help="folder for the scans and annotations.json")
    for path in write_examples(parser.parse_args(arguments).output):
        print(path)


if __name__ == "__main__":
    main()
