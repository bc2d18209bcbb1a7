"""soft_clip on torch tensors, beyond values and derivatives: what is saved, compiled, exported, cast and distributed."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import oracle
import pytest
import two_ranks
from libraries import ALL, CALLS, HINGE, TAIL_AND_ANOTHER, alternating, in_turn

from softclip import algebraic, hinge, soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative

torch = pytest.importorskip("torch", reason="torch's own ways of running a function")

pytestmark = pytest.mark.needs("torch")

gs = pytest.mark.parametrize("g", ALL, ids=str)
calls = pytest.mark.parametrize(("bounds", "slope"), CALLS.values(), ids=CALLS)


def function(g: Any, bounds: tuple[float, float], slope: float | None) -> Callable[[Any], Any]:
    return lambda x: soft_clip(x, *bounds, g, slope=slope)


class Saved:
    """The tensors that autograd keeps for the backward pass."""

    def __enter__(self) -> Self:
        self.tensors: list[Any] = []
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.keep, lambda t: t)
        self.hooks.__enter__()
        return self

    def keep(self, tensor: Any) -> Any:
        self.tensors.append(tensor)
        return tensor

    def __exit__(self, *error: object) -> None:
        self.hooks.__exit__(*error)


class TestAutograd:
    @gs
    @pytest.mark.parametrize("x", [-60.0, -20.0, 20.0, 60.0])
    def test_tails_have_their_gradients(self, g: Any, x: float) -> None:
        """In float32, where the reference's are 0 past 17 (sigmoid) and 9 (tanh)."""
        v = torch.tensor(x, requires_grad=True)
        soft_clip(v, -1.0, 1.0, g).backward()
        name, softness = ("hinge", g.softness) if g is HINGE else (str(g), 0.0)
        want, _ = oracle.derivatives(x, -1.0, 1.0, name, None, softness)
        if want > 2.0**-126:
            assert v.grad != 0
        tolerance = 8 + (60 * 60 if name == "erf" else 0)  # erf u^2 more
        assert abs(float(v.grad) - want) <= tolerance * max(oracle.ulp(want, "float32"), 2.0**-126)

    @gs
    @calls
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_one_tensor_is_saved_and_it_is_x(self, g: Any, bounds: Any, slope: Any, dtype: Any) -> None:
        x = torch.linspace(-3, 3, 50, dtype=dtype, requires_grad=True)
        with Saved() as saved:
            soft_clip(x, *bounds, g, slope=slope)
        assert [t.data_ptr() for t in saved.tensors] == [x.data_ptr()]

    def test_the_gradient_of_16_bits_is_rounded_once(self) -> None:
        """A scaled loss times a derivative that float16 has not."""
        x = torch.tensor(19.0, dtype=torch.float16, requires_grad=True)
        soft_clip(x, -1.0, 1.0).backward(torch.tensor(2.0**15, dtype=torch.float16))
        assert soft_clip_derivative(x.detach(), -1.0, 1.0) == 0
        want = 2.0**15 * 2 * np.exp(-19.0)
        assert float(x.grad) == pytest.approx(want, rel=2.0**-10)

    @calls
    @gs
    def test_reverse_and_forward_jacobians_agree(self, g: Any, bounds: Any, slope: Any) -> None:
        from torch.func import hessian, jacfwd, jacrev, vmap

        f = function(g, bounds, slope)
        x = torch.tensor([-2.3, -0.4, 0.1, 1.7], dtype=torch.float64)
        slopes = soft_clip_derivative(x, *bounds, g, slope=slope)
        for jacobian in (jacrev, jacfwd):
            torch.testing.assert_close(jacobian(f)(x), torch.diag(slopes), rtol=1e-12, atol=0)
        mixed = [vmap(outer(inner(f)))(x) for outer, inner in itertools.product((jacrev, jacfwd), repeat=2)]
        for other in mixed:
            torch.testing.assert_close(other, vmap(hessian(f))(x), rtol=1e-10, atol=1e-14)

    def test_bounds_are_mapped_and_differentiated(self) -> None:
        """A batch of calls with their own upper bounds; df/dhi of sigmoid is G."""
        from torch.func import grad, vmap

        x, highs = torch.linspace(-2, 2, 5, dtype=torch.float64), torch.arange(1.0, 6.0, dtype=torch.float64)
        f = lambda v, high: soft_clip(v, -1.0, high)
        torch.testing.assert_close(vmap(f)(x, highs), soft_clip(x, -1.0, highs), rtol=1e-14, atol=1e-15)
        torch.testing.assert_close(vmap(grad(f, argnums=1))(x, highs), torch.sigmoid(x), rtol=1e-14, atol=0)

    def test_checkpointed_and_in_a_loop_of_hooks(self) -> None:
        x = torch.linspace(-3, 3, 20, requires_grad=True)
        f = function("algebraic", (-1.0, 3.0), 1.0)
        (want,) = torch.autograd.grad(f(x).sum(), x)
        checkpointed = torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False)
        torch.testing.assert_close(torch.autograd.grad(checkpointed.sum(), x), (want,), rtol=0, atol=0)


