"""
Any library of the standard
===========================

``array-api-strict`` has what the Python array API standard has, and nothing else. What works on it works on any
library that follows the standard.
"""

import array_api_strict as xp
import matplotlib.pyplot as plt
import numpy as np

from softclip import NAMES, soft_clip, soft_clip_derivative

x = xp.linspace(-4.0, 4.0, 801)
curves = {}
for g in NAMES:
    try:
        curves[g] = soft_clip(x, -1.0, 1.0, g, slope=1.0)
    except NotImplementedError as error:
        print(f"{g}: {error}")
for g, y in curves.items():
    assert y.__array_namespace__() is xp
    np.testing.assert_allclose(np.asarray(y), soft_clip(np.asarray(x), -1.0, 1.0, g, slope=1.0), rtol=0, atol=1e-15)
print(len(curves), "of", len(NAMES), "agree with NumPy")

# %%
# Its arrays know their device, and the result stays on it.

device = xp.Device("device1")
y = soft_clip(xp.asarray([-1.0, 0.5, 3.0], device=device), 0.0, 2.0, "algebraic", slope=1.0)
print(y, y.device)
assert y.device == device

# %%
# Every version of the standard since 2021 will do.

with xp.ArrayAPIStrictFlags(api_version="2022.12"):
    print(soft_clip(xp.asarray([0.5, 100.0]), 0.0, 1.0, "tanh"))

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
for g, y in curves.items():
    axes[0].plot(np.asarray(x), np.asarray(y), label=g)
    axes[1].plot(np.asarray(x), np.asarray(soft_clip_derivative(x, -1.0, 1.0, g, slope=1.0)))
axes[0].set(xlabel="x", title="slope 1 at 0")
axes[0].legend(fontsize=7)
axes[1].set(xlabel="x", title="slope")
fig.tight_layout()
