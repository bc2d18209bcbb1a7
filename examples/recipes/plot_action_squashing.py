"""
Squashing actions, with their log-probabilities
===============================================

A policy is normal, its actions have bounds: a pedal in [0, 1], a steering angle in [-2, 2]. What learns from the
actions needs their log-probability, and takes it from ``SoftClipTransform``.
"""

# %%
# The log-probability of a saturated action
# -----------------------------------------
# The usual code squashes by tanh and subtracts log(1 - a² + 1e-6). Once tanh has rounded to 1 that is the logarithm
# of 1e-6, whatever the action was. The truth is 2 (log 2 - x - log(1 + exp(-2x))), which keeps falling.

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.distributions import Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from softclip.torch import SoftClipTransform

x = torch.linspace(0, 20, 401)
usual = torch.log(1 - torch.tanh(x) ** 2 + 1e-6)
ours = SoftClipTransform(-1.0, 1.0, "tanh").log_abs_det_jacobian(x, None)
truth = 2 * (np.log(2) - x.double() - torch.log1p(torch.exp(-2 * x.double())))
np.testing.assert_allclose(ours, truth, rtol=1e-6, atol=2e-7)
print(f"at 20: usual {usual[-1]:.2f}, softclip {ours[-1]:.2f}, true {truth[-1]:.2f}")

# %%
# Against torch
# -------------
# ``TanhTransform`` has the stable formula too, but the inverse that a stored action needs has lost x. The cache of a
# transform remembers the x of the last sample; without it, both give infinity for an action on its bound.

base = Normal(torch.tensor([0.0, 12.0]), 1.0)
torch_policy = TransformedDistribution(base, TanhTransform(cache_size=1))
policy = TransformedDistribution(base, SoftClipTransform(-1.0, 1.0, "tanh", cache_size=1))
torch.manual_seed(0)
a = torch_policy.rsample()
expected = torch_policy.log_prob(a)
torch.manual_seed(0)
b = policy.rsample()
np.testing.assert_allclose(policy.log_prob(b), expected, rtol=1e-6)
print("actions", b.numpy().round(4), "log-probabilities", policy.log_prob(b).numpy().round(3))

# %%
# Any bounds, any g
# -----------------
# The bounds are one for each action, and the log-determinant has the logarithm of their scale in it: every density
# integrates to 1.

low, high = torch.tensor([0.0, -2.0]), torch.tensor([1.0, 2.0])
fig, axes = plt.subplots(1, 3, figsize=(10, 3.3))
axes[0].plot(x, usual, label="log(1 - a² + 1e-6)")
axes[0].plot(x, ours, label="softclip")
axes[0].set(xlabel="x", title="log-determinant of tanh")
axes[0].legend()
grid = torch.linspace(0, 1, 20_001, dtype=torch.float64)[1:-1, None]
for g in ("tanh", "erf", "algebraic"):
    squashed = TransformedDistribution(
        Normal(torch.tensor([0.5, -0.3], dtype=torch.float64), 0.5), SoftClipTransform(low.double(), high.double(), g)
    )
    action = low + (high - low) * grid
    density = squashed.log_prob(action).exp()
    mass = torch.trapezoid(density, action, dim=0)
    print(f"{g:<10} mass {mass[0]:.3f} and {mass[1]:.3f}")
    assert (mass - 1).abs().max() < 1e-5  # of the trapezia, where the density of erf is steep at the bounds
    for i, axis in enumerate(axes[1:]):
        axis.plot(action[:, i], density[:, i], label=g)
axes[1].set(xlabel="pedal", title="density in [0, 1]")
axes[2].set(xlabel="steering", title="density in [-2, 2]")
axes[2].legend()
fig.tight_layout()
