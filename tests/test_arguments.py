"""What each kind of bad input gets, and what a valid argument may look like."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from libraries import FUNCTIONS, LIBRARIES, Library

from softclip import (
    NAMES,
    Squash,
    hinge,
    soft_clip,
)
from softclip._functions.named import NAMED

X = np.linspace(-1, 1, 3)
NAN, INF = float("nan"), float("inf")


def test_type_checkers_know_the_names_that_there_are() -> None:
    assert tuple(NAMED) == NAMES


def decreasing(z: Any) -> Any:
    return -np.tanh(z)


def unbounded(z: Any) -> Any:
    return z


def undefined_at_infinity(z: Any) -> Any:
    return z / (1 + abs(z))


def summed(z: Any) -> Any:
    return np.sum(z)


# arguments of soft_clip, the error, and words its message must have, in this order
BAD: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], list[str]]] = [
    ("equal bounds", (X, 1.0, 1.0), {}, ValueError, ["x_min must be less than x_max", "x_min=1.0", "x_max=1.0"]),
    ("bounds in the wrong order", (X, 2, -1), {}, ValueError, ["less than", "x_min=2", "x_max=-1"]),
    (
        "equal once rounded",
        (X.astype(np.float16), 1.0, 1.0001),
        {},
        ValueError,
        ["less than", "float16", "x_min=1.0", "x_max=1.0001"],
    ),
    ("NaN", (X, NAN, 1.0), {}, ValueError, ["NaN", "x_min=nan", "x_max=1.0"]),
    ("NaN above", (X, 0.0, NAN), {}, ValueError, ["NaN", "x_min=0.0", "x_max=nan"]),
    ("infinite", (X, 0.0, INF), {}, ValueError, ["finite", "x_max=inf", "None", "hinge"]),
    ("infinite below", (X, -INF, 0.0), {}, ValueError, ["finite", "x_min=-inf", "None", "hinge"]),
    (
        "infinite once rounded",
        (X.astype(np.float16), 0.0, 1e6),
        {},
        ValueError,
        ["finite", "float16", "x_max=1000000.0", "None"],
    ),
    ("an integer too large for a float", (X, 0, 10**400), {}, ValueError, ["finite", "x_max=1000"]),
    (
        "array bounds in the wrong order",
        (X, np.zeros(3), np.array([1.0, -1, 1])),
        {},
        ValueError,
        ["less", "x_max=-1.0"],
    ),
    ("array bounds with NaN", (X, np.array([0, NAN, 0]), 1.0), {}, ValueError, ["NaN", "x_min=nan"]),
    ("array bounds with infinity", (X, 0.0, np.array([1, INF, 1])), {}, ValueError, ["finite", "x_max=inf", "hinge"]),
    ("a NaN beside an array", (X, NAN, np.ones(3)), {}, ValueError, ["NaN"]),
    ("one array bound with NaN", (X, np.array([NAN]), None, hinge(1.0)), {}, ValueError, ["NaN", "x_max=None"]),
    ("a misspelt name", (X, -1, 1, "sigmiod"), {}, ValueError, [*NAMES, "'sigmiod'", "mean 'sigmoid'"]),
    ("another case", (X, -1, 1, "Tanh"), {}, ValueError, ["'Tanh'", "mean 'tanh'"]),
    ("g decreasing", (X, -1, 1, decreasing), {}, ValueError, ["decreasing", "1.0 at -inf", "-1.0 at inf", "Squash("]),
    ("g unbounded", (X, -1, 1, unbounded), {}, ValueError, ["unbounded gives -inf at -inf", "inf at inf", "Squash("]),
    ("g NaN at infinity", (X, -1, 1, undefined_at_infinity), {}, ValueError, ["gives nan", "low=", "high="]),
    ("g not elementwise", (X, -1, 1, summed), {}, ValueError, ["elementwise"]),
    ("g a number", (X, -1, 1, 3), {}, TypeError, ["g must be", "3"]),
    ("g a class", (X, -1, 1, Squash), {}, TypeError, ["g must be", "Squash"]),
    ("one bound without hinge", (X, 0.0, None), {}, ValueError, ["'sigmoid'", "x_max=None", "hinge"]),
    ("one bound without hinge below", (X, None, 0.0, "erf"), {}, ValueError, ["'erf'", "x_min=None", "hinge"]),
    ("no bound", (X, None, None, hinge(1.0)), {}, ValueError, ["both None"]),
    ("one bound, another slope", (X, 0.0, None, hinge(1.0)), {"slope": 2.0}, ValueError, ["slope", "one bound", "2.0"]),
    (
        "one array bound, another slope",
        (X, np.zeros(3), None, hinge(1.0)),
        {"slope": 2.0},
        ValueError,
        ["slope", "one bound", "2.0"],
    ),
    ("slope 0", (X,), {"slope": 0}, ValueError, ["slope must be positive and finite", "0"]),
    ("slope negative", (X,), {"slope": -1.0}, ValueError, ["slope", "-1.0"]),
    ("slope NaN", (X,), {"slope": NAN}, ValueError, ["slope", "nan"]),
    ("slope infinite", (X,), {"slope": INF}, ValueError, ["slope", "inf"]),
    ("slope an array with 0", (X,), {"slope": np.array([1.0, 0, 1])}, ValueError, ["slope", "0.0"]),
    ("slope 0 beside arrays", (X, np.zeros(3), 1.0), {"slope": 0.0}, ValueError, ["slope", "0.0"]),
    ("slope text", (X,), {"slope": "1"}, TypeError, ["slope must be a real number", "'1'"]),
    ("slope of g unknown", (X, -1, 1, Squash(np.tanh, -1, 1)), {"slope": 1.0}, ValueError, ["slope", "Squash("]),
    ("bound True", (X, False, True), {}, TypeError, ["x_min must be a real number", "False", "bool"]),
    ("bound text", (X, "0", 1), {}, TypeError, ["x_min", "'0'"]),
    ("bound complex", (X, 0, 1j), {}, TypeError, ["x_max", "1j"]),
    ("bounds of complex numbers", (X, 0, np.array([1j])), {}, TypeError, ["x_max", "complex128"]),
    ("bounds of text", (X, ["a"], 1.0), {}, TypeError, ["x_min", "real numbers"]),
    ("x boolean", (X > 0,), {}, TypeError, ["x must be", "bool"]),
    ("x complex", (X * 1j,), {}, TypeError, ["x must be", "complex128"]),
    ("x of objects", (X.astype(object),), {}, TypeError, ["x must be", "object"]),
    ("x of text", (np.array(["a"]),), {}, TypeError, ["x must be", "str"]),
    ("x long double", (X.astype(np.longdouble),), {}, TypeError, ["x must be", "longdouble|float128|float64"]),
    ("x a number that is complex", (1j,), {}, TypeError, ["x must be", "complex128"]),
    ("x text", ("text",), {}, TypeError, ["x must be an array", "str"]),
    ("x None", (None,), {}, TypeError, ["x must be an array", "NoneType"]),
    ("x masked", (np.ma.masked_less(X, 0),), {}, TypeError, ["x must not be a masked", "filled"]),
    ("a bound masked", (X, np.ma.masked_less(X, 0) - 3, 1), {}, TypeError, ["x_min must not be a masked", "filled"]),
    ("bounds that do not broadcast", (X, np.zeros(2), 1.0), {}, ValueError, ["broadcast"]),
    ("too large for float32", (X.astype("f4"), 0, 1.7e308), {}, ValueError, ["finite once rounded", "x_max=1.7e+308"]),
    ("arrays too large", (X.astype("f2"), 0, np.full(3, 1e9)), {}, ValueError, ["finite", "float16", "x_max=inf"]),
    ("lists in the wrong order", (X, [2], 1), {}, ValueError, ["less", "x_min=2.0", "x_max=1.0"]),
    ("a wrong order beside a slope", (X, 1, -1), {"slope": np.ones(3)}, ValueError, ["less", "x_min=1.0"]),
    ("bounds of bytes", (X, np.bytes_(b"1"), 3), {}, TypeError, ["x_min must be a real number", "b'1'"]),
    ("bounds of bits", (X, np.zeros(3), np.void(b"1")), {}, TypeError, ["x_max must be a real number", "void"]),
    ("bounds of NumPy's complex", (X, np.complex64(1), 3), {}, TypeError, ["x_min must be a real number", "complex64"]),
    ("bounds of time", (X, np.timedelta64(1, "s"), 3), {}, TypeError, ["x_min must be a real number", "timedelta64"]),
    ("bounds of another kind", (X, {}, 3), {}, TypeError, ["x_min must be a number or an array", "dict"]),
    ("uneven rows of x", ([1, [2]], 0, 1), {}, ValueError, ["x must be a nested list", "in each row"]),
    ("uneven rows of a bound", (X, (1, [2]), 4), {}, ValueError, ["x_min must be a nested list", "in each row"]),
    (
        "softness past the format",
        (X.astype("f4"), 0, None, hinge(1e39)),
        {},
        ValueError,
        ["g=hinge(1e+39)", "one bound"],
    ),
    (
        "the same, arrays",
        (X.astype("f2"), np.zeros(3), None, hinge(1e39)),
        {},
        ValueError,
        ["g=hinge(1e+39)", "float16"],
    ),
    ("one bound, slopes", (X, 0.0, None, hinge(1.0)), {"slope": np.ones(3)}, ValueError, ["slope", "got an array"]),
    ("hinge without softness", (X, 0, 1, hinge), {}, TypeError, ["g must be", "hinge(0.1)", "function hinge"]),
    (
        "g gives complex numbers",
        (X, 0, 1, lambda z: 1j * np.tanh(z)),
        {},
        TypeError,
        ["g must give real", "complex128"],
    ),
    ("g gives truths", (X, 0, 1, Squash(lambda z: z > 0)), {}, TypeError, ["g must give real numbers", "bool"]),
    ("g gives a number", (X, 0, 1, Squash(lambda z: 1)), {}, ValueError, ["g must be an elementwise", "gives 1"]),
    ("g gives lists", (X, 0, 1, Squash(lambda z: z.tolist())), {}, ValueError, ["g must be an elementwise", "[-1.0"]),
    ("array bounds that are equal", (X, X, np.array([0, 0, 2])), {}, ValueError, ["less", "x_min=0.0", "x_max=0.0"]),
    (
        "a number past the format",
        (X.astype("f2"), np.zeros(3), 1e6),
        {},
        ValueError,
        ["finite", "float16", "x_max=inf"],
    ),
    ("softness at the end", (X.astype("f4"), 0, None, hinge(2.0**127)), {}, ValueError, ["less than 2^127"]),
    ("bound above True", (X, 0, True), {}, TypeError, ["x_max must be a real number", "True"]),
    ("slopes of text", (X, np.zeros(3), 1), {"slope": ["a"]}, TypeError, ["slope must hold real numbers"]),
    ("slope a large integer", (X,), {"slope": 10**400}, ValueError, ["slope must be positive and finite; got inf"]),
    ("slope a large negative one", (X,), {"slope": -(10**400)}, ValueError, ["slope must be", "got -inf"]),
    ("g adds an axis", (X, 0, 1, Squash(lambda z: np.tanh(z[None]))), {}, ValueError, ["g must be an elementwise"]),
]


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input(
    arguments: tuple[Any, ...], keywords: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        soft_clip(*arguments, **keywords)
    pattern = ".*".join(word if "|" in word else re.escape(word) for word in words)
    assert re.search(pattern, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((X, 2, -1), {}, "x_min must be less than x_max; got x_min=2 and x_max=-1"),
        (
            (X, 0, INF),
            {},
            (
                "x_min and x_max must be finite; got x_min=0 and x_max=inf. "
                "For no bound on one side, pass None and g=hinge(softness)"
            ),
        ),
        (
            (X, 0, None),
            {},
            "g='sigmoid' needs two bounds; got x_min=0 and x_max=None. For no bound on one side, pass g=hinge(softness)",
        ),
        ((X, None, None), {}, "x_min and x_max are both None: pass at least one bound"),
        (
            (X, 0, None, hinge(1)),
            {"slope": np.ones(3)},
            "slope must be None or 1 with one bound; got an array",
        ),
        (
            ("text",),
            {},
            "x must be an array of a library with the Python array API, a number or a nested list; got builtins.str",
        ),
        (
            (X, {}, 1),
            {},
            "x_min must be a number or an array of x's library; x is numpy.ndarray, x_min is builtins.dict",
        ),
    ],
)
def test_whole_messages(arguments: tuple[Any, ...], keywords: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        soft_clip(*arguments, **keywords)
    assert str(caught.value) == message


@pytest.mark.parametrize("softness", [0, -1.0, NAN, INF])
def test_softness_that_is_none(softness: float) -> None:
    with pytest.raises(ValueError, match=rf"softness must be positive and finite; got {softness}"):
        hinge(softness)


@pytest.mark.parametrize("softness", ["1", None, True, 1j, np.ones(2), Decimal("sNaN")], ids=str)
def test_softness_that_is_no_number(softness: Any) -> None:
    with pytest.raises(TypeError, match="softness must be a real number"):
        hinge(softness)


@pytest.mark.parametrize("dtype", ["bool", "complex64"])
def test_x_of_a_wrong_dtype_in_every_library(library: Library, dtype: str) -> None:
    if library.name == "strict-2021.12" and dtype == "complex64":
        pytest.skip("the standard of 2021 has no complex numbers")
    with pytest.raises(TypeError, match=f"x must be .* got {dtype}"):
        soft_clip(library.asarray(np.zeros(2, dtype)))


def test_numbers_are_checked_in_every_library(library: Library) -> None:
    x = library.asarray(X)
    with pytest.raises(ValueError, match="less than"):
        soft_clip(x, 1.0, -1.0)
    with pytest.raises(ValueError, match=r"less than x_max once rounded to float32"):
        soft_clip(library.asarray(X.astype(np.float32)), 1.0, 1.0 + 1e-9)
    with pytest.raises(ValueError, match="NaN"):
        soft_clip(x, NAN, library.asarray(X + 2))
    with pytest.raises(TypeError, match="x_min must be a real number"):
        soft_clip(x, True, 2.0)
    with pytest.raises(ValueError, match=r"less than x_max once rounded to .*; got x_min=2.0 and x_max=1.0"):
        soft_clip(x, [0.0, 2.0, 0.0], 1.0)
    with pytest.raises(ValueError, match=r"NaN; got x_min=(an array|-3.0) and x_max=nan"):
        soft_clip(x, library.asarray(X - 2), [NAN])
    with pytest.raises(ValueError, match="less"):
        soft_clip(x, 1.0, -1.0, slope=library.asarray(X + 2))
    with pytest.raises(TypeError, match=r"x_min must be a number or an array of x's library; .* x_min is .*dict"):
        soft_clip(x, {}, 1.0)


@pytest.mark.needs("strict")
def test_a_library_without_a_function_of_the_standard() -> None:
    import array_api_strict as xp

    with pytest.raises(
        NotImplementedError,
        match=r'g="erf" is not available for array_api_strict arrays: the Array API standard has no erfc?\.',
    ):
        soft_clip(xp.asarray([1.0]), 0.0, 6.0, "erf")


@pytest.mark.parametrize("other", LIBRARIES, ids=str)
def test_bounds_of_another_library(library: Library, other: Library) -> None:
    if other.package == library.package:
        pytest.skip("the same library")
    if other.package == "numpy":
        pytest.skip("NumPy's arrays are constants beside any library")
    if other.unavailable() or other.flags:
        pytest.skip("not installed, or a second way of using strict")
    with pytest.raises(TypeError, match=r"x_min must be .* array of x's library; x is .*, x_min is .*"):
        soft_clip(library.asarray(X), other.asarray(X - 2), 1.0)


@pytest.mark.needs("strict")
def test_bounds_on_another_device() -> None:
    import array_api_strict as xp

    with pytest.raises(ValueError, match=r"x is on .*CPU_DEVICE.*, x_max on .*device1"):
        soft_clip(xp.asarray([1.0]), 0.0, xp.asarray([2.0], device=xp.Device("device1")))


@pytest.mark.needs("torch")
def test_bounds_on_another_torch_device() -> None:
    import torch

    with pytest.raises(ValueError, match="x is on cpu, x_min on meta"):
        soft_clip(torch.ones(2), torch.zeros(2, device="meta"), 1.0)


@pytest.mark.needs("torch")
def test_sparse_tensors_are_refused() -> None:
    import torch

    with pytest.raises(TypeError, match=r"x must be a dense tensor; got one of layout torch.sparse_coo"):
        soft_clip(torch.ones(2).to_sparse())
    with pytest.raises(TypeError, match=r"x_min must be a dense tensor"):
        soft_clip(torch.ones(2), torch.zeros(2).to_sparse(), 1.0)


def test_a_table_of_pandas_is_told_how() -> None:
    class Frame:
        def to_numpy(self) -> np.ndarray:
            return X

    with pytest.raises(TypeError, match=r"Frame: pass x.to_numpy\(\)"):
        soft_clip(Frame())


@pytest.mark.needs("numpy")
def test_the_hint_for_a_mixed_frame_leads_on() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": pandas.array([3, None], dtype="Int64")})
    with pytest.raises(TypeError, match=r"pass x.to_numpy\(dtype=float, na_value=numpy.nan\)$"):
        soft_clip(frame)
    np.testing.assert_array_equal(np.isnan(soft_clip(frame.to_numpy(dtype=float, na_value=np.nan))), frame.isna())


@pytest.mark.needs("dask")
def test_the_hint_for_a_data_array_leads_on() -> None:
    xarray = pytest.importorskip("xarray")
    data = xarray.DataArray(X, dims="time")
    with pytest.raises(TypeError, match=r"use xarray.apply_ufunc\(softclip.soft_clip, x, ...\)"):
        soft_clip(data)
    assert xarray.apply_ufunc(soft_clip, data).dims == ("time",)


def test_lists_become_numpy_arrays() -> None:
    for x in ([[1, 2], [3, 4]], (0.5,), []):
        y = soft_clip(x, -1, 1)
        assert type(y) is np.ndarray
        assert y.shape == np.shape(x)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_numbers_give_numpy_numbers(function: Any) -> None:
    for x in (0.5, 1, np.float64(0.5), np.int8(1), np.float32(0.5), np.float16(0.5), ml_dtypes.bfloat16(0.5)):
        y = function(x, -1, 2)
        assert type(y) is np.result_type(x if isinstance(x, np.inexact | ml_dtypes.bfloat16) else 1.0).type
        assert y == function(np.array([x]), -1, 2)[0]
    assert type(function(0.5, np.float64(-1.0), np.array(2.0))) is np.float64
    assert function(0.5, np.full(3, -1.0), 2.0).shape == (3,)
    assert type(function(np.array(0.5))) is np.ndarray
    hash(function(0.5))
    json.dumps({"clipped": function(0.5)})


def test_bounds_may_be_lists() -> None:
    expected = soft_clip(X, np.array([-1.0, -2.0, -3.0]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(soft_clip(X, [-1, -2, -3], (1, 2, 3)), expected)
    np.testing.assert_array_equal(soft_clip(X, [[-1], [-2], [-3]], [[1], [2], [3]]).diagonal(), expected)


def test_bounds_may_be_numbers_of_any_kind() -> None:
    np.testing.assert_array_equal(soft_clip(X, Fraction(-1, 2), Decimal("0.25")), soft_clip(X, -0.5, 0.25))
    np.testing.assert_array_equal(
        soft_clip(X, np.full(3, -0.5), Fraction(1, 4), slope=Decimal(2)),
        soft_clip(X, -0.5, np.full(3, 0.25), slope=2.0),
    )


def test_a_failed_call_does_not_spoil_the_next() -> None:
    for _ in range(2):
        with pytest.raises(TypeError):
            soft_clip(X, False, 1)
        soft_clip(X, 0, 1)
