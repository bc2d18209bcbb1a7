"""The text and the picture of docs/performance.md from what benchmarks/bench.py has measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HEAD = """# Performance

<!-- Written by `nox -s bench` from what it measured: change benchmarks/bench_page.py, not this file. -->

These are the times of one run of `nox -s bench` on one core, with each library in a process of its own. Every time is
the median of {rounds} timings. The cases of a library take turns, so that whatever else the machine does disturbs all
of them alike. Ratios carry over to another machine, but times do not.

The run took {minutes:.0f} minutes. It was made on {processor} with Python {python}, {versions}.

Nothing has been measured on a GPU, because none was at hand. `nox -s gpu` measures on a machine that has one.

![Time of a call over the number of elements](performance.png)
"""

WRITTEN = """
"Formula" is `x_min + (x_max - x_min) * G(x)` with G as it is usually written. "Floor" is a lone tanh of the same
library. The number after ± is the interquartile range. x is normal with a standard deviation of 3, and the hinge has
a softness of 0.1.
"""

BACKWARD = " These are the times of forward and backward together, with the gradient of x."


class Row(NamedTuple):
    """What was asked of a case, and what came out."""

    case: str
    asked: str
    measured: str
    met: bool | None
    """None where nothing was asked, or it has not been measured."""


class Report:
    """The rows of a report, looked up by what they are of."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.rows = report["rows"]
        self.size = max(report["sizes"])

    def seconds(
        self, role: str, library: str, dtype: str, direction: str, g: str, bounds: str, size: int, name: str = ""
    ) -> float:
        for row in self.rows:
            key = (row["role"], row["library"], row["dtype"], row["direction"], row["g"], row["bounds"], row["size"])
            if key == (role, library, dtype, direction, g, bounds, size) and name in row["name"]:
                return float(row["seconds"])
        raise KeyError((role, library, dtype, direction, g, bounds, size, name))

    def cases(self, library: str, direction: str, size: int) -> list[tuple[str, str, str, str, str, int]]:
        """Of ours, in order, each as the arguments of `seconds` after the role."""
        return [
            (row["library"], row["dtype"], row["direction"], row["g"], row["bounds"], row["size"])
            for row in self.rows
            if (row["role"], row["library"], row["direction"], row["size"]) == ("softclip", library, direction, size)
        ]

    def ratio(self, case: tuple[str, str, str, str, str, int], role: str, name: str = "") -> float:
        return self.seconds("softclip", *case) / self.seconds(role, *case, name=name)

    def worst(self, cases: list[tuple[str, str, str, str, str, int]], role: str = "formula") -> tuple[float, str]:
        """The largest ratio, and of what."""
        return max((self.ratio(case, role), f"{case[1]} {case[3]}, {case[4]}") for case in cases)


