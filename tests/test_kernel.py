"""The body of the kernel for GPUs, compiled for the processor: what can be known of it where there is no GPU."""

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

from softclip import Squash, hinge
from softclip._arguments.resolve import resolve
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._formulas.kernel import TYPES, Kernel, kernel_of
from softclip._libraries.numpy import NUMPY

COMPILER = shutil.which("c++") or shutil.which("g++")
pytestmark = [
    pytest.mark.needs("numpy"),
    pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: neither c++ nor g++ is on the path"),
]
HEAD = """#include <cmath>
#include <cstring>
using namespace std;
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline float __int_as_float(int bits) { float v; memcpy(&v, &bits, 4); return v; }
static inline int __float_as_int(float v) { int bits; memcpy(&bits, &v, 4); return bits; }
static inline double __longlong_as_double(long long bits) { double v; memcpy(&v, &bits, 8); return v; }
"""
OPTIONS = ["-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC"]
QUANTITIES = ("value", "derivative", "log_derivative", "inverse", "antiderivative")


def quantities(g: Any) -> tuple[str, ...]:
    """Those that a function of the package has: its integral need not have a closed form."""
    return QUANTITIES if getattr(g, "bend", None) else QUANTITIES[:-1]


NOT_IN_C = {("inverse", "erf")}  # <cmath> has no erfinv and erfcinv; CUDA has


def functions_of(tmp_path: Path, made: dict[str, tuple[str, Kernel]]) -> dict[str, Callable[..., np.ndarray]]:
    """Per name the kernel, with its type, as a function of an array and of constants that are numbers or such arrays."""
    loops = []
    for name, (kind, kernel) in made.items():
        given = "".join(f", const {kind} *{v}_" for v in kernel.arguments)
        read = "".join(f"const {kind} {v} = {v}_[i]; " for v in kernel.arguments)
        loop = f"for (long i = 0; i < n; i++) {{ {kind} x = xs[i], y; {read}{kernel.body} ys[i] = y; }}"
        loops.append(f'extern "C" void {name}(long n, const {kind} *xs, {kind} *ys{given}) {{ {loop} }}')
    source, library_path = tmp_path / "kernel.cpp", tmp_path / "kernel.so"
    source.write_text(HEAD + "\n".join(loops))
    subprocess.run([COMPILER, *OPTIONS, "-o", library_path, source], check=True, timeout=300)
    library = ctypes.CDLL(str(library_path))

    def function(name: str) -> Callable[..., np.ndarray]:
        def run(x: np.ndarray, *constants: Any) -> np.ndarray:
            y = np.empty_like(x)
            arrays = [x, y, *(np.broadcast_to(np.asarray(v, x.dtype), x.shape).copy() for v in constants)]
            getattr(library, name)(ctypes.c_long(x.size), *(v.ctypes.data_as(ctypes.c_void_p) for v in arrays))
            return y

        return run

    return {name: function(name) for name in made}


@pytest.mark.parametrize("how", ["numbers", "arrays"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_the_kernel_computes_what_numpy_does(g: Any, dtype: str, how: str, tmp_path: Path) -> None:
    format_, x = FORMATS[dtype], np.concatenate([np.linspace(-40, 40, 4001), np.geomspace(1e-30, 1e30, 2001)])
    x = np.concatenate([x, -x, [0.0, -0.0, np.inf, -np.inf, np.nan]]).astype(dtype)
    squash = resolve(g, NUMPY, x)
    calls = {
        f"{quantity}_{i}": Call(quantity, squash, format_, *bounds, slope)
        for quantity in quantities(squash)
        for i, (bounds, slope) in enumerate(CALLS.values())
        if (quantity, squash.name) not in NOT_IN_C
    }

    if how == "arrays":  # of which NumPy's own plan knows the values
        as_array = lambda v: None if v is None else np.full(1, v, dtype)
        calls = {name: call.with_constants(*map(as_array, call.constants)) for name, call in calls.items()}
    made = {name: kernel_of(call) for name, call in calls.items()}
    functions = functions_of(tmp_path, {name: (TYPES[dtype], kernel) for name, (kernel, _) in made.items()})
    for name, function in functions.items():
        quantity, _, _, *numbers = call = calls[name]
        numbers = [float(v[0]) if how == "arrays" else v for v in numbers[:2]]
        inside = x if quantity != "inverse" else np.clip(x, *np.array(numbers, dtype))
        with np.errstate(all="ignore"):
            expected = NUMPY.run(inside, call) if how == "numbers" else NUMPY.evaluate(inside, call)
        # exp, tanh and so on may differ by an ulp or two between C and NumPy; where the quantity crosses 0, of its size around.
        around = {"derivative": 0.0, "log_derivative": 1.0}.get(quantity, np.max(np.abs(numbers)))
        found = function(inside, *made[name][1])
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
    kernel, constants = kernel_of(Call("value", g, format_, 0.0, None, None))
    function = functions_of(tmp_path, {"f": ("double", kernel)})["f"]
    np.testing.assert_allclose(function(x, *constants), 0.5 * np.logaddexp(0.0, 2 * x), rtol=1e-14)
    bounds = np.linspace(-1, 1, 101)
    kernel, constants = kernel_of(Call("value", g, format_, bounds, None, None))
    (tmp_path / "arrays").mkdir()
    function = functions_of(tmp_path / "arrays", {"f": ("double", kernel)})["f"]
    expected = bounds + 0.5 * np.logaddexp(0.0, 2 * (x - bounds))
    np.testing.assert_allclose(function(x, *constants), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_other_bounds_are_other_arguments_of_the_same_kernel(g: Any) -> None:
    """A schedule compiles nothing. Of bounds of one kind: about 0, from 0, or between; and not of extreme width."""
    x = np.zeros(3)
    squash = resolve(g, NUMPY, x)
    for quantity in quantities(squash):
        for bounds in ([(-3.0, 3.0), (-2.5, 2.5)], [(0.0, 6.0), (0.0, 5.0)], [(-1.5, 3.5), (-1.0, 3.5)]):
            for slope in (None, 1.0):
                kernels = [kernel_of(Call(quantity, squash, FORMATS["float32"], *b, slope)) for b in bounds]
                (first, numbers), (second, others) = kernels
                assert first == second
                assert numbers != others
        arrays = [np.full(3, v) for v in (-1.0, 2.0)]
        one, _ = kernel_of(Call(quantity, squash, FORMATS["float32"], *arrays, None))
        other, given = kernel_of(Call(quantity, squash, FORMATS["float32"], -1.0, arrays[1], None))
        assert one == other
        assert given[-1] is arrays[1]


def test_a_function_that_c_has_not() -> None:
    declared = Squash(np.tanh, -1.0, 1.0)
    assert kernel_of(Call("value", declared, FORMATS["float64"], -1.0, 1.0, None)) is None
