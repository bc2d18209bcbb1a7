"""The examples that train: the tables in the docs are what the scripts print today, and say what the pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

torch = pytest.mark.needs("torch")


def run(name: str, tmp_path: Path, *arguments: str) -> list[str]:
    script = ROOT / "examples" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, str(script), "--output", str(tmp_path), *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"{name.replace('_', '-')}.png").stat().st_size > 20_000
    return done.stdout.partition("\n\n")[0].splitlines()


def in_the_docs(name: str) -> list[str]:
    text = "".join(path.read_text() for path in ROOT.glob("docs/*.md"))
    (table,) = re.findall(rf"^<!-- examples/{name}\.py -->\n```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return table.splitlines()


def numbers(line: str) -> list[float]:
    return [float(n) for n in re.findall(r"(\d+\.\d+)", line)]


@torch
def test_the_table_of_bounds(tmp_path: Path) -> None:
    """Trained anew: the losses to 5 %, as other processors round otherwise."""
    printed, shown = run("torch_bounds", tmp_path), in_the_docs("torch_bounds")
    assert printed[0] == shown[0]
    rows = {}
    for now, then in zip(printed[1:], shown[1:], strict=True):
        assert now[:31] == then[:31]
        loss, _, dead, outside = numbers(now)
        assert loss == pytest.approx(numbers(then)[0], rel=0.05)
        rows[now[:31].strip()] = loss, dead, outside
    assert rows["hard clamp"][1] > 1.0
    assert rows["formula, tanh"][2] > 10.0
    for name, (_, dead, outside) in rows.items():
        if name.startswith("soft_clip"):
            assert (dead, outside) == (0.0, 0.0)
    assert rows["soft_clip, sigmoid"][0] == pytest.approx(rows["formula, sigmoid"][0], rel=0.05)


@torch
def test_the_table_of_gradients(tmp_path: Path) -> None:
    """Trained anew: the accuracies to 10 points, of a run that diverges to 20."""
    printed, shown = run("torch_gradients", tmp_path), in_the_docs("torch_gradients")
    assert printed[0] == shown[0]
    for now, then in zip(printed[1:], shown[1:], strict=True):
        name = now[:32]
        assert name == then[:32]
        assert abs(numbers(now[32:])[0] - numbers(then[32:])[0]) < (20 if name.startswith("none") else 10)
        if name.startswith("none"):
            assert numbers(now[32:])[0] < 40
        tied = numbers(now[32:])[-1]
        assert (tied > 5) == name.startswith("clip_grad_value_")


@torch
def test_options(tmp_path: Path) -> None:
    for name in ("torch_bounds", "torch_gradients"):
        assert len(run(name, tmp_path, "--epochs", "1", "--seeds", "1")) >= 6


@pytest.mark.needs("numpy")
def test_the_table_of_outliers(tmp_path: Path) -> None:
    """Trained anew: log losses to 0.02, accuracies to a point, as other processors round otherwise."""
    printed, shown = run("sklearn_outliers", tmp_path), in_the_docs("sklearn_outliers")
    assert printed[0] == shown[0]
    for now, then in zip(printed[1:], shown[1:], strict=True):
        assert now[:51] == then[:51]
        (loss, _, accuracy), (loss_then, _, accuracy_then) = numbers(now[51:]), numbers(then[51:])
        assert abs(loss - loss_then) < 0.02
        assert abs(accuracy - accuracy_then) < 1
