"""Arguments of every kind where torch traces: under its compiler, and in torch.fx."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from softclip import Squash, hinge, soft_clip, soft_clip_derivative, soft_clip_inverse

torch = pytest.importorskip("torch", reason="torch is not installed")
pytestmark = pytest.mark.needs("torch")

Z = torch.linspace(-3.0, 3.0, 7)


def halved(z: Any) -> Any:
    return torch.atan(z) / 2


@contextlib.contextmanager
def scalars_captured() -> Iterator[None]:
    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        yield


def compilations(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> int:
    """How often `function` is compiled for these calls, the results of which are compared with eager ones."""
    compiled = 0

    def backend(graph: Any, inputs: Any) -> Any:
        nonlocal compiled
        compiled += 1
        return graph.forward

    torch._dynamo.reset()
    traced = torch.compile(function, fullgraph=True, backend=backend)
    with scalars_captured():
        for call in calls:
            torch.testing.assert_close(traced(*call), function(*call), rtol=2e-6, atol=2e-6)
    return compiled


GS = ["algebraic", hinge(0.1), Squash(torch.atan, -np.pi / 2, np.pi / 2, slope=1.0), halved]
ARGUMENTS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "int bounds": (lambda g, **k: lambda z, n: soft_clip(z, -n, n, g, **k), [(Z, n) for n in (2, 3, 4, 5, 6)]),
    "float bounds": (
        lambda g, **k: lambda z, n: soft_clip(z, -n, n + 1, g, **k),
        [(Z, n) for n in (0.5, 1.5, 2.0, 3.0)],
    ),
    "a length": (
        lambda g, **k: lambda z: soft_clip(z, 0, z.shape[0] - 1, g, **k),
        [(torch.linspace(-1, 1, n),) for n in (5, 6, 7, 8)],
    ),
    "np.float64": (
        lambda g, **k: lambda z, n: soft_clip(z, -n, n, g, **k),
        [(Z, np.float64(n)) for n in (0.5, 1.5, 2.0, 3.0)],
    ),
    "np.float32": (
        lambda g, **k: lambda z, n: soft_clip(z, -1, n, g, **k),
        [(Z, np.float32(n)) for n in (0.5, 1.5, 2.0, 3.0)],
    ),
    "item": (
        lambda g, **k: lambda z, b: soft_clip(z, -1.0, b.item(), g, **k),
        [(Z, torch.tensor(n)) for n in (0.5, 1.5, 2.0, 3.0)],
    ),
    "lists": (lambda g, **k: lambda z: soft_clip(z, [-1] * 7, [1.0, 2, 3, 4, 5, 6, 7], g, **k), [(Z,), (Z + 1,)]),
    "a list that changes": (
        lambda g, **k: lambda z, n: soft_clip(z, [-1.0, -2.0, -n], 9, g, **k),
        [(Z[:3], n) for n in (0.5, 1.5, 2.0, 3.0)],
    ),
    "NumPy arrays": (
        lambda g, **k: lambda z, b: soft_clip(z, -b, 9, g, **k),
        [(Z, np.arange(1.0, 8.0) * n) for n in (0.5, 1.5, 2.0)],
    ),
}


@pytest.mark.parametrize("g", GS, ids=["algebraic", "hinge", "Squash", "function"])
@pytest.mark.parametrize("kind", ARGUMENTS)
def test_bounds_of_every_kind_trace_without_a_compilation_for_each_value(kind: str, g: Any) -> None:
    made, calls = ARGUMENTS[kind]
    slope = {} if g is halved else {"slope": 1.0}
    assert compilations(made(g, **slope), calls) <= 2


@pytest.mark.parametrize("bounds", [(-1.0, 2.0), (torch.full((7,), -1.0), 2)], ids=["numbers", "arrays"])
@pytest.mark.parametrize("g", GS[:3], ids=["algebraic", "hinge", "Squash"])
def test_slopes_that_change(g: Any, bounds: tuple[Any, Any]) -> None:
    calls: list[tuple[Any, ...]] = [(Z, slope) for slope in (2, 3, 4, 5)]
    assert compilations(lambda z, n: soft_clip(z, *bounds, g, slope=n), calls) <= 2
    calls = [(Z, slope) for slope in (0.5, 2.5, 3.0, 4.5)]
    assert compilations(lambda z, n: soft_clip(z, *bounds, g, slope=n), calls) <= 2


def test_the_inverse_and_the_derivative_trace_too() -> None:
    calls: list[tuple[Any, ...]] = [(Z / 4, n) for n in (2, 3, 4, 5)]
    assert compilations(lambda z, n: soft_clip_inverse(z, -n, n, "tanh"), calls) <= 2
    assert compilations(lambda z, n: soft_clip_derivative(z, -n, n, "tanh"), calls) <= 2


@pytest.mark.parametrize("g", ["tanh", GS[2]], ids=["tanh", "Squash"])
def test_numbers_that_are_wrong_are_refused_while_tracing(g: Any) -> None:
    torch._dynamo.reset()
    traced = torch.compile(lambda z, a, b: soft_clip(z, a, b, g), fullgraph=True, backend="eager")
    for bounds in ((-1.0, 1.0), (-2.0, 3.0), (-0.5, 0.25)):
        torch.testing.assert_close(traced(Z, *bounds), soft_clip(Z, *bounds, g), rtol=2e-6, atol=2e-6)
    for bounds in ((1.0, -1.0), (2.0, 2.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(Exception, match="x_min"):
            traced(Z, *bounds)


# torch.fx.


def modules() -> list[Any]:
    from softclip.torch import SoftClipping

    lows = torch.arange(-8.0, -1.0)
    return [
        SoftClipping(),
        SoftClipping(0.0, 6.0, "tanh", slope=1.0),
        SoftClipping(0, 1, hinge(0.1)),
        SoftClipping(lows, 4.0),
        SoftClipping(torch.nn.Parameter(lows), 4.0, torch.atan),
        SoftClipping(-1, 1, Squash(torch.atan, -2, 2)),
        SoftClipping(-1, 1, halved),
    ]


@pytest.mark.parametrize("number", range(7))
def test_modules_are_traced_by_fx(number: int) -> None:
    module = modules()[number]
    for net in (module, torch.nn.Sequential(torch.nn.Linear(7, 7), module, module)):
        graph = torch.fx.symbolic_trace(net)
        torch.testing.assert_close(graph(Z), net(Z), rtol=0, atol=0)
        called = [node.target for node in graph.graph.nodes if node.op == "call_function"]
        assert called == [soft_clip] * (1 if net is module else 2)
    torch.testing.assert_close(pickle.loads(pickle.dumps(graph))(Z), net(Z), rtol=0, atol=0)


class Both(torch.nn.Module):  # type: ignore[misc]
    def forward(self, x: Any, low: Any, high: Any) -> Any:
        y = soft_clip(x, low, high, hinge(0.1))
        return soft_clip_inverse(y, low, high, hinge(0.1)) * soft_clip_derivative(x, -1, 1, "erf")


def test_functions_are_traced_by_fx_with_bounds_that_are() -> None:
    net = Both()
    graph = torch.fx.symbolic_trace(net)
    lows, highs = torch.full((7,), -4.0), torch.full((7,), 4.0)
    torch.testing.assert_close(graph(Z, lows, highs), net(Z, lows, highs), rtol=0, atol=0)
    with pytest.raises(ValueError, match="x_min must be less than x_max"):
        torch.fx.symbolic_trace(lambda x: soft_clip(x, 1.0, 0.0))
