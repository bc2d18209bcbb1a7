"""docs/performance.md is what was measured; the scripts that measure it still run."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from bench_page import asked, page
from bench_paths import paths
from bench_report import measured_paths

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
    left_out = ("float64", "bfloat16", "compiled")
    assert {row.case for row in asked(found)} >= {case for case in whole if not any(word in case for word in left_out)}
    taken = [path for library in ("NumPy", "torch", "JAX") for path in paths(library, "float32", quick=True)]
    assert [path[:5] for path in measured_paths(found)] == [path[:5] for path in taken]
    for path in taken:
        assert f"## {path.section}\n" in done.stdout
        assert any(path.case in row.case and path.library in row.case for row in asked(found))


def test_bench_runs_one_case() -> None:
    arguments = ["--only", "NumPy", "float32", "64 × 20", "--sizes", "1", "--rounds", "2"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "bench.py", *arguments], check=True, capture_output=True, text=True
    )
    ours, formula = done.stdout.splitlines()
    assert re.fullmatch(r"NumPy, float32, bounds per column, 64 × 20, tanh: [\d.]+ µs, at most 3", ours)
    assert re.fullmatch(r"    [\d.]+ × as written, [\d.]+ µs", formula)


@pytest.mark.parametrize(
    ("library", "dtype"), [(n, "float32") for n in ("NumPy", "torch", "JAX")] + [("NumPy", "float64")]
)
def test_what_is_held_against_softclip_computes_the_same(library: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        for path in paths(library, dtype, quick=True):
            if "formula" not in [entry.role for entry in path.entries]:
                continue
            ours, theirs = (_arrays(entry.run()) for entry in path.entries)
            assert len(ours) == len(theirs) > 0
            for a, b in zip(ours, theirs, strict=True):
                finite = np.isfinite(a) & np.isfinite(b)  # erf's inverse as written is infinite beside a bound
                assert finite.mean() > 0.98, path
                assert (np.abs(a - b)[finite] <= 1e-4 * (1 + np.abs(b)[finite])).all(), path


def _arrays(results: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(result, float) for result in (results if isinstance(results, tuple) else (results,))]


def test_the_page_of_the_gpu_is_what_was_measured() -> None:
    import gpu

    report = json.loads((ROOT / "docs" / "gpu.json").read_text())
    assert gpu.page(report) == (ROOT / "docs" / "gpu.md").read_text()
    cases = {row["case"] for row in report["rows"] if row["library"] == "torch"}
    assert cases == {*gpu.CASES, gpu.CHANNELS, gpu.LEARNED, gpu.IN_PLACE}


def test_the_script_for_a_gpu_runs_on_the_processor(tmp_path: Path) -> None:
    arguments = ["--device", "cpu", "--size", "12800", "--rounds", "1", "--output", tmp_path]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py", *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "gpu.json").read_text())
    rows = report["rows"]
    assert {(row["library"], row["way"]) for row in rows} == {
        ("torch", "eager"),
        ("torch", "compiled"),
        ("JAX", "eager"),
        ("JAX", "jitted"),
        ("JAX", "jitted, no value"),
    }
    assert {row["dtype"] for row in rows} == {"float32", "bfloat16"}
    assert all(row["seconds"] > 0 for row in rows)
    assert {(row["rows"], row["direction"]) for row in report["logits"]} == {(1, "forward"), (1, "backward")}
    text = (tmp_path / "gpu.md").read_text()
    assert text.count("| JAX | jitted |") == 4
    assert "says nothing of a GPU" in text
