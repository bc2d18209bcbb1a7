"""What ``import softclip`` brings along, seen from a fresh interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata

import pytest

import softclip

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
    assert extras == {"torch", "jax", "flax", "optax", "sklearn"}
    files = {str(file) for file in metadata.files("array-softclip") or []}
    assert "softclip/py.typed" in files
