"""
dask and xarray: fields larger than memory
==========================================

A dask array stays lazy: the call adds one layer of tasks, one for each chunk, and nothing is computed until somebody
asks.
"""

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from softclip import soft_clip

field = da.fromfunction(
    lambda i, j: 3 * np.sin(i / 90) * np.cos(j / 60) + 8 * np.exp(-((i - 700) ** 2 + (j - 900) ** 2) / 2e4),
    shape=(1200, 1600),
    chunks=(400, 400),
    dtype=np.float32,
)
computed = []
with dask.config.set(scheduler=lambda *arguments, **_: computed.append(arguments)):
    clipped = soft_clip(field, -2.0, 4.0, "algebraic", slope=1.0)
assert not computed
added = len(dict(clipped.__dask_graph__())) - len(dict(field.__dask_graph__()))
print(type(clipped).__name__, clipped.dtype, clipped.chunks, f"{added} tasks for {clipped.npartitions} chunks")

# %%
# What is computed is what NumPy gives for the whole.

before, after = dask.compute(field, clipped, scheduler="threads")
np.testing.assert_array_equal(after, soft_clip(before, -2.0, 4.0, "algebraic", slope=1.0))
print(f"from {before.min():.2f} to {before.max():.2f}; after it from {after.min():.2f} to {after.max():.2f}")

# %%
# With names and coordinates
# --------------------------
# ``xarray.apply_ufunc`` hands over the dask arrays that a DataArray is made of.

temperatures = xr.DataArray(field, dims=("y", "x"), attrs={"units": "K"})
bounded = xr.apply_ufunc(
    soft_clip, temperatures, -2.0, 4.0, kwargs={"g": "tanh", "slope": 1.0}, dask="allowed", keep_attrs=True
)
print(bounded.dims, bounded.attrs, "lazy:", isinstance(bounded.data, da.Array))

fig, axes = plt.subplots(1, 3, figsize=(10, 2.8))
for axis, values, title in zip(
    axes, (before, after, before - after), ("field", "clipped", "what was cut"), strict=True
):
    fig.colorbar(axis.imshow(values[::4, ::4], cmap="RdBu_r"), ax=axis)
    axis.set(title=title, xticks=[], yticks=[])
fig.tight_layout()
