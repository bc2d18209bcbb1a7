"""The text of docs/numerics.md around what benchmarks/numerics.py and benchmarks/exhaustive.py have saved."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

LIMITS = {"around 0": 8, "next to 0": 8, "elsewhere": 4, "derivative": 8, "log derivative": 8, "inverse": 16}
"""Ulp, in float32 and float64; twice that where XLA computes. 16-bit dtypes: 1."""

HEAD = """# Numerics

<!-- Written by `nox -s numerics` from what it measured: change benchmarks/numerics_page.py, not this file. -->

This page says what softclip promises about every digit, and what was measured. An ulp is the distance between
neighbouring numbers of the dtype. Bounds are rounded to the dtype of x first.

## The contract

- **In bounds**: `x_min <= f(x) <= x_max` for every x, with no tolerance. Minus and plus infinity give the bounds
  exactly.
- **The value**: next to a bound of 0, and around 0 between -b and b, it is within 8 ulp of the result itself, however
  small that is. Between other bounds it is within 4 ulp of the larger one. float16 and bfloat16 are computed in
  float32 and are within 1 ulp.
- **The derivative** is within 8 ulp of itself, in the tails too. For erf, u^2 ulp are added.
- **The logarithm of the derivative** is within 8 ulp of itself, or of 1 where it is smaller than 1. It is finite
  where the derivative underflows.
- **The inverse** is within 16 ulp of x in the tail next to a bound of 0. Elsewhere it is as close as f determines x.
  On a bound it is infinite, and outside the bounds it is NaN.
- **XLA**, which computes for JAX, may take twice as many ulp.
- With `slope`, u = c + (x - m) s / (w k) is rounded. This adds 4 ulp times the conditioning, abs(u T'(u) / T(u)).

There are three exceptions. Subnormal numbers are excepted, as x, as u and as a result. In the tails of erf, the
library's own erfc decides the accuracy. For erf and the hinge, results are excepted that lie very close to a bound:
their distance to it, divided by the width of the bounds, is below the smallest normal number.

"""

MEASURED = """## Largest errors

The errors are in ulp of the result, with two exceptions. In the column "elsewhere" they are in ulp of the larger
bound, which is 3. Those of the logarithm are in ulp of the logarithm, or of 1 if it is smaller than 1. The bounds are
[-1, 1] for "around 0", [0, 1] for "next to 0", for the derivatives and for the inverse, and [-1, 3] for "elsewhere".

float64 is compared with 420-digit arithmetic. Half an ulp of what is shown may be the rounding of that. The shorter
dtypes are compared with float64. There are {float32} points in float32 and {float64} in float64. They are spread over
the exponents from 2^-60 to 2^60 and over [-40, 40].

Versions: {versions}. dask computes with NumPy. array-api-strict does so too, but it has no erf. CuPy is not measured
here: tests/test_gpu.py holds what a GPU computes against NumPy.

"""

WRITTEN = """### The formula as written

This is `x_min + (x_max - x_min) * G(x)` in NumPy and float32, with the textbook form of each G. f' and log f' are
computed from the value, as y (1 - y), and the inverse from logarithms. "inf" is an error without limit: the result
was 0, NaN or infinity where another number was right. A dash means that there is no usual way to write it.

"""

PEERS = """### Peers

Each peer is called by its own functions, in float32, on the points of the table above. Beside it is softclip's NumPy
result on the same points. "Outside" counts the values that leave the bounds.

"""

TFP = """### TensorFlow Probability's SoftClip

The rows "SoftClip" are the numbers that the documentation of `tfp.bijectors.SoftClip` prints for the bounds -10 and
10, copied from there. (Its second and third example say -5 and 5, but the numbers are those of -10 and 10.) The rows
"hinge" are those of `soft_clip(x, -10, 10, hinge(softness), slope=1)`. The two are different functions. SoftClip
composes two softplus functions and is not symmetric. The hinge is symmetric. They agree if the softness is small
beside the bounds.

"""

EXHAUSTIVE = """## Every float32 value

`nox -s exhaustive` evaluates all 2^32 of them on NumPy, for each named function, and compares them with float64. NaN
stays NaN. "Fall" is the largest fall from one value to any later one, in ulp of the result. "Error" is the largest
error in ulp of the result. Where the result is subnormal, it is in ulp of the smallest normal number. This table is
{part}. It was made with NumPy {numpy} in {minutes:.0f} minutes on two cores.

"""

WORSE = """## Where softclip is worse

{worse}
## Where it falls short

- erf next to a bound of 0: its tail is the library's erfc. XLA's in both dtypes and SciPy's in float64 are far off
  there, as the column "next to 0" above shows, but torch's is not. The derivative of erf, exp(-u^2), contains the
  rounding of u^2, which is about u^2 / 2 ulp.
- Past the largest number: where u = (x - m) s / (w k) overflows, log f' is -inf, though its true value can be finite.
  This happens with arctan, softsign and algebraic, if x is near the largest number and the bounds are less than about
  1 apart.
- Gradients of array bounds overflow if the gradient that arrives from outside is larger than about 2^32.
- Bounds that are arrays of other libraries than NumPy and dask, and more than 2^95 apart in float32 (2^991 in float64):
  next to a bound of 0, values below 2^-220 (2^-2012) of half the width lose digits and become 0. Numbers and NumPy
  arrays as bounds have no such limit.
- NumPy arrays as bounds whose width, slope or softness is of extraordinary size, beyond 2^31 for a slope in float32 and
  2^79 for a width (2^255 and 2^639 in float64) or below the inverse of that: each different pair of bounds takes 0.1 to
  0.3 ms more.
- The same bounds on JAX, if they are made inside a `jit`, such as `jnp.asarray(3e38)`, and there is a slope: XLA
  evaluates them while it compiles and takes 0 for their reciprocal. Pass numbers instead, or pass the arrays into the
  jitted function.
- Bounds fewer than four subnormal numbers apart: the middle is one of the bounds, and the inverse there may be 0 or
  NaN.
- Monotone: next to 0 and around 0 some values fall by 2 ulp of the result, as the table above shows. The contract
  allows 4, but a stricter reading of it would allow 1. In ulp of the larger bound, no value falls by more than 1.
- The gradient of the inverse at a y exactly on a bound is infinite. With respect to the other bound it is NaN (torch,
  JAX).

"""

COMMANDS = """## Measure again

```console
$ nox -s numerics
$ nox -s exhaustive
```

`nox -s exhaustive -- --every 1000` looks at a thousandth of the values in seconds.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] + ["---:"] * (len(lines[0]) - 1))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def number(value: float | None) -> str:
    if value is None:
        return "-"
    if math.isinf(value):
        return "inf"
    return f"{value:.2f}" if value < 1000 else f"{value:.1e}"


