"""What benchmarks/bench.py has measured, looked up, and what the design asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

ADAPTERS = {
    "softclip.torch": "torch",
    "softclip.flax.nnx": "flax.nnx",
    "softclip.flax.linen": "flax.linen",
    "softclip.equinox": "equinox",
    "softclip.optax": "optax",
    "softclip.sklearn": "sklearn",
}
"""Each with the library that it adapts to."""


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
    for adapter, library in ADAPTERS.items():
        if adapter in times:
            milliseconds = 1e3 * times[adapter]
            asked = f"at most 20 ms beyond import {library}"
            yield Row(f"import {adapter}", asked, f"{milliseconds:.0f} ms", milliseconds <= 20)
    yield from asked_of_paths(report)


class MeasuredPath(NamedTuple):
    """A path, and what came out."""

    library: str
    dtype: str
    section: str
    case: str
    what: str
    limit: float
    of: str
    seconds: float
    """The fastest, as other work on the machine makes a short call several times as slow, and often more than half of them."""
    others: float | None
    """The same of what it is held against."""

    @property
    def value(self) -> float:
        """What the limit is for."""
        return self.seconds / self.others if self.others else 1e6 * self.seconds

    @property
    def unit(self) -> str:
        return f"× {self.of}" if self.others else self.of


def measured_paths(report: dict[str, Any]) -> list[MeasuredPath]:
    """In order; none in a report that is older than they are."""
    times: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in report.get("paths", []):
        label = tuple(row[field] for field in MeasuredPath._fields[:-2])
        times.setdefault(label, {})["ours" if row["role"] == "softclip" else "others"] = row["fastest"]
    return [MeasuredPath(*label, found["ours"], found.get("others")) for label, found in times.items()]


def asked_of_paths(report: dict[str, Any]) -> Iterator[Row]:
    """A row for each case of a library and dtype: the worst of it."""
    cases: dict[tuple[str, str, str], list[MeasuredPath]] = {}
    for path in measured_paths(report):
        cases.setdefault((path.library, path.dtype, path.case), []).append(path)
    for (library, dtype, case), paths in cases.items():
        worst = max(paths, key=lambda path: path.value / path.limit)
        what = f" ({worst.what})" if worst.what else ""
        yield Row(
            f"{library} {dtype}, {case}{', the worst' if len(paths) > 1 else ''}",
            f"at most {worst.limit:g} {worst.unit}",
            f"{worst.value:.2f}{what}",
            worst.value <= worst.limit,
        )
    for row in report.get("held", []):
        measured = f"{row['ours']:g} bytes an element (formula {row['formula']:g})"
        yield Row(f"{row['case']}, held for backward beside x", "nothing", measured, row["ours"] == 0)
    for row in report["scratch"] if "paths" in report else []:
        if row["bounds"].endswith("learned") and row["role"] == "softclip":
            mib = row["bytes"] / 2**20
            case = f"{row['library']} {row['dtype']}, learned bounds, scratch memory"
            yield Row(case, "under 4 MiB", f"{mib:.1f} MiB", mib < 4)
