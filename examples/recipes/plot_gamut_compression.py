"""
Gamut compression as in ACES
============================

Film cameras see colours that a screen cannot show: their components are negative. The Reference Gamut Compression of
ACES leaves colours inside alone, and bends only what is near the border or beyond. Its curve is a knee with an
algebraic tail. OpenColorIO, which has it built in, is the peer.
"""

# %%
# The curve
# ---------
# A colour is measured by the distance of each component from the largest: 0 for grey, 1 on the border of the gamut, more
# beyond. A distance up to a threshold passes. The curve is chosen such that a distance called the limit comes to lie on
# the border. It tends to a bound a little beyond, which follows from both.

import matplotlib.pyplot as plt
import numpy as np
import PyOpenColorIO

from softclip import algebraic, knee, soft_clip, soft_clip_inverse

THRESHOLDS, LIMITS, POWER = (0.815, 0.803, 0.880), (1.147, 1.264, 1.312), 1.2
bounds = [
    t + (limit - t) / (((1 - t) / (limit - t)) ** -POWER - 1) ** (1 / POWER)
    for t, limit in zip(THRESHOLDS, LIMITS, strict=True)
]
shapes = [knee(algebraic(POWER), t / bound) for t, bound in zip(THRESHOLDS, bounds, strict=True)]
for name, bound, g in zip(("cyan", "magenta", "yellow"), bounds, shapes, strict=True):
    print(f"{name:<8} bound {bound:.4f}, {g}")


def compress(rgb, f=soft_clip):
    """The colours with each distance from the largest component compressed, or with the inverse brought back."""
    rgb = rgb.astype(np.float64)
    largest = rgb.max(axis=-1, keepdims=True)
    distance = (largest - rgb) / np.abs(largest)
    for i, (bound, g) in enumerate(zip(bounds, shapes, strict=True)):
        distance[..., i] = f(distance[..., i], -bound, bound, g, slope=1.0)
    return (largest - distance * np.abs(largest)).astype(np.float32)


# %%
# The same as OpenColorIO
# -----------------------
# Forward and back, to what float32 keeps of a colour.

parameters = [*LIMITS, *THRESHOLDS, POWER]


def transformed(rgb, direction):
    transform = PyOpenColorIO.FixedFunctionTransform(
        PyOpenColorIO.FIXED_FUNCTION_ACES_GAMUT_COMP_13, parameters, direction
    )
    processor = PyOpenColorIO.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
    out = rgb.copy()
    processor.applyRGB(out)
    return out


rgb = np.random.default_rng(0).uniform(-0.1, 1.0, (200_000, 3)).astype(np.float32)
rgb = rgb[rgb.max(axis=1) > 0.2]
theirs = transformed(rgb, PyOpenColorIO.TRANSFORM_DIR_FORWARD)
ours = compress(rgb)
np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
np.testing.assert_allclose(
    compress(ours, soft_clip_inverse), transformed(theirs, PyOpenColorIO.TRANSFORM_DIR_INVERSE), rtol=0, atol=2e-5
)
inside = ((rgb.max(axis=1, keepdims=True) - rgb) / rgb.max(axis=1, keepdims=True) < 0.8).all(axis=1)
print(f"{np.mean(rgb.min(axis=1) < 0):.0%} of the colours have a negative component, of ours {np.mean(ours < 0):.1%}")
print(f"inside the thresholds {np.abs(ours - rgb)[inside].max():.0e} apart from what they were")

# %%
# The three curves
# ----------------

distance = np.linspace(0.0, 2.0, 401)
fig, axis = plt.subplots(figsize=(7, 4.2))
axis.plot(distance, np.minimum(distance, 1.0), "k:", linewidth=1, label="hard clip")
for name, color, bound, g in zip(
    ("cyan", "magenta", "yellow"), ("darkcyan", "m", "goldenrod"), bounds, shapes, strict=True
):
    axis.plot(distance, soft_clip(distance, -bound, bound, g, slope=1.0), color=color, label=name)
axis.set(xlabel="distance from the largest component", ylabel="compressed", xlim=(0, 2), ylim=(0, 1.25))
axis.axhline(1.0, color="0.8", linewidth=1)
axis.legend()
fig.tight_layout()
