"""
FFmpeg's soft clippers on a plucked string
==========================================

FFmpeg's filter ``asoftclip`` has the curves that audio uses. With ``softclip`` they are a threshold, a slope and a
name. The sound is made here, a plucked string by Karplus and Strong, played too loud; FFmpeg, through PyAV, is the
peer.
"""

# %%
# The sound
# ---------

import itertools
from fractions import Fraction

import av
import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import lfilter

from softclip import soft_clip

RATE = 48_000


def pluck(frequency, seconds=1.5):
    """A burst of noise that goes round in a delay line, averaged a little on every turn."""
    delay = round(RATE / frequency)
    excitation = np.zeros(int(seconds * RATE))
    excitation[:delay] = np.random.default_rng(0).uniform(-1, 1, delay)
    feedback = np.zeros(delay + 2)
    feedback[0], feedback[delay], feedback[delay + 1] = 1.0, -0.498, -0.498
    return lfilter([1.0], feedback, excitation)


sound = pluck(110.0) + 0.5 * pluck(164.8)
sound *= 2.0 / np.abs(sound).max()
print(f"{sound.size} samples, the loudest {np.abs(sound).max():.1f}")

# %%
# The peer
# --------


def asoftclip(samples, options):
    """What FFmpeg's filter makes of samples in float64."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="dbl", sample_rate=RATE, layout="mono", time_base=f"1/{RATE}")
    chain = [source, graph.add("asoftclip", options), graph.add("abuffersink")]
    for first, second in itertools.pairwise(chain):
        first.link_to(second)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None], format="dbl", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    source.push(frame)
    source.push(None)
    parts = []
    while True:
        try:
            parts.append(chain[-1].pull().to_ndarray()[0])
        except (av.EOFError, av.BlockingIOError):
            return np.concatenate(parts)


# %%
# The same curves
# ---------------
# The filter computes threshold · phi(x / threshold). "alg", "quintic", "sin" and "tanh" have slope 1 in the middle,
# and are ``slope=1.0``; "exp" is tanh once more. "atan" and "erf" have the slope of their formulas, 2/pi and
# 2/sqrt(pi). Only in "cubic" they differ in more than the last digits: FFmpeg writes 4/27 as 0.1481, and passes its
# threshold.

threshold = 0.5
curves = {
    "tanh": ("tanh", 1.0),
    "exp": ("tanh", 1.0),
    "atan": ("arctan", 2 / np.pi),
    "alg": ("algebraic", 1.0),
    "cubic": ("cubic", 1.0),
    "quintic": ("quintic", 1.0),
    "sin": ("sine", 1.0),
    "erf": ("erf", 2 / np.sqrt(np.pi)),
}
clipped = {}
for name, (g, slope) in curves.items():
    theirs = asoftclip(sound, f"type={name}:threshold={threshold}")
    ours = clipped[name] = soft_clip(sound, -threshold, threshold, g, slope=slope)
    difference = np.abs(theirs - ours).max()
    assert difference < (1e-4 if name == "cubic" else 1e-12)
    assert np.abs(ours).max() <= threshold
    beyond = np.abs(theirs).max() - threshold
    print(
        f"{name:<8} {'the same' if difference < 1e-12 else f'{difference:.1g} apart, FFmpeg {beyond:.1g} beyond its threshold'}"
    )

# %%
# Waveform and spectrum
# ---------------------
# A pure tone shows what each curve adds. An odd curve adds odd harmonics; the cubic, below its knee, only the third;
# a hard clip many, which fall slowly.

clipped["hard"] = np.clip(sound, -threshold, threshold)
tone = 0.7 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6))
shown = slice(2000, 2500)
axes[0].plot(sound[shown], "k:", linewidth=1, label="before")
for name in ("hard", "tanh", "alg"):
    axes[0].plot(clipped[name][shown], label=name)
axes[0].set(xlabel="sample", title="the string")
axes[0].legend(loc="upper right")
for name, color in (("hard", "tab:blue"), ("tanh", "tab:orange"), ("cubic", "tab:green")):
    y = np.clip(tone, -0.5, 0.5) if name == "hard" else soft_clip(tone, -0.5, 0.5, name, slope=1.0)
    level = np.abs(np.fft.rfft(y)) * 2 / RATE
    harmonics = level[1000:16_000:1000]
    decibels = 20 * np.log10(np.maximum(harmonics / harmonics[0], 1e-9))
    axes[1].plot(range(1, 16, 2), decibels[::2], "o-", color=color, label=name)
    print(
        f"{name:<6} third {decibels[2]:6.1f} dB, fifth {decibels[4]:7.1f} dB, even below {decibels[1::2].max():.0f} dB"
    )
axes[1].set(xlabel="harmonic", ylabel="dB", ylim=(-120, 5), title="a tone of 0.7, clipped at 0.5")
axes[1].legend()
fig.tight_layout()
