"""Every example in docstrings, README and CONTRIBUTING is run, and what it prints is compared."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

import softclip
from softclip import soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._libraries.standard import Library

ROOT = Path(__file__).parent.parent
ADAPTED = ("torch", "jax", "cupy", "flax", "equinox", "optax", "sklearn", "dask", "xarray")
QUANTITIES: dict[Any, Any] = {
    soft_clip: "value",
    soft_clip_derivative: "derivative",
    soft_clip_log_derivative: "log_derivative",
    soft_clip_inverse: "inverse",
}
PUBLIC = [name for name in softclip.__all__ if callable(getattr(softclip, name))]


@pytest.fixture(autouse=True)
def as_a_user_has_it() -> Iterator[None]:
    """JAX without what conftest asks of it."""
    with contextlib.ExitStack() as stack:
        if "jax" in sys.modules:
            jax = sys.modules["jax"]
            stack.enter_context(jax.enable_x64(False))
            stack.enter_context(jax.numpy_dtype_promotion("standard"))
        yield


def skip_without_its_library(module: str) -> None:
    for library in {part.partition("_")[0] for part in module.split(".")[1:]} & set(ADAPTED):
        pytest.importorskip(library, reason=f"{module} is for it")


@pytest.mark.parametrize("name", [module.name for module in pkgutil.walk_packages(softclip.__path__, "softclip.")])
def test_docstrings(name: str) -> None:
    skip_without_its_library(name)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    ("module", "name"),
    [("softclip", name) for name in PUBLIC]
    + [("softclip.torch", name) for name in ("SoftClipping", "SoftClipTransform", "soft_clip_grad_value_")]
    + [
        ("softclip.flax.nnx", "SoftClipping"),
        ("softclip.flax.linen", "SoftClipping"),
        ("softclip.equinox", "SoftClipping"),
        ("softclip.optax", "soft_clip"),
        ("softclip.sklearn", "SoftClipper"),
    ],
)
def test_every_public_name_has_an_example_and_the_usual_sections(module: str, name: str) -> None:
    skip_without_its_library(module)
    text = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    for section in ("Parameters", "Raises", "Examples"):
        assert re.search(rf"^{section}\n-+$", text, re.MULTILINE), f"{name} has no {section}"
    assert ">>> " in text


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def test_the_function_that_contributing_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As written there, and used by its name like the others."""
    monkeypatch.setattr(softclip._functions.named, "NAMED", NAMED := dict(softclip._functions.named.NAMED))
    monkeypatch.setattr(softclip._arguments.resolve, "NAMED", NAMED)
    (block,) = python_blocks(ROOT / "CONTRIBUTING.md")
    exec(compile(block, "CONTRIBUTING.md", "exec"), {})  # noqa: S102
    x = np.concatenate([np.linspace(-9, 9, 99), [np.inf, -np.inf, np.nan]])
    for bounds in ((-1, 1), (0, 6), (-1, 3)):
        for f in QUANTITIES:
            if f is soft_clip_inverse:  # that of softsign between numbers has a form of its own
                np.testing.assert_allclose(f(x, *bounds, "rational"), f(x, *bounds, "softsign"), rtol=2e-15)
            else:
                np.testing.assert_array_equal(f(x, *bounds, "rational"), f(x, *bounds, "softsign"))
            standard = Library(array_api_compat.numpy)  # which reads no bounds
            low, high = (np.array([float(v)]) for v in bounds)
            with np.errstate(all="ignore"):
                softsign, rational = (
                    standard.evaluate(x, Call(QUANTITIES[f], NAMED[g], FORMATS["float64"], low, high, None))
                    for g in ("softsign", "rational")
                )
            np.testing.assert_allclose(rational, softsign, rtol=2e-15)


@pytest.mark.parametrize("name", ["README.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))])
def test_examples_in_documents(name: str) -> None:
    """Blocks with prompts are compared, the others run; all in a document share their names."""
    scope: dict[str, object] = {}
    for block in python_blocks(ROOT / name):
        for library in ADAPTED:
            if f"import {library}" in block or f"from {library}" in block:
                pytest.importorskip(library, reason=f"the rest of the document shows {library}")
        if ">>> " in block:
            example = doctest.DocTestParser().get_doctest(block, scope, name, name, 0)
            assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
            scope.update(example.globs)
        else:
            exec(compile(block, name, "exec"), scope)  # noqa: S102


def test_readme_lists_what_the_tests_cover() -> None:
    from libraries import LIBRARIES

    rows = re.findall(
        r"^\| (NumPy|torch|JAX|dask|CuPy|array-api-strict) ", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    tested = {library.name.split("-")[0] for library in LIBRARIES}
    assert {row.lower().replace("array-api-strict", "strict") for row in rows} == tested


def test_commands_in_readme_are_what_ci_runs() -> None:
    """The command that passes the tests is run by CI word for word; the demo's command exists as a session."""
    commands = re.findall(r"^```console\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    text = "\n".join(commands)
    assert "nox -s tests" in text
    assert "nox -s demo" in text
    ci = (ROOT / ".ci" / "run").read_text()
    for line in text.splitlines():
        if "nox -s tests" in line and "--" not in line:
            assert line.removeprefix("$ ") in ci


def run_demo(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py"), "--output", str(tmp_path), *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )


class TestDemo:
    def test_on_the_table_it_carries(self, tmp_path: Path) -> None:
        done = run_demo(tmp_path)
        assert done.returncode == 0, done.stderr
        assert "mean radius" in done.stdout
        assert (tmp_path / "softclip-demo.png").stat().st_size > 20_000

    def test_on_files(self, tmp_path: Path) -> None:
        (tmp_path / "table.csv").write_text("a,b\n1,2\n3,\n500,7\n2,1\n4,3\n")
        done = run_demo(tmp_path, "table.csv", "--x-min", "-2", "--x-max", "2", "--g", "tanh")
        assert done.returncode == 0, done.stderr
        assert re.search(r"^b .*", done.stdout, re.MULTILINE)
        import numpy as np

        np.save(tmp_path / "table.npy", np.random.default_rng(0).standard_t(2, (50, 3)))
        assert run_demo(tmp_path, "table.npy").returncode == 0

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("absent.csv", None, "no such file"),
            ("table.xlsx", b"x", r"\.npy or \.csv"),
            ("broken.npy", b"not an array", "broken.npy"),
            ("text.csv", b"a,b\nx,y\n", "no number"),
            ("empty.csv", b"", "empty"),
        ],
    )
    def test_on_a_file_that_is_none(self, tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        done = run_demo(tmp_path, name)
        assert done.returncode == 2
        assert re.search(words, done.stderr)
        assert "Traceback" not in done.stderr

    def test_bad_options_are_explained(self, tmp_path: Path) -> None:
        done = run_demo(tmp_path, "--g", "sigmiod")
        assert done.returncode == 2
        assert "sigmoid" in done.stderr
        assert "Traceback" not in done.stderr
