"""
Replacing SoftClipping of activations-plus
==========================================

``softclip.torch.SoftClipping`` takes the arguments of the class of that name in `activations-plus
<https://github.com/DanielAvdar/activations-plus>`_, has its attributes, and gives its results. Only the import
changes.
"""

# %%
# The same layer
# --------------
# For sigmoid, the default, both compute the same function, to 2 ulp of the larger bound.

import activations_plus
import matplotlib.pyplot as plt
import numpy as np
import torch

from softclip.torch import SoftClipping

x = torch.linspace(-30, 30, 100_001)
worst = 0.0
for x_min, x_max in ((-1.0, 1.0), (-2.0, 2.0), (0.0, 6.0), (-1.0, 3.0)):
    theirs = activations_plus.SoftClipping(x_min, x_max)
    ours = SoftClipping(x_min, x_max)
    ulp = np.spacing(np.float32(max(-x_min, x_max)))
    worst = max(worst, float((theirs(x) - ours(x)).abs().max()) / ulp)
    assert (ours.min_val, ours.max_val, ours.clip_func) == (theirs.min_val, theirs.max_val, theirs.clip_func)
    assert ours.state_dict() == theirs.state_dict() == {}
assert worst <= 2
print("no more than 2 ulp of the larger bound apart")

# %%
# What their documentation prints
# -------------------------------
# The page of the class shows [-1.9998, -1.2689, 0, 1.2689, 1.9998] for these five numbers between -2 and 2. Neither
# its formula nor its code gives that.

points = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0])
print("activations-plus:", activations_plus.SoftClipping(-2.0, 2.0)(points).numpy().round(4))
print("softclip:        ", SoftClipping(-2.0, 2.0)(points).numpy().round(4))

# %%
# Other functions stay in the bounds
# ----------------------------------
# Their formula, x_min + (x_max - x_min) clip_func(x), expects a function onto (0, 1). tanh goes onto (-1, 1), and
# leaves the bounds; here it is carried onto them.

wide = torch.linspace(-4, 4, 401)
theirs = activations_plus.SoftClipping(-2.0, 2.0, torch.tanh)(wide)
ours = SoftClipping(-2.0, 2.0, torch.tanh)(wide)
print(f"activations-plus from {theirs.min():.3g} to {theirs.max():.3g}")
print(f"softclip         from {ours.min():.3g} to {ours.max():.3g}")
assert ours.abs().max() <= 2 < theirs.abs().max()

# %%
# Small values and tails are kept
# -------------------------------
# x_min + (x_max - x_min) G(x) rounds to a multiple of an ulp of the bound: 1e-8 between -2 and 2 is lost, and so is
# the gradient that autograd takes from a sigmoid that has rounded to 1.

small = torch.tensor([1e-8], dtype=torch.float32)
print(
    "1e-8 becomes",
    *(f"{layer(small).item():.3g}" for layer in (activations_plus.SoftClipping(-2, 2), SoftClipping(-2, 2))),
)


def gradient(layer, at):
    at = at.clone().requires_grad_()
    layer(at).sum().backward()
    return at.grad


far = torch.linspace(0, 60, 241)
slopes = {
    "activations-plus": gradient(activations_plus.SoftClipping(-2.0, 2.0), far),
    "softclip": gradient(SoftClipping(-2.0, 2.0), far),
}
exact = 4 * np.exp(-far.double().numpy()) / (1 + np.exp(-far.double().numpy())) ** 2
np.testing.assert_allclose(slopes["softclip"].numpy(), exact, rtol=1e-6)
print("gradient at 20:", *(f"{slope[80].item():.4g}" for slope in slopes.values()), "and exactly", f"{exact[80]:.4g}")

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
axes[0].plot(wide, theirs, label="activations-plus")
axes[0].plot(wide, ours, label="softclip")
axes[0].axhspan(-2, 2, color="0.93")
axes[0].set(title="tanh between -2 and 2", xlabel="x", ylabel="f(x)")
axes[0].legend()
for name, slope in slopes.items():
    axes[1].semilogy(far, slope, label=name)
axes[1].set(title="gradient, float32", xlabel="x", ylabel="f′(x)")
axes[1].legend()
fig.tight_layout()
