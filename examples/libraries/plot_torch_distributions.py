"""
torch: a distribution between bounds
====================================

``softclip.torch.SoftClipTransform`` carries a distribution on the real numbers into an interval.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.distributions import Normal, TransformedDistribution, Uniform, kl_divergence

from softclip.torch import SoftClipTransform

# %%
# Its density integrates to 1, and its mean is that of the samples.

torch.manual_seed(0)
bounded = TransformedDistribution(Normal(0.5, 1.0), SoftClipTransform(0.0, 10.0, "sigmoid", cache_size=1))
grid = torch.linspace(0, 10, 200_001, dtype=torch.float64)[1:-1]
exact = TransformedDistribution(
    Normal(torch.tensor(0.5, dtype=torch.float64), 1.0), SoftClipTransform(0.0, 10.0, "sigmoid")
)
density = exact.log_prob(grid).exp()
samples = bounded.sample((100_000,))
print(
    f"mass {torch.trapezoid(density, grid):.4f}, mean {torch.trapezoid(grid * density, grid):.2f} and {samples.mean():.2f}"
)
assert abs(torch.trapezoid(density, grid) - 1) < 1e-6

# %%
# A Squash is a CDF: what is distributed like it becomes uniform. erf(x) is the CDF of a normal of deviation 1 /
# sqrt(2).

uniform = TransformedDistribution(Normal(0.0, 0.5**0.5), SoftClipTransform(-3.0, 7.0, "erf"))
values = torch.tensor([-2.9, 0.0, 6.9])
np.testing.assert_allclose(uniform.log_prob(values), Uniform(-3.0, 7.0).log_prob(values), rtol=1e-5)
print("log-density of the uniform one:", uniform.log_prob(values).numpy().round(4))

# %%
# Two that differ only in their base are as far apart as their bases; the transform itself can be compared.

assert SoftClipTransform(0.0, 1.0) == SoftClipTransform(0.0, 1.0) != SoftClipTransform(0.0, 2.0)
other = TransformedDistribution(Normal(0.0, 2.0), SoftClipTransform(0.0, 10.0, "sigmoid", cache_size=1))
print(f"divergence {kl_divergence(bounded, other):.4f}")

fig, axis = plt.subplots(figsize=(7, 3.5))
axis.hist(samples, bins=200, range=(0, 10), density=True, color="0.85", label="samples")
for g in ("sigmoid", "arctan", "softsign"):
    axis.plot(
        grid,
        TransformedDistribution(Normal(torch.tensor(0.5, dtype=torch.float64), 1.0), SoftClipTransform(0.0, 10.0, g))
        .log_prob(grid)
        .exp(),
        label=g,
    )
axis.set(xlabel="y", title="a normal carried into [0, 10]")
axis.legend()
fig.tight_layout()