class TestAutocast:
    @gs
    @calls
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
    def test_the_dtype_and_the_values_of_x_come_back(self, g: Any, bounds: Any, slope: Any, dtype: Any) -> None:
        x = torch.linspace(-9, 9, 60, dtype=dtype, requires_grad=True)
        want = soft_clip(x, *bounds, g, slope=slope)
        (gradient,) = torch.autograd.grad(want.sum(), x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = soft_clip(x, *bounds, g, slope=slope)
        torch.testing.assert_close(y, want, rtol=0, atol=0)
        torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], gradient, rtol=0, atol=0)

    def test_behind_a_layer_that_autocast_makes_16_bits(self) -> None:
        from softclip.torch import SoftClipping

        net = torch.nn.Sequential(torch.nn.Linear(3, 4), SoftClipping(0.0, 6.0, "tanh"))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert net(torch.ones(2, 3)).dtype == torch.bfloat16


@pytest.fixture
def compiled() -> Iterator[Callable[..., Any]]:
    """torch.compile with everything that it may not do an error, and without what others compiled."""
    torch._dynamo.reset()
    with torch._inductor.config.patch(fx_graph_cache=False), torch._functorch.config.patch(enable_autograd_cache=False):
        yield lambda f: torch.compile(f, fullgraph=True, dynamic=True)
    torch._dynamo.reset()