def asked(report: dict[str, Any]) -> Iterator[Row]:
    """What the design asks for, row by row."""
    r = Report(report)
    dtypes = [d for d in ("float32", "float64") if any(row["dtype"] == d for row in r.rows)]

    def most(case: str, limit: float, of: str, value: float, what: str = "") -> Row:
        return Row(case, f"at most {limit:g} × {of}", f"{value:.2f}{what and f' ({what})'}", value <= limit)

    for dtype in dtypes:
        for g in ("tanh", "sigmoid"):
            case = ("NumPy", dtype, "forward", g, "±2", r.size)
            yield most(f"NumPy {dtype}, {g}, ±2", 1.25, "np.tanh", r.ratio(case, "floor"))
            yield most(
                f"NumPy {dtype}, {g}, ±2", 0.33 if dtype == "float32" else 0.5, "the formula", r.ratio(case, "formula")
            )
    other = [c for c in r.cases("NumPy", "forward", r.size) if c[4] != "±2" and not c[3].startswith("hinge")]
    yield most("NumPy, other bounds and g, the worst", 1, "the formula", *r.worst(other))
    if report.get("scratch"):
        own = [row for row in report["scratch"] if (row["library"], row["role"]) == ("NumPy", "softclip")]
        top = max(own, key=lambda row: row["bytes"])
        most_bytes = top["bytes"] / 2**20
        yield Row(
            "NumPy, scratch memory, the worst",
            "under 4 MiB",
            f"{most_bytes:.1f} MiB ({top['dtype']} {top['g']}, {top['bounds']})",
            most_bytes < 4,
        )
    if 1000 in report["sizes"]:
        small = [c for c in r.cases("NumPy", "forward", 1000) if c[1] == "float32"]
        usual = ("NumPy", "float32", "forward", "sigmoid", "±2", 1000)
        yield most("NumPy, 1000 elements, sigmoid, ±2", 2, "the formula", r.ratio(usual, "formula"))
        micros = 1e6 * r.seconds("softclip", *usual)
        yield Row("NumPy, 1000 elements, sigmoid, ±2", "under 8 µs", f"{micros:.1f} µs", micros < 8)
        yield most("NumPy, 1000 elements, the worst", 2, "the formula", *r.worst(small))
    case = ("torch", "float32", "forward", "sigmoid", "±2", r.size)
    yield most("torch eager, sigmoid, ±2", 0.6, "activations-plus", r.ratio(case, "peer", "activations"))
    both = ("torch", "float32", "backward", "sigmoid", "±2", r.size)
    yield most("torch eager, sigmoid, ±2, with backward", 1, "activations-plus", r.ratio(both, "peer", "activations"))
    held = report["saved"]
    yield Row(
        "torch, held for backward, float32",
        "4 bytes an element",
        f"{held['soft_clip']:g} (formula {held['as written']:g})",
        held["soft_clip"] <= 4,
    )
    scalar = [
        c
        for c in r.cases("torch", "forward", r.size)
        if c[4] in ("0 to 6", "-1 to 3") and c[1] == "float32" and "compiled" not in c[3]
    ]
    yield most("torch eager, other bounds and g, the worst", 1.2, "the formula", *r.worst(scalar))
    for kind in ("tensors", "learned"):
        case = ("torch", "float32", "backward", "sigmoid", f"-1 to 3, {kind}", r.size)
        yield Row(
            f"torch eager, bounds that are {kind}, with backward",
            "said",
            f"{r.ratio(case, 'formula'):.2f} × the formula",
            None,
        )
    jitted = [c for c in r.cases("JAX", "forward", r.size) if c[3].endswith("jitted")]
    yield most("JAX jitted, the worst", 1.15, "jitted jnp.tanh", *r.worst(jitted, "floor"))
    eager = {
        f"{c[3]}, {c[4]}": r.seconds("softclip", *c[:3], c[3].replace("jitted", "eager"), *c[4:])
        / r.seconds("softclip", *c)
        for c in jitted
    }
    label = max(eager, key=eager.__getitem__)
    yield most("JAX eager, the worst", 1.3, "its own jitted time", eager[label], label.replace(", jitted", ""))
    times = report["import"]
    yield most("import softclip", 1.3, "import numpy", times["softclip"] / times["numpy"])


def table_asked(report: dict[str, Any]) -> str:
    marks = {True: "yes", False: "**no**", None: ""}
    lines = ["| case | asked | measured | met |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.case} | {row.asked} | {row.measured} | {marks[row.met]} |" for row in asked(report)]
    return "\n".join(lines)


