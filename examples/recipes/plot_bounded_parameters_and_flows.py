"""
Bounded parameters, and a layer of a flow
=========================================

A parameter that has to stay in an interval is the soft clip of a free one; its starting value comes from
``soft_clip_inverse``. The same map with its log-determinant is a layer of a normalising flow.
"""

# %%
# A fit whose parameters stay in their bounds
# -------------------------------------------
# A decay rate between 0 and 5 and an amplitude above 0 are fitted to noisy data by a method that knows no bounds.
# SciPy's bounded fit is the peer.

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import curve_fit, minimize
from zuko.transforms import SoftclipTransform

from softclip import hinge, soft_clip, soft_clip_inverse
from softclip.torch import SoftClipTransform

rng = np.random.default_rng(1)
time = np.linspace(0, 4, 60)
data = 2.0 * np.exp(-1.3 * time) + 0.05 * rng.standard_normal(60)


def model(t, amplitude, rate):
    return amplitude * np.exp(-rate * t)


def bounded(free):
    return soft_clip(free[0], 0.0, None, hinge(1.0)), soft_clip(free[1], 0.0, 5.0)


start = np.array([soft_clip_inverse(1.0, 0.0, None, hinge(1.0)), soft_clip_inverse(0.5, 0.0, 5.0)])
assert np.allclose(bounded(start), (1.0, 0.5), rtol=1e-14)
found = minimize(
    lambda free: np.sum((model(time, *bounded(free)) - data) ** 2), start, method="BFGS", options={"gtol": 1e-8}
)
ours = np.array(bounded(found.x))
theirs, _ = curve_fit(model, time, data, p0=(1.0, 0.5), bounds=([0, 0], [np.inf, 5]))
np.testing.assert_allclose(ours, theirs, rtol=1e-4)
print("softclip:", ours.round(3), " SciPy:", theirs.round(3))

# %%
# A layer of a flow
# -----------------
# zuko's ``SoftclipTransform(bound)`` is x / (1 + abs(x / bound)): softsign with slope 1.

x = torch.linspace(-50, 50, 10_001, dtype=torch.float64)
peer, layer = SoftclipTransform(bound=5.0), SoftClipTransform(-5.0, 5.0, "softsign", slope=1.0)
y = layer(x)
np.testing.assert_allclose(y, peer(x), rtol=1e-14)
np.testing.assert_allclose(layer.log_abs_det_jacobian(x, y), peer.log_abs_det_jacobian(x, y), rtol=1e-13, atol=1e-15)
np.testing.assert_allclose(layer.inv(y), peer.inv(y), rtol=1e-12, atol=1e-14)
print("value, log-determinant and inverse: the same")

# %%
# Far out
# -------
# At infinity theirs is inf / inf.

ends = torch.tensor([-torch.inf, -1e8, 1e8, torch.inf])
print("zuko:    ", peer(ends).numpy())
print("softclip:", layer(ends).numpy())
assert layer(ends)[0] == -5
assert layer(ends)[3] == 5

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
axes[0].plot(time, data, ".", label="data")
axes[0].plot(time, model(time, *ours), label="fit")
axes[0].set(xlabel="time", title="fitted in bounds")
axes[0].legend()
samples = torch.randn(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
for g in ("tanh", "algebraic", "softsign"):
    clipped = SoftClipTransform(-5.0, 5.0, g, slope=1.0)(samples)
    axes[1].hist(clipped, bins=100, range=(-5.2, 5.2), histtype="step", density=True, label=g)
axes[1].set(xlabel="y", title="a normal of deviation 4 in ±5")
axes[1].legend()
fig.tight_layout()