class TestCompiled:
    @pytest.mark.parametrize(
        "f",
        [
            lambda x: soft_clip(x, -2.0, 2.0, "tanh"),
            lambda x: soft_clip(x, 0.0, 6.0),
            lambda x: soft_clip(x, -1.0, 3.0, "algebraic", slope=1.0),
            lambda x: soft_clip(x, -1.0, 3.0, HINGE, slope=1.0),
        ],
        ids=[*CALLS],
    )
    def test_one_compilation_for_every_shape(self, f: Any) -> None:
        """Of forward and backward, and one for the size 1, which torch always compiles for itself."""
        assert self.compilations(f, (5, 7, 100, 33, 2)) == 1
        assert self.compilations(f, (5, 7, 1, 33, 2)) == 2

    @pytest.mark.parametrize(("call", "g"), in_turn(CALLS, ["tanh", hinge(0.25)]), ids=str)
    def test_two_with_bounds_that_torch_takes_for_variables(self, call: str, g: Any) -> None:
        """As it does, asked for dynamic=True, with those of a closure or a module: it starts again to make them constants."""
        assert self.compilations(function(g, *CALLS[call]), (5, 7, 100, 33, 2)) <= 2

    def compilations(self, f: Any, sizes: tuple[int, ...]) -> int:
        from torch._dynamo.testing import CompileCounterWithBackend

        torch._dynamo.reset()
        counter = CompileCounterWithBackend("aot_eager")
        compiled = torch.compile(f, fullgraph=True, dynamic=True, backend=counter)
        for n in sizes:
            x = torch.linspace(-2, 2, n, requires_grad=True)
            y = compiled(x)
            torch.testing.assert_close(y, f(x), rtol=1e-6, atol=1e-6)  # an eager call between them changes nothing
            y.sum().backward()
        return counter.frame_count

    @pytest.mark.parametrize(
        ("g", "call", "dtype"),
        alternating(["sigmoid", "algebraic", hinge(0.25)], ["0 to b", "slope"], [torch.float32, torch.bfloat16]),
        ids=str,
    )
    def test_one_kernel_forward_and_one_backward(self, compiled: Any, g: Any, call: str, dtype: Any) -> None:
        from torch._inductor import metrics

        metrics.reset()
        bounds, slope = CALLS[call]
        x = torch.linspace(-3, 3, 1000, dtype=dtype, requires_grad=True)
        with Saved() as saved:
            y = compiled(function(g, bounds, slope))(x)
        y.sum().backward()
        assert metrics.generated_kernel_count == 2
        assert [t.data_ptr() for t in saved.tensors] == [x.data_ptr()]

    @pytest.mark.parametrize(
        ("g", "sigma"),
        [("sigmoid", torch.sigmoid), ("algebraic", lambda x: 0.5 + 0.5 * x / torch.sqrt(1 + x * x))],
        ids=["sigmoid", "algebraic"],
    )
    def test_learned_bounds(self, compiled: Any, g: Any, sigma: Any) -> None:
        """Compared with the formula in float64. Nothing larger than x and the bounds is kept."""
        low, high = (torch.linspace(*ends, 20)[:, None].requires_grad_() for ends in ((-2, -1), (0, 3)))
        inputs = torch.linspace(-9, 9, 6000).reshape(20, 300).requires_grad_(), low, high
        with Saved() as saved:
            y = compiled(lambda *inputs: soft_clip(*inputs, g))(*inputs)
        found = torch.autograd.grad(y.square().sum(), inputs)
        assert sum(t.numel() for t in saved.tensors) <= 6000 + 2 * 20
        x, low, high = wide = [v.detach().double().requires_grad_() for v in inputs]
        truth = low + (high - low) * sigma(x)
        torch.testing.assert_close(y.double(), truth, rtol=1e-6, atol=1e-6)
        for v, want in zip(found, torch.autograd.grad(truth.square().sum(), wide), strict=True):
            torch.testing.assert_close(v.double(), want, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize(
        ("g", "call", "inner"),
        alternating(["tanh", "arctan", hinge(0.25)], ["0 to b", "slope"], ["", "grad", "jacfwd"]),
        ids=str,
    )
    def test_vmap_and_grad_inside(self, compiled: Any, g: Any, call: str, inner: str) -> None:
        from torch.func import vmap

        f = function(g, *CALLS[call])
        x = torch.linspace(-2, 2, 7)
        mapped = vmap(getattr(torch.func, inner)(f) if inner else f)
        torch.testing.assert_close(compiled(mapped)(x), mapped(x), rtol=2e-6, atol=1e-6)

    @pytest.mark.parametrize("g", ["softsign", hinge(0.25)], ids=str)
    def test_bounds_that_are_attributes_change_without_a_graph_break(self, compiled: Any, g: Any) -> None:
        from softclip.torch import SoftClipping

        layer, x = SoftClipping(-1.0, 3.0, g), torch.linspace(-3, 3, 9, requires_grad=True)
        run = compiled(layer)
        for high in (3.0, 4.0, 5.5):
            layer.x_max = high
            torch.testing.assert_close(run(x), layer(x), rtol=1e-6, atol=1e-6)
            run(x).sum().backward()

    def test_bounds_are_rounded_to_the_dtype_of_x(self, compiled: Any) -> None:
        """As in an eager call: the saturated value is the bound in bfloat16, and two that are one there are refused."""
        x = torch.cat([torch.linspace(-40, 40, 81), torch.tensor([-torch.inf, torch.inf])]).to(torch.bfloat16)
        for bounds in ((0.1, 0.7), (-0.1, 0.1), (-0.3, 0.0)):
            f = function("tanh", bounds, None)
            y = compiled(f)(x)
            # The kernel's own tanh may round beside a boundary between two numbers of bfloat16 to the other one.
            torch.testing.assert_close(y, f(x), rtol=2.0**-7, atol=0)
            assert torch.equal(y[-2:], torch.tensor(bounds, dtype=torch.bfloat16))
        with pytest.raises(Exception, match="x_min must be less than x_max once rounded to bfloat16"):
            compiled(lambda x: soft_clip(x, 1.0, 1.0001))(x)

    def test_quantities_other_than_the_value(self, compiled: Any) -> None:
        y = torch.linspace(-0.9, 2.9, 9)
        for f in (soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse):
            call = lambda v, f=f: f(v, -1.0, 3.0, "gudermannian", slope=1.0)
            torch.testing.assert_close(compiled(call)(y), call(y), rtol=2e-6, atol=1e-6)


class Layer(torch.nn.Module):
    def __init__(self, f: Callable[[Any], Any]) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Any) -> Any:
        return self.f(x)


