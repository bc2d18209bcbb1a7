"""The examples that train: they run, and the tables in the docs have their rows and bear out what the pages say of them.

What training makes of a seed differs between processors: a saved table is held against its own page only, and what is trained here is asserted
by its sign and its order of size.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def rows(table: list[str], width: int) -> dict[str, list[float]]:
    """The numbers of each row, by the name that fills its first characters."""
    return {line[:width].strip(): numbers(line[width:]) for line in table[1:]}


@torch
def test_the_table_of_bounds(tmp_path: Path) -> None:
    """One epoch: no output leaves the bounds of soft_clip or has a gradient of 0, and sigmoid by either name is the same function."""
    printed, shown = run("torch_bounds", tmp_path, "--epochs", "1", "--seeds", "1"), in_the_docs("torch_bounds")
    assert printed[0] == shown[0]
    trained, saved = rows(printed, 31), rows(shown, 31)
    assert list(trained) == list(saved)
    for table in (trained, saved):
        for name, (loss, _, dead, outside) in table.items():
            assert 1 < loss < 100  # intensities up to 16, whose variance is about 40
            if name.startswith("soft_clip"):
                assert (dead, outside) == (0.0, 0.0)
        assert table["hard clamp"][2] > 0.5
        assert table["formula, tanh"][3] > 1.0
    assert trained["soft_clip, sigmoid"][0] == pytest.approx(trained["formula, sigmoid"][0], rel=0.01)


@torch
def test_what_the_page_says_of_the_bounds() -> None:
    saved = rows(in_the_docs("torch_bounds"), 31)
    assert saved["formula, tanh"][3] == pytest.approx(100 / 5, abs=2.5), "a fifth of its outputs are no intensities"
    loss, error, *_ = saved["formula, sigmoid"]
    assert saved["soft_clip, sigmoid"][0] == pytest.approx(loss, abs=error), "as good"
    assert max(saved, key=lambda name: saved[name][0]) == "soft_clip, algebraic, slope 1", "it ends behind"


@torch
def test_the_table_of_gradients(tmp_path: Path) -> None:
    """One epoch, in which nothing is learned yet: which row is how good is no matter of this test."""
    printed, shown = run("torch_gradients", tmp_path, "--epochs", "1", "--seeds", "1"), in_the_docs("torch_gradients")
    assert printed[0] == shown[0]
    trained, saved = rows(printed, 32), rows(shown, 32)
    assert list(trained) == list(saved)
    for table in (trained, saved):
        for accuracy, _, tied in table.values():
            assert 0 < accuracy < 100
            assert 0 <= tied < 100
    assert trained["none"][2] == trained["clip_grad_norm_, to 1"][2] == 0


@torch
def test_what_the_page_says_of_the_gradients() -> None:
    saved = rows(in_the_docs("torch_gradients"), 32)
    accuracy = {name: row[0] for name, row in saved.items()}
    assert min(v for name, v in accuracy.items() if name != "none") > 2 * accuracy["none"], "any clipping"
    assert max(accuracy, key=lambda name: accuracy[name]) == "clip_grad_value_", "a little ahead"
    assert saved["clip_grad_value_"][2] == pytest.approx(100 / 6, abs=2.0), "a sixth on the same value"


@torch
def test_what_is_clipped_softly_keeps_its_order() -> None:
    """By the clippings of the example, on gradients that are given: the hard one alone puts two on the same value."""
    import torch

    clips = script("torch_gradients").CLIPS
    for name, clip in clips.items():
        parameter = torch.nn.Parameter(torch.zeros(5))
        parameter.grad = torch.tensor([-0.2, 0.01, 0.04, 0.1, 0.2])
        clip([parameter], 0.05)
        different = len(set(parameter.grad.tolist()))
        assert different == (4 if name == "clip_grad_value_" else 5), name
        assert (parameter.grad.diff() >= 0).all(), name


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.needs("numpy")
def test_the_table_of_outliers(tmp_path: Path) -> None:
    """One cross-validation: clipped either way, logistic regression, which has but one solution, is better and equally so."""
    printed, shown = run("sklearn_outliers", tmp_path, "--repeats", "1"), in_the_docs("sklearn_outliers")
    assert printed[0] == shown[0]
    trained, saved = rows(printed, 51), rows(shown, 51)
    assert list(trained) == list(saved)
    for table in (trained, saved):
        for loss, _, accuracy in table.values():
            assert 0.02 < loss < 0.3
            assert accuracy > 90
        plain, hard, soft, _ = [row[0] for name, row in table.items() if name.startswith("logistic regression")]
        assert max(hard, soft) < plain
        assert abs(hard - soft) < 0.01


@pytest.mark.needs("numpy")
def test_what_the_page_says_of_outliers() -> None:
    """All differences are within a standard error or so."""
    saved = rows(in_the_docs("sklearn_outliers"), 51)
    for model in ("logistic regression", "network of 32"):
        losses, errors, _ = zip(*[row for name, row in saved.items() if name.startswith(model)], strict=True)
        assert max(losses) - min(losses) < 1.5 * max(errors)
