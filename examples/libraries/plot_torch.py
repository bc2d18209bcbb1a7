"""
torch: gradients where the value has saturated
==============================================

Autograd takes the derivative from x, by a rule for the whole function: it is right in the tails, at 0 and at
infinity, once and twice.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from softclip import soft_clip

x = torch.linspace(0, 60, 601, requires_grad=True)
y = soft_clip(x, -1.0, 1.0, "tanh")
(slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
(curvature,) = torch.autograd.grad(slope.sum(), x)
(by_hand,) = torch.autograd.grad(torch.tanh(x).sum(), x)

at = x.detach().double().numpy()
e = np.exp(-2 * at)
np.testing.assert_allclose(slope.detach(), 4 * e / (1 + e) ** 2, rtol=1e-5, atol=1.2e-38)  # the smallest normal number
np.testing.assert_allclose(curvature, -8 * e * (1 - e) / (1 + e) ** 3, rtol=1e-5, atol=1e-37)
print(f"at 20: torch.tanh {by_hand[200]:.3g}, softclip {slope[200]:.3g}")

# %%
# One gradient for each bound
# ---------------------------
# Bounds that are parameters get theirs. Past saturation f is its bound: the one moves f, the other does not.

low, high = torch.tensor([-1.0, -2.0, -3.0]).requires_grad_(), torch.tensor([1.0, 2.0, 3.0]).requires_grad_()
soft_clip(torch.tensor([-50.0, 0.0, 50.0]), low, high).sum().backward()
print("d f / d x_min:", low.grad.numpy().round(4))
print("d f / d x_max:", high.grad.numpy().round(4))

# %%
# torch.func and the compiler
# ---------------------------
# The functions of functions work on it, and each other's results.

points = torch.linspace(-3, 3, 7, dtype=torch.float64)
one = lambda v: soft_clip(v, 0.0, 6.0, "algebraic", slope=1.0)
hessians = torch.func.vmap(torch.func.hessian(one))(points)
z = (points.numpy() - 3) / 3
np.testing.assert_allclose(hessians, -z / (1 + z**2) ** 2.5, rtol=1e-12, atol=1e-15)
print("second derivatives:", hessians.numpy().round(4))

fig, axis = plt.subplots(figsize=(7, 3.5))
axis.semilogy(at, slope.detach(), label="softclip")
axis.semilogy(at, by_hand, "--", label="torch.tanh")
axis.set(xlabel="x", title="gradient of tanh, float32", ylim=(1e-54, 10))
axis.legend()
fig.tight_layout()
