"""The body of CuPy's kernel, compiled for the processor: what can be known of it where there is no GPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import ALL, CALLS, name_of

from softclip import hinge
from softclip._arguments.resolve import resolve
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._formulas.kernel import TYPES, body
from softclip._formulas.program import number_program
from softclip._libraries.numpy import NUMPY

COMPILER = shutil.which("c++") or shutil.which("g++")
pytestmark = [
    pytest.mark.needs("numpy"),
    pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: neither c++ nor g++ is on the path"),
]
QUANTITIES = ("value", "derivative", "log_derivative", "inverse")
NOT_IN_C = {("inverse", "erf")}  # <cmath> has no erfinv and erfcinv; CUDA has


def functions_of(tmp_path: Path, bodies: dict[str, tuple[str, str]]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Per name the body, with its type, as a function of an array."""
    loops = [
        f'extern "C" void {name}(const {kind} *xs, {kind} *ys, long n) '
        f"{{ for (long i = 0; i < n; i++) {{ {kind} x = xs[i], y; {text} ys[i] = y; }} }}"
        for name, (kind, text) in bodies.items()
    ]
    source, made = tmp_path / "kernel.cpp", tmp_path / "kernel.so"
    source.write_text("#include <cmath>\nusing namespace std;\n" + "\n".join(loops))
    subprocess.run(
        [COMPILER, "-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC", "-o", made, source], check=True, timeout=300
    )
    library = ctypes.CDLL(str(made))

    def function(name: str) -> Callable[[np.ndarray], np.ndarray]:
        def run(x: np.ndarray) -> np.ndarray:
            y = np.empty_like(x)
            pointers = [v.ctypes.data_as(ctypes.c_void_p) for v in (x, y)]
            getattr(library, name)(*pointers, ctypes.c_long(x.size))
            return y

        return run

    return {name: function(name) for name in bodies}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_the_kernel_computes_what_numpy_does(g: Any, dtype: str, tmp_path: Path) -> None:
    format_, x = FORMATS[dtype], np.concatenate([np.linspace(-40, 40, 4001), np.geomspace(1e-30, 1e30, 2001)])
    x = np.concatenate([x, -x, [0.0, -0.0, np.inf, -np.inf, np.nan]]).astype(dtype)
    squash = resolve(g, NUMPY, x)
    calls = {
        f"{quantity}_{i}": Call(quantity, squash, format_, *bounds, slope)
        for quantity in QUANTITIES
        for i, (bounds, slope) in enumerate(CALLS.values())
        if (quantity, squash.name) not in NOT_IN_C
    }
    bodies = {name: (TYPES[dtype], body(number_program(call), format_) or "") for name, call in calls.items()}
    for name, function in functions_of(tmp_path, bodies).items():
        quantity, _, _, *numbers = call = calls[name]
        inside = x if quantity != "inverse" else np.clip(x, *np.array(numbers[:2], dtype))
        expected = NUMPY.run(inside, call)
        # exp, tanh and so on may differ by an ulp or two between C and NumPy; where the quantity crosses 0, of its size around.
        around = {"derivative": 0.0, "log_derivative": 1.0}.get(quantity, np.max(np.abs(numbers[:2])))
        found = function(inside)
        with np.errstate(all="ignore"):
            tolerance = 16 * np.finfo(dtype).eps * np.maximum(np.abs(expected), around) + np.finfo(dtype).tiny
            close = np.abs(found - expected) <= tolerance
        same = close | (found == expected) | (np.isnan(found) & np.isnan(expected))
        assert np.all(same), (name, inside[~same][:3], found[~same][:3], expected[~same][:3])
        if quantity == "value":
            assert np.nanmin(found) >= np.array(numbers[0], dtype)
            assert np.nanmax(found) <= np.array(numbers[1], dtype)


def test_one_bound(tmp_path: Path) -> None:
    format_, g, x = FORMATS["float64"], hinge(0.5), np.linspace(-5, 5, 101)
    call = ("value", g, format_, 0.0, None, None)
    function = functions_of(tmp_path, {"f": ("double", body(number_program(Call(*call)), format_) or "")})["f"]
    np.testing.assert_allclose(function(x), 0.5 * np.logaddexp(0.0, 2 * x), rtol=1e-14)


def test_a_function_that_c_has_not() -> None:
    from softclip import Squash

    assert (
        body(
            number_program(Call("value", Squash(np.tanh, -1.0, 1.0), FORMATS["float64"], -1.0, 1.0, None)),
            FORMATS["float64"],
        )
        is None
    )
