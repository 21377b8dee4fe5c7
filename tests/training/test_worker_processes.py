"""Workers end with the process that started them, even one that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.files.worker_processes import worker_processes

#: A module of its own: spawned workers import what they are to run.
SCRIPT = """
import os, sys, time
from training.files.worker_processes import worker_processes

def work(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    with worker_processes(2) as pool:
        list(pool.map(work, [600, 600]))
"""


def remember(value: int) -> None:
    os.environ["REMEMBERED"] = str(value)


def remembered(_: int) -> tuple[str, int]:
    return os.environ["REMEMBERED"], os.getpid()


def test_each_worker_is_started_once_and_is_another_process() -> None:
    with worker_processes(1, remember, 7) as pool:
        answers = list(pool.map(remembered, range(3)))
    assert {answer for answer, _ in answers} == {"7"}
    assert os.getpid() not in {process for _, process in answers}
    assert "REMEMBERED" not in os.environ


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="tells running processes by /proc")
def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(map(alive, workers))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 30
        while any(map(alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(alive, workers))


def alive(process: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for is a zombie, and does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
