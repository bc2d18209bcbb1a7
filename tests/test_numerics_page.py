"""docs/numerics.md is what the scripts have measured, and that is within the contract; the scripts still run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from numerics_page import LIMITS, beyond, page

from softclip import NAMES


@pytest.fixture
def report() -> Any:
    return json.loads((ROOT / "docs" / "numerics.json").read_text())


@pytest.fixture
def exhaustive() -> Any:
    return json.loads((ROOT / "docs" / "exhaustive.json").read_text())


def test_the_page_is_what_was_measured(report: Any, exhaustive: Any) -> None:
    assert (ROOT / "docs" / "numerics.md").read_text() == page(report, exhaustive)


def test_what_was_measured_is_within_the_contract(report: Any) -> None:
    assert beyond(report) == []
    measured = {(row["library"], row["dtype"], row["g"]) for row in report["rows"]}
    for library in ("numpy", "torch", "jax"):
        for dtype in ("float16", "bfloat16", "float32", "float64"):
            assert {g for lib, kind, g in measured if (lib, kind) == (library, dtype)} > set(NAMES)


def test_an_error_beyond_the_contract_would_be_said(report: Any) -> None:
    row = next(
        row for row in report["rows"] if (row["library"], row["dtype"], row["g"]) == ("numpy", "float32", "tanh")
    )
    row["derivative"] = LIMITS["derivative"] + 0.5
    assert beyond(report) == ["numpy float32 tanh derivative: 8.50 ulp"]


def test_every_float32_value_was_looked_at(exhaustive: Any) -> None:
    assert exhaustive["every"] == 1
    assert {row["g"] for row in exhaustive["rows"]} == set(NAMES)
    for row in exhaustive["rows"]:
        assert row["values"] == 2**32
        assert row["out_of_range"] == row["lost_nan"] == 0
        assert row["error"] <= 8
        assert row["fall"] <= 4


def test_commands_on_the_page_are_sessions() -> None:
    commands = re.findall(r"nox -s (\w+)", (ROOT / "docs" / "numerics.md").read_text())
    sessions = re.findall(r"@nox.session\ndef (\w+)", (ROOT / "noxfile.py").read_text())
    assert set(commands) == {"numerics", "exhaustive"} <= set(sessions)


@pytest.mark.needs("numpy")
def test_numerics_runs(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "numerics.py"
    done = subprocess.run(
        [sys.executable, script, "--points", "500", "--output", tmp_path], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "numerics.json").read_text())
    assert beyond(found) == []
    worst = {row["g"]: row["around 0"] for row in found["rows"] if row["library"] == "as written"}
    assert worst["tanh"] > 1000  # the measure sees what is wrong


@pytest.mark.needs("numpy")
def test_exhaustive_runs_and_its_measure_bites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import exhaustive
    import numpy as np

    whole = exhaustive.soft_clip
    start = int(np.float32(0.5).view(np.uint32))
    good = exhaustive.examine("tanh", "next to 0", start)
    assert (good.out_of_range, good.lost_nan) == (0, 0)
    assert 0 < good.error < 8

    def broken(x: Any, low: float, high: float, name: str) -> Any:
        y = whole(x, low, high, name)
        if x.dtype == np.float32:
            y[5], y[7] = np.nan, np.float32(1.0000001)
        return y

    monkeypatch.setattr(exhaustive, "soft_clip", broken)
    bad = exhaustive.examine("tanh", "next to 0", start)
    assert (bad.out_of_range, bad.lost_nan) == (1, 1)
    assert bad.fall > 1000
    assert bad.error > 1000
