"""
Optax: descending a steep valley
================================

``softclip.optax.soft_clip`` is a gradient transformation. Behind the learning rate no step is longer than its bound,
in any coordinate.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import softclip.optax


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


# %%
# Plain gradient descent with this rate leaves the valley at once: the first gradient is above 1000.

rate, bound, start = 2e-3, 0.05, jnp.array([-1.8, 2.5])
schemes = {
    "sgd": optax.sgd(rate),
    "sgd, hard": optax.chain(optax.sgd(rate), optax.clip(bound)),
    "sgd, soft": optax.chain(optax.sgd(rate), softclip.optax.soft_clip(bound)),
}
paths = {}
for name, scheme in schemes.items():

    def step(carry, _, scheme=scheme):
        p, state = carry
        updates, state = scheme.update(jax.grad(rosenbrock)(p), state)
        p = optax.apply_updates(p, updates)
        return (p, state), p

    _, path = jax.lax.scan(step, (start, scheme.init(start)), None, 20_000)
    paths[name] = np.concatenate([start[None], path])
    final = rosenbrock(paths[name][-1])
    print(
        f"{name}: {'diverges' if not np.isfinite(final) else 'reaches the minimum' if final < 1e-5 else 'does not arrive'}"
    )

steps = np.abs(np.diff(paths["sgd, soft"], axis=0))
assert steps.max() <= bound * (1 + 1e-5)  # of a difference of rounded positions
np.testing.assert_allclose(paths["sgd, soft"][-1], [1, 1], atol=1e-2)

# %%
# The bound can follow a schedule; the state then counts the steps.

scheduled = softclip.optax.soft_clip(optax.linear_schedule(1.0, 0.1, 10))
state = scheduled.init(start)
for _ in range(10):
    updates, state = scheduled.update(jnp.array([1e6, -1e6]), state)
print("after ten steps:", np.asarray(updates).round(3), "count", int(state.count))

fig, axis = plt.subplots(figsize=(7, 3.8))
a, b = np.meshgrid(np.linspace(-2.2, 1.6, 200), np.linspace(-0.6, 3, 200))
axis.contour(a, b, rosenbrock((a, b)), levels=np.geomspace(0.1, 2000, 15), cmap="Greys", linewidths=0.7)
for name in ("sgd, hard", "sgd, soft"):
    axis.plot(*paths[name].T, label=name)
axis.plot(1, 1, "r*", markersize=10)
axis.set(xlabel="first coordinate", ylabel="second", title="from the left to the star")
axis.legend()
fig.tight_layout()
