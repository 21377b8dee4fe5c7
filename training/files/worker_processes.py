"""Processes that compute beside this one, and end with it, however it ends."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from threading import Thread
from typing import Any


def worker_processes(count: int, start: Callable[..., Any] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """A pool of fresh interpreters: none shares memory, threads or locks with this one. start(*arguments) is called
    once in each before its first work."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(start, arguments))


def _begin(start: Callable[..., Any] | None, arguments: tuple[Any, ...]) -> None:
    # A worker waits for work on a pipe that it holds open itself: of a parent that was killed it would never hear.
    Thread(target=_end_with_parent, daemon=True).start()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
