"""What ``import softclip`` brings along, seen from a fresh interpreter, and which of its files import which."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import softclip

PACKAGE = Path(softclip.__file__).parent
ARRAY_LIBRARIES = (
    "torch",
    "jax",
    "jaxlib",
    "dask",
    "cupy",
    "scipy",
    "sklearn",
    "optax",
    "flax",
    "equinox",
    "array_api_strict",
    "pandas",
)


def imported_with(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after the statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_softclip_imports_no_array_library_but_numpy() -> None:
    found = imported_with("import softclip")
    assert {"softclip", "numpy"} <= found
    assert not found & set(ARRAY_LIBRARIES)


def test_using_it_on_numpy_imports_none_either() -> None:
    statement = "import numpy, softclip; softclip.soft_clip(numpy.ones(3), 0, 6, 'tanh', slope=1)"
    assert not imported_with(statement) & set(ARRAY_LIBRARIES)


LOADED = {
    "torch": ("sympy", "torch._dynamo", "torch.fx.experimental.symbolic_shapes", "torch.export"),
    "flax.nnx": (),
    "flax.linen": (),
    "equinox": (),
    "optax": (),
    "sklearn": (),
}
"""The adapters, and modules that take long to load, which the library itself does not load and the adapter does not need."""


@pytest.mark.parametrize("adapter", LOADED)
def test_an_adapter_loads_little_beyond_its_library(adapter: str) -> None:
    """What it loads itself is its own, and what it uses of NumPy and array_api_compat: DESIGN's 20 ms beyond the library."""
    library, *_ = adapter.split(".")
    pytest.importorskip(library, reason="the adapter is for it")
    statement = f"import {adapter}, sys\nbefore = set(sys.modules)\nimport softclip.{adapter}"
    script = f"{statement}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert f"softclip.{adapter}" in loaded
    assert not loaded & {*LOADED[adapter], "numpy.f2py", "numpy.ma", "array_api_compat.numpy"}


def test_the_proof_can_fail() -> None:
    assert "scipy" in imported_with("import softclip, scipy") & set(ARRAY_LIBRARIES)


@pytest.mark.needs("numpy")
def test_erf_without_scipy_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['scipy'] = None; sys.modules['scipy.special'] = None\n"
        "import numpy, softclip\n"
        "softclip.soft_clip(numpy.ones(3), g='erf')"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert 'ImportError: g="erf" on NumPy arrays needs SciPy, which has erf: pip install scipy' in done.stderr


def test_the_distribution() -> None:
    assert metadata.version("array-softclip") == softclip.__version__
    requirements = metadata.requires("array-softclip") or []
    needed = {re.split(r"[<>=!~ ]", line)[0] for line in requirements if "extra ==" not in line}
    assert needed == {"numpy", "array-api-compat"}
    extras = set(metadata.metadata("array-softclip").get_all("Provides-Extra") or [])
    assert extras == {"torch", "jax", "flax", "equinox", "optax", "sklearn"}
    files = {str(file) for file in metadata.files("array-softclip") or []}
    assert "softclip/py.typed" in files


def imports_of(path: Path) -> set[str]:
    """The package's modules that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "softclip":
            found |= {f"softclip.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name for name in found if name.startswith("softclip.")}


GRAPH = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): imports_of(path)
    for path in PACKAGE.rglob("*.py")
}


def test_no_import_goes_in_a_circle() -> None:
    """Those inside functions count: each file can be read after those that it imports."""
    list(graphlib.TopologicalSorter(GRAPH).static_order())
    with pytest.raises(graphlib.CycleError):
        list(
            graphlib.TopologicalSorter(
                {**GRAPH, "softclip._formulas.formats": {"softclip._libraries.standard"}}
            ).static_order()
        )


ROOMS = ("_functions", "_formulas", "_libraries", "_arguments")
"""From below: each imports only from those before it."""


def test_arrows_between_rooms_go_down() -> None:
    for module, imported in GRAPH.items():
        room = module.split(".")[1] if "." in module else ""
        for name in imported:
            other = name.split(".")[1]
            if room in ROOMS:
                assert other in ROOMS[: ROOMS.index(room) + 1], f"{module} imports {name}"
    assert {module.split(".")[1] for module in GRAPH if module.count(".") > 1} >= set(ROOMS)


def test_adapters_import_the_core_and_never_one_another() -> None:
    adapters = ("torch", "flax", "equinox", "optax", "sklearn")
    for module, imported in GRAPH.items():
        mine = module.split(".")[1] if "." in module else ""
        for name in imported:
            other = name.split(".")[1]
            assert other not in adapters or other == mine, f"{module} imports {name}"


def test_no_file_is_long() -> None:
    assert max(len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")) < 400
