"""The line that ends a batch says what the network ran on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from detector.batch import BatchSummary
from detector.console import print_summary
from detector.inspection import Decision
from detector.network import Network, Provider
from detector.weights import load_weights

SUMMARY = BatchSummary(Counter({Decision.CLEAR: 4}), Counter(), 3, 1, 2.0)


def test_the_summary_names_the_provider_and_why_it_was_no_other(
    probe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(load_weights(probe), Provider.CPU)
    print_summary(SUMMARY, network, "out", quiet=False)
    told = capsys.readouterr().err
    assert "4 CLEAR, 0 ALARM, 0 REFER (1.5 scans/s on cpu, 1 done before)" in told and "CUDA" not in told
    network.passed_over = "CUDAExecutionProvider did not start: no [driver]"
    print_summary(SUMMARY, network, "out", quiet=False)
    assert "CUDA was not used: CUDAExecutionProvider did not start: no [driver]" in capsys.readouterr().err
    print_summary(SUMMARY, network, "out", quiet=True)
    assert capsys.readouterr().err == ""


def test_the_summary_tells_results_of_other_runs(probe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = Network(load_weights(probe), Provider.CPU)
    print_summary(SUMMARY, network, "out", quiet=False)
    assert "other runs" not in capsys.readouterr().err
    others = Counter({Decision.REFER: 1, Decision.CLEAR: 20})
    print_summary(replace(SUMMARY, others=others), network, "out", quiet=False)
    assert capsys.readouterr().err.endswith("results in out\nthere as well, from other runs: 20 CLEAR, 1 REFER\n")
