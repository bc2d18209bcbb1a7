"""
CuPy: one kernel
================

On a GPU a call between numbers is a single kernel, made from the package's own formulas. This page was drawn where
there may have been none: then it says so, and NumPy does the work.
"""

import matplotlib.pyplot as plt
import numpy as np

from softclip import soft_clip

try:
    import cupy as xp

    xp.cuda.Device(0).compute_capability  # noqa: B018
except Exception as error:  # noqa: BLE001
    print(f"no GPU here: {type(error).__name__}")
    xp = np

x = xp.linspace(-6.0, 6.0, 1_000_001, dtype=xp.float32)
y = soft_clip(x, 0.0, 6.0, "gudermannian", slope=1.0)
assert isinstance(y, xp.ndarray)
print(y.dtype, y.shape, float(y[0].round(4)), float(y[-1].round(4)))

# %%
# The same code, the same numbers: CuPy's result is compared with NumPy's, in ulp of the larger bound.

on_host = np.asarray(y.get() if hasattr(y, "get") else y)
expected = soft_clip(np.linspace(-6.0, 6.0, 1_000_001), 0.0, 6.0, "gudermannian", slope=1.0)
assert np.abs(on_host - expected).max() <= 4 * np.spacing(np.float32(6))

fig, axis = plt.subplots(figsize=(7, 3.5))
for low, high in ((0.0, 6.0), (-1.0, 3.0), (-2.0, 2.0)):
    y = soft_clip(x, low, high, "gudermannian", slope=1.0)
    axis.plot(
        np.linspace(-6, 6, 601),
        (y.get() if hasattr(y, "get") else y)[:: 1_000_000 // 600][:601],
        label=f"{low:g} to {high:g}",
    )
axis.set(xlabel="x", title="gudermannian, slope 1")
axis.legend()
fig.tight_layout()
