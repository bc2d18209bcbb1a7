"""
Soft knees in audio
===================

A limiter leaves quiet passages alone and bends the loud ones towards a ceiling. Its soft knee is a distance in dB. With
``knee`` the passages below the knee come back bit for bit.
"""

# %%
# A limiter in dB
# ---------------
# The level is between -120 dB and a ceiling of 0 dB. The knee begins 6 dB below the ceiling, which is one tenth of half
# the width. Below it, nothing changes.

import matplotlib.pyplot as plt
import numpy as np

from softclip import knee, soft_clip, soft_clip_derivative

FLOOR, CEILING, KNEE = -120.0, 0.0, 6.0
half = (CEILING - FLOOR) / 2
g = knee("exponential", 1 - KNEE / half)


def limited(level):
    return soft_clip(level, FLOOR, CEILING, g, slope=1.0)


def compressed(level, ratio):
    """A compressor of that ratio is part of the way from the level to the limited level."""
    return level + (1 - 1 / ratio) * (limited(level) - level)


level = np.linspace(-30.0, 20.0, 501)
for value in (-20.0, -6.0, -3.0, 0.0, 6.0, 20.0):
    print(f"{value:6.1f} dB   limited {limited(value):7.3f} dB   compressed 4 to 1 {compressed(value, 4):7.3f} dB")
np.testing.assert_array_equal(limited(level[level <= -KNEE]), level[level <= -KNEE])

# %%
# Between the knee and the ceiling
# --------------------------------
# The level beyond the knee decays towards the ceiling as exp does over the 6 dB of the knee: that is the closed form.

beyond = level[level > -KNEE]
np.testing.assert_allclose(limited(beyond), -KNEE * np.exp(-(beyond + KNEE) / KNEE), rtol=1e-11)

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8))
axes[0].plot(level, level, "k:", linewidth=1)
axes[0].plot(level, limited(level), label="limited")
axes[0].plot(level, compressed(level, 4), label="4 to 1")
axes[0].set(xlabel="level in, dB", ylabel="level out, dB", title="a knee of 6 dB")
axes[0].legend()
axes[1].plot(level, soft_clip_derivative(level, FLOOR, CEILING, g, slope=1.0), label="slope of the limiter")
axes[1].set(xlabel="level in, dB", title="1 up to the knee, then falling")
axes[1].legend()
fig.tight_layout()

# %%
# The drive that audio code writes
# --------------------------------
# ``tanh(d x) / tanh(d)`` is 1 at 1 and goes on to 1 / tanh(d). That is one call: bounds of 1 / tanh(d), and the slope
# that it has at 0.

x = np.linspace(-3.0, 3.0, 601)
for d in (0.5, 2.0, 8.0):
    bound = 1 / np.tanh(d)
    y = soft_clip(x, -bound, bound, "tanh", slope=d * bound)
    np.testing.assert_allclose(y, np.tanh(d * x) / np.tanh(d), rtol=1e-14, atol=1e-16)
    print(f"drive {d}: bounds of {bound:.4f}, slope {d * bound:.4f}")
