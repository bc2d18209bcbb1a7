"""The fixture that names the libraries, and the rule for one that is missing."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import their own helpers

from libraries import LIBRARIES, Library

# What cannot be installed everywhere skips also when it was asked for.
NEEDS_GPU = {"cupy"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--library",
        action="append",
        default=[],
        metavar="NAME",
        help="test this library (numpy, torch, jax, dask, strict, cupy) and fail if it cannot be imported",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(name): a test of one library")
    config.addinivalue_line(
        "markers", "thread_unsafe(reason): not to be run in several threads, by pytest-run-parallel"
    )
    asked = config.getoption("--library")
    known = {_family(library) for library in LIBRARIES}
    if unknown := set(asked) - known:
        msg = f"--library: no {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        raise pytest.UsageError(msg)
    for library in LIBRARIES:
        if (name := _family(library)) in asked and name not in NEEDS_GPU and (reason := library.unavailable()):
            raise pytest.UsageError(f"--library {name}: {reason}")
    with contextlib.suppress(ImportError):
        import jax

        jax.config.update("jax_enable_x64", True)
        # A dtype that slips in, or a shape that broadcasts by accident, is an error.
        jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = set(config.getoption("--library"))
    others = [item for item in items if asked and not _libraries(item) <= asked]
    if others:  # thousands, each of which would take its time to be skipped
        config.hook.pytest_deselected(items=others)
        unwanted = set(others)
        items[:] = [item for item in items if item not in unwanted]
    for item in items:
        for marker in item.iter_markers("needs"):
            if reason := _why_not(marker.args[0]):
                item.add_marker(pytest.mark.skip(reason=reason))


def _libraries(item: pytest.Item) -> set[str]:
    """The libraries that a test is of."""
    found = {marker.args[0] for marker in item.iter_markers("needs")}
    library = item.callspec.params.get("library") if hasattr(item, "callspec") else None
    return found | ({_family(library)} if isinstance(library, Library) else set())


def _family(library: Library) -> str:
    return library.name.split("-")[0]


def _why_not(name: str) -> str | None:
    return next(library.unavailable() for library in LIBRARIES if _family(library) == name)


@pytest.fixture(params=LIBRARIES, ids=str)
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    """Each library in turn."""
    found: Library = request.param
    if reason := _why_not(_family(found)):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        if found.flags:
            import array_api_strict

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # 2021.12: "the returned namespace is actually version 2022.12"
                stack.enter_context(array_api_strict.ArrayAPIStrictFlags(**found.flags))
        yield found


@pytest.fixture(autouse="MUTANT_UNDER_TEST" in os.environ)
def nothing_kept() -> None:
    """Without what the package keeps from call to call: a mutation run must see which test reaches which function."""
    for module in [m for name, m in sys.modules.items() if name.startswith("softclip.")]:
        for value in vars(module).values():
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()
    if "softclip._libraries.numpy" in sys.modules:
        sys.modules["softclip._libraries.numpy"].NUMPY.steps.cache_clear()
    if "softclip._arguments.resolve" in sys.modules:
        sys.modules["softclip._arguments.resolve"]._declared.clear()
