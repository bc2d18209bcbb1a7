"""The transform of distributions: against SciPy's densities, quadrature, and torch's own transforms."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from typing import Any

import numpy as np
import oracle
import pytest
import scipy.integrate
import scipy.special
from libraries import name_of

from softclip import NAMES, Squash, hinge

torch = pytest.importorskip("torch", reason="the transform is torch's")
from torch import distributions as D

from softclip.torch import SoftClipTransform

pytestmark = pytest.mark.needs("torch")

STRICT = [g for g in NAMES if g not in ("cubic", "quintic", "sine")]
F64 = torch.float64


def normal(loc: float = 0.0, scale: float = 1.0) -> Any:
    return D.Normal(torch.tensor(loc, dtype=F64), torch.tensor(scale, dtype=F64))


class TestDensity:
    @pytest.mark.parametrize("g", [*STRICT, hinge(0.3)], ids=str)
    @pytest.mark.parametrize("slope", [None, 1.0])
    @pytest.mark.parametrize("bounds", [(-2.0, 2.0), (0.0, 6.0)])
    def test_it_integrates_to_one(self, g: Any, slope: float | None, bounds: tuple[float, float]) -> None:
        """By SciPy's quadrature over y, of a density that vanishes towards the bounds."""
        base = normal(0.3, 0.4)
        d = D.TransformedDistribution(base, SoftClipTransform(*bounds, g, slope=slope))

        def density(y: float) -> float:
            return math.exp(d.log_prob(torch.tensor(y, dtype=F64)).item())

        edges = d.transforms[0](torch.tensor([-3.0, 0.3, 3.6], dtype=F64)).tolist()
        inside = sum(scipy.integrate.quad(density, a, b, epsabs=1e-11)[0] for a, b in itertools.pairwise(edges))
        assert abs(inside - 1) < 1e-9

    def test_the_cdf_of_a_variable_is_uniform(self) -> None:
        """That of a logistic one, which torch makes of a uniform one: the density is 1."""
        logistic = D.TransformedDistribution(
            D.Uniform(torch.tensor(0.0, dtype=F64), torch.tensor(1.0, dtype=F64)), D.SigmoidTransform().inv
        )
        d = D.TransformedDistribution(logistic, SoftClipTransform(0.0, 1.0, "sigmoid"))
        y = torch.tensor([1e-3, 0.2, 0.5, 0.999], dtype=F64)
        np.testing.assert_allclose(d.log_prob(y), 0.0, atol=1e-12)

    def test_cdf_and_icdf_are_those_of_the_base(self) -> None:
        d = D.TransformedDistribution(normal(), SoftClipTransform(-1.0, 3.0, "erf", slope=1.0))
        p = torch.tensor([0.01, 0.5, 0.9], dtype=F64)
        np.testing.assert_allclose(d.cdf(d.icdf(p)), p, rtol=1e-12)
        # f is 1 at 1, the middle of the range.
        np.testing.assert_allclose(d.cdf(torch.tensor(1.0, dtype=F64)), scipy.special.ndtr(1.0), rtol=1e-12)

    def test_it_is_that_of_torch_where_torch_has_it(self) -> None:
        """Squashed Gaussian actions with its own two transforms."""
        y = torch.tensor([-0.99, -0.3, 0.0, 0.6, 0.999], dtype=F64)
        mine = D.TransformedDistribution(normal(), SoftClipTransform(-1.0, 1.0, "tanh"))
        theirs = D.TransformedDistribution(normal(), D.TanhTransform())
        np.testing.assert_allclose(mine.log_prob(y), theirs.log_prob(y), rtol=1e-10)
        mine = D.TransformedDistribution(normal(), SoftClipTransform(-1.0, 1.0))
        theirs = D.TransformedDistribution(normal(), [D.SigmoidTransform(), D.AffineTransform(-1.0, 2.0)])
        np.testing.assert_allclose(mine.log_prob(y), theirs.log_prob(y), rtol=1e-10)

    def test_the_scale_of_the_bounds_is_in_it(self) -> None:
        """As action spaces need it (cleanrl, ALL): twice the width is log 2 less of density."""
        y = torch.tensor([-0.9, 0.2], dtype=F64)
        narrow, wide = (D.TransformedDistribution(normal(), SoftClipTransform(-b, b, "tanh")) for b in (1.0, 2.0))
        np.testing.assert_allclose(narrow.log_prob(y) - wide.log_prob(2 * y), math.log(2), rtol=1e-12)


