"""docs/performance.md is what was measured; the scripts that measure it still run."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from bench_page import asked, page

pytestmark = [pytest.mark.needs(name) for name in ("numpy", "torch", "jax")]


@pytest.fixture
def report() -> Any:
    return json.loads((ROOT / "docs" / "performance.json").read_text())


def test_the_page_is_what_was_measured(report: Any) -> None:
    assert (ROOT / "docs" / "performance.md").read_text() == page(report)


def test_it_was_measured_whole(report: Any) -> None:
    assert report["sizes"] == [1, 1000, 100_000, 10_000_000]
    assert report["rounds"] >= 7
    assert {row["dtype"] for row in report["rows"]} == {"float32", "float64", "bfloat16"}


def test_what_falls_short_is_said(report: Any) -> None:
    """A report in which softclip takes no time on JAX, and one in which it takes for ever: whatever was measured."""
    faster, slower = copy.deepcopy(report), copy.deepcopy(report)
    for changed, factor in ((faster, 1e-6), (slower, 1e6)):
        for row in changed["rows"]:
            if (row["role"], row["library"], row["size"]) == ("softclip", "JAX", 10_000_000):
                row["seconds"] *= factor
    assert [row.met for row in asked(faster) if row.case.startswith("JAX jitted")] == [True]
    assert [row.met for row in asked(slower) if row.case.startswith("JAX jitted")] == [False]
    assert "**no**" in page(slower)


def test_commands_on_the_page_are_sessions() -> None:
    commands = re.findall(r"nox -s (\w+)", (ROOT / "docs" / "performance.md").read_text())
    sessions = re.findall(r"@nox.session\ndef (\w+)", (ROOT / "noxfile.py").read_text())
    assert set(commands) == {"bench", "gpu"} <= set(sessions)


def test_bench_runs(tmp_path: Path) -> None:
    pytest.importorskip("numexpr")
    arguments = ["--quick", "--sizes", "1000", "100000", "--rounds", "2", "--output", tmp_path]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "bench.py", *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "performance.json").read_text())
    assert page(found) in done.stdout
    assert (tmp_path / "performance.png").stat().st_size > 10_000
    assert found["saved"]["soft_clip"] == 4
    hold = {row["name"]: row["seconds"] for row in found["rows"] if row["g"] == "sigmoid" and row["size"] == 100_000}
    assert all(seconds > 1e-6 for seconds in hold.values())  # 100,000 elements in no time would be nothing done
    whole = {row.case for row in asked(json.loads((ROOT / "docs" / "performance.json").read_text()))}
    assert {row.case for row in asked(found)} == {case for case in whole if "float64" not in case}


def test_the_script_for_a_gpu_runs_on_the_processor(tmp_path: Path) -> None:
    arguments = ["--device", "cpu", "--size", "20000", "--rounds", "1", "--output", tmp_path]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py", *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert {(row["library"], row["way"]) for row in rows} == {
        ("torch", "eager"),
        ("torch", "compiled"),
        ("JAX", "eager"),
        ("JAX", "jitted"),
    }
    assert {row["dtype"] for row in rows} == {"float32", "bfloat16"}
    assert all(row["error"] <= 8 for row in rows)
    assert all(row["in bounds"] for row in rows if row["direction"] == "forward")
