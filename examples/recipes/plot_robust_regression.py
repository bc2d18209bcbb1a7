"""
Robust regression
=================

``soft_clip_antiderivative`` between -b and b is a loss: a parabola for small residuals, and a straight line for large ones. Its
derivative, ``soft_clip``, is how much a residual counts. Every clipping function gives one. Some have names in the
literature: log cosh, pseudo-Huber, Fair's.
"""

# %%
# Losses for SciPy
# ----------------
# ``scipy.optimize.least_squares`` takes a loss as a function of the squared residual z, with its first two derivatives. They
# are those of the loss 2 F(r) at r = sqrt(z).

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import least_squares

from softclip import soft_clip, soft_clip_antiderivative, soft_clip_derivative


def loss_of(g):
    def loss(z):
        r = np.sqrt(np.maximum(z, 1e-12))
        bounds = (-1.0, 1.0, g)
        value = soft_clip_antiderivative(r, *bounds, slope=1.0)
        weight = soft_clip(r, *bounds, slope=1.0) / r
        curvature = soft_clip_derivative(r, *bounds, slope=1.0)
        return np.array([2 * value, weight, (curvature - weight) / (2 * r * r)])

    return loss


# %%
# A line with outliers
# --------------------
# One point in five is far off, and all of these on the same side. SciPy's own ``soft_l1`` is the loss of "algebraic", and
# the two fits agree. Least squares without a loss follow the outliers.

generator = np.random.default_rng(0)
x = np.linspace(0.0, 10.0, 100)
y = 1.0 + 0.5 * x + 0.2 * generator.standard_normal(100)
y[::5] += generator.uniform(5.0, 15.0, 20)

LOSSES = {
    "none": "linear",
    "SciPy's soft_l1": "soft_l1",
    "algebraic": loss_of("algebraic"),
    "tanh: log cosh": loss_of("tanh"),
    "softsign: Fair's": loss_of("softsign"),
    "cubic": loss_of("cubic"),
}
print("loss               intercept   slope")
fits = {}
for name, loss in LOSSES.items():
    found = least_squares(lambda p: p[0] + p[1] * x - y, [0.0, 0.0], loss=loss, f_scale=0.3)
    fits[name] = found.x
    print(f"{name:18} {found.x[0]:9.2f} {found.x[1]:7.2f}")
np.testing.assert_allclose(fits["algebraic"], fits["SciPy's soft_l1"], rtol=1e-6)

# %%
# Next to 0
# ---------
# The loss of a small residual is what it must be, r^2 / 2. Log cosh as it is written has lost it.

tiny = np.array([1e-3, 1e-6, 1e-9])
print("softclip:  ", soft_clip_antiderivative(tiny, g="tanh"))
print("as written:", np.log(np.cosh(tiny)))

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
r = np.linspace(-6.0, 6.0, 601)
for g in ("tanh", "algebraic", "softsign", "cubic"):
    left.plot(r, soft_clip_antiderivative(r, -1.0, 1.0, g, slope=1.0), label=g)
left.plot(r, r * r / 2, "k:", label="r² / 2")
left.set(xlabel="residual", ylabel="loss", ylim=(0.0, 6.0))
left.legend()
right.plot(x, y, "k.", alpha=0.4)
for name in ("none", "cubic"):
    right.plot(x, fits[name][0] + fits[name][1] * x, label=name)
right.set(xlabel="x", ylabel="y")
right.legend(title="loss")
fig.tight_layout()
plt.show()
