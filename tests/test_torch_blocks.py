"""Large tensors in main memory, which are worked on in pieces: the same numbers as those of the pieces, in any layout."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from libraries import ALL, HINGE, name_of

from softclip import (
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.needs("torch")

LAYOUTS = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(1, 3),
    "strided": lambda x: x[:, :, ::2, 1:],
    "expanded": lambda x: x[:, :1].expand(-1, 5, -1, -1),
    "one value": lambda x: x[0, 0, 0, 0].expand(x.shape),
}
SHAPE = (4, 5, 36, 101)  # 72,720 elements: more than two blocks of one thread, and more than one of two


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def spread(dtype: Any = None) -> Any:
    return torch.linspace(-30.0, 30.0, 72_720).to(dtype or torch.float32).reshape(SHAPE)


def by_pieces(function: Any, *tensors: Any) -> Any:
    """The function of pieces so small that each is done at once."""
    pieces = zip(*(t.reshape(-1).split(20_000) for t in tensors), strict=True)
    return torch.cat([function(*piece) for piece in pieces]).reshape(tensors[0].shape)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(layout: str, threads: int) -> None:
    x = LAYOUTS[layout](spread())
    y = soft_clip(x, 0.0, 6.0, "algebraic")
    assert torch.equal(y, by_pieces(lambda piece: soft_clip(piece, 0.0, 6.0, "algebraic"), x))
    if layout in ("contiguous", "channels last", "transposed"):
        assert y.stride() == x.stride()
    assert y._base is None, "a view of something larger"


@pytest.mark.parametrize("of_gradient", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_of_x_and_of_the_gradient(layout: str, of_gradient: str) -> None:
    x = LAYOUTS[layout](spread()).detach()
    gradient = LAYOUTS[of_gradient](spread())
    gradient = gradient if gradient.shape == x.shape else torch.ones(()).expand(x.shape)
    x.requires_grad_()
    (found,) = torch.autograd.grad(soft_clip(x, -1.0, 3.0), x, gradient)
    with torch.no_grad():
        slope = by_pieces(lambda piece: soft_clip_derivative(piece, -1.0, 3.0), x)
    torch.testing.assert_close(found, gradient * slope, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize(
    ("g", "bounds"),
    [
        *itertools.product(ALL, [(-1.0, 1.0), (0.0, 6.0), (-1.0, 3.0)]),
        *itertools.product([HINGE], [(0.0, None), (None, 6.0)]),
    ],
    ids=name_of,
)
def test_blocks_change_nothing(g: Any, bounds: tuple[float | None, float | None], dtype: str) -> None:
    x = spread(getattr(torch, dtype))
    y = soft_clip(x, *bounds, g)
    for function, given in (
        (soft_clip, x),
        (soft_clip_derivative, x),
        (soft_clip_log_derivative, x),
        (soft_clip_inverse, y),
    ):
        whole = function(given, *bounds, g)
        pieces = by_pieces(lambda piece, f=function: f(piece, *bounds, g), given)
        if g in ("sigmoid", "tanh", torch.sigmoid, torch.tanh):
            # torch.sigmoid rounds otherwise at the end of an array than in its middle.
            torch.testing.assert_close(whole, pieces, rtol=4 * torch.finfo(x.dtype).eps, atol=0, equal_nan=True)
        else:
            assert torch.equal(whole, pieces)


@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_bounds_that_are_single_tensors_are_numbers(g: Any) -> None:
    """To the bit, and the gradient too; those that are learned are not read."""
    x = spread().requires_grad_()
    low, high, slope = (torch.tensor(v) for v in (-1.0, 3.0, 0.5))
    tensors, numbers = soft_clip(x, low, high, g, slope=slope), soft_clip(x, -1.0, 3.0, g, slope=0.5)
    assert torch.equal(tensors, numbers)
    assert tensors.grad_fn.name() == numbers.grad_fn.name()
    learned = soft_clip(x, low, high.clone().requires_grad_(), g, slope=slope)
    assert learned.grad_fn.name() != numbers.grad_fn.name()
    torch.testing.assert_close(learned, numbers, rtol=0, atol=3e-6)


def test_bounds_that_are_no_bounds_are_not_looked_at() -> None:
    """As those on another device are not."""
    x = torch.zeros(3)
    assert soft_clip(x, torch.tensor(2.0), torch.tensor(-2.0)).shape == (3,)
    assert soft_clip(x, torch.tensor(float("nan")), 1.0).isnan().all()
    assert soft_clip(x, torch.tensor(0.0), None, HINGE).shape == (3,)


def test_integers() -> None:
    x = torch.arange(-40_000, 40_000)
    assert torch.equal(soft_clip(x, -3.0, 5.0), soft_clip(x.to(torch.float32), -3.0, 5.0))


def test_a_parameter_and_its_gradient() -> None:
    x = torch.nn.Parameter(spread())
    soft_clip(x, -1.0, 3.0).sum().backward()
    assert type(soft_clip(x.detach(), -1.0, 3.0)) is torch.Tensor
    assert x.grad.shape == x.shape
    assert torch.autograd.gradcheck(
        lambda t: soft_clip(t, 0.0, 6.0)[::10_007],
        spread(torch.float64).reshape(-1)[:40_000].requires_grad_(),
        fast_mode=True,
    )


def test_the_result_can_be_changed_in_place() -> None:
    x = spread().requires_grad_()
    y = soft_clip(x, 0.0, 6.0)
    y.mul_(2.0)
    (found,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(found, soft_clip_derivative(x.detach(), 0.0, 6.0) * 2)
