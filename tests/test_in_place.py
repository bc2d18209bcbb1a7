"""Results in place: what `out` and `soft_clip_` write, where, and what they refuse."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from libraries import ALL, CALLS, FUNCTIONS, HINGE, Library, alternating, in_turn, name_of

from softclip import soft_clip, soft_clip_derivative, soft_clip_inverse

functions = pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
numpys = pytest.mark.needs("numpy")

SHAPE = (4, 5, 3001)  # more than one block, and more than one piece between arrays
BOUNDS: dict[str, tuple[Any, Any]] = {
    "numbers": (-1.0, 3.0),
    "a bound of 0": (0.0, 6.0),
    "for each of the first axis": (np.array([-4.0, -1.0, 0.0, -2.0]).reshape(4, 1, 1), 5.0),
    "for each of the last": (np.linspace(-3, -1, 3001), np.linspace(1, 4, 3001)),
}
several_bounds = pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)

# Empty arrays of a shape that lie in memory in several ways; NumPy and torch make them alike.
LAYOUTS: dict[str, Callable[[Any, Any], Any]] = {
    "contiguous": lambda empty, dtype: empty(SHAPE, dtype=dtype),
    "transposed": lambda empty, dtype: empty(SHAPE[::-1], dtype=dtype).T if empty is np.empty else empty(SHAPE[::-1], dtype=dtype).permute(2, 1, 0),
    "strided": lambda empty, dtype: empty((4, 10, 6002), dtype=dtype)[:, ::2, 1::2],
}  # fmt: skip


def spread(dtype: Any = np.float32) -> Any:
    return np.linspace(-9, 9, int(np.prod(SHAPE))).astype(dtype).reshape(SHAPE)


def same(a: Any, b: Any, ulps: int = 4) -> None:
    """Equal, up to what a library's function differs by at the end of a block."""
    a, b = np.asarray(a), np.asarray(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    # A cancellation near a zero of the result makes more of them: a log-derivative has one.
    eps = float(ml_dtypes.finfo(a.dtype).eps)
    np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=ulps * eps, atol=ulps * eps)


@numpys
class TestNumPy:
    @functions
    @several_bounds
    @pytest.mark.parametrize(
        ("dtypes", "layout"),
        in_turn([("f4", "f4"), ("f8", "f4"), ("f2", "f2"), ("f2", "f4"), ("i4", "f8"), ("f4", ">f4"), ("f4", "c8")], [*LAYOUTS]),
        ids=str,
    )  # fmt: skip
    def test_out_gets_what_the_call_gives(self, function: Any, bounds: Any, layout: str, dtypes: Any) -> None:
        x, out = spread(dtypes[0]), LAYOUTS[layout](np.empty, dtypes[1])
        want = function(x, *bounds)
        assert function(x, *bounds, out=out) is out
        same(out.real.astype(want.dtype), want.astype(out.dtype).real.astype(want.dtype))

    @pytest.mark.parametrize(("function", "g", "bounds"), alternating(FUNCTIONS, ALL, [*BOUNDS.values(), (-2.0, 2.0)]), ids=name_of)  # fmt: skip
    def test_out_may_be_x(self, g: Any, function: Any, bounds: Any) -> None:
        x = spread() if function is not soft_clip_inverse else spread() / 4
        want = function(x, *bounds, g)
        assert function(x, *bounds, g, out=x) is x
        same(x, want)

    @several_bounds
    @pytest.mark.parametrize("shift", [1, 1500, -1, -1500])
    def test_memory_that_overlaps(self, bounds: Any, shift: int) -> None:
        values = spread()
        memory = np.zeros(values.size + 1500, np.float32)
        x, out = (memory[max(n, 0) :][: values.size].reshape(SHAPE) for n in (shift, -shift))
        x[...] = values
        same(soft_clip(x, *bounds, out=out), soft_clip(values, *bounds))

    def test_one_row_may_be_where_the_result_goes_and_bounds_too(self) -> None:
        out = np.zeros((300, 401), np.float32)
        out[0], out[-1] = np.linspace(-3, 3, 401), np.linspace(1, 2, 401)
        want = soft_clip(out[0].copy(), np.full((300, 1), -1.0), out[-1].copy())
        same(soft_clip(out[0], np.full((300, 1), -1.0), out[-1], out=out), want)

    def test_numbers_lists_and_arrays_of_any_size(self) -> None:
        for x in (0.5, [1, 2], [[0.5]], np.zeros((0, 3)), np.array(2.0), np.float64(2.0)):
            for bounds in ((-1.0, 1.0), (np.array([-1.0]), 1.0)):
                want = np.asarray(soft_clip(x, *bounds))
                out = np.full(want.shape, 7.0)
                assert soft_clip(x, *bounds, out=out) is out
                np.testing.assert_array_equal(out, want)

    def test_a_file_and_a_plain_subclass(self, tmp_path: Any) -> None:
        class Tagged(np.ndarray):
            pass

        x = spread()
        file = np.memmap(tmp_path / "out", np.float32, "w+", shape=SHAPE)
        for out in (file, np.empty_like(x).view(Tagged)):
            for bounds in BOUNDS.values():
                assert soft_clip(x, *bounds, out=out) is out
                same(np.array(out), soft_clip(x, *bounds))

    @pytest.mark.thread_unsafe(reason="tracemalloc counts what other threads take")
    @pytest.mark.parametrize("bounds", [(-1.0, 3.0), (np.linspace(-4, -1, 1000), 5.0)], ids=["numbers", "arrays"])
    def test_nothing_large_is_made(self, bounds: Any) -> None:
        x = np.zeros((4000, 1000), np.float32)
        soft_clip(x[:2], *bounds)
        for out in (x, np.empty_like(x), np.empty((1000, 4000), np.float16).T):
            tracemalloc.start()
            try:
                soft_clip(x, *bounds, out=out)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < 4 * 2**20


