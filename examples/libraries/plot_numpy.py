"""
NumPy: a picture with too much light
====================================

A rendered scene has values from 0 to several hundred; a screen shows 0 to 1. A soft clip keeps the structure of what
a hard one makes white.
"""

import matplotlib.pyplot as plt
import numpy as np

from softclip import soft_clip, soft_clip_derivative, soft_clip_inverse

rows, columns = np.mgrid[-1:1:300j, -1.5:1.5:450j]
scene = 0.05 + 0.4 * (1 + np.sin(9 * columns)) * (1 + rows)
for row, column, power in ((-0.3, -0.7, 2.0), (0.2, 0.6, 20.0)):
    scene += power * np.exp(-20 * ((rows - row) ** 2 + (columns - column) ** 2))
scene = scene.astype(np.float32)
print(scene.dtype, f"from {scene.min():.3g} to {scene.max():.3g}")

# %%
# The result has the dtype of the picture, and no value outside. Between 0 and 1, with half the slope, the algebraic
# function leaves room for the light parts.

shown = soft_clip(scene, 0.0, 1.0, "algebraic", slope=0.5)
assert shown.dtype == np.float32
assert shown.min() >= 0
assert shown.max() <= 1
print(f"white: {np.mean(scene >= 1):.0%} of the hard clip, {np.mean(shown >= 1):.0%} of the soft one")

# %%
# Where a value has not met its bound, it can be taken back; how exactly, the slope says.

back = soft_clip_inverse(shown.astype(np.float64), 0.0, 1.0, "algebraic", slope=0.5)
slope = soft_clip_derivative(scene, 0.0, 1.0, "algebraic", slope=0.5)
np.testing.assert_array_less(np.abs(back - scene), 2e-7 / slope + 1e-6)
print(f"the smallest slope is {slope.min():.1g}")

fig, axes = plt.subplots(1, 3, figsize=(10, 3))
for axis, picture, title in zip(
    axes, (np.clip(scene, 0, 1), shown, slope), ("np.clip", "soft_clip", "slope, logarithmic"), strict=True
):
    norm = "log" if picture is slope else None
    axis.imshow(picture, cmap="magma" if picture is not slope else "viridis", norm=norm)
    axis.set(title=title, xticks=[], yticks=[])
fig.tight_layout()
