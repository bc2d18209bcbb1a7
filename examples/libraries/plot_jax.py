"""
JAX: derivatives over batches
=============================

``jit``, ``grad``, ``vmap`` and their combinations go through the function as through any of JAX's own.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from softclip import soft_clip, soft_clip_derivative

# %%
# Bounds for every channel, traced
# --------------------------------


@jax.jit
def clip(x, low, high):
    return soft_clip(x, low, high, "softsign", slope=1.0)


x = jnp.linspace(-6, 6, 13)[:, None]
low, high = jnp.array([-1.0, -2.0, 0.0]), jnp.array([1.0, 2.0, 5.0])
print(np.asarray(clip(x, low, high))[[0, 6, 12]].round(4))

# %%
# Value, slope and curvature of a batch
# -------------------------------------
# Softsign has a corner in its slope at 0: its second derivative jumps there from 2 to -2.

f = lambda z: soft_clip(z, g="softsign")
points = jnp.linspace(-4, 4, 801)
slope = jax.vmap(jax.grad(f))(points)
curvature = jax.jit(jax.vmap(jax.grad(jax.grad(f))))(points)
np.testing.assert_allclose(slope, soft_clip_derivative(points, g="softsign"), rtol=1e-6)
away = points != 0
expected = -2 * np.sign(points) / (1 + np.abs(points)) ** 3
np.testing.assert_allclose(curvature[away], expected[away], rtol=1e-5)
print("slope at 0:", float(jax.grad(f)(0.0)))

# %%
# Other bounds, no other compilation
# ----------------------------------
# An eager call is one compiled computation, whose arguments the bounds are.

start = jax.vmap(lambda b: soft_clip(points, -b, b, "tanh"))(jnp.array([1.0, 2.0, 3.0]))
np.testing.assert_allclose(start, np.array([[1.0], [2.0], [3.0]]) * np.tanh(points), rtol=2e-6)
print(start.shape)

fig, axes = plt.subplots(1, 3, figsize=(10, 3.2))
for axis, values, title in zip(axes, (f(points), slope, curvature), ("f", "f′", "f″"), strict=True):
    axis.plot(points, values)
    axis.set(xlabel="x", title=title)
fig.tight_layout()
