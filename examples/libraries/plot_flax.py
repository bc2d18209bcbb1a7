"""
Flax: a network that predicts percentages
=========================================

``softclip.flax.SoftClipping`` is a layer of Flax NNX, and ``softclip.flax.linen.SoftClipping`` one of Linen. With
``learnable=True`` the bounds are parameters.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import linen, nnx

from softclip.flax import SoftClipping
from softclip.flax.linen import SoftClipping as LinenSoftClipping

# %%
# The data are percentages with noise, so that some are beyond 0 and 100.

rng = np.random.default_rng(0)
x = jnp.asarray(rng.uniform(-3, 3, (512, 1)), jnp.float32)
target = 100 / (1 + jnp.exp(-2 * x - jnp.sin(3 * x)))
noisy = target + jnp.asarray(rng.normal(0, 8, (512, 1)), jnp.float32)

net = nnx.Sequential(
    nnx.Linear(1, 32, rngs=nnx.Rngs(0)), jnp.tanh, nnx.Linear(32, 1, rngs=nnx.Rngs(1)), SoftClipping(0.0, 100.0, "tanh")
)
optimizer = nnx.Optimizer(net, optax.adam(0.02), wrt=nnx.Param)


@nnx.jit
def step(net, optimizer):
    loss, gradients = nnx.value_and_grad(lambda net: jnp.mean((net(x) - noisy) ** 2))(net)
    optimizer.update(net, gradients)
    return loss


for _ in range(500):
    step(net, optimizer)
error = float(jnp.sqrt(jnp.mean((net(x) - target) ** 2)))
far = net(jnp.array([[-1e6], [1e6]]))
print(f"root mean square error against the noise-free curve below 3: {error < 3}")
assert error < 3
assert far.min() >= 0
assert far.max() <= 100

# %%
# In Linen
# --------
# Bounds are kept in ``variables``, and the layer can be hashed.

layer = LinenSoftClipping(0.0, 100.0, "algebraic", slope=1.0, learnable=True)
variables = layer.init(jax.random.key(0), x)
print({name: float(value) for name, value in variables["params"].items()})
np.testing.assert_allclose(layer.apply(variables, jnp.array([-1e6, 50.0, 1e6])), [0, 50, 100], atol=1e-3)
assert isinstance(layer, linen.Module)
assert hash(layer) == hash(LinenSoftClipping(0.0, 100.0, "algebraic", slope=1.0, learnable=True))

fig, axis = plt.subplots(figsize=(7, 3.5))
grid = jnp.linspace(-4, 4, 401)[:, None]
axis.plot(x, noisy, ".", color="0.75", markersize=3, label="noisy percentages")
axis.plot(grid, net(grid), label="network")
axis.axhline(0, color="0.7", linestyle=":")
axis.axhline(100, color="0.7", linestyle=":")
axis.set(xlabel="x")
axis.legend()
fig.tight_layout()
