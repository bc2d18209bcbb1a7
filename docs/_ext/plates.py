"""One plate for each clipping function, and the table beside them: docs/choosing.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from softclip import NAMES, hinge, soft_clip, soft_clip_derivative

mpl.use("Agg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parent.parent
BOUNDS = ((-1.0, 1.0), (0.0, 6.0), (-1.0, 3.0))
SOFTNESS = 0.2


class Facts(NamedTuple):
    """What is known of a G onto (0, 1). `tail` is what 1 - G tends to, `inverse` that of G, as expressions of x and p."""

    formula: str
    tail: str
    inverse: str
    cdf: str


FACTS = {
    "sigmoid": Facts("1 / (1 + exp(-x))", "exp(-x)", "log(p / (1 - p))", "logistic"),
    "tanh": Facts("tanh(x)", "exp(-2*x)", "log(p / (1 - p)) / 2", "logistic, scale 1/2"),
    "arctan": Facts("arctan(x)", "1 / (pi*x)", "tan(pi * (p - 1/2))", "Cauchy"),
    "softsign": Facts("x / (1 + abs(x))", "1 / (2*x)", "(p - 1/2) / minimum(p, 1 - p)", ""),
    "algebraic": Facts(
        "x / sqrt(1 + x**2)", "1 / (4*x**2)", "(p - 1/2) / sqrt(p * (1 - p))", "Student t, 2 d.o.f., scaled"
    ),
    "erf": Facts("erf(x)", "exp(-x**2) / (2*x*sqrt(pi))", "erfinv(2*p - 1)", "normal"),
    "gudermannian": Facts(
        "2 * arctan(tanh(x/2))", "2/pi * exp(-x)", "arcsinh(tan(pi * (p - 1/2)))", "hyperbolic secant"
    ),
    "exponential": Facts(
        "sign(x) * (1 - exp(-abs(x)))", "exp(-x) / 2", "-sign(p - 1/2) * log(2 * minimum(p, 1 - p))", "Laplace"
    ),
    "cubic": Facts("x - 4/27 * x**3", "0 from 3/2 on", "3 * sin(arcsin(2*p - 1) / 3)", ""),
    "quintic": Facts("x - 0.08192 * x**5", "0 from 5/4 on", "by iteration", ""),
    "sine": Facts("sin(x)", "0 from pi/2 on", "arcsin(2*p - 1)", "density cos(x) / 2"),
    "hinge": Facts(
        "s * (softplus(x/s) - softplus((x-1)/s))",
        "s * (1 - exp(-1/s)) * exp(-(x-1)/s)",
        "p + s * (log(1 - exp(-p/s)) - log(1 - exp(-(1-p)/s)))",
        "uniform plus logistic noise",
    ),
}


def clipping_function(name: str) -> Any:
    return hinge(SOFTNESS) if name == "hinge" else name


def plate(name: str) -> Any:
    """The curve, its slope and its distance to the upper bound: as it is (solid) and with slope 1 (dashed)."""
    g = clipping_function(name)
    x = np.linspace(-8.0, 8.0, 1601)
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.1), constrained_layout=True)
    for (low, high), color in zip(BOUNDS, plt.get_cmap("tab10").colors, strict=False):
        for slope, line in ((None, "-"), (1.0, "--")):
            label = f"{low:g} to {high:g}" if slope is None else None
            style = {"color": color, "linestyle": line, "linewidth": 1.5}
            axes[0].plot(x, soft_clip(x, low, high, g, slope=slope), label=label, **style)
            axes[1].plot(x, soft_clip_derivative(x, low, high, g, slope=slope), **style)
            # The distance to the upper bound is the value at -x between 0 and the width, where no digit of it is lost.
            away = np.geomspace(0.1, 100.0, 601)
            middle = 0.5 * (low + high)
            mirrored = -away if slope is None else (0.5 * (high - low) - (away - middle))
            z = mirrored if slope is not None or name != "hinge" else 1.0 - away
            axes[2].plot(away, soft_clip(z, 0.0, high - low, g, slope=slope), **style)
    axes[0].set(title="f(x)", xlabel="x")
    axes[1].set(title="f′(x)", xlabel="x")
    axes[2].set(title="x_max - f(x)", xlabel="x", xscale="log", yscale="log", ylim=(1e-12, 10))
    axes[0].legend(fontsize=8, loc="upper left")
    for axis in axes:
        axis.grid(alpha=0.3)
    return figure


def saturation(name: str, *, slope: float | None) -> float:
    """The smallest float32 x that gives exactly 1 between -1 and 1."""
    g = clipping_function(name)
    reached = lambda x: soft_clip(np.float32(x), -1.0, 1.0, g, slope=slope) >= 1
    low, high = np.float32(0), np.float32(3e38)
    while np.nextafter(low, high) < high:
        # By the numbers between them, not by their distance: the float32 numbers are in the order of their bits.
        bits = (int(low.view(np.int32)) + int(high.view(np.int32))) // 2
        middle = np.int32(bits).view(np.float32)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return float(high)


def table() -> str:
    """The table of docs/choosing.md: texts from `FACTS`, numbers computed here, times from docs/performance.json."""
    times = _times_of_tanh()
    lines = [
        "| g | tail, 1 - G | f′(0) | float32 saturates at | with slope 1 | inverse of G | CDF of | time, tanh = 1 |",
        "| --- | --- | ---: | ---: | ---: | --- | --- | ---: |",
    ]
    for name in (*NAMES, "hinge"):
        facts = FACTS.get(name, Facts("", "", "", ""))
        title = f"hinge({SOFTNESS})" if name == "hinge" else name
        x = 0.5 if name == "hinge" else 0.0
        slope = float(soft_clip_derivative(x, -1.0, 1.0, clipping_function(name)))
        at, bent = (saturation(name, slope=s) for s in (None, 1.0))
        cells = [
            f"[{title}](#{name})",
            _code(facts.tail),
            f"{slope:.3g}",
            f"{at:.3g}",
            f"{bent:.3g}",
            _code(facts.inverse),
            facts.cdf,
            f"{times[name]:.1f}" if name in times else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _times_of_tanh() -> dict[str, float]:
    """Nanoseconds over those of a lone np.tanh, NumPy float32, 10,000,000 elements, between -2 and 2 (the hinge -1 and 3)."""
    measured = json.loads((DOCS / "performance.json").read_text())
    times: dict[tuple[str, str], dict[str, float]] = {}
    for row in measured["rows"]:
        where = (row["library"], row["dtype"], row["direction"], row["size"])
        if where == ("NumPy", "float32", "forward", max(measured["sizes"])):
            times.setdefault((row["g"], row["bounds"]), {})[row["role"]] = row["seconds"]
    found = {}
    for name in (*NAMES, "hinge"):
        key = ("hinge, slope 1", "-1 to 3") if name == "hinge" else (name, "±2")
        if key in times:
            found[name] = times[key]["softclip"] / times[key]["floor"]
    return found


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def headings() -> str:
    """A section for each clipping function: its formula and its plate."""
    return "\n".join(
        f"### {name}\n\n{_formula(name)}![{name}: the curve, its slope and its distance to the bound](/generated/{name}.svg)\n"
        for name in (*NAMES, "hinge")
    )


def _formula(name: str) -> str:
    facts = FACTS.get(name)
    return f"`{facts.formula}`{f', with s = {SOFTNESS}' if name == 'hinge' else ''}\n\n" if facts else ""


def write(folder: Path) -> None:
    """The plates and the two parts of docs/choosing.md that are made, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.inc").write_text(table())
    (folder / "plates.inc").write_text(headings())
    for name in (*NAMES, "hinge"):
        figure = plate(name)
        figure.savefig(folder / f"{name}.svg")
        plt.close(figure)
