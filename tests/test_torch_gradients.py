"""Soft clipping of gradients: beside torch's own hard one, and beside the closed form v / (1 + abs(v) / c)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the gradients are torch's")
from libraries import name_of

from softclip import NAMES, hinge
from softclip.torch import soft_clip_grad_value_

pytestmark = pytest.mark.needs("torch")


def parameters(*gradients: Any) -> list[Any]:
    made = []
    for gradient in gradients:
        made.append(torch.nn.Parameter(torch.zeros(3) if gradient is None else torch.zeros_like(gradient)))
        made[-1].grad = None if gradient is None else gradient.clone()
    return made


def softsign(v: Any, c: float) -> np.ndarray:
    v = v.double().numpy()
    return v / (1 + np.abs(v) / c)


SIZES = ((), (5,), (3, 4), (0,), (300, 300))


@pytest.mark.parametrize("foreach", [None, False, True])
class TestValues:
    def test_each_element_becomes_its_soft_clip(self, foreach: bool | None) -> None:
        torch.manual_seed(0)
        gradients = [torch.randn(size) * 10 for size in SIZES]
        given = parameters(*gradients)
        kept = [p.grad for p in given]
        assert soft_clip_grad_value_(given, 0.5, foreach=foreach) is None
        for p, before, gradient in zip(given, kept, gradients, strict=True):
            assert p.grad is before  # in place
            np.testing.assert_allclose(p.grad, softsign(gradient, 0.5), rtol=1e-6)

    def test_small_ones_pass_and_none_leaves_the_bounds(self, foreach: bool | None) -> None:
        p, q = parameters(torch.tensor([1e-6, -1e-12, 0.0]), torch.tensor([torch.inf, -torch.inf, 3e38, torch.nan]))
        soft_clip_grad_value_([p, q], 2.0, foreach=foreach)
        np.testing.assert_allclose(p.grad, [1e-6, -1e-12, 0.0], rtol=1e-6)
        assert q.grad[:3].tolist() == [2.0, -2.0, 2.0]
        assert q.grad[3].isnan()

    @pytest.mark.parametrize("g", [*NAMES, torch.tanh, hinge(0.01)], ids=name_of)
    def test_any_function(self, g: Any, foreach: bool | None) -> None:
        """Slope 1 at 0 (a hinge's is tanh(W / 4s), which is 1 here), odd, and never past torch's hard clip."""
        v = 0.08 * torch.arange(-100, 101)
        p, q, hard = parameters(v, 1e-4 * v, v)
        soft_clip_grad_value_([p, q], 1.5, g, foreach=foreach)
        torch.nn.utils.clip_grad_value_([hard], 1.5)
        assert (p.grad.abs() <= hard.grad.abs() * (1 + 1e-6) + 1e-7).all()
        torch.testing.assert_close(p.grad, -p.grad.flip(0), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(q.grad, 1e-4 * v, rtol=2e-3, atol=1e-9)

    def test_none_gradients_and_mixed_dtypes(self, foreach: bool | None) -> None:
        torch.manual_seed(0)
        dtypes = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        gradients = [torch.randn(7).to(dtype) * 3 for dtype in dtypes for _ in range(2)]
        given = parameters(*gradients, None)
        soft_clip_grad_value_(given, 1.0, foreach=foreach)
        assert given[-1].grad is None
        for p, gradient in zip(given, gradients, strict=False):
            assert p.grad.dtype == gradient.dtype
            eps = torch.finfo(gradient.dtype).eps
            np.testing.assert_allclose(p.grad.double(), softsign(gradient, 1.0), rtol=max(eps, 1e-14))

    def test_mixed_devices(self, foreach: bool | None) -> None:
        device = "cuda" if torch.cuda.is_available() else "meta"  # meta: a second device that every machine has
        here, there = parameters(torch.full((3,), 4.0), torch.full((3,), 4.0, device=device))
        soft_clip_grad_value_([here, there], 1.0, foreach=foreach)
        assert there.grad.device.type == device
        torch.testing.assert_close(here.grad, torch.full((3,), 0.8))

    def test_layouts_that_are_not_contiguous(self, foreach: bool | None) -> None:
        gradient = torch.randn(4, 6).t()
        p, q = parameters(gradient, gradient)
        q.grad = gradient.clone(memory_format=torch.preserve_format)
        p.grad = torch.randn(6, 8)[:, ::2].copy_(gradient)
        soft_clip_grad_value_([p, q], 1.0, foreach=foreach)
        for parameter in (p, q):
            np.testing.assert_allclose(parameter.grad, softsign(gradient, 1.0), rtol=1e-6)


def test_one_tensor_or_any_iterable() -> None:
    (p,) = parameters(torch.tensor([4.0]))
    soft_clip_grad_value_(p, 1.0)
    assert p.grad.item() == pytest.approx(0.8)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    net(torch.ones(2, 3)).sum().mul(1000).backward()
    soft_clip_grad_value_(net.parameters(), 0.1)
    assert max(p.grad.abs().max() for p in net.parameters()) <= 0.1
    soft_clip_grad_value_([], 1.0)


def test_a_clip_value_may_be_any_number() -> None:
    for value in (1, np.float32(1.0), torch.tensor(1.0)):
        (p,) = parameters(torch.tensor([4.0]))
        soft_clip_grad_value_(p, value)
        assert p.grad.item() == pytest.approx(0.8)


def test_after_unscaling_as_mixed_precision_does() -> None:
    """The scaled gradient is unscaled first, and only then clipped."""
    p = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.SGD([p], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale((3.0 * p).sum()).backward()
    scaler.unscale_(optimizer)
    soft_clip_grad_value_([p], 1.0)
    scaler.step(optimizer)
    assert p.item() == pytest.approx(2.0 - 3.0 / 4.0)


@pytest.mark.parametrize(
    ("value", "error"),
    [(0.0, ValueError), (-1.0, ValueError), (float("inf"), ValueError), (float("nan"), ValueError), ("1", TypeError)],
)
def test_clip_values_that_are_refused(value: Any, error: type[Exception]) -> None:
    (p,) = parameters(torch.ones(2))
    with pytest.raises(error, match="clip_value must be"):
        soft_clip_grad_value_(p, value)
    assert p.grad.tolist() == [1.0, 1.0]


def test_a_clip_value_too_large_for_a_dtype() -> None:
    (p,) = parameters(torch.ones(2, dtype=torch.float16))
    with pytest.raises(ValueError, match="finite once rounded to float16"):
        soft_clip_grad_value_(p, 1e6)


def test_a_clip_value_too_small_for_a_dtype() -> None:
    """1e-9 is 0 in float16, whose smallest number is 6e-8."""
    (p,) = parameters(torch.ones(2, dtype=torch.float16))
    with pytest.raises(ValueError, match="clip_value must be positive and finite once rounded to float16; got 1e-09"):
        soft_clip_grad_value_(p, 1e-9)


@pytest.mark.parametrize("size", [3, 300_000])
@pytest.mark.parametrize("foreach", [None, False, True])
class TestOnce:
    """4 becomes 0.8 at a clip value of 1; clipped twice it would be 4 / 9."""

    def test_a_parameter_that_is_named_twice(self, size: int, foreach: bool | None) -> None:
        (p,) = parameters(torch.full((size,), 4.0))
        soft_clip_grad_value_([p, p], 1.0, foreach=foreach)
        torch.testing.assert_close(p.grad, torch.full((size,), 0.8))

    def test_two_parameters_with_one_gradient(self, size: int, foreach: bool | None) -> None:
        p, q = parameters(torch.full((size,), 4.0), torch.zeros(size))
        q.grad = p.grad
        soft_clip_grad_value_([p, q], 1.0, foreach=foreach)
        torch.testing.assert_close(p.grad, torch.full((size,), 0.8))


def expanded() -> Any:
    p = torch.nn.Parameter(torch.zeros(2, 3))
    p.grad = torch.ones(1, 3).expand(2, 3)
    return p


def of_integers(dtype: Any) -> Any:
    p = torch.nn.Parameter(torch.zeros(2, dtype=dtype), requires_grad=False)
    p.grad = torch.ones(2, dtype=dtype)
    return p


@pytest.mark.parametrize("foreach", [None, False, True])
@pytest.mark.parametrize(
    ("last", "value", "g", "error", "words"),
    [
        (lambda: parameters(torch.ones(2, dtype=torch.float16))[0], 1e6, "softsign", ValueError, "clip_value"),
        (lambda: parameters(torch.ones(2, dtype=torch.complex64))[0], 1.0, "softsign", TypeError, r"torch\.complex64"),
        (lambda: of_integers(torch.int32), 1.0, "softsign", TypeError, r"got one of torch\.int32"),
        (lambda: of_integers(torch.bool), 1.0, "softsign", TypeError, r"got one of torch\.bool"),
        (expanded, 1.0, "softsign", ValueError, "share memory"),
        (lambda: parameters(torch.ones(2))[0], 1.0, "softsing", ValueError, "Did you mean 'softsign'"),
    ],
)
def test_nothing_is_changed_where_one_is_refused(
    last: Any, value: float, g: Any, error: type[Exception], words: str, foreach: bool | None
) -> None:
    first, large = parameters(torch.full((3,), 4.0), torch.full((300, 300), 4.0))
    with pytest.raises(error, match=words):
        soft_clip_grad_value_([first, large, last()], value, g, foreach=foreach)
    assert (first.grad == 4).all()
    assert (large.grad == 4).all()


def test_g_is_looked_at_without_any_gradient() -> None:
    with pytest.raises(ValueError, match="Did you mean 'softsign'"):
        soft_clip_grad_value_(parameters(None), 1.0, "softsing")


def test_gradients_that_are_refused() -> None:
    (p,) = parameters(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(TypeError, match=r"must be dense, and of float16, .*; got one of torch\.complex64"):
        soft_clip_grad_value_(p, 1.0)
    embedding = torch.nn.Embedding(4, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match=r"torch\.sparse_coo"):
        soft_clip_grad_value_(embedding.parameters(), 1.0)