@numpys
@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([1.0, 2.0], TypeError, r"out must be a NumPy array, as x is or becomes; got builtins\.list$"),
        (np.zeros((2, 3)), ValueError, r"out must have the shape of the result, \(3,\); got \(2, 3\)$"),
        (np.zeros(1), ValueError, r"the result, \(3,\); got \(1,\)$"),
        (np.zeros(3, int), TypeError, r"out must have a dtype that float64 .* same_kind; got int64$"),
        (np.zeros(3, object), TypeError, "out must have a dtype .* got object"),
        (np.zeros(3, "U9"), TypeError, "out must have a dtype .* got <U9"),
        (np.broadcast_to(np.zeros(1), 3), ValueError, "^out is read-only$"),
        (
            np.ma.zeros(3),
            TypeError,
            r"out must be an ordinary NumPy array, .* meaning of a numpy\.ma\..*MaskedArray$",
        ),
    ],
    ids=str,
)
@functions
@pytest.mark.parametrize("low", [-1.0, np.full(3, -1.0)], ids=["number", "array"])
def test_what_numpy_refuses(function: Any, low: Any, out: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        function(np.zeros(3), low, 1.0, out=out)


def test_libraries_whose_arrays_are_not_written_to(library: Library) -> None:
    if library.package in ("numpy", "torch"):
        pytest.skip("its arrays are")
    x = library.asarray(np.zeros(3))
    for function in FUNCTIONS:
        with pytest.raises(TypeError, match=r"out= is for NumPy arrays and torch tensors, .* got it beside"):
            function(x, out=x)
    with pytest.raises(TypeError, match=r"out must be a NumPy array, as x is or becomes; got .*Array"):
        soft_clip([0.0, 1.0], out=library.asarray(np.zeros(2)))


torch = pytest.importorskip("torch", reason="the rest is torch's")
from softclip._libraries import torch as of_torch
from softclip._libraries import torch_in_place
from softclip.torch import soft_clip_

torchs = pytest.mark.needs("torch")


def tensors(bounds: Any) -> tuple[Any, Any]:
    low, high = (torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in bounds)
    return low, high


def tensor(dtype: Any = None) -> Any:
    return torch.from_numpy(spread()).to(dtype or torch.float32)


def plain(t: Any) -> Any:
    """As a NumPy array that `same` compares."""
    return (t.float() if t.dtype is torch.bfloat16 else t).detach().numpy()


@torchs
class TestOutOfTorch:
    @functions
    @several_bounds
    @pytest.mark.parametrize(
        ("dtypes", "layout"),
        in_turn([("float32", "float32"), ("float64", "float16"), ("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("int32", "float64"), ("float32", "float32")], [*LAYOUTS]),
        ids=str,
    )  # fmt: skip
    def test_out_gets_what_the_call_gives(self, function: Any, bounds: Any, layout: str, dtypes: Any) -> None:
        x, out = tensor(getattr(torch, dtypes[0])), LAYOUTS[layout](torch.empty, getattr(torch, dtypes[1]))
        want = function(x, *tensors(bounds))
        version = out._version
        assert function(x, *tensors(bounds), out=out) is out
        assert out._version > version
        same(plain(out.to(want.dtype)), plain(want.to(out.dtype).to(want.dtype)))

    @pytest.mark.parametrize(("function", "g", "bounds"), alternating(FUNCTIONS, ALL, [*BOUNDS.values()]), ids=name_of)
    def test_out_may_be_x(self, g: Any, function: Any, bounds: Any) -> None:
        x = tensor() / (4 if function is soft_clip_inverse else 1)
        want = function(x, *tensors(bounds), g)
        assert function(x, *tensors(bounds), g, out=x) is x
        same(plain(x), plain(want))

    @several_bounds
    @pytest.mark.parametrize("shift", [1, 1500, -1, -1500])
    def test_memory_that_overlaps(self, bounds: Any, shift: int) -> None:
        values = tensor()
        memory = torch.zeros(values.numel() + 1500)
        x, out = (memory[max(n, 0) :][: values.numel()].view(SHAPE) for n in (shift, -shift))
        x.copy_(values)
        same(plain(soft_clip(x, *tensors(bounds), out=out)), plain(soft_clip(values, *tensors(bounds))))

    @several_bounds
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_pieces_of_tensors_on_a_device(self, bounds: Any, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which are worked on by formulas: here those of tensors in main memory are, too."""
        sizes = []

        def no(x: Any) -> bool:
            sizes.append(x.numel())
            return False

        out, x = LAYOUTS[layout](torch.empty, torch.float32), tensor()
        want = soft_clip(x, *tensors(bounds), "tanh")
        monkeypatch.setattr(of_torch, "is_ordinary", no)
        monkeypatch.setattr(torch_in_place, "is_ordinary", lambda _: False)
        monkeypatch.setattr(torch_in_place, "DEVICE_PIECE", 7000)
        same(plain(soft_clip(x, *tensors(bounds), "tanh", out=out)), plain(want), 8)
        assert max(sizes) <= 7000
        assert len(sizes) >= 9
        x.copy_(want)
        same(plain(soft_clip_(x, *tensors(bounds), "tanh")), plain(soft_clip(want, *tensors(bounds), "tanh")), 8)

    def test_a_bound_may_be_where_the_result_goes(self) -> None:
        for g in ("tanh", lambda z: torch.tanh(z)):  # a function of the caller's goes by formulas
            out = torch.zeros(300, 401)
            out[-1] = torch.linspace(1, 2, 401)
            x, low = torch.linspace(-3, 3, 401), torch.full((300, 1), -1.0)
            want = soft_clip(x, low, out[-1].clone(), g)
            same(plain(soft_clip(x, low, out[-1], g, out=out)), plain(want))

    @pytest.mark.parametrize(
        ("out", "error", "message"),
        [
            (np.zeros(3), TypeError, r"out must be a torch tensor, as x is or becomes; got numpy\.ndarray$"),
            (torch.zeros(3).to_sparse(), TypeError, "out must be a torch tensor"),
            (torch.zeros(2, 3), ValueError, r"out must have the shape of the result, \(3,\); got \(2, 3\)$"),
            (torch.zeros(3, dtype=int), TypeError, "out must have a dtype that torch.float32 .* same_kind; got torch.int64$"),
            (torch.zeros(3, device="meta"), ValueError, "out must be on the device of the result, cpu; got one on meta"),
            (torch.zeros(1).expand(3), ValueError, "elements of out share memory"),
            (torch.zeros(3, requires_grad=True), RuntimeError, "does not support automatic differentiation"),
        ],
        ids=lambda v: str(v)[:30],
    )  # fmt: skip
    @functions
    @pytest.mark.parametrize("low", [-1.0, torch.full((3,), -1.0)], ids=["number", "tensor"])
    def test_what_it_refuses(self, function: Any, low: Any, out: Any, error: Any, message: str) -> None:
        with pytest.raises(error, match=message):
            function(torch.zeros(3), low, 1.0, out=out)

    def test_gradients(self) -> None:
        learned = torch.ones(3, requires_grad=True)
        for arguments in ((learned,), (torch.zeros(3), -1.0, learned)):
            with pytest.raises(RuntimeError, match="does not support automatic differentiation"):
                soft_clip(*arguments, out=torch.empty(3))
            with torch.no_grad():
                same(plain(soft_clip(*arguments, out=torch.empty(3))), plain(soft_clip(*arguments)))

    def test_lists_beside_bounds_and_meta(self) -> None:
        out = torch.empty(2)
        assert soft_clip([0.5, 1.0], torch.full((2,), -1.0), 1.0, out=out) is out
        same(plain(out), plain(soft_clip(torch.tensor([0.5, 1.0]))))
        meta = torch.empty(3, device="meta")
        assert soft_clip(meta, out=meta) is meta


@torchs
class TestInPlace:
    @pytest.mark.parametrize("g", ALL, ids=str)
    @pytest.mark.parametrize(("bounds", "slope"), CALLS.values(), ids=CALLS)
    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad], ids=name_of)
    def test_values(self, g: Any, bounds: Any, slope: Any, mode: Any) -> None:
        x = tensor()
        want = soft_clip(x, *bounds, g, slope=slope)
        with mode():
            assert soft_clip_(x, *bounds, g, slope=slope) is x
        same(plain(x), plain(want))

    @pytest.mark.parametrize("g", ["tanh", HINGE, lambda z: torch.tanh(z)], ids=["tanh", "hinge", "function"])
    @pytest.mark.parametrize("bounds", [(-1.0, 3.0), (torch.tensor([[-1.0], [-2.0]]), 3.0)], ids=["numbers", "tensors"])
    def test_first_and_second_derivatives(self, g: Any, bounds: Any) -> None:
        """Of x, of a part of it that is written to, and of the bounds."""
        x = torch.linspace(-3, 3, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
        given = [v.double().requires_grad_() for v in bounds if isinstance(v, torch.Tensor)]

        def whole(x: Any, *given: Any) -> Any:
            return soft_clip_(x * 2, *given, *bounds[len(given) :], g)

        def part(x: Any, *given: Any) -> Any:
            y = x * 2
            soft_clip_(y[:, 1:], *given, *bounds[len(given) :], g)
            return y

        for f in (whole, part):
            assert torch.autograd.gradcheck(f, (x, *given))
            assert torch.autograd.gradgradcheck(f, (x, *given))
        want = torch.autograd.grad(soft_clip(x * 2, *given, *bounds[len(given) :], g).sum(), [x, *given])
        found = torch.autograd.grad(whole(x, *given).sum(), [x, *given])
        torch.testing.assert_close(found, want, rtol=1e-14, atol=0)

    def test_the_gradient_of_a_learned_bound_alone(self) -> None:
        x, high = torch.linspace(-3, 3, 7), torch.full((7,), 2.0, requires_grad=True)
        y = soft_clip_(x, -1.0, high)
        (found,) = torch.autograd.grad(y.sum(), high)
        torch.testing.assert_close(found, torch.sigmoid(torch.linspace(-3, 3, 7)))

    def test_tails_keep_their_gradients_and_one_copy_is_kept(self) -> None:
        w = torch.tensor([-60.0, 20.0, 60.0], requires_grad=True)
        kept: list[Any] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
            y = soft_clip_(w * 1.0, -1.0, 1.0, "tanh")
        assert [t.shape for t in kept if t.ndim] == [(3,)]
        torch.testing.assert_close(torch.autograd.grad(y.sum(), w)[0], soft_clip_derivative(w.detach(), g="tanh"))

    def test_autograd_is_told(self) -> None:
        w = torch.ones(3, requires_grad=True)
        x = torch.exp(w)  # which needs its result
        soft_clip_(x)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            x.sum().backward()

    @pytest.mark.parametrize("g", ["tanh", lambda z: torch.tanh(z)], ids=["tanh", "function"])
    def test_what_torch_refuses(self, g: Any) -> None:
        w = torch.linspace(-3, 3, 6, requires_grad=True)
        y = w * 1
        for x, message in ((w, "a leaf Variable"), (w[1:], "a view of a leaf"), (y.unbind()[0], "multiple views")):
            with pytest.raises(RuntimeError, match=message):
                soft_clip_(x, -1.0, 1.0, g)
        with torch.inference_mode():
            inference = torch.ones(3)
        with pytest.raises(RuntimeError, match="inference tensor"):
            soft_clip_(inference, -1.0, 1.0, g)
        assert torch.equal(w, torch.linspace(-3, 3, 6))
        assert torch.equal(y, w)

    @pytest.mark.parametrize("learned", [False, True])
    def test_what_it_refuses(self, learned: bool) -> None:
        for x in (torch.arange(3), np.zeros(3), [1.0]):
            with pytest.raises(TypeError, match=r"x must be a .*tensor.*, into which the result is written; got"):
                soft_clip_(x)
        high = torch.ones(2, 3, requires_grad=learned)
        for g in ("tanh", lambda z: torch.tanh(z)):
            with pytest.raises(ValueError, match=r"x must have the shape of the result, \(2, 3\); got \(3,\)$"):
                soft_clip_(torch.zeros(3), -1.0, high, g)
        with pytest.raises(ValueError, match="elements of x share memory"):
            soft_clip_(torch.zeros(1).expand(3))

    def test_transforms(self) -> None:
        x = torch.linspace(-3, 3, 5, dtype=torch.float64)
        f = lambda v: soft_clip_(v * 1, -1.0, 3.0)
        slopes = torch.diag(soft_clip_derivative(x, -1.0, 3.0))
        for jacobian in (torch.func.jacrev, torch.func.jacfwd):
            torch.testing.assert_close(jacobian(f)(x), slopes)
        y = x.clone()
        torch.func.vmap(lambda v: soft_clip_(v, -1.0, 3.0))(y)
        torch.testing.assert_close(y, soft_clip(x, -1.0, 3.0))
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x.clone(), torch.ones_like(x))
            tangent = torch.autograd.forward_ad.unpack_dual(soft_clip_(dual * 1, -1.0, 3.0)).tangent
        torch.testing.assert_close(tangent, slopes.diagonal())
        traced = torch.jit.trace(f, x)
        torch.testing.assert_close(traced(2 * x), f(2 * x))

    def test_compiled(self) -> None:
        torch._dynamo.reset()
        compiled = lambda f: torch.compile(f, fullgraph=True, dynamic=True, backend="aot_eager")
        w = torch.linspace(-5, 5, 50, requires_grad=True)
        high = torch.full((50,), 2.0, requires_grad=True)
        f = lambda w, high: soft_clip_(w * 2, -1.0, high, "algebraic", slope=1.0)
        want, found = (torch.autograd.grad(g(w, high).square().sum(), (w, high)) for g in (f, compiled(f)))
        torch.testing.assert_close(found, want)
        x, out = w.detach().clone(), torch.empty(50, dtype=torch.bfloat16)
        y = soft_clip(x, -1.0, 3.0)
        compiled(lambda x, out: soft_clip(x, -1.0, 3.0, out=out))(x, out)
        torch.testing.assert_close(out, y.bfloat16())
        compiled(lambda x: soft_clip_(x, -1.0, 3.0))(x)
        torch.testing.assert_close(x, y)
        torch._dynamo.reset()
