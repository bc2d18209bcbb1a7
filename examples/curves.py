"""Draw docs/curves.png and docs/curves-dark.png: the picture of the README, for light and for dark pages.

python examples/curves.py              into docs/
python examples/curves.py folder       into another folder

Code hosts show it 830 pixels wide, telephones 400. So there are few curves, and each has its name beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from softclip import hinge, soft_clip

mpl.use("Agg")
from matplotlib import pyplot as plt


class Theme(NamedTuple):
    """The colours of a page."""

    background: str
    text: str
    faint: str
    curves: dict[str, str]


NAMES = ("sigmoid", "tanh", "hinge(0.1)", "algebraic", "softsign")
# The dark one has no background of its own: the grey of dark pages differs from host to host.
THEMES = {
    "curves.png": Theme(
        "white",
        "#1f2328",
        "#656d76",
        dict(zip(NAMES, ("#0969da", "#8250df", "#0969da", "#bc4c00", "#1a7f37"), strict=True)),
    ),
    "curves-dark.png": Theme(
        "none",
        "#e6edf3",
        "#9ea7b3",
        dict(zip(NAMES, ("#79c0ff", "#d2a8ff", "#79c0ff", "#ffa657", "#7ee787"), strict=True)),
    ),
}


def draw(path: Path, theme: Theme) -> None:
    style = {"font.size": 14, "text.color": theme.text, "axes.edgecolor": theme.faint}
    with plt.rc_context(style | {"xtick.color": theme.text, "ytick.color": theme.text}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.3, 3.5), layout="constrained")
        squash(left, theme)
        smooth_clip(right, theme)
        for axis in (left, right):
            axis.set_facecolor(theme.background)
            axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=200, facecolor=theme.background)
        plt.close(figure)


def curve(axis: Any, theme: Theme, name: str, x: Any, y: Any, at: tuple[float, float], side: str) -> None:
    """A curve with its name, which begins (side "left") or ends (side "right") at a point."""
    axis.plot(x, y, color=theme.curves[name], lw=2.4)
    axis.text(*at, name, color=theme.curves[name], ha=side, fontsize=16)


def squash(axis: Any, theme: Theme) -> None:
    """The whole curve: without a slope, x is squashed."""
    x = np.linspace(-4, 4, 801)
    for bound in (-1, 1):
        axis.axhline(bound, color=theme.faint, lw=1.6, ls=":")
    curve(axis, theme, "sigmoid", x, soft_clip(x, -1.0, 1.0, "sigmoid"), (1.35, 0.3), "left")
    curve(axis, theme, "tanh", x, soft_clip(x, -1.0, 1.0, "tanh"), (0.4, 0.62), "right")
    axis.set_title("squash: soft_clip(x, -1, 1, g)", fontsize=14)
    axis.set(xticks=[-4, -2, 0, 2, 4], yticks=[-1, 0, 1], ylim=(-1.15, 1.15), xlim=(-4, 4))


def smooth_clip(axis: Any, theme: Theme) -> None:
    """The upper corner, where the functions differ: with slope 1 all of them follow x in the middle."""
    x = np.linspace(-2, 4, 1201)
    axis.plot(x, np.clip(x, -1, 1), color=theme.faint, lw=1.6, ls=":")
    for name, g, at, side in (
        ("softsign", "softsign", (1.9, 0.52), "left"),
        ("algebraic", "algebraic", (3.05, 0.762), "right"),
        ("hinge(0.1)", hinge(0.1), (0.72, 0.83), "right"),
    ):
        curve(axis, theme, name, x, soft_clip(x, -1.0, 1.0, g, slope=1.0), at, side)
    axis.text(1.1, 1.05, "np.clip", color=theme.faint)
    axis.set_title("smooth clip: slope=1, upper half", fontsize=14)
    axis.set(xticks=[-1, 0, 1, 2, 3, 4], yticks=[0, 0.5, 1], ylim=(0, 1.16), xlim=(-1.5, 4))


def main(folder: Path) -> None:
    for name, theme in THEMES.items():
        draw(folder / name, theme)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
