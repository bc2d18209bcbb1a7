"""Soft-clip every column of a real table, before and after, and compare the array libraries that are installed.

    python examples/demo.py                                        the breast cancer table that scikit-learn carries
    python examples/demo.py table.csv --x-min -2 --x-max 2 --g tanh
    python examples/demo.py table.npy

Columns are first centred at their median and divided by the distance from it to the quartiles, as the interquartile
range of a normal variable would be; the bounds are in those units.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from softclip import NAMES, soft_clip


def main() -> None:
    options = parse()
    try:
        names, table = read(options.table) if options.table else breast_cancer()
        z = standardise(table)
        clipped = soft_clip(z, options.x_min, options.x_max, options.g, slope=1.0)
    except (ValueError, OSError) as error:
        print(f"demo.py: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print_table(names, z, clipped, options)
    print_agreement(z, options)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "softclip-demo.png"
    draw(path, names, z, options)
    print(f"\nPicture: {path}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", nargs="?", type=Path, help=".npy or .csv file with a table of numbers")
    parser.add_argument("--x-min", type=float, default=-3.0, help="lower bound, in robust standard deviations")
    parser.add_argument("--x-max", type=float, default=3.0, help="upper bound")
    parser.add_argument("--g", default="algebraic", help=f"clipping function: {', '.join(NAMES)}")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the picture")
    return parser.parse_args()


# The table.


def breast_cancer() -> tuple[list[str], np.ndarray]:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return list(data.feature_names), data.data


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """The columns' names and the table; ValueError that says what is wrong with the file."""
    if not path.is_file():
        msg = f"{path}: no such file"
        raise ValueError(msg)
    readers: dict[str, Callable[[Path], tuple[list[str], np.ndarray]]] = {".npy": read_npy, ".csv": read_csv}
    if path.suffix.lower() not in readers:
        msg = f"{path}: the table must be a .npy or .csv file"
        raise ValueError(msg)
    names, table = readers[path.suffix.lower()](path)
    table = np.asarray(table, dtype=np.float64)
    numeric = np.isfinite(table).any(axis=0) if table.size else np.zeros(0, bool)
    if not numeric.any():
        msg = f"{path}: there is no number in it"
        raise ValueError(msg)
    return [name for name, keep in zip(names, numeric, strict=True) if keep], table[:, numeric]