class TestSaturation:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize("g", STRICT)
    def test_the_log_determinant_is_finite_and_right(self, g: str, dtype: Any) -> None:
        t = SoftClipTransform(-2.0, 2.0, g)
        x = torch.tensor([-1000.0, -20.0, 0.0, 60.0, 1000.0], dtype=dtype)
        got = t.log_abs_det_jacobian(x, t(x))
        # In 420 digits and any exponent: erf's derivative at 1000 is 1e-434295.
        want = [float(oracle.mp.log(oracle.derivatives(float(v), -2.0, 2.0, g, None, 0.0)[0])) for v in x]
        np.testing.assert_allclose(got, want, rtol=8 * torch.finfo(dtype).eps, atol=8 * torch.finfo(dtype).eps)

    def test_log_prob_of_samples_with_the_cache(self) -> None:
        """Where tanh has long been 1: torch's transform without the cache gives inf or NaN for most of these."""
        torch.manual_seed(0)
        base = D.Normal(torch.zeros(1000), math.exp(5.0))
        d = D.TransformedDistribution(base, SoftClipTransform(-1.0, 1.0, "tanh", cache_size=1))
        y = d.rsample()
        assert (y.abs() == 1).any()
        assert torch.isfinite(d.log_prob(y)).all()

    def test_its_gradient_reaches_the_policy(self) -> None:
        loc = torch.tensor([0.5, 30.0], requires_grad=True)
        d = D.TransformedDistribution(D.Normal(loc, 1.0), SoftClipTransform(-1.0, 1.0, "tanh", cache_size=1))
        torch.manual_seed(0)
        d.log_prob(d.rsample()).sum().backward()
        assert torch.isfinite(loc.grad).all()
        # d/dx [-log(4 e^-2x / (1 + e^-2x)^2)] = 2 tanh x; the base's own density does not depend on loc for a fixed draw.
        torch.manual_seed(0)
        x = D.Normal(loc.detach(), 1.0).rsample()
        torch.testing.assert_close(loc.grad, 2 * torch.tanh(x), rtol=1e-5, atol=0)