def batch() -> dict[str, Any]:
    return {"x": {0: torch.export.Dim("batch")}}


class TestExported:
    @pytest.mark.parametrize(("g", "call"), TAIL_AND_ANOTHER, ids=str)
    def test_program(self, g: Any, call: str, tmp_path: Path) -> None:
        """Saved, loaded and run on another batch size."""
        x = torch.linspace(-20, 20, 60).reshape(12, 5)
        layer = Layer(function(g, *CALLS[call]))
        program = torch.export.export(layer, (x,), dynamic_shapes=batch(), strict=call == "0 to b")
        torch.export.save(program, tmp_path / "layer.pt2")
        loaded = torch.export.load(tmp_path / "layer.pt2").module()
        torch.testing.assert_close(loaded(x[:7]), layer(x[:7]), rtol=1e-6, atol=1e-6)

    @pytest.mark.parametrize(
        ("g", "call"),
        [*in_turn(ALL, ["0 to b"]), *in_turn(["sigmoid", "quintic", HINGE], ["-b to b", "between", "slope"])],
        ids=str,
    )
    def test_onnx(self, g: Any, call: str, tmp_path: Path) -> None:
        """Onnxruntime, whose tanh passes 1, stays in the bounds; 4 ulp of the larger bound, 8 of the result next to 0."""
        pytest.importorskip("onnxscript", reason="torch.onnx needs it; of the tests' group for torch")
        runtime = pytest.importorskip("onnxruntime", reason="of the tests' group for torch")
        bounds, slope = CALLS[call]
        bits = np.arange(np.float32(2.0**-10).view(np.int32), np.float32(100).view(np.int32), 997, dtype=np.int32)
        x = torch.from_numpy(bits.view(np.float32))
        x = torch.cat([-x, x, torch.tensor([0.0, torch.inf, -torch.inf, torch.nan])])
        layer = Layer(function(g, bounds, slope))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's exporter about itself
            program = torch.onnx.export(layer, (x,), dynamo=True, dynamic_shapes=batch(), verbose=False)
            program.save(tmp_path / "layer.onnx")
        session = runtime.InferenceSession(tmp_path / "layer.onnx", providers=["CPUExecutionProvider"])
        for part in (x, x[-5:]):
            (y,) = session.run(None, {session.get_inputs()[0].name: part.numpy()})
            assert y.dtype == np.float32
        (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        want = layer(x).numpy()
        low, high = bounds
        assert y[:-1].min() >= low
        assert y[:-1].max() <= high
        assert np.isnan(y[-1])
        short = 2.0**-23 * 3 if g == "gudermannian" else 0.0  # its arctan(1) is an ulp short of pi/4
        np.testing.assert_allclose(y[-3:-1], [high, low], rtol=0, atol=short)
        ulp = 2.0**-22 * (1.0 if high < 4 else 2.0)
        np.testing.assert_allclose(y, want, rtol=0, atol=4 * ulp)
        # ONNX has no erfc, log1p and expm1: these lose their tails there.
        if low == 0.0 and g not in ("erf", HINGE, algebraic(3.0)):
            tail = want > 2.0**-120
            np.testing.assert_allclose(y[tail], want[tail], rtol=8 * 2.0**-23)


class TestTensorsWithoutValues:
    @gs
    @calls
    def test_meta(self, g: Any, bounds: Any, slope: Any) -> None:
        x = torch.empty(3, 4, device="meta", dtype=torch.bfloat16, requires_grad=True)
        y = soft_clip(x, *bounds, g, slope=slope)
        y.sum().backward()
        for t in (y, x.grad):
            assert (t.device.type, tuple(t.shape), t.dtype) == ("meta", (3, 4), torch.bfloat16)

    @gs
    @calls
    def test_fake(self, g: Any, bounds: Any, slope: Any) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode():
            x = torch.empty(3, 4, requires_grad=True)
            for f in (soft_clip, soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse):
                y = f(x, *bounds, g, slope=slope)
                assert (type(y).__name__, tuple(y.shape)) == ("FakeTensor", (3, 4))
            soft_clip(x, *bounds, g, slope=slope).sum().backward()


def test_distributed_tensors_need_no_collective(tmp_path: Path) -> None:
    """Over two processes: the parts are clipped where they lie, forward and backward."""
    if not torch.distributed.is_available():
        pytest.skip("this build of torch has no torch.distributed")
    torch.multiprocessing.spawn(two_ranks.clip, args=(str(tmp_path),), nprocs=2)
    assert [(tmp_path / f"rank{rank}").read_text() for rank in (0, 1)] == ["good", "good"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch.cuda.is_available() is False")
class TestCuda:
    @gs
    @calls
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
    def test_values_and_gradients_are_those_of_the_cpu(self, g: Any, bounds: Any, slope: Any, dtype: Any) -> None:
        x = torch.linspace(-30, 30, 4001, dtype=dtype)
        results = []
        for device in ("cpu", "cuda"):
            v = x.to(device).requires_grad_()
            y = soft_clip(v, *bounds, g, slope=slope)
            assert y.device.type == device
            assert y.dtype == dtype
            assert y.min() >= bounds[0]
            assert y.max() <= bounds[1]
            y.sum().backward()
            results.append((y.detach().cpu(), v.grad.cpu()))
        (y, gradient), (other, other_gradient) = results
        eps = torch.finfo(dtype).eps
        torch.testing.assert_close(other, y, rtol=0, atol=8 * eps * max(map(abs, bounds)))
        torch.testing.assert_close(other_gradient, gradient, rtol=16 * eps * (900 if g == "erf" else 1), atol=1e-30)

    @gs
    @calls
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
    def test_one_kernel_forward_and_one_backward(
        self, compiled: Any, g: Any, bounds: Any, slope: Any, dtype: Any
    ) -> None:
        from torch._inductor import metrics

        metrics.reset()
        f = function(g, bounds, slope)
        x = torch.linspace(-3, 3, 1000, dtype=dtype, device="cuda", requires_grad=True)
        y = compiled(f)(x)
        y.sum().backward()
        assert metrics.generated_kernel_count == 2
        torch.testing.assert_close(y, f(x), rtol=8 * torch.finfo(dtype).eps, atol=1e-6)

    def test_nothing_is_read_back(self) -> None:
        lows = torch.zeros(5, device="cuda")
        highs = torch.ones(5, device="cuda", requires_grad=True)
        x = torch.randn(7, 5, device="cuda", requires_grad=True)
        mode = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            soft_clip(x, lows, highs, "tanh").sum().backward()
            soft_clip(x, 0.0, 6.0, "tanh", slope=1.0).sum().backward()
        finally:
            torch.cuda.set_sync_debug_mode(mode)
