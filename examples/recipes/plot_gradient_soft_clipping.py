"""
Soft clipping of gradients
==========================

``torch.nn.utils.clip_grad_value_`` and ``optax.clip`` cut every element of a gradient at a limit. The soft ones have
the same limit, but a large element still counts for more than a smaller one, and small ones are hardly changed.
"""

# %%
# In torch
# --------
# The call stands where ``clip_grad_value_`` stands: behind ``backward()``, and with mixed precision behind
# ``scaler.unscale_(optimizer)``.

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import torch

import softclip.optax
from softclip import soft_clip
from softclip.torch import soft_clip_grad_value_

gradient = torch.tensor([1e-6, -0.01, 0.5, -5.0, 1000.0])


def clipped_by(function):
    parameter = torch.nn.Parameter(torch.zeros(5))
    parameter.grad = gradient.clone()
    function([parameter], 1.0)
    return parameter.grad


hard, soft = clipped_by(torch.nn.utils.clip_grad_value_), clipped_by(soft_clip_grad_value_)
print("hard:", hard.numpy())
print("soft:", soft.numpy().round(6))
np.testing.assert_allclose(soft, gradient / (1 + gradient.abs()), rtol=3e-7)  # softsign, written out

# %%
# In optax
# --------
# Both stand in front of the optimizer to clip gradients, or behind the learning rate to clip updates.

array = jnp.array(gradient)
updates, _ = softclip.optax.soft_clip(1.0).update(array, None)
limited, _ = optax.clip(1.0).update(array, None)
np.testing.assert_allclose(updates, soft.numpy(), rtol=3e-7)
np.testing.assert_array_equal(limited, hard.numpy())

# %%
# Behind the learning rate it is the scheme of Williamson, Eisenmann and Stillfjord (`arXiv:2406.16640
# <https://arxiv.org/abs/2406.16640>`_): the step a g becomes soft-clipped to plus and minus gamma.

a, gamma = 0.1, 0.05
scheme = optax.chain(optax.sgd(a), softclip.optax.soft_clip(gamma))
updates, _ = scheme.update(array, scheme.init(array))
step = -a * gradient.numpy()
np.testing.assert_allclose(updates, step / (1 + np.abs(step) / gamma), rtol=5e-7)
print("updates:", np.asarray(updates).round(5))

# %%
# On noise with heavy tails
# -------------------------
# The mean of a Cauchy-like sample is sought by stochastic gradients, 2000 steps, 50 runs. Without a clip one outlier
# throws the parameter far off. Hard and soft clip are about equally good: what matters here is that there is a limit.

rng = np.random.default_rng(0)
noise = rng.standard_t(1.2, size=(2000, 50))
clips = {
    "none": lambda g: g,
    "hard": lambda g: np.clip(g, -1.0, 1.0),
    "soft": lambda g: soft_clip(g, -1.0, 1.0, "softsign", slope=1.0),
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
x = np.linspace(-4, 4, 401)
axes[0].plot(x, clips["hard"](x), label="hard")
axes[0].plot(x, clips["soft"](x), label="soft (softsign)")
axes[0].set(xlabel="gradient", title="clipped to ±1")
axes[0].legend()
for name, clip in clips.items():
    position = np.full(50, 5.0)
    errors = []
    for k, step in enumerate(noise):
        position = position - 0.5 / (1 + 0.02 * k) * clip(position + step)
        errors.append(np.median(np.abs(position)))
    print(f"{name}: median error {errors[-1]:.2f}, worst {np.abs(position).max():.2g}")
    axes[1].loglog(np.arange(1, 2001), errors, label=name)
axes[1].set(xlabel="step", title="median error of 50 runs")
axes[1].legend()
fig.tight_layout()
