"""docs/paper.md is what benchmarks/paper.py has measured; the script still runs, and trains what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from paper_page import Found, page

pytestmark = pytest.mark.needs("jax")


@pytest.fixture
def report() -> Any:
    return json.loads((ROOT / "docs" / "paper.json").read_text())


def test_the_page_is_what_was_measured(report: Any) -> None:
    assert (ROOT / "docs" / "paper.md").read_text() == page(report)


def test_the_methods_of_the_issue_are_there(report: Any) -> None:
    names = " | ".join(report["methods"])
    for method in ("SGD", "by value", "by norm", "Adam", "softsign", "arctan", "tanh"):
        assert method in names
    for found in report["methods"].values():
        shape = (len(report["rates"]), len(found["clips"]), report["seeds"])
        assert np.shape(found["test"]) == np.shape(found["validation"]) == shape


def test_what_is_chosen() -> None:
    """By validation, not by the test set; step sizes within two points count, and only those."""
    found = Found(
        [0.1, 1.0, 10.0],
        {
            "clips": [0.01, 0.1],
            "validation": [[[0.90, 0.90], [0.50, 0.50]], [[0.95, 0.95], [0.94, 0.94]], [[0.2, 0.2], [0.96, 0.96]]],
            "test": [[[0.99, 0.99], [0.1, 0.1]], [[0.5, 0.5], [0.4, 0.4]], [[0.1, 0.1], [0.80, 0.90]]],
        },
    )
    assert (found.rate, found.clip) == (10.0, 0.1)
    assert (found.accuracy, found.spread) == pytest.approx((0.85, 0.05))
    assert (found.lowest, found.highest, found.widest) == (1.0, 10.0, 2)


def test_the_script(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "paper.py"
    options = ["--epochs", "2", "--seeds", "1", "--only", "softsign", "--output", str(tmp_path)]
    done = subprocess.run([sys.executable, str(script), *options], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "paper.json").read_text())["methods"].values()
    assert np.max(found["test"]) > 0.5  # of ten digits, whatever a processor makes of the seed
    assert (tmp_path / "paper.png").stat().st_size > 10_000