def table(report: dict[str, Any], library: str, dtype: str, direction: str, size: int) -> str:
    """Nanoseconds an element of every case."""
    r = Report(report)
    lines = [
        "| g | bounds | softclip | floor | formula | softclip / formula | peers |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for case in r.cases(library, direction, size):
        if case[1] != dtype:
            continue
        of_case = [
            row
            for row in r.rows
            if tuple(row[k] for k in ("library", "dtype", "direction", "g", "bounds", "size")) == case
        ]
        cells = {
            role: next((_cell(row, size) for row in of_case if row["role"] == role), "")
            for role in ("softclip", "floor", "formula")
        }
        ratio = f"{r.ratio(case, 'formula'):.2f}" if cells["formula"] else ""
        peers = ", ".join(
            f"{row['name']} {row['seconds'] / size * 1e9:.2f}" for row in of_case if row["role"] == "peer"
        )
        lines.append(
            f"| {case[3]} | {case[4]} | {cells['softclip']} | {cells['floor']} | {cells['formula']} | {ratio} | {peers} |"
        )
    return "\n".join(lines)


def _cell(row: dict[str, Any], size: int) -> str:
    return f"{row['seconds'] / size * 1e9:.2f} ± {row['spread'] / size * 1e9:.2f}"


def table_growth(report: dict[str, Any]) -> str:
    """Microseconds of a call at every size."""
    r = Report(report)
    sizes = report["sizes"]
    lines = ["| call | " + " | ".join(f"{size:,}" for size in sizes) + " |", "| --- |" + " ---: |" * len(sizes)]
    for label, case, role in _curves():
        micros = (1e6 * r.seconds(role, *case, size) for size in sizes)
        lines.append(f"| {label} | " + " | ".join(f"{t:,.1f}" for t in micros) + " |")
    return "\n".join(lines)


def _curves() -> Iterator[tuple[str, tuple[str, str, str, str, str], str]]:
    names = {"softclip": "softclip", "formula": "as written", "floor": "a lone tanh"}
    for library, g, direction in (
        ("NumPy", "sigmoid", "forward"),
        ("torch", "sigmoid", "forward"),
        ("torch", "sigmoid", "backward"),
        ("JAX", "sigmoid, jitted", "forward"),
        ("JAX", "sigmoid, eager", "forward"),
    ):
        for bounds in ("±2", "0 to 6"):
            roles = ("softclip", "formula", "floor") if bounds == "±2" else ("softclip",)
            for role in roles[:2] if "eager" in g else roles:  # jnp.tanh is jitted of itself
                of = "" if role == "floor" else f" {g}, {bounds}"
                kind = ", with backward" if direction == "backward" else ""
                yield f"{library}{kind}: {names[role]}{of}", (library, "float32", direction, g, bounds), role


def table_scratch(report: dict[str, Any]) -> str:
    lines = ["| library | dtype | g | bounds | softclip | formula |", "| --- | --- | --- | --- | ---: | ---: |"]
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for row in report["scratch"]:
        found.setdefault((row["library"], row["dtype"], row["g"], row["bounds"]), {}).setdefault(
            row["role"], row["bytes"] / 2**20
        )
    for case, mib in found.items():
        if case[1] == "float32" and case[2].partition(",")[0] in ("sigmoid", "algebraic", "hinge"):
            formula = f"{mib['formula']:.1f}" if "formula" in mib else ""
            lines.append(f"| {' | '.join(case)} | {mib['softclip']:.1f} | {formula} |")
    return "\n".join(lines)


def page(report: dict[str, Any]) -> str:
    size = max(report["sizes"])
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    values = {key: report[key] for key in ("rounds", "processor", "python", "minutes")}
    parts = [
        HEAD.format(versions=versions, **values),
        f"## What was asked, and what came out\n\nA case has {size:,} elements if it does not say otherwise.\n",
        table_asked(report) + "\n",
        f"## Nanoseconds an element, {size:,} elements\n" + WRITTEN,
    ]
    groups = dict.fromkeys((row["library"], row["dtype"], row["direction"]) for row in report["rows"])
    for library, dtype, direction in groups:
        said = BACKWARD if direction == "backward" else ""
        parts.append(
            f"### {library}, {dtype}{', with backward' if said else ''}\n\n{said.strip()}{said and chr(10) * 2}{table(report, library, dtype, direction, size)}\n"
        )
    parts.append(
        f"## A call, in microseconds, by the number of elements\n\nThe dtype is float32.\n\n{table_growth(report)}\n"
    )
    if report.get("scratch"):
        parts.append(
            f"## Memory beyond the result, in MiB\n\nThis is how much the process grew, less the result, with {size:,} elements, forward, in float32.\n\n"
            f"{table_scratch(report)}\n"
        )
    seconds = report["import"]
    parts.append(
        "## Import\n\n"
        f"`import softclip` takes {1e3 * seconds['softclip']:.0f} ms and `import numpy` {1e3 * seconds['numpy']:.0f} ms, each in a process of its own.\n"
    )
    return "\n".join(parts)


def draw(report: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    r = Report(report)
    sizes = [size for size in report["sizes"] if size > 1]
    panels = ("NumPy", "torch", "torch, with backward", "JAX")
    figure, axes = plt.subplots(1, len(panels), figsize=(14, 3.6), sharey=True, layout="constrained")
    styles = {"softclip": "-", "formula": "--", "floor": ":"}
    for axis, panel in zip(axes, panels, strict=True):
        for label, case, role in _curves():
            library, _, rest = label.partition(": ")
            if library == panel and "eager" not in rest:
                nanos = [1e9 * r.seconds(role, *case, size) / size for size in sizes]
                axis.loglog(sizes, nanos, styles[role], marker=".", label=rest)
        axis.set(title=panel, xlabel="elements")
        axis.legend(fontsize="x-small")
    axes[0].set_ylabel("ns an element")
    figure.savefig(path, dpi=110)
    plt.close(figure)
