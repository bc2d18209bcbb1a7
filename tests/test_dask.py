"""Data in pieces: dask's arrays, a table larger than the memory it may take, a cluster, xarray."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from libraries import ALL, CALLS, name_of

from softclip import soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative

da = pytest.importorskip("dask.array", reason="dask's arrays")

pytestmark = pytest.mark.needs("dask")


class Opened(RuntimeError):
    """A chunk was computed."""


def closed(shape: tuple[int, ...], chunks: Any, dtype: Any) -> Any:
    """An array that raises as soon as a part of it is looked at."""

    def opened(block: np.ndarray) -> np.ndarray:
        if block.size:
            raise Opened
        return block

    return da.zeros(shape, chunks=chunks, dtype=dtype).map_blocks(opened, dtype=dtype)


@pytest.mark.parametrize(
    "f", [soft_clip, soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse], ids=name_of
)
@pytest.mark.parametrize("g", ALL, ids=name_of)
@pytest.mark.parametrize(("bounds", "slope"), CALLS.values(), ids=CALLS)
def test_one_layer_and_nothing_computed(f: Any, g: Any, bounds: Any, slope: Any) -> None:
    x = closed((10, 6), (5, 3), np.float32)
    y = f(x, *bounds, g, slope=slope)
    assert len(y.dask.layers) == len(x.dask.layers) + 1
    assert (y.dtype, y._meta.dtype, type(y._meta), y.shape, y.chunks) == (
        np.float32,
        np.float32,
        np.ndarray,
        x.shape,
        x.chunks,
    )
    assert len(y.dask) - len(x.dask) == 4  # a task a chunk
    with pytest.raises(Opened):
        y.compute()


@pytest.mark.parametrize(
    ("given", "result"), [(np.int32, np.float64), (np.float16, np.float16), (np.float64, np.float64)]
)
def test_the_dtype_is_known(given: Any, result: Any) -> None:
    y = soft_clip(closed((4,), 2, given), 0.0, 1.0)
    assert y.dtype == y._meta.dtype == result


@pytest.mark.parametrize("kind", [np.asarray, lambda v: da.from_array(v, chunks=2)], ids=["numpy", "dask"])
def test_bounds_per_column(kind: Any) -> None:
    x = np.random.default_rng(0).standard_t(2, (10, 6))
    low, high = np.arange(-6.0, 0.0), np.arange(1.0, 7.0)
    lazy = soft_clip(closed((10, 6), (5, 3), float), kind(low), kind(high), "algebraic", slope=1.0)
    assert (lazy.shape, lazy.dtype) == ((10, 6), float)
    for f in (soft_clip, soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse):
        y = f(da.from_array(x, chunks=(5, 3)), kind(low), kind(high), "algebraic", slope=1.0)
        np.testing.assert_array_equal(y, f(x, low, high, "algebraic", slope=1.0))


def test_a_table_of_1_gb_in_under_half_a_gb() -> None:
    """The peak of a process that clips 250 million float32 numbers, all looked at on the way."""
    # Not resource.getrusage: its peak is inherited from the process that this one was forked from.
    if not sys.platform.startswith("linux"):
        pytest.skip("the peak of a process is read from Linux's /proc")
    script = (
        "import re, numpy as np, dask, dask.array as da\n"
        "from softclip import soft_clip\n"
        "dask.config.set(num_workers=2)\n"  # each thread holds chunks of its own, and a machine may have a hundred
        "table = da.arange(25 * 10**7, chunks=2**22, dtype=np.float32).reshape(-1, 4) - np.float32(125e6)\n"
        "y = soft_clip(table, np.full(4, -2.0), np.arange(1.0, 5.0), 'tanh')\n"
        "low, high, total = da.compute(y.min(axis=0), y.max(axis=0), y.size)\n"
        "print(table.nbytes, low.tolist(), high.tolist(), total)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, peak = done.stdout.splitlines()
    assert said == "1000000000 [-2.0, -2.0, -2.0, -2.0] [1.0, 2.0, 3.0, 4.0] 250000000"
    assert int(peak) < 500_000  # kB


def test_on_a_cluster() -> None:
    """Two worker processes: the tasks are pickled, hinge and all, and give what one process gives."""
    distributed = pytest.importorskip("distributed", reason="of the tests' group for dask")
    x = np.random.default_rng(0).standard_t(2, (1000, 6))
    low, high = np.arange(-6.0, 0.0), np.arange(1.0, 7.0)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        for g in ALL:
            for call in ((-2.0, 2.0), (low, high)):
                y = soft_clip(da.from_array(x, chunks=(250, 3)), *call, g, slope=1.0).compute()
                # A chunk that is contiguous may be another loop of NumPy's than a part of a row: an ulp or two.
                np.testing.assert_allclose(y, soft_clip(x, *call, g, slope=1.0), rtol=0, atol=4e-15)


def test_xarray_takes_it_chunk_by_chunk() -> None:
    xr = pytest.importorskip("xarray", reason="of the tests' group for dask")
    field = xr.DataArray(closed((8, 6), (4, 3), float), dims=("time", "site"), coords={"site": list("abcdef")})
    options = {"kwargs": {"x_min": -3.0, "x_max": 3.0, "g": "tanh"}, "dask": "parallelized", "output_dtypes": [float]}
    y = xr.apply_ufunc(soft_clip, field, **options)
    assert (y.dims, y.shape, y.dtype) == (field.dims, field.shape, float)
    assert list(y.coords["site"].values) == list("abcdef")
    x = np.random.default_rng(0).normal(size=(8, 6))
    real = xr.apply_ufunc(soft_clip, field.copy(data=da.from_array(x, chunks=4)), **options)
    np.testing.assert_allclose(real, soft_clip(x, -3.0, 3.0, "tanh"), rtol=1e-15)
