"""With nothing but the run-time dependencies installed: what works, and what the rest says. `nox -s bare` runs it, without pytest."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable

import numpy as np

from softclip import (
    NAMES,
    Squash,
    hinge,
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

FUNCTIONS = (soft_clip, soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse)


def refusal(call: Callable[[], object]) -> ImportError:
    """What the call raises for want of another library."""
    try:
        call()
    except ImportError as error:
        return error
    raise AssertionError("nothing was raised")


def main() -> None:
    for name in ("scipy", "torch", "jax", "dask", "sklearn", "optax", "flax", "equinox", "pytest"):
        assert importlib.util.find_spec(name) is None, f"{name} is installed: this proves nothing"
    x = np.concatenate([np.linspace(-9, 9, 10_001), [np.inf, -np.inf, np.nan]])
    for g in (*(name for name in NAMES if name != "erf"), hinge(0.1), Squash(np.tanh, -1.0, 1.0, slope=1.0), np.tanh):
        for low, high in ((-2.0, 2.0), (0.0, 6.0), (-1.0, 3.0)):
            for slope in (None, 1.0):
                if slope and g is np.tanh:
                    continue
                y = soft_clip(x, low, high, g, slope=slope)
                assert np.nanmin(y) == low
                assert np.nanmax(y) == high
                assert np.isnan(y[-1])
    for f in FUNCTIONS:
        assert f(np.float32([0.25]), -1, 1, "algebraic").dtype == np.float32
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(soft_clip(x, -1, 1, "tanh"), np.tanh(x), rtol=1e-15)
    np.testing.assert_allclose(soft_clip_inverse(soft_clip(x, 0, 6), 0, 6), x, rtol=1e-9, atol=1e-12)
    assert pickle.loads(pickle.dumps(hinge(0.1))) == hinge(0.1)
    assert "pip install scipy" in str(refusal(lambda: soft_clip(x, g="erf")))
    for adapter in ("torch", "flax", "equinox", "optax", "sklearn"):
        error = refusal(lambda name=f"softclip.{adapter}": importlib.import_module(name))
        assert error.name in ("torch", "flax", "equinox", "jax", "optax", "sklearn"), error
    print("the run-time dependencies alone are enough")


main()
