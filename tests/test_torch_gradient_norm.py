"""Soft clipping of the norm of gradients: beside torch's own hard one, and beside v / (1 + norm / c)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the gradients are torch's")
from libraries import name_of
from test_torch_gradients import parameters

from softclip import NAMES, hinge
from softclip.torch import soft_clip_grad_norm_

pytestmark = pytest.mark.needs("torch")

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def norm_of(gradients: list[Any], order: float = 2.0) -> float:
    return float(np.linalg.norm(np.concatenate([v.double().reshape(-1).numpy() for v in gradients]), order))


@pytest.mark.parametrize("foreach", [None, False, True])
class TestValues:
    @pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
    def test_all_are_multiplied_by_one_number(self, order: float, foreach: bool | None) -> None:
        torch.manual_seed(0)
        gradients = [torch.randn(size) * 10 for size in ((), (5,), (3, 4), (0,), (300, 300))]
        given = parameters(*gradients, None)
        kept = [p.grad for p in given]
        hard = parameters(*(v for v in gradients if v.numel()))
        norm = soft_clip_grad_norm_(given, 0.5, order, foreach=foreach)
        torch.testing.assert_close(norm, torch.nn.utils.clip_grad_norm_(hard, 0.5, order))
        assert norm.item() == pytest.approx(norm_of(gradients, order), rel=1e-5)
        for p, before, gradient in zip(given, kept, gradients, strict=False):
            assert p.grad is before  # in place
            expected = gradient.double() / (1 + norm_of(gradients, order) / 0.5)
            np.testing.assert_allclose(p.grad, expected, rtol=1e-5)

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_the_norm_is_that_of_more_digits(self, dtype: Any, foreach: bool | None) -> None:
        """In 16 bits the sum of 10,000 squares of 1 stops growing at 2048, or at 256."""
        (p,) = parameters(torch.ones(10_000, dtype=dtype))
        norm = soft_clip_grad_norm_(p, 100.0, foreach=foreach)
        assert norm.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert norm.item() == 100.0
        assert (p.grad == 0.5).all()

    def test_mixed_dtypes_and_devices(self, foreach: bool | None) -> None:
        torch.manual_seed(0)
        gradients = [torch.randn(7).to(dtype) * 3 for dtype in DTYPES for _ in range(2)]
        given = parameters(*gradients)
        norm = soft_clip_grad_norm_(given, 1.0, foreach=foreach)
        assert norm.item() == pytest.approx(norm_of(gradients), rel=1e-6)
        for p, gradient in zip(given, gradients, strict=True):
            assert p.grad.dtype == gradient.dtype
            expected = gradient.double() / (1 + norm_of(gradients))
            rtol = max(torch.finfo(gradient.dtype).eps / 2, 1e-7)  # of 16 bits: rounded once
            np.testing.assert_allclose(p.grad.double(), expected, rtol=1.001 * rtol)

    @pytest.mark.parametrize("g", [*NAMES, torch.tanh, hinge(0.01)], ids=name_of)
    def test_any_function(self, g: Any, foreach: bool | None) -> None:
        """A small norm passes, a large one stays under the bound, and all g's keep the direction."""
        v = torch.tensor([3.0, -4.0])
        for size in (1e-6, 0.1, 1.0, 7.0, 1e6):
            p, hard = parameters(v * size, v * size)
            soft_clip_grad_norm_([p], 1.5, g=g, foreach=foreach)
            torch.nn.utils.clip_grad_norm_([hard], 1.5)
            assert p.grad.norm() <= hard.grad.norm() * (1 + 1e-5)
            np.testing.assert_allclose(p.grad / p.grad[0], v / v[0], rtol=1e-6)
        (p,) = parameters(v * 1e-6)
        soft_clip_grad_norm_([p], 1.5, g=g, foreach=foreach)
        np.testing.assert_allclose(p.grad, v * 1e-6, rtol=1e-5)

    def test_no_gradient_at_all(self, foreach: bool | None) -> None:
        p, q = parameters(torch.zeros(3), torch.zeros(2, dtype=torch.float16))
        assert soft_clip_grad_norm_([p, q], 1.0, foreach=foreach) == 0
        assert p.grad.tolist() == [0.0, 0.0, 0.0]
        assert q.grad.tolist() == [0.0, 0.0]
        assert soft_clip_grad_norm_(parameters(None, torch.zeros(0)), 1.0, math.inf, foreach=foreach) == 0

    def test_infinite_and_nan(self, foreach: bool | None) -> None:
        p, q = parameters(torch.tensor([1.0, torch.inf]), torch.tensor([-2.0]))
        assert soft_clip_grad_norm_([p, q], 1.0, foreach=foreach) == math.inf
        assert p.grad[0] == 0
        assert p.grad[1].isnan()
        assert q.grad == 0
        (p,) = parameters(torch.tensor([1.0, torch.nan]))
        assert soft_clip_grad_norm_(p, 1.0, foreach=foreach).isnan()
        assert p.grad.isnan().all()

    def test_tied_parameters_count_once(self, foreach: bool | None) -> None:
        p, q = parameters(torch.tensor([3.0, 4.0]), torch.zeros(2))
        q.grad = p.grad
        assert soft_clip_grad_norm_([p, q, p], 5.0, foreach=foreach) == 5
        torch.testing.assert_close(p.grad, torch.tensor([1.5, 2.0]))


def test_errors_if_not_finite_change_nothing() -> None:
    (p,) = parameters(torch.tensor([1.0, torch.inf]))
    with pytest.raises(RuntimeError, match=r"the norm of order 2\.0 of the gradients is inf"):
        soft_clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [1.0, math.inf]
    (p,) = parameters(torch.tensor([3.0, 4.0]))
    soft_clip_grad_norm_(p, 5.0, error_if_nonfinite=True)
    torch.testing.assert_close(p.grad, torch.tensor([1.5, 2.0]))


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"max_norm": 0.0}, ValueError, "max_norm must be positive and finite; got 0.0"),
        ({"max_norm": math.inf}, ValueError, "max_norm must be positive and finite; got inf"),
        ({"max_norm": "1"}, TypeError, "max_norm must be"),
        ({"max_norm": 1e39}, ValueError, "max_norm must be positive and finite once rounded to float32"),
        ({"max_norm": 1.0, "norm_type": "fro"}, TypeError, "norm_type must be"),
        ({"max_norm": 1.0, "g": "softsing"}, ValueError, "Did you mean 'softsign'"),
    ],
)
def test_arguments_that_are_refused(keywords: dict[str, Any], error: type[Exception], words: str) -> None:
    (p,) = parameters(torch.ones(2))
    with pytest.raises(error, match=words):
        soft_clip_grad_norm_(p, **keywords)
    assert p.grad.tolist() == [1.0, 1.0]


def test_many_at_once_where_torch_cannot() -> None:
    (p,) = parameters(torch.ones(2, device="meta"))
    with pytest.raises(RuntimeError, match="foreach=True is not possible for gradients on meta"):
        soft_clip_grad_norm_(p, 1.0, foreach=True)
    assert soft_clip_grad_norm_(p, 1.0).device.type == "meta"


def test_it_is_automatic_clipping() -> None:
    """Bu et al., arXiv:2206.07136: g / (norm + stabiliser), here times max_norm with max_norm for the stabiliser."""
    gradient = torch.tensor([30.0, -40.0])
    (p,) = parameters(gradient)
    soft_clip_grad_norm_(p, 0.25)
    torch.testing.assert_close(p.grad, 0.25 * gradient / (50.0 + 0.25))
