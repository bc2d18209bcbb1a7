"""The torch module: as the reference's, with bounds that are numbers, buffers or parameters."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import oracle
import pytest

from softclip import NAMES, hinge

torch = pytest.importorskip("torch", reason="the module is torch's")
from softclip.torch import SoftClipping

pytestmark = pytest.mark.needs("torch")

X = torch.cat([torch.linspace(-100, 100, 4001), torch.tensor([0.0, -1e-8, 1e-30, torch.inf, -torch.inf, torch.nan])])


class TestInPlaceOfTheReference:
    @pytest.fixture
    def reference(self) -> Any:
        return pytest.importorskip(
            "activations_plus.soft_clipping", reason="the reference, of the tests' group"
        ).SoftClipping

    @pytest.mark.parametrize("bounds", [(), (-2.0, 2.0), (0.0, 6.0), (-1.0, 3.0)])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_sigmoid_gives_the_same(self, reference: Any, bounds: tuple[float, ...], dtype: Any) -> None:
        """To 2 ulp of the larger bound: the rounding of its formula, not of ours."""
        x = X.to(dtype)
        mine, theirs = SoftClipping(*bounds)(x), reference(*bounds)(x)
        error = torch.finfo(dtype).eps * max(map(abs, bounds or (1.0,)))
        torch.testing.assert_close(mine, theirs, rtol=0, atol=2 * error, equal_nan=True)
        assert mine.dtype == theirs.dtype

    def test_the_same_arguments_and_attributes(self, reference: Any) -> None:
        for call in ((), (-2.0,), (-2.0, 2.0), (-2.0, 2.0, torch.tanh)):
            mine, theirs = SoftClipping(*call), reference(*call)
            for name in ("min_val", "max_val", "clip_func"):
                assert getattr(mine, name) == getattr(theirs, name)
        keywords = {"x_min": -2.0, "x_max": 2.0, "clip_func": torch.sigmoid}
        torch.testing.assert_close(SoftClipping(**keywords)(X[:9]), reference(**keywords)(X[:9]))
        SoftClipping().load_state_dict(reference().state_dict())
        assert not SoftClipping().state_dict()

    def test_an_attribute_of_the_reference_can_be_set(self) -> None:
        layer = SoftClipping()
        layer.min_val, layer.max_val = 0.0, 4.0
        assert (layer.x_min, layer.x_max) == (0.0, 4.0)
        assert layer(torch.zeros(())) == 2.0

    def test_another_function_stays_in_the_bounds(self, reference: Any) -> None:
        theirs = reference(-2.0, 2.0, torch.tanh)(X)
        assert theirs.nan_to_num().min() < -5.9  # what is mended here
        mine = SoftClipping(-2.0, 2.0, torch.tanh)(X)[:-1]
        assert (mine.min(), mine.max()) == (-2.0, 2.0)


FUNCTIONS = {
    **{name: name for name in NAMES},
    "softsign of torch": torch.nn.functional.softsign,
    "tanh module": torch.nn.Tanh(),
}


@pytest.mark.parametrize("slope", [None, 1.0])
class TestValues:
    X = (-7.0, -0.5, 0.0, 1.0, 2.5, 30.0)

    @pytest.mark.parametrize("g", FUNCTIONS)
    def test_of_a_named_function(self, g: str, slope: float | None) -> None:
        y = SoftClipping(-1.0, 3.0, FUNCTIONS[g], slope=slope)(torch.tensor(self.X, dtype=torch.float64))
        want = [float(oracle.soft_clip(x, -1.0, 3.0, g.split()[0], slope)) for x in self.X]
        np.testing.assert_allclose(y, want, rtol=0, atol=4 * 2.0**-52 * 3)

    def test_of_a_hinge(self, slope: float | None) -> None:
        y = SoftClipping(-1.0, 3.0, hinge(0.5), slope=slope)(torch.tensor(self.X, dtype=torch.float64))
        want = [float(oracle.hinge(x, -1.0, 3.0, 0.5, slope)) for x in self.X]
        np.testing.assert_allclose(y, want, rtol=0, atol=4 * 2.0**-52 * 3)


class TestBounds:
    def test_numbers_are_plain_attributes(self) -> None:
        layer = SoftClipping(0, 6)
        assert (layer.x_min, layer.x_max) == (0, 6)
        assert not list(layer.parameters())
        assert not layer.state_dict()

    @pytest.mark.parametrize("make", [torch.tensor, np.array, list], ids=["tensor", "array", "list"])
    def test_one_for_each_channel_are_buffers(self, make: Any) -> None:
        layer = SoftClipping(make([[0.0], [-1.0], [-2.0]]), make([[1.0], [2.0], [3.0]]), "tanh")
        assert list(layer.state_dict()) == ["x_min", "x_max"]
        assert not list(layer.parameters())
        y = layer(torch.full((2, 3, 5), torch.inf))
        assert y.shape == (2, 3, 5)
        assert y.dtype == torch.float32
        torch.testing.assert_close(y[0, :, 0], torch.tensor([1.0, 2.0, 3.0]), rtol=0, atol=0)

    @pytest.mark.parametrize("make", [torch.tensor, np.array, list, tuple], ids=["tensor", "array", "list", "tuple"])
    @pytest.mark.parametrize("default", [torch.float32, torch.float64], ids=str)
    @pytest.mark.thread_unsafe(reason="sets torch's default dtype")
    def test_integers_become_floats(self, make: Any, default: Any) -> None:
        """A state of fractions is not truncated, nor is what `half` and `double` make of it."""
        torch.set_default_dtype(default)
        try:
            layer = SoftClipping(make([-1, -2]), make([1, 2]), slope=make([1, 2]))
        finally:
            torch.set_default_dtype(torch.float32)
        assert {value.dtype for value in layer.state_dict().values()} == {default}
        state = {name: torch.tensor(v) for name, v in (("x_min", [-0.5, -1.5]), ("x_max", [1.5, 2.5]), ("slope", 0.5))}
        layer.load_state_dict(dict(state, slope=torch.tensor([0.5, 0.5])))
        assert layer(torch.tensor([-torch.inf, torch.inf])).tolist() == [-0.5, 2.5]
        assert layer.slope.tolist() == [0.5, 0.5]
        assert {value.dtype for value in layer.half().state_dict().values()} == {torch.float16}

    def test_parameters_of_integers_become_floats(self) -> None:
        layer = SoftClipping(torch.nn.Parameter(torch.tensor([-1, -2]), requires_grad=False), 1)
        assert [(name, p.dtype, p.requires_grad) for name, p in layer.named_parameters()] == [
            ("x_min", torch.float32, False)
        ]

    def test_an_array_is_copied(self) -> None:
        """A state that is loaded into the layer is not written into it; one that is read-only warns of nothing."""
        highs = np.array([1.0, 2.0])
        layer = SoftClipping(0.0, highs)
        layer.load_state_dict({"x_max": torch.tensor([5.0, 6.0])})
        assert highs.tolist() == [1.0, 2.0]
        highs.flags.writeable = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            SoftClipping(0.0, highs)

    def test_parameters_are_trained(self) -> None:
        """By gradient descent to bounds that are known: those of the data."""
        layer = SoftClipping(torch.nn.Parameter(torch.tensor(-1.0)), torch.nn.Parameter(torch.tensor(1.0)), "tanh")
        x = torch.linspace(-3.0, 3.0, 101)
        target = 1.0 + 2.5 * torch.tanh(x)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(300):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(layer(x), target).backward()
            optimizer.step()
        assert abs(layer.x_min.item() + 1.5) < 0.01
        assert abs(layer.x_max.item() - 3.5) < 0.01

    def test_only_one_is_trained(self) -> None:
        layer = SoftClipping(0.0, torch.nn.Parameter(torch.tensor([2.0, 4.0])))
        layer(torch.ones(3, 2)).sum().backward()
        assert [name for name, _ in layer.named_parameters()] == ["x_max"]
        np.testing.assert_allclose(layer.x_max.grad, 3 * torch.sigmoid(torch.ones(2)), rtol=1e-6)

    def test_one_bound_alone(self) -> None:
        layer = SoftClipping(0.0, None, hinge(1.0))
        torch.testing.assert_close(layer(X[:-3]), torch.nn.functional.softplus(X[:-3]), rtol=1e-6, atol=1e-9)

    def test_a_slope_that_is_trained(self) -> None:
        layer = SoftClipping(0.0, 1.0, slope=torch.nn.Parameter(torch.tensor(1.0)))
        layer(torch.tensor([0.75])).sum().backward()
        assert layer.slope.grad > 0

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            ((1.0, 1.0), ValueError, "x_min must be less than x_max; got x_min=1.0 and x_max=1.0"),
            ((2, -2), ValueError, "x_min must be less than x_max; got x_min=2 and x_max=-2"),
            ((0.0, torch.tensor([1.0, -1.0])), ValueError, "x_min=0.0 and x_max=-1.0"),
            ((torch.nn.Parameter(torch.tensor(2.0)), 1.0), ValueError, "x_min=2.0 and x_max=1.0"),
            ((float("nan"), 1.0), ValueError, "must not be NaN"),
            ((torch.tensor([0.0, torch.nan]), 1.0), ValueError, "must not be NaN"),
            ((0.0, float("inf")), ValueError, "must be finite"),
            ((0.0, None), ValueError, r"g='sigmoid' needs two bounds"),
            (("0", 1.0), TypeError, "x_min must be a real number; got '0'"),
            (
                (torch.tensor([False]), 1.0),
                TypeError,
                "x_min must be an array of float16, bfloat16, float32, float64 or integers; got bool",
            ),
            ((["a", "b"], 1.0), TypeError, r"x_min must hold real numbers; got \['a', 'b'\]"),
            ((0.0, [True]), TypeError, r"x_max must hold real numbers; got \[True\]"),
            ((0.0, np.array(["a"])), TypeError, "x_max must hold real numbers"),
            ((0.0, [[1.0, 2.0], [3.0]]), ValueError, "x_max must have as many numbers in each row"),
            (([2**24], [2**24 + 1]), ValueError, "x_min must be less than x_max"),
            ((0.0, 1.0, "sigmiod"), ValueError, "Did you mean 'sigmoid'"),
            ((0.0, 1.0, torch.relu), ValueError, "relu gives 0.0 at -inf and inf at inf"),
            ((0.0, 1.0, 3), TypeError, "got 3"),
        ],
    )
    def test_what_is_refused_when_it_is_made(self, call: tuple[Any, ...], error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words) as caught:
            SoftClipping(*call)
        assert "clip_func" in caught.value.__notes__[0]

    @pytest.mark.parametrize("slope", [0.0, -1.0, float("nan"), torch.tensor([1.0, 0.0])], ids=str)
    def test_a_slope_that_is_refused(self, slope: Any) -> None:
        with pytest.raises(ValueError, match="slope must be positive and finite"):
            SoftClipping(slope=slope)


LAYERS = {
    "numbers": lambda: SoftClipping(0.0, 6.0, torch.tanh, slope=1.0),
    "buffers": lambda: SoftClipping(torch.zeros(4), torch.ones(4), "algebraic"),
    "parameters": lambda: SoftClipping(torch.nn.Parameter(torch.zeros(4)), 5.0, hinge(0.2)),
    "a module": lambda: SoftClipping(-2.0, 2.0, torch.nn.Softsign()),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
class TestAsAnyModule:
    def test_copies_give_the_same(self, make: Any) -> None:
        layer, x = make(), torch.linspace(-9, 9, 4)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)
            assert repr(other) == repr(layer)
            assert [name for name, _ in other.named_parameters()] == [name for name, _ in layer.named_parameters()]

    def test_the_state_dict_carries_the_bounds(self, make: Any, tmp_path: Any) -> None:
        layer, other = make(), make()
        for value in layer.state_dict().values():
            value.add_(0.25)
        torch.save(layer.state_dict(), tmp_path / "layer.pt")
        other.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
        x = torch.linspace(-9, 9, 4)
        torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
    def test_dtypes(self, make: Any, dtype: Any) -> None:
        layer = make().to(dtype)
        assert all(value.dtype == dtype for value in layer.state_dict().values())
        x = torch.linspace(-9, 9, 4, dtype=dtype)
        y = layer(x)
        assert y.dtype == dtype
        exact = make().double()(x.double())
        torch.testing.assert_close(y, exact.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=0)
        assert make().half()(x.half()).dtype == torch.float16

    def test_the_meta_device(self, make: Any) -> None:
        y = make().to("meta")(torch.empty(3, 4, device="meta"))
        assert (y.device.type, tuple(y.shape)) == ("meta", (3, 4))
        with torch.device("meta"):
            layer = make()
        assert repr(layer).startswith("SoftClipping(")

    def test_fake_tensors(self, make: Any) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode():
            y = make()(torch.empty(3, 4))
        assert (type(y).__name__, tuple(y.shape)) == ("FakeTensor", (3, 4))

    def test_in_a_sequence_compiled(self, make: Any) -> None:
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), make())
        x = torch.randn(5, 3)
        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(net, fullgraph=True)(x), net(x), rtol=1e-5, atol=1e-6)


def test_repr_reads_like_the_constructor() -> None:
    for text in (
        "SoftClipping(x_min=-1.0, x_max=1.0, clip_func=torch.sigmoid)",
        "SoftClipping(x_min=0, x_max=6.0, clip_func='tanh', slope=1.0)",
        "SoftClipping(x_min=None, x_max=6.0, clip_func=hinge(0.5))",
        "SoftClipping(x_min=torch.tensor([0.0, 1.0]), x_max=2.0, clip_func=torch.nn.functional.softsign)",
        "SoftClipping(x_min=torch.nn.Parameter(torch.tensor(0.5)), x_max=1.0, clip_func=torch.tanh, slope=torch.tensor(2.0))",
    ):
        assert repr(eval(text)) == text  # noqa: S307
    assert "x_min=<(100, 1)>" in repr(SoftClipping(torch.zeros(100, 1), 2.0))
