"""
Squashing a table as skrub does
===============================

skrub's ``SquashingScaler`` centres and scales each column robustly, then carries it into plus and minus
``max_absolute_value`` by z / sqrt(1 + (z / B)²). The second step is a soft clip of slope 1 with the algebraic
function.
"""

# %%
# The same numbers
# ----------------

import matplotlib.pyplot as plt
import numpy as np
from skrub import SquashingScaler

from softclip import soft_clip
from softclip.sklearn import SoftClipper

rng = np.random.default_rng(0)
table = rng.standard_t(df=2, size=(1000, 3)) * [1.0, 100.0, 0.01] + [0.0, 50.0, -1.0]
theirs = SquashingScaler(max_absolute_value=3.0).fit_transform(table)

low, middle, high = np.percentile(table, (25, 50, 75), axis=0)
z = (table - middle) / (high - low)
ours = soft_clip(z, -3.0, 3.0, "algebraic", slope=1.0)
np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)
print("largest before:", np.abs(table).max(axis=0).round(2))
print("largest after: ", np.abs(ours).max(axis=0).round(2))

# %%
# Large values
# ------------
# Their z² overflows, and the largest outlier becomes 0, the very middle.

column = np.array([[1.0], [2.0], [3.0], [4.0], [1e160]])
with np.errstate(over="ignore"):
    squashed = SquashingScaler(max_absolute_value=3.0).fit_transform(column)
by_softclip = soft_clip((column - 3) / 2, -3, 3, "algebraic", slope=1.0)
np.testing.assert_allclose(by_softclip[:4], squashed[:4], rtol=1e-14)
print("1e160: skrub", squashed[-1, 0], "and softclip", by_softclip[-1, 0])

# %%
# And back
# --------
# ``SoftClipper`` learns bounds in the units of each column, does not scale, and can take back what it did.

clipper = SoftClipper(quantile_range=(5, 95)).fit(table)
clipped = clipper.transform(table)
np.testing.assert_allclose(clipper.inverse_transform(clipped), table, rtol=1e-9)
print("bounds:", *(f"{a:.3g} to {b:.3g}" for a, b in zip(clipper.x_min_, clipper.x_max_, strict=True)), sep="  ")

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2))
for column, axis in enumerate(axes):
    axis.plot(table[:, column], ours[:, column], ".", markersize=3)
    axis.set(xlabel=f"column {column}")
    axis.axhline(3, color="0.7")
    axis.axhline(-3, color="0.7")
axes[0].set_ylabel("squashed")
fig.tight_layout()
