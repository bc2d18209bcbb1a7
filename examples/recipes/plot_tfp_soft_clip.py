"""
The softplus hinge of TensorFlow Probability
============================================

``tfp.bijectors.SoftClip(low, high, hinge_softness)`` clips with two softplus functions, one inside the other.
``hinge(softness)`` is the difference of two softplus functions. With one bound they are the same.
"""

# %%
# One bound
# ---------

import warnings

import jax
import matplotlib.pyplot as plt
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # tfp asks JAX for names that JAX is about to drop
    from tensorflow_probability.substrates.jax import bijectors

from softclip import hinge, soft_clip, soft_clip_inverse, soft_clip_log_derivative

jax.config.update("jax_enable_x64", True)
x = np.linspace(-8, 8, 1601)
theirs = bijectors.SoftClip(low=np.float64(-1), hinge_softness=np.float64(0.5))
ours = soft_clip(x, -1.0, None, hinge(0.5))
np.testing.assert_allclose(ours, theirs.forward(x), rtol=0, atol=1e-14)
np.testing.assert_allclose(soft_clip_inverse(ours, -1.0, None, hinge(0.5)), theirs.inverse(ours), rtol=0, atol=1e-9)
print("one bound: the same")

# %%
# Two bounds
# ----------
# The composed form treats its bounds differently: what is clipped below first is clipped above, and stretched to fit.
# The difference of softplus functions is symmetric about the middle.


def peer(softness):
    return bijectors.SoftClip(low=np.float64(-1), high=np.float64(1), hinge_softness=np.float64(softness))


for softness in (1.0, 0.5, 0.1):
    theirs = [np.asarray(peer(softness).forward(z)) for z in (x, -x)]
    ours = [soft_clip(z, -1.0, 1.0, hinge(softness), slope=1.0) for z in (x, -x)]
    lopsided = [np.abs(sum(pair)).max() for pair in (theirs, ours)]
    print(
        f"softness {softness:<4}  f(0): {theirs[0][800]:.4f} and {ours[0][800]:.4f}   f(x) + f(-x): {lopsided[0]:.2g} and {lopsided[1]}"
    )
    assert lopsided[1] == 0

# %%
# Near the bounds
# ---------------
# The log-determinant far outside, where the density of a flow is decided. The derivative of the hinge is a difference
# of two logistic functions, whose logarithm has a closed form; 0.5 is the softness.

far = np.array([-5.0, 5.0, 50.0, 500.0])
closed_form = (
    2
    - 2 * np.abs(far)
    + np.log1p(-np.exp(-4))
    - np.log1p(np.exp(2 - 2 * np.abs(far)))
    - np.log1p(np.exp(-2 - 2 * np.abs(far)))
)
np.testing.assert_allclose(soft_clip_log_derivative(far, -1.0, 1.0, hinge(0.5), slope=1.0), closed_form, rtol=1e-14)
print("softclip:", soft_clip_log_derivative(far, -1.0, 1.0, hinge(0.5), slope=1.0).round(3))
print("tfp:     ", np.asarray(peer(0.5).forward_log_det_jacobian(far, event_ndims=0)).round(3))

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
middle = np.abs(x) < 4
for softness, color in ((1.0, "tab:blue"), (0.1, "tab:orange")):
    axes[0].plot(
        x[middle],
        soft_clip(x, -1.0, 1.0, hinge(softness), slope=1.0)[middle],
        color=color,
        label=f"softness {softness}",
    )
    axes[0].plot(x[middle], np.asarray(peer(softness).forward(x))[middle], "--", color=color)
axes[0].plot(x[middle], np.clip(x, -1, 1)[middle], "k:", linewidth=1)
axes[0].set(xlabel="x", title="softclip solid, tfp dashed")
axes[0].legend()
for softness in (1.0, 0.5, 0.1):
    axes[1].plot(
        x,
        np.asarray(peer(softness).forward(x)) - soft_clip(x, -1.0, 1.0, hinge(softness), slope=1.0),
        label=f"softness {softness}",
    )
axes[1].set(xlabel="x", title="tfp - softclip")
axes[1].legend()
fig.tight_layout()
