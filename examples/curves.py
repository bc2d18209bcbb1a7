"""Draw docs/curves.png: the named clipping functions as activations and as smooth clips, and the hinge."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

from softclip import NAMES, hinge, soft_clip

mpl.use("Agg")
from matplotlib import pyplot as plt


def main(path: Path) -> None:
    x = np.linspace(-4, 4, 801)
    figure, axes = plt.subplots(1, 3, figsize=(14, 4), constrained_layout=True, sharey=True)
    colors = plt.get_cmap("tab10").colors
    for g, color in zip(NAMES, colors, strict=True):
        axes[0].plot(x, soft_clip(x, -1.0, 1.0, g), color=color, label=g, lw=1.4)
        axes[1].plot(x, soft_clip(x, -1.0, 1.0, g, slope=1.0), color=color, lw=1.4)
    for softness in (0.05, 0.2, 0.5):
        axes[2].plot(x, soft_clip(x, -1.0, 1.0, hinge(softness), slope=1.0), label=f"hinge({softness})", lw=1.4)
    for axis, title in zip(axes, ["soft_clip(x, -1, 1, g)", "slope=1", "hinge, slope=1"], strict=True):
        axis.plot(x, np.clip(x, -1, 1), "k:", lw=1, label="np.clip")
        axis.set(title=title, xlabel="x")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    axes[2].legend(fontsize=8)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/curves.png"))