def read_npy(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        table = np.load(path, allow_pickle=False)
        table = table.astype(np.float64).reshape(len(table), -1)
    except (ValueError, TypeError, EOFError) as error:
        msg = f"{path}: not a table of real numbers in NumPy's format ({error})"
        raise ValueError(msg) from None
    return [f"column {i}" for i in range(table.shape[1])], table


def read_csv(path: Path) -> tuple[list[str], np.ndarray]:
    """The first row names the columns unless it is all numbers; a cell that is no number counts as missing."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except UnicodeDecodeError as error:
        msg = f"{path}: not a text file ({error})"
        raise ValueError(msg) from None
    if not rows:
        msg = f"{path}: the file is empty"
        raise ValueError(msg)
    width = max(map(len, rows))
    table = np.array([[number(cell) for cell in row] + [np.nan] * (width - len(row)) for row in rows])
    if np.isfinite(table[0]).all():
        return [f"column {i}" for i in range(width)], table
    names = [*rows[0], *(f"column {i}" for i in range(len(rows[0]), width))]
    return names, table[1:]


def number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def standardise(table: np.ndarray) -> np.ndarray:
    """Each column centred at its median, in units of its robust standard deviation."""
    low, median, high = np.nanquantile(np.where(np.isfinite(table), table, np.nan), [0.25, 0.5, 0.75], axis=0)
    scale = (high - low) / 1.349  # the interquartile range of the standard normal distribution
    return (table - median) / np.where(scale > 0, scale, 1.0)


# What is shown.


def print_table(names: list[str], z: np.ndarray, clipped: np.ndarray, options: argparse.Namespace) -> None:
    outside = np.mean((z < options.x_min) | (z > options.x_max), axis=0)
    print(f"{z.shape[0]} rows, {z.shape[1]} columns, in robust standard deviations from the median.")
    print(f"soft_clip(z, {options.x_min}, {options.x_max}, {options.g!r}, slope=1.0)\n")
    print(f"{'':24}{'before':^28}{'after':^28}")
    print(f"{'column':24}{'min':>8}{'max':>8}{'kurtosis':>12}{'min':>8}{'max':>8}{'kurtosis':>12}{'outside':>9}")
    for name, before, after, part in zip(names, z.T, clipped.T, outside, strict=True):
        numbers = "".join(f"{np.nanmin(v):8.2f}{np.nanmax(v):8.2f}{kurtosis(v):12.1f}" for v in (before, after))
        print(f"{name[:23]:24}{numbers}{part:8.1%}")
    middle = np.abs(z) <= 0.5
    moved = np.nanmax(np.abs(clipped - z)[middle], initial=0.0)
    print(f"\nValues within half a standard deviation of the median moved by at most {moved:.3f}.")


def kurtosis(v: np.ndarray) -> float:
    """Excess kurtosis: 0 for a normal variable, large for heavy tails."""
    v = v[np.isfinite(v)]
    d = v - v.mean()
    return float(np.mean(d**4) / max(np.mean(d**2) ** 2, 1e-300) - 3)


def installed() -> Iterator[tuple[str, Callable[[np.ndarray], Any]]]:
    """The array libraries that can be imported, each with its way in."""
    ways = {
        "torch": lambda xp, a: xp.tensor(a),
        "jax.numpy": lambda xp, a: xp.asarray(a),
        "dask.array": lambda xp, a: xp.from_array(a, chunks=100),
        "array_api_strict": lambda xp, a: xp.asarray(a),
        "cupy": lambda xp, a: xp.asarray(a),
    }
    for name, way in ways.items():
        try:
            xp = importlib.import_module(name)
            way(xp, np.zeros(1, np.float32))
        except Exception:  # noqa: BLE001, S112  (not installed, or no GPU)
            continue
        yield name, lambda a, xp=xp, way=way: way(xp, a)


def print_agreement(z: np.ndarray, options: argparse.Namespace) -> None:
    """How far each library's float32 results are from float64, in ulp of the larger bound."""
    x = z.astype(np.float32)
    arguments = (options.x_min, options.x_max, options.g)
    true = soft_clip(x.astype(np.float64), *arguments, slope=1.0)
    ulp = float(np.spacing(np.float32(max(abs(options.x_min), abs(options.x_max)))))
    print("\nLargest error of the float32 result, in ulp of the larger bound:")
    for name, convert in [("numpy", lambda a: a), *installed()]:
        try:
            y = np.asarray(soft_clip(convert(x), *arguments, slope=1.0))
        except NotImplementedError as error:
            print(f"  {name:18}{error}")
            continue
        print(f"  {name:18}{np.nanmax(np.abs(y.astype(np.float64) - true)) / ulp:.2f}")


def draw(path: Path, names: list[str], z: np.ndarray, options: argparse.Namespace) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    low, high = options.x_min, options.x_max
    figure, (curves, slopes, column) = plt.subplots(1, 3, figsize=(15, 4.5), constrained_layout=True)
    x = np.linspace(low - (high - low), high + (high - low), 801)
    shown = [name for name in dict.fromkeys([options.g, "tanh", "algebraic", "softsign", "cubic"]) if name != "erf"]
    for name in shown:
        y = soft_clip(x, low, high, name, slope=1.0)
        curves.plot(x, y, label=name)
        slopes.plot(x, np.gradient(y, x), label=name)
    curves.plot(x, np.clip(x, low, high), "k:", label="np.clip")
    curves.set(title="soft_clip with slope=1", xlabel="x", ylabel="f(x)")
    slopes.set(title="its slope", xlabel="x", ylabel="f'(x)")
    curves.legend()

    worst = int(np.nanargmax(np.nanmax(np.abs(z), axis=0)))
    values = z[np.isfinite(z[:, worst]), worst]
    bins = np.linspace(values.min(), values.max(), 80)
    for label, v in (
        ("before", values),
        ("np.clip", np.clip(values, low, high)),
        (f"soft_clip {options.g}", soft_clip(values, low, high, options.g, slope=1.0)),
    ):
        column.hist(v, bins, histtype="step", label=label)
    column.set(title=names[worst], xlabel="robust standard deviations", ylabel="rows", yscale="log")
    column.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
