"""The data sets and annotation formats that are read. To add one, add a file and a line to ADAPTERS.

Order matters where a general format would take a public set's folder for its own: public sets first.
"""

from __future__ import annotations

from training.datasets.annotated_set import Adapter

ADAPTERS: dict[str, Adapter] = {}
