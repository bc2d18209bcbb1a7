"""Every kernel, compiled by NVIDIA's own compiler: it needs no GPU and no driver, only ``pip install nvidia-cuda-nvrtc-cu12``.

`nox -s nvrtc` installs it and runs this.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import ALL, CALLS, name_of
from test_kernel import quantities

from softclip import algebraic, hinge
from softclip._arguments.resolve import resolve
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._formulas.kernel import TYPES, Kernel, kernel_of, partials_kernel
from softclip._libraries.numpy import NUMPY

ARCHITECTURES = ("sm_80", "sm_90")
EXTREME = {"wide": ((-1e38, 1e38), None), "steep": ((-1.0, 1.0), 1e38), "narrow": ((0.0, 1e-38), 1.0)}


def _library() -> Any:
    found = importlib.util.find_spec("nvidia.cuda_nvrtc") if importlib.util.find_spec("nvidia") else None
    paths = [Path(folder) for folder in found.submodule_search_locations or []] if found else []
    libraries = [path for folder in paths for path in (folder / "lib").glob("libnvrtc.so.*")]
    return ctypes.CDLL(str(libraries[0])) if libraries else None


NVRTC = _library()
pytestmark = [
    pytest.mark.needs("numpy"),
    pytest.mark.skipif(NVRTC is None, reason="needs NVIDIA's compiler: pip install nvidia-cuda-nvrtc-cu12"),
]


def ptx(source: str, *options: str) -> str:
    """What the compiler makes of CUDA C++; its own words, if it refuses it."""
    program = ctypes.c_void_p()
    assert NVRTC.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = NVRTC.nvrtcCompileProgram(program, len(options), given)
    what = "ProgramLog" if failed else "PTX"
    size = ctypes.c_size_t()
    assert getattr(NVRTC, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
    text = ctypes.create_string_buffer(size.value)
    assert getattr(NVRTC, f"nvrtcGet{what}")(program, text) == 0
    assert not failed, text.value.decode()
    return text.value.decode()


def kernels(g: Any, dtype: str) -> list[Kernel]:
    """Those of all quantities, between numbers of every kind, arrays, and one bound."""
    squash, compute = resolve(g, NUMPY, np.zeros(1)), FORMATS[dtype]
    given = [(*bounds, slope) for bounds, slope in [*CALLS.values(), *EXTREME.values()]]
    array = np.zeros(1)
    given += [(array, array, None), (array, array, array), (array, array, 1.0)]
    given += [(0.0, None, None), (None, 0.0, None), (array, None, None)] if squash.kind == "hinge" else []
    calls = [Call(quantity, squash, compute, *constants) for quantity in quantities(squash) for constants in given]
    made = [kernel_of(call)[0] for call in calls]
    made += [kernel_of(call, weighted=True)[0] for call in calls if call.quantity == "derivative"]
    made += [partials_kernel(call)[0] for call in calls if call.arrays and call.quantity == "derivative"]
    return list(dict.fromkeys(made))


def source_of(made: list[Kernel], dtype: str) -> str:
    """The kernels as loops over the elements."""
    number = TYPES[dtype]
    functions = []
    for i, kernel in enumerate(made):
        given = [f"const {number} *{name}_" for name in kernel.inputs]
        given += [f"const {number} {name}" for name in kernel.arguments]
        given += [f"{number} *{name}_" for name in kernel.results]
        read = "".join(f"{number} {name} = {name}_[i]; " for name in kernel.inputs)
        read += "".join(f"{number} {name}; " for name in kernel.results)
        write = "".join(f"{name}_[i] = {name}; " for name in kernel.results)
        functions.append(
            f'extern "C" __global__ void f{i}(long long n, {", ".join(given)}) {{'
            f" for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)"
            f" {{ {read}{kernel.body} {write}}} }}"
        )
    return "\n".join(functions)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("g", [*ALL, algebraic(1.2), hinge(0.001)], ids=name_of)
def test_every_kernel_compiles(g: Any, dtype: str, architecture: str) -> None:
    made = kernels(g, dtype)
    text = ptx(source_of(made, dtype), f"--gpu-architecture={architecture}")
    assert text.count(".entry") == len(made) > 12
    assert dtype == "float64" or not re.search(r"\b(add|sub|fma|div|rcp)[.\w]*\.f64", text), "it computes in float64"


@pytest.mark.parametrize("dtype", TYPES)
def test_no_product_and_sum_are_made_one(dtype: str) -> None:
    """Of functions without exp and the like, whose own code has such instructions. Left alone, the compiler makes them."""
    made = [
        kernel
        for g, kernel in itertools.chain.from_iterable(
            ((g, kernel) for kernel in kernels(g, dtype)) for g in ("softsign", "algebraic", "cubic", "quintic")
        )
        if not re.search(r"\b(exp|log|log1p|expm1|sin|atan|pow)\(", kernel.body)
    ]
    assert len(made) > 20
    fused = re.compile(r"\bfma\.rn\.f(32|64)")
    source = source_of(made, dtype)
    assert not fused.search(ptx(source, "--gpu-architecture=sm_80"))
    assert fused.search(ptx(re.sub(r"__[fd]mul_rn\((\S+), (\S+)\);", r"\1 * \2;", source), "--gpu-architecture=sm_80"))


def test_what_it_does_not_understand_is_an_error() -> None:
    with pytest.raises(AssertionError, match="identifier"):
        ptx('extern "C" __global__ void f(float *y) { *y = nonsense(1.0f); }', "--gpu-architecture=sm_80")