def limit(row: dict[str, Any], column: str) -> float:
    """What the contract allows."""
    if row["dtype"] in ("float16", "bfloat16"):
        # Beside a zero crossing between unlike bounds 4 float32 ulp of the larger bound are far less than one of the result.
        return 1.0 + (0.001 if column != "elsewhere" else 0)
    allowed = LIMITS[column] * (2 if row["library"] == "jax" else 1)
    if row["g"] == "erf" and column == "derivative":
        allowed += -math.log(2.0**-126 if row["dtype"] == "float32" else 2.0**-1022)  # u^2 where exp(-u^2) ends
    return allowed


def beyond(report: dict[str, Any]) -> list[str]:
    """The measured errors that are beyond the contract, but for erf's tail, which it excepts."""
    found = []
    for row in report["rows"]:
        if row["library"] == "as written":
            continue
        for column in LIMITS:
            if row["g"] == "erf" and column == "next to 0" and row["dtype"] in ("float32", "float64"):
                continue
            if row[column] > limit(row, column):
                found.append(f"{row['library']} {row['dtype']} {row['g']} {column}: {row[column]:.2f} ulp")
    return found


def worse(report: dict[str, Any]) -> str:
    """Where the formula as written, or a peer, has a smaller largest error."""
    ours = {row["g"]: row for row in report["rows"] if (row["library"], row["dtype"]) == ("numpy", "float32")}
    lines = []
    for row in report["rows"]:
        if row["library"] == "as written":
            for column in LIMITS:
                theirs, own = row[column], ours[row["g"]][column]
                if theirs is not None and theirs < own:
                    lines.append(f"- {row['g']}, {column}: {own:.2f} ulp, the formula as written {theirs:.2f}.\n")
    lines += [
        f"- {row['quantity']}, beside {row['peer']}: {row['ours']:.2f} ulp, theirs {row['theirs']:.2f}.\n"
        for row in report["peers"]
        if row["theirs"] < row["ours"]
    ]
    return "".join(lines) or "Nowhere in the tables above.\n"


def page(report: dict[str, Any], exhaustive: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    text = HEAD + MEASURED.format(versions=versions, **report["points"])
    for dtype in ("float32", "float64", "float16", "bfloat16"):
        rows = [row for row in report["rows"] if row["dtype"] == dtype and row["library"] != "as written"]
        text += f"### {dtype}\n\n"
        text += table(
            ["g", "library", *LIMITS],
            ([row["g"], row["library"], *(number(row[c]) for c in LIMITS)] for row in sorted(rows, key=_order(rows))),
        )
    found = beyond(report)
    text += "Beyond the contract: " + ("; ".join(found) if found else "nothing but erf's tail") + ".\n\n"
    rows = [row for row in report["rows"] if row["library"] == "as written"]
    text += WRITTEN + table(["g", *LIMITS], ([row["g"], *(number(row[c]) for c in LIMITS)] for row in rows))
    text += PEERS + table(
        ["peer", "quantity", "peer", "softclip", "outside"],
        (
            [row["peer"], row["quantity"], number(row["theirs"]), number(row["ours"]), str(row["outside"])]
            for row in report["peers"]
        ),
    )
    text += TFP
    for row in report["documented"]:
        text += table(
            [f"softness {row['softness']:g}", *(f"x = {x:g}" for x in row["x"])],
            [[name, *(f"{v:.6f}" for v in row[key])] for name, key in (("SoftClip", "theirs"), ("hinge", "ours"))],
        )
    whole = exhaustive["every"] == 1
    part = "of all 2^32 values" if whole else f"of one value in {exhaustive['every']}"
    text += EXHAUSTIVE.format(part=part, **exhaustive)
    text += table(
        ["g", "bounds", "values", "out of range", "fall", "error", "at x ="],
        (
            [
                row["g"],
                "[{:g}, {:g}]".format(*row["bounds"]),
                str(row["values"]),
                str(row["out_of_range"]),
                f"{row['fall']:g}",
                f"{row['error']:.2f}",
                f"{row['at']:.6g}",
            ]
            for row in exhaustive["rows"]
        ),
    )
    return text + WORSE.format(worse=worse(report)) + COMMANDS


def _order(rows: list[dict[str, Any]]) -> Any:
    names = list(dict.fromkeys(row["g"] for row in rows))
    return lambda row: names.index(row["g"])
