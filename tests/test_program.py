"""A recorded form: the operations of the form, in slots that are used again and never too early."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from libraries import ALL, CALLS, name_of

from softclip import Squash, soft_clip, soft_clip_derivative, soft_clip_inverse
from softclip._arguments.resolve import resolve
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._formulas.program import Recorder, number_program
from softclip._libraries.numpy import NUMPY

pytestmark = pytest.mark.needs("numpy")
X = np.concatenate([np.linspace(-40, 40, 4001), [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 1e30, -1e30]])


@pytest.mark.parametrize("quantity", ["value", "derivative", "log_derivative", "inverse"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_the_program_computes_what_the_form_does(g: Any, call: str, quantity: Any) -> None:
    """To the bit: the form evaluated as it stands, an array for every operation."""
    (low, high), slope = CALLS[call]
    format_, squash = FORMATS["float64"], resolve(g, NUMPY, X)
    x = X if quantity != "inverse" else np.clip(X, low, high)
    asked = Call(quantity, squash, format_, low, high, slope)
    with np.errstate(all="ignore"):
        expected = NUMPY.evaluate(x, asked)
    np.testing.assert_array_equal(NUMPY.run(x, asked), expected)


@pytest.mark.parametrize("quantity", ["value", "derivative", "log_derivative", "inverse"])
@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_no_step_reads_what_is_not_there_or_writes_to_x(g: Any, quantity: Any) -> None:
    for (low, high), slope in CALLS.values():
        program = number_program(Call(quantity, resolve(g, NUMPY, X), FORMATS["float32"], low, high, slope))
        filled = {0}
        for step in program.steps:
            assert {v for v in step.operands if isinstance(v, int)} <= filled
            assert step.slot >= program.inputs
            filled.add(step.slot)
        assert filled == set(range(program.slots))


@pytest.mark.parametrize(
    ("g", "bounds", "operations"),
    [
        ("tanh", (-1.0, 1.0), ["tanh"]),
        ("sigmoid", (-1.0, 1.0), ["multiply", "tanh"]),
        ("tanh", (-2.0, 2.0), ["tanh", "multiply"]),
        ("tanh", (-1.0, 3.0), ["tanh", "multiply", "add", "clip"]),
    ],
)
def test_as_few_passes_as_the_bounds_allow(g: str, bounds: tuple[float, float], operations: list[str]) -> None:
    program = number_program(Call("value", resolve(g, NUMPY, X), FORMATS["float32"], *bounds, None))
    assert [step.operation for step in program.steps] == operations


def test_a_few_slots_are_enough() -> None:
    slots = {
        name: number_program(Call("value", resolve(name, NUMPY, X), FORMATS["float32"], 0.0, 6.0, 1.0)).slots
        for name in ("sigmoid", "algebraic", "gudermannian", "quintic")
    }
    assert max(slots.values()) <= 5, slots


def test_what_a_function_of_the_users_gives_is_not_written_to() -> None:
    kept = np.full(5, 0.5)
    g = Squash(lambda z: z, -1.0, 1.0, derivative=lambda z: kept, inverse=lambda p: kept)
    x = np.linspace(-1.0, 1.0, 5)
    np.testing.assert_array_equal(soft_clip(x, -2.0, 2.0, g), 2 * x)
    np.testing.assert_array_equal(soft_clip_derivative(x, -2.0, 2.0, g), np.ones(5))
    soft_clip_inverse(x, -2.0, 2.0, Squash(g.fn, -1.0, 1.0, center=0.25, slope=1.0, inverse=g.inverse), slope=0.5)
    np.testing.assert_array_equal(x, np.linspace(-1.0, 1.0, 5))
    np.testing.assert_array_equal(kept, np.full(5, 0.5))


def test_a_function_that_cannot_be_hashed() -> None:
    class Cut:
        __hash__ = None

        def __eq__(self, other: object) -> bool:
            return self is other

        def __call__(self, z: np.ndarray) -> np.ndarray:
            return np.clip(z, -1.0, 1.0)

    np.testing.assert_array_equal(soft_clip(np.array([-2.0, 0.5]), -1.0, 1.0, Squash(Cut(), -1.0, 1.0)), [-1.0, 0.5])


def test_zero_keeps_its_sign_as_a_constant() -> None:
    recorder = Recorder(FORMATS["float64"], 1)
    x = recorder.inputs[0]
    steps = recorder.program(recorder.copysign(recorder.maximum(x, 0.0), -0.0)).compiled(NUMPY.function, np.array)
    np.testing.assert_array_equal(steps.run([*steps.slots], [np.array([2.0])], None), [-2.0])
