"""What can be passed as g."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import re
from typing import Any

import numpy as np
import oracle
import pytest
import scipy.special
import scipy.stats
from array_api_compat import array_namespace
from libraries import Library

import softclip
from softclip import NAMES, Squash, algebraic, hinge, soft_clip
from softclip._arguments import resolve as _resolve
from softclip._arguments.resolve import recognise

X = np.array([-np.inf, -4.0, -1.0, -0.1, 0.0, 0.3, 2.0, 30.0, np.inf])


def cloglog(z: Any) -> Any:
    return -np.expm1(-np.exp(z))


def half_tanh(z: Any) -> Any:
    """Onto (-1/2, 3/2)."""
    return np.tanh(z) + 0.5


# library callable, and the name it is recognised as
KNOWN = {
    "numpy": {"tanh": "np.tanh", "arctan": "np.arctan"},
    "scipy": {"sigmoid": "scipy.special.expit", "erf": "scipy.special.erf"},
    "torch": {
        "sigmoid": "torch.sigmoid torch.special.expit torch.nn.functional.sigmoid torch.Tensor.sigmoid torch.nn.Sigmoid()",
        "tanh": "torch.tanh torch.nn.functional.tanh torch.Tensor.tanh torch.nn.Tanh()",
        "arctan": "torch.atan torch.arctan torch.Tensor.atan",
        "softsign": "torch.nn.functional.softsign torch.nn.Softsign()",
        "erf": "torch.erf torch.special.erf torch.Tensor.erf",
    },
    "jax": {
        "sigmoid": "jax.nn.sigmoid jax.lax.logistic jax.scipy.special.expit",
        "tanh": "jax.numpy.tanh jax.nn.tanh jax.lax.tanh",
        "arctan": "jax.numpy.arctan jax.numpy.atan",
        "softsign": "jax.nn.soft_sign",
        "erf": "jax.scipy.special.erf jax.lax.erf",
    },
    "dask": {"tanh": "dask.array.tanh", "arctan": "dask.array.arctan"},
    "strict": {"tanh": "array_api_strict.tanh", "arctan": "array_api_strict.atan"},
}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param(path, name, marks=[] if package in ("numpy", "scipy") else pytest.mark.needs(package), id=path)
        for package, known in KNOWN.items()
        for name, paths in known.items()
        for path in paths.split()
    ],
)
def test_a_librarys_own_version_is_the_named_one(path: str, name: str) -> None:
    import importlib

    package = {"np": "numpy"}.get(path.split(".")[0], path.split(".")[0])
    scope = {path.split(".")[0]: importlib.import_module(package)}
    for module in ("scipy.special", "jax.scipy.special", "dask.array"):
        if path.startswith(module):
            importlib.import_module(module)
    g = eval(path, scope)  # noqa: S307
    found = recognise(g)
    assert found is not None
    assert found.name == name


def test_an_unknown_function_is_not_taken_for_a_named_one() -> None:
    assert recognise(np.arcsinh) is None
    assert recognise(cloglog) is None


def test_limits_are_read_off() -> None:
    """Carried onto the bounds whatever its own range: here against the logistic distribution of SciPy."""
    y = soft_clip(X, -2.0, 6.0, half_tanh)
    np.testing.assert_allclose(y, -2 + 8 * scipy.stats.logistic.cdf(X, scale=0.5), rtol=1e-14, atol=1e-15)
    assert (y[0], y[-1]) == (-2.0, 6.0)


def test_limits_are_read_once() -> None:
    calls = []

    def counted(z: Any) -> Any:
        calls.append(z)
        return np.tanh(z)

    for _ in range(3):
        soft_clip(X, 0.0, 1.0, counted)
    assert len(calls) == 4


def test_functions_made_for_each_call_are_forgotten() -> None:
    kept = []
    for _ in range(300):
        y = soft_clip(X, -1.0, 1.0, lambda z: np.tanh(z))
        kept.append(len(_resolve._declared))
    np.testing.assert_array_equal(y, np.tanh(X))
    assert max(kept) <= 256


def test_another_thread_may_forget_them_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            pass

    monkeypatch.setattr(_resolve, "_declared", Forgetful())
    np.testing.assert_array_equal(soft_clip(X, -1.0, 1.0, lambda z: np.tanh(z)), np.tanh(X))


def test_a_function_that_does_not_hash() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, z: Any) -> Any:
            return np.tanh(z)

    np.testing.assert_array_equal(soft_clip(X, -1, 1, Unhashable()), np.tanh(X))


def test_a_function_whose_parts_do_not_hash() -> None:
    @dataclasses.dataclass(frozen=True)
    class Scaled:
        by: list[float]

        def __call__(self, z: Any) -> Any:
            return np.tanh(self.by[0] * z)

    for g in (Scaled([2.0]), Squash(Scaled([2.0]), -1.0, 1.0)):
        np.testing.assert_array_equal(soft_clip(X, -1, 1, g), np.tanh(2 * X))
    twice = Scaled([2.0])
    assert Squash(twice) == Squash(twice)
    assert Squash(twice) != Squash(Scaled([3.0]))


def test_a_function_may_give_wider_numbers() -> None:
    """As one with a factor that is a NumPy number does."""
    y = soft_clip(X.astype("f4"), -1, 1, lambda z: np.tanh(z * np.float64(2)))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, np.tanh(2 * X), rtol=1e-6, atol=0)


def test_limits_that_float32_cannot_tell_apart() -> None:
    with pytest.raises(ValueError, match=r"low and high must be .* got low=-5e-324, high=5e-324"):
        Squash(np.tanh, -5e-324, 5e-324)
    apart = 2.0**-125
    for low, high in ((0.0, apart), (-apart, 0.0), (-apart / 2, apart / 2)):
        g = Squash(np.tanh, low, high)
        assert (g.low, g.high) == (low, high)
        with pytest.raises(ValueError, match="which float32 can tell apart"):
            Squash(np.tanh, low * (1 - 2.0**-52), high * (1 - 2.0**-52))


def test_what_is_declared_without_being_said() -> None:
    """A distribution function, with its median at 0, called what the function is called."""
    g = Squash(cloglog)
    assert repr(g) == "Squash(cloglog, low=0.0, high=1.0, center=0.0, slope=None)"
    assert g == Squash(cloglog, 0, 1, center=0, slope=None, inverse=None, derivative=None, name="cloglog")
    assert repr(Squash(cloglog, name="Gumbel's", inverse=np.log)).startswith("Squash(Gumbel's, low=0.0")
    assert repr(Squash(np.poly1d([1.0, 0.0]))).startswith("Squash(poly1d, low=0.0")  # has no name but its type's


def test_limits_in_every_library(library: Library) -> None:
    def three_tanh(z: Any) -> Any:
        return 3 * array_namespace(z).tanh(z)

    x = X.astype(np.float32)
    expected = 3 * (1 + np.tanh(X))
    for g in (three_tanh, Squash(three_tanh, -3.0, 3.0)):
        y = library.to_numpy(soft_clip(library.asarray(x), 0.0, 6.0, g))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
        assert (y[0], y[-1]) == (0.0, 6.0)


def test_a_declared_function() -> None:
    g = Squash(cloglog, 0.0, 1.0, center=math.log(math.log(2)), slope=math.log(2) / 2)
    y = soft_clip(X, -3.0, 5.0, g, slope=0.5)
    # f(m) = m and f'(m) = slope, by differences
    f = lambda v: soft_clip(np.array(v), -3.0, 5.0, g, slope=0.5)
    assert f(1.0) == pytest.approx(1.0, abs=1e-14)
    assert (f(1 + 1e-5) - f(1 - 1e-5)) / 2e-5 == pytest.approx(0.5, rel=1e-6)
    assert (np.diff(y) >= 0).all()
    assert (y[0], y[-1]) == (-3.0, 5.0)
    # the tail next to a bound of 0 keeps its relative accuracy: 1 - exp(-exp(z)) is exp(z) far out
    far = soft_clip(np.array([-300.0]), 0.0, 2.0, Squash(cloglog, 0.0, 1.0))
    np.testing.assert_allclose(far, 2 * np.exp(-300.0), rtol=1e-14)


def test_a_declared_function_that_oversteps_its_limits() -> None:
    g = Squash(lambda z: 1.001 * np.tanh(z), -1.0, 1.0)
    y = soft_clip(np.linspace(-20, 20, 401), -1.0, 3.0, g)
    assert ((y >= -1.0) & (y <= 3.0)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((3,), TypeError, "fn must be a function"),
        ((np.tanh, 1.0, -1.0), ValueError, "low=1.0, high=-1.0"),
        ((np.tanh, 0.0, math.inf), ValueError, "high=inf"),
    ],
)
def test_bad_declarations(arguments: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Squash(*arguments)


@pytest.mark.parametrize("argument", ["low", "high", "center", "slope"])
@pytest.mark.parametrize("value", ["0", b"0", True, 1j, np.array([0.5, 1.0]), [0.5]], ids=repr)
def test_declared_numbers(argument: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{argument} must be a real number; got {re.escape(repr(value))} of type"):
        Squash(np.tanh, **{argument: value})


@pytest.mark.parametrize("argument", ["inverse", "derivative"])
def test_declared_functions(argument: str) -> None:
    with pytest.raises(TypeError, match=rf"^{argument} must be a function of an array; got 'x'"):
        Squash(np.tanh, **{argument: "x"})
    with pytest.raises(TypeError, match=r"^fn must be a function of an array; got None"):
        Squash(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("slope", [0.0, -1.0, math.nan, math.inf])
def test_a_declared_slope_that_is_none(slope: float) -> None:
    with pytest.raises(ValueError, match="slope must be the positive"):
        Squash(np.tanh, -1, 1, slope=slope)
    with pytest.raises(ValueError, match="center must be finite"):
        Squash(np.tanh, -1, 1, center=math.inf)


GS = [*(softclip._functions.named.NAMED[name] for name in NAMES), hinge(0.5), Squash(cloglog, center=-0.4, slope=0.3)]


@pytest.mark.parametrize("g", GS, ids=str)
def test_pickle_copy_equality_hash_and_repr(g: Squash) -> None:
    for other in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        assert other == g
        assert hash(other) == hash(g)
        assert repr(other) == repr(g)
    assert len({*GS}) == len({hash(g) for g in GS}) == len(GS)
    assert g != hinge(0.25)
    assert soft_clip(0.3, 0.0, 1.0, g) == soft_clip(0.3, 0.0, 1.0, copy.copy(g))


def test_names_can_be_listed() -> None:
    assert sorted(softclip.NAMES) == sorted(name for name in oracle.CDFS if "(" not in name)
    assert repr(hinge(0.5)) == "hinge(0.5)"
    assert set(softclip.__all__) <= set(dir(softclip))


# Each named g is a distribution function that SciPy knows as well.
@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("sigmoid", scipy.stats.logistic()),
        ("tanh", scipy.stats.logistic(scale=0.5)),
        ("arctan", scipy.stats.cauchy()),
        ("algebraic", scipy.stats.t(2, scale=math.sqrt(0.5))),
        ("erf", scipy.stats.norm(scale=math.sqrt(0.5))),
        ("gudermannian", scipy.stats.hypsecant()),
        ("exponential", scipy.stats.laplace()),
    ],
)
def test_distribution_functions(name: str, distribution: Any) -> None:
    x = np.linspace(-6, 6, 121)
    np.testing.assert_allclose(soft_clip(x, 0.0, 1.0, name), distribution.cdf(x), rtol=1e-11)


def test_hinge_tends_to_the_hard_clip() -> None:
    x = np.linspace(-3, 3, 601)
    for s in (1e-3, 1e-6, 1e-300):
        np.testing.assert_allclose(
            soft_clip(x, -1, 2, hinge(s), slope=1.0), np.clip(x, -1, 2), atol=0.7 * s, rtol=1e-15
        )


def test_hinge_tends_to_the_hard_clip_with_array_bounds(library: Library) -> None:
    """Also at the ends themselves, where a distance of 0 meets 1 over the softness."""
    x = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0], np.float32)
    bounds = [library.asarray(np.full(1, b, np.float32)) for b in (-1.0, 2.0)]
    for softness in (1e-30, 1e-60, 1e-300, 5e-324):
        y = library.to_numpy(soft_clip(library.asarray(x), *bounds, hinge(softness), slope=1.0))
        np.testing.assert_array_equal(y, np.clip(x, -1, 2))
        y = library.to_numpy(soft_clip(library.asarray(x), *bounds, hinge(softness)))
        np.testing.assert_array_equal(y, -1 + 3 * np.clip(x, 0, 1))


def test_hinge_slope_in_the_middle() -> None:
    f = lambda v: soft_clip(np.array(v), 0.0, 2.0, hinge(0.5), slope=1.0)
    assert (f(1 + 1e-5) - f(1 - 1e-5)) / 2e-5 == pytest.approx(math.tanh(2 / (4 * 0.5)), rel=1e-8)
    steep = soft_clip(np.array([0.9, 1.0, 1.2]), 0.0, 2.0, hinge(0.5), slope=3.0)
    np.testing.assert_allclose(steep, soft_clip(np.array([0.7, 1.0, 1.6]), 0.0, 2.0, hinge(0.5), slope=1.0), rtol=1e-14)


@pytest.mark.parametrize("slope", [0.25, 1.0, 40.0])
@pytest.mark.parametrize("name", NAMES)
def test_slope_is_the_slope_in_the_middle(name: str, slope: float) -> None:
    for low, high in ((-2.0, 2.0), (0.0, 6.0), (-1.0, 4.0)):
        middle, step = (low + high) / 2, 1e-4 / slope
        y = soft_clip(np.array([middle - step, middle, middle + step]), low, high, name, slope=slope)
        assert y[1] == pytest.approx(middle, rel=0, abs=4 * np.spacing(high))
        assert (y[2] - y[0]) / (2 * step) == pytest.approx(
            slope, rel=1e-3 if name in ("softsign", "exponential") else 1e-6
        )


# A family with a parameter.


def test_algebraic_is_equal_hashed_pickled_and_shown_by_its_parameter() -> None:
    g = algebraic(3.5)
    again = pickle.loads(pickle.dumps(g))
    assert again == g == algebraic(3.5) == copy.deepcopy(g)
    assert hash(again) == hash(g)
    assert g != algebraic(3.0)
    assert repr(g) == "algebraic(3.5)"
    assert eval(repr(g)) == g  # noqa: S307
    assert {algebraic(3.5): 1}[again] == 1


def test_algebraic_meets_the_named_functions() -> None:
    x = np.array([-np.inf, -1e20, -2.0, -0.5, 0.0, 1e-9, 3.0, np.inf, np.nan])
    for p, name in ((1, "softsign"), (2, "algebraic")):
        assert algebraic(p) == softclip._functions.named.NAMED[name]
        # Next to p = 1 and p = 2 the general form is used, and must agree with the special ones.
        np.testing.assert_allclose(soft_clip(x, g=algebraic(p * (1 + 1e-15))), soft_clip(x, g=name), rtol=1e-14)


@pytest.mark.parametrize("p", [0.0, -1.0, float("nan"), float("inf")])
def test_a_power_that_is_wrong(p: float) -> None:
    with pytest.raises(ValueError, match=rf"p must be positive and finite; got {p}"):
        algebraic(p)


@pytest.mark.parametrize("p", ["2", None, True, 1j])
def test_a_power_that_is_no_number(p: Any) -> None:
    with pytest.raises(TypeError, match="p must be a real number"):
        algebraic(p)


def test_the_function_that_makes_one_is_no_g() -> None:
    with pytest.raises(TypeError, match="g must be"):
        soft_clip(np.ones(3), g=algebraic)
