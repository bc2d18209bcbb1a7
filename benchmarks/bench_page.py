"""The text and the picture of docs/performance.md from what benchmarks/bench.py has measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_report import Report, asked, measured_paths

HEAD = """# Performance

<!-- Written by `nox -s bench` from what it measured: change benchmarks/bench_page.py, not this file. -->

These are the times of one run of `nox -s bench` on one core, with each library in a process of its own. Every time is
the median of {rounds} timings. The cases of a library take turns, so that whatever else the machine does disturbs all
of them alike. Ratios carry over to another machine, but times do not.

The run took {minutes:.0f} minutes. It was made on {processor} with Python {python}, {versions}.

[On a GPU](gpu.md) shows what `nox -s gpu` measured on one.

![Time of a call over the number of elements](performance.png)
"""

WRITTEN = """
"Formula" is `x_min + (x_max - x_min) * G(x)` with G as it is usually written. "Floor" is a lone tanh of the same
library. The number after ± is the interquartile range. x is normal with a standard deviation of 3, and the hinge has
a softness of 0.1.
"""

PATHS = {
    "Bounds that are arrays": """
Times are in microseconds of a call, each the fastest of {rounds}. "In its place" is what a user would write instead, in
the same dtype: the formula, or what scikit-learn has. With bounds for each column or row x is a table of {rows:,} ×
{columns}. With bounds for each channel it has {elements:,} elements in 64 channels, each of which is there 8 times. A
bound of 0 takes another form of the formula, and so do the bounds ±b; of all kinds means a third of the columns each.
""",
    "Everyday calls": """
Times are in microseconds of a call, each the fastest of {rounds}, with {elements:,} elements if it does not say
otherwise. "In its place" is what a user would write instead, in the same dtype. The inverse and the derivative are
those between -1 and 3.
""",
}

BACKWARD = " These are the times of forward and backward together, with the gradient of x."


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


def table_paths(report: dict[str, Any], section: str) -> str:
    """Microseconds of a call, and what its user would write in its place."""
    lines = [
        "| library | dtype | case | softclip | in its place | ratio | at most |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for path in measured_paths(report):
        if path.section == section:
            case = path.case + (path.what and f": {path.what}")
            others, ratio = (f"{1e6 * path.others:,.1f}", f"{path.value:.2f}") if path.others else ("", "")
            limit = f"{path.limit:g}{'' if path.others else f' {path.of}'}"
            lines.append(
                f"| {path.library} | {path.dtype} | {case} | {1e6 * path.seconds:,.1f} | {others} | {ratio} | {limit} |"
            )
    return "\n".join(lines)


def paths(report: dict[str, Any]) -> Iterator[str]:
    """The sections of the paths that people take, if they have been measured."""
    sizes = report.get("path sizes")
    if not sizes:
        return
    for section, text in PATHS.items():
        yield f"## {section}\n\n{text.strip().format(**sizes, rounds=report['rounds'])}\n\n{table_paths(report, section)}\n"


def table_only(report: dict[str, Any]) -> str:
    """A line for all that softclip is held against in each case, by the fastest times."""
    lines, ours = [], 0.0
    for row in [*report["rows"], *report["paths"]]:
        if row["role"] == "softclip":
            ours = row["fastest"]
            fields = ("library", "dtype", "direction", "case", "g", "what", "bounds", "size")
            name = ", ".join(str(row[field]) for field in fields if row.get(field))
            lines.append(f"{name}: {1e6 * ours:.1f} µs" + (f", at most {row['limit']:g}" if "limit" in row else ""))
        else:
            lines.append(f"    {ours / row['fastest']:.2f} × {row['name']}, {1e6 * row['fastest']:.1f} µs")
    return "\n".join(lines)


def page(report: dict[str, Any]) -> str:
    size = max(report["sizes"])
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    of_paths = " The cases after `import softclip` are those of the next two sections, which say how large they are."
    values = {key: report[key] for key in ("rounds", "processor", "python", "minutes")}
    parts = [
        HEAD.format(versions=versions, **values),
        f"## What was asked, and what came out\n\nA case has {size:,} elements if it does not say otherwise.{of_paths if report.get('paths') else ''}\n",
        table_asked(report) + "\n",
        *paths(report),
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