class TestAsATransform:
    @pytest.mark.parametrize("g", [*NAMES, hinge(0.5)], ids=str)
    def test_the_inverse(self, g: Any) -> None:
        t = SoftClipTransform(-1.0, 3.0, g, slope=1.0)
        x = torch.linspace(-0.2, 2.3, 11, dtype=F64)
        np.testing.assert_allclose(t.inv(t(x)), x, rtol=1e-11, atol=1e-12)
        assert t.inv.inv is t
        np.testing.assert_allclose(t.inv.log_abs_det_jacobian(t(x), x), -t.log_abs_det_jacobian(x, t(x)))
        assert t.inv(torch.tensor([-1.0, 3.0])).tolist() == [-math.inf, math.inf]

    def test_the_log_determinant_is_that_of_autograd(self) -> None:
        t = SoftClipTransform(0.0, 6.0, "algebraic", slope=1.0)
        x = torch.linspace(-5, 9, 13, dtype=F64)
        want = torch.func.vmap(torch.func.grad(t))(x).log()
        np.testing.assert_allclose(t.log_abs_det_jacobian(x, t(x)), want, rtol=1e-12)

    def test_domain_codomain_sign(self) -> None:
        t = SoftClipTransform(0.0, 6.0)
        assert t.domain is D.constraints.real
        assert t.codomain.check(torch.tensor([0.0, 3.0, 6.0, -1.0, 7.0])).tolist() == [True, True, True, False, False]
        assert (t.sign, t.inv.sign, t.domain.event_dim, t.codomain.event_dim) == (1, 1, 0, 0)
        one = SoftClipTransform(None, 2.0, hinge(0.1))
        assert one.codomain.check(torch.tensor([-1e30, 2.0, 2.1])).tolist() == [True, True, False]
        with pytest.raises(ValueError, match="within the support"):
            D.TransformedDistribution(normal(), t, validate_args=True).log_prob(torch.tensor(7.0))

    @pytest.mark.parametrize("g", [*NAMES, hinge(0.5), torch.tanh], ids=name_of)
    def test_it_is_bijective_where_f_increases_everywhere(self, g: Any) -> None:
        assert SoftClipTransform(g=g).bijective == (g not in ("cubic", "quintic", "sine"))

    def test_the_cache(self) -> None:
        x = torch.tensor(1000.0)
        kept, lost = SoftClipTransform(cache_size=1), SoftClipTransform()
        assert kept.inv(kept(x)) is x
        assert lost.inv(lost(x)) == math.inf
        assert lost.with_cache() == lost
        assert lost.with_cache()._cache_size == 1
        assert kept.with_cache() is kept
        with pytest.raises(ValueError, match="cache_size"):
            SoftClipTransform(cache_size=2)

    def test_equality(self) -> None:
        same = (
            (0.0, 6.0, "tanh"),
            (torch.zeros(2), torch.tensor([1.0, 2.0]), "tanh"),
            (0.0, None, hinge(0.5)),
        )
        for call in same:
            assert SoftClipTransform(*call) == SoftClipTransform(*copy.deepcopy(call))
        t = SoftClipTransform(0.0, 6.0, "tanh")
        for other in (
            SoftClipTransform(0.0, 6.5, "tanh"),
            SoftClipTransform(-1.0, 6.0, "tanh"),
            SoftClipTransform(0.0, 6.0, "erf"),
            SoftClipTransform(0.0, 6.0, "tanh", slope=1.0),
            SoftClipTransform(torch.zeros(2), 6.0, "tanh"),
            D.SigmoidTransform(),
        ):
            assert t != other
        assert SoftClipTransform(torch.zeros(2), 6.0) != SoftClipTransform(torch.zeros(3), 6.0)
        assert pickle.loads(pickle.dumps(t)) == t

    def test_bounds_of_a_batch(self) -> None:
        t = SoftClipTransform(torch.tensor([[-1.0], [-2.0]]), torch.tensor([[1.0], [2.0]]), "tanh")
        assert t.forward_shape((3,)) == (2, 3)
        assert t.inverse_shape((2, 3)) == (2, 3)
        d = D.TransformedDistribution(D.Normal(torch.zeros(3), torch.ones(3)), t)
        assert d.batch_shape == (2, 3)
        y = d.sample((5,))
        assert y.shape == (5, 2, 3)
        assert d.log_prob(y).shape == (5, 2, 3)
        torch.testing.assert_close(
            d.log_prob(t(torch.zeros(3)))[0] - d.log_prob(t(torch.zeros(3)))[1], torch.full((3,), math.log(2))
        )

    @pytest.mark.parametrize(
        "make",
        [list, tuple, np.array, torch.tensor, lambda v: np.array(v, np.float32)],
        ids=["list", "tuple", "array", "tensor", "float32"],
    )
    @pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
    def test_bounds_that_are_arrays_and_lists(self, make: Any, dtype: Any) -> None:
        """Each element as between its own two numbers."""
        lows, highs = [-1.0, -2.25], [0.75, 2.0]
        t = SoftClipTransform(make(lows), make(highs), "tanh", slope=make([1.0, 0.5]))
        x = torch.tensor([[-torch.inf, torch.inf], [0.2, -0.3]], dtype=dtype)
        y = t(x)
        assert y.dtype == dtype
        alone = [
            SoftClipTransform(*bounds, "tanh", slope=s) for *bounds, s in zip(lows, highs, (1.0, 0.5), strict=True)
        ]
        for i, of_one in enumerate(alone):
            torch.testing.assert_close(y[:, i], of_one(x[:, i]), rtol=0, atol=8 * torch.finfo(dtype).eps)
        assert (t.forward_shape((3, 1)), t.inverse_shape((3, 2)), t.forward_shape(())) == ((3, 2), (3, 2), (2,))
        assert t.codomain.check(y).all()
        outside = torch.tensor([[-1.25, 0.0], [0.0, 2.25]], dtype=dtype)
        assert t.codomain.check(outside).tolist() == [[False, True], [True, False]]
        d = D.TransformedDistribution(D.Normal(torch.zeros(2, dtype=dtype), 1.0), t, validate_args=True)
        assert d.batch_shape == (2,)
        assert d.log_prob(y[1]).shape == (2,)
        assert d.support.check(y).all()
        bijection = D.biject_to(t.codomain)(x[1])
        assert t.codomain.check(bijection).all()

    @pytest.mark.parametrize("make", [list, np.array], ids=str)
    def test_arrays_and_lists_keep_their_digits(self, make: Any) -> None:
        """A float32 0.1 is not the number of float64."""
        y = SoftClipTransform(make([-0.1]), make([0.1]))(torch.tensor([torch.inf, -torch.inf], dtype=F64))
        assert y.tolist() == [0.1, -0.1]

    @pytest.mark.parametrize("make", [list, np.array], ids=str)
    def test_what_is_the_same_with_arrays_and_lists(self, make: Any) -> None:
        t = SoftClipTransform(make([-1, -2]), make([1.0, 2.0]))
        for other in (t.with_cache(1), eval(repr(t)), copy.deepcopy(t), pickle.loads(pickle.dumps(t))):  # noqa: S307
            assert other == t
            assert other(torch.zeros(2)).tolist() == [0.0, 0.0]
        assert repr(t) == "SoftClipTransform([-1.0, -2.0], [1.0, 2.0], 'sigmoid')"
        assert t == SoftClipTransform(torch.tensor([-1.0, -2.0]), torch.tensor([1.0, 2.0]))
        assert t != SoftClipTransform(make([-1, -2]), make([1.0, 3.0]))
        assert t != SoftClipTransform(make([-2]), make([1.0, 2.0]))
        assert t != SoftClipTransform(-1.0, 2.0)
        assert torch.autograd.gradcheck(t, torch.tensor([0.3, -0.4], dtype=F64, requires_grad=True))
        meta = t(torch.empty(3, 1, device="meta"))  # constants are brought to the device of x
        assert (meta.device.type, tuple(meta.shape)) == ("meta", (3, 2))

    def test_lists_are_refused_as_by_the_module(self) -> None:
        for call, error, words in (
            ((["a"], 1.0), TypeError, "x_min must hold real numbers"),
            (([True], 2.0), TypeError, "x_min must hold real numbers"),
            (([[1.0, 2.0], [3.0]], 9.0), ValueError, "x_min must have as many numbers in each row"),
            (([0.0, 2.0], [1.0, 1.0]), ValueError, "x_min=2.0 and x_max=1.0"),
        ):
            with pytest.raises(error, match=words):
                SoftClipTransform(*call)

    def test_values_on_bounds_of_more_digits_are_in_the_codomain(self) -> None:
        """0.1 in float32 is greater than 0.1 in float64."""
        high = torch.tensor(0.1, dtype=F64)
        t = SoftClipTransform(-1.0, high)
        assert t.codomain.check(t(torch.tensor(torch.inf)))
        assert not t.codomain.check(torch.tensor(0.1001))

    def test_in_a_chain_and_over_events(self) -> None:
        chain = D.ComposeTransform([D.AffineTransform(1.0, 2.0), SoftClipTransform(0.0, 1.0)])
        x = torch.linspace(-2, 2, 6, dtype=F64).reshape(2, 3)
        np.testing.assert_allclose(chain(x), scipy.special.expit(1 + 2 * x.numpy()), rtol=1e-14)
        events = D.IndependentTransform(SoftClipTransform(0.0, 1.0), 1)
        assert events.log_abs_det_jacobian(x, events(x)).shape == (2,)

    def test_bounds_that_are_learned(self) -> None:
        high = torch.tensor(2.0, dtype=F64, requires_grad=True)
        d = D.TransformedDistribution(normal(), SoftClipTransform(0.0, high, "tanh"))
        assert torch.autograd.gradcheck(
            lambda h: D.TransformedDistribution(normal(), SoftClipTransform(0.0, h, "tanh")).log_prob(
                torch.tensor(0.4, dtype=F64)
            ),
            (high,),
        )
        assert d.rsample().requires_grad

    def test_a_function_of_the_users(self) -> None:
        g = Squash(
            torch.special.ndtr,
            inverse=torch.special.ndtri,
            derivative=lambda z: torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi),
        )
        d = D.TransformedDistribution(normal(), SoftClipTransform(0.0, 5.0, g))
        np.testing.assert_allclose(d.log_prob(torch.linspace(0.1, 4.9, 9, dtype=F64)), -math.log(5), rtol=1e-9)
        bare = SoftClipTransform(g=lambda z: torch.tanh(z))
        with pytest.raises(ValueError, match="has no derivative"):
            bare.log_abs_det_jacobian(torch.ones(2), torch.ones(2))

    def test_what_is_refused(self) -> None:
        for call, words in (((1.0, 1.0), "x_min must be less"), ((0.0, torch.tensor([1.0, -1.0])), "x_max=-1.0")):
            with pytest.raises(ValueError, match=words):
                SoftClipTransform(*call)

    def test_repr(self) -> None:
        assert repr(SoftClipTransform(0.0, 6.0, "tanh", slope=1.0)) == "SoftClipTransform(0.0, 6.0, 'tanh', slope=1.0)"
