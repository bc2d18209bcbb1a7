"""
Winsorizing a table
===================

Winsorizing replaces what is beyond the 5th and 95th percentile by these. ``SoftClipper`` learns the same bounds, but
bends outliers towards them: they keep their order, and can be taken back.
"""

# %%
# The same bounds
# ---------------
# The peers are NumPy's percentiles and SciPy's ``winsorize``.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats.mstats import winsorize
from sklearn.datasets import load_breast_cancer

from softclip import hinge
from softclip.sklearn import SoftClipper

table = load_breast_cancer(as_frame=True).data[["mean area", "area error", "worst concavity"]]
clipper = SoftClipper(quantile_range=(5, 95)).set_output(transform="pandas").fit(table)
bounds = np.percentile(table, (5, 95), axis=0)
np.testing.assert_allclose((clipper.x_min_, clipper.x_max_), bounds, rtol=1e-14)
soft = clipper.transform(table)
hard = table.clip(*bounds, axis=1)
winsorized = np.column_stack([winsorize(table[name].to_numpy(), limits=(0.05, 0.05)) for name in table])
print(pd.DataFrame({"low": clipper.x_min_, "high": clipper.x_max_}, index=table.columns).round(2))

# %%
# What is lost
# ------------
# A tenth of the values of a winsorized column are ties. Of the soft-clipped one none is new.

for name, values in (("table", table), ("hard clip", hard), ("winsorized", winsorized), ("soft clip", soft)):
    print(f"{name:<11} different values:", *(len(np.unique(np.asarray(values)[:, i])) for i in range(3)))
for column in table:
    np.testing.assert_array_equal(np.argsort(soft[column], kind="stable"), np.argsort(table[column], kind="stable"))
np.testing.assert_allclose(clipper.inverse_transform(soft.to_numpy()), table, rtol=1e-9, atol=1e-16)

# %%
# What the middle pays
# --------------------
# The algebraic function begins to bend at once. ``hinge`` leaves the middle as it is up to its corners; with a small
# softness it is close to the hard clip.

middle = (table["mean area"] > bounds[0, 0] + 200) & (table["mean area"] < bounds[1, 0] - 200)
for g in ("algebraic", "tanh", hinge(50.0)):
    clipped = SoftClipper(g=g).fit_transform(table[["mean area"]])[:, 0]
    moved = np.abs(clipped - table["mean area"])[middle]
    print(f"{g!r:<12} moves the middle by up to {moved.max():.2g}")

fig, axes = plt.subplots(1, 3, figsize=(10, 3.4))
for axis, column in zip(axes, table, strict=True):
    axis.plot(table[column], hard[column], ".", markersize=3, label="hard")
    axis.plot(table[column], soft[column], ".", markersize=3, label="soft")
    axis.set(xlabel=column)
axes[0].set_ylabel("clipped")
axes[0].legend()
fig.tight_layout()
