"""The fuzzer finds what is wrong: every kind of fault, put into the package, is reported with the call that shows it."""

from __future__ import annotations

import signal
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz
import numpy as np
import pytest
from fuzz_calls import namespace

import softclip

pytestmark = [
    pytest.mark.needs("numpy"),
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a call that hangs is ended by SIGALRM"),
]
real = softclip.soft_clip


def replaced(x: Any, where: Any, value: Any) -> Any:
    changed = np.where(where(x), value, x).astype(np.asarray(x).dtype)
    return changed if isinstance(x, np.ndarray) else changed[()]  # of a number a number


def leaves_the_bounds(x: Any, *arguments: Any, **keywords: Any) -> Any:
    return np.asarray(real(x, *arguments, **keywords) + 1000)


def fills_in_nan(x: Any, *arguments: Any, **keywords: Any) -> Any:
    real(x, *arguments, **keywords)
    return real(replaced(x, np.isnan, 1), *arguments, **keywords)


def misses_the_bounds_at_infinity(x: Any, *arguments: Any, **keywords: Any) -> Any:
    real(x, *arguments, **keywords)
    return real(replaced(x, np.isinf, np.sign(x)), *arguments, **keywords)


def takes_another_g(x: Any, x_min: Any, x_max: Any, g: Any, **keywords: Any) -> Any:
    return real(x, x_min, x_max, "softsign" if isinstance(g, str) and g in softclip.NAMES else g, **keywords)


def promotes(*arguments: Any, **keywords: Any) -> Any:
    return real(*arguments, **keywords).astype(np.longdouble)


def drops_axes(*arguments: Any, **keywords: Any) -> Any:
    return real(*arguments, **keywords).ravel()


def hands_x_back(x: Any, *arguments: Any, **keywords: Any) -> Any:
    return (
        x
        if isinstance(x, np.ndarray) and real(x, *arguments, **keywords).dtype == x.dtype
        else real(x, *arguments, **keywords)
    )


def writes(x: Any, *arguments: Any, **keywords: Any) -> Any:
    y = real(x, *arguments, **keywords)
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x += 1
    return y


def takes_everything(*arguments: Any, **keywords: Any) -> Any:
    try:
        return real(*arguments, **keywords)
    except TypeError:
        return np.zeros(3)


def raises_key_error(*arguments: Any, **keywords: Any) -> Any:
    real(*arguments, **keywords)
    raise KeyError("x")


def names_no_argument(*arguments: Any, **keywords: Any) -> Any:
    try:
        return real(*arguments, **keywords)
    except ValueError:
        raise ValueError("no") from None


def refuses_what_is_right(*arguments: Any, **keywords: Any) -> Any:
    real(*arguments, **keywords)
    raise ValueError("x is out of luck")


def warns(*arguments: Any, **keywords: Any) -> Any:
    y = real(*arguments, **keywords)
    warnings.warn("x", RuntimeWarning, stacklevel=1)
    return y


def hangs(*arguments: Any, **keywords: Any) -> Any:
    while True:
        pass


FAULTS: list[tuple[Callable[..., Any], str]] = [
    (leaves_the_bounds, "outside the bounds"),
    (fills_in_nan, "NaN"),
    (misses_the_bounds_at_infinity, "not the bound"),
    (takes_another_g, "value"),
    (promotes, "kind"),
    (drops_axes, "kind"),
    (hands_x_back, "shared memory"),
    (writes, "written to"),
    (takes_everything, "accepted"),
    (raises_key_error, "refused: KeyError"),
    (names_no_argument, "error: ValueError: no"),
    (refuses_what_is_right, "refused: ValueError"),
    (warns, "refused: RuntimeWarning"),
    (hangs, "hang"),
]


@pytest.mark.parametrize(("fault", "complaint"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_is_reported(fault: Callable[..., Any], complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softclip, "soft_clip", fault)
    if fault is hangs:  # on a busy machine others take their time too
        monkeypatch.setattr(fuzz, "CALL_SECONDS", 0.5)
    report = fuzz.batch(("numpy",), 1, 10.0)
    assert report["complaint"].startswith(complaint), report
    assert report["call"].startswith("soft_clip(x=")
    assert fault is hangs or len(report["call"]) < 150, "it is made smaller"
    compile(report["before"] + report["call"], "pasted", "exec")


def test_hundreds_of_calls_pass_and_reach_results_and_errors() -> None:
    counts: Counter[str] = Counter()
    for start in range(4):
        report = fuzz.batch(("numpy",), start, 0.0)
        assert "complaint" not in report, report
        counts += report["counts"]
    assert counts["result"] > 50
    assert counts["ValueError"] > 20
    assert counts["TypeError"] > 20


@pytest.mark.parametrize(
    ("code", "seconds", "complaint"),
    [
        ("import os; os.abort()", 60.0, "crash: the process ended with -6"),
        ("while True: pass", 1.0, "hang: the process"),
    ],
)
def test_a_process_that_dies_or_hangs_is_reported_with_its_call(
    code: str, seconds: float, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "call").write_text('{"call": "soft_clip(x=0)", "before": ""}')
    report = fuzz.watched([sys.executable, "-c", code], tmp_path, seconds)
    assert report["complaint"].startswith(complaint)
    assert report["call"] == "soft_clip(x=0)"


def test_the_command_says_what_it_did() -> None:
    command = [sys.executable, fuzz.__file__, "--minutes", "0.01", "--seed", "1", "--library", "numpy"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "--seed 1 --library numpy" in run.stdout
    assert " result" in run.stdout


def test_the_helpers_of_a_snippet_run() -> None:
    names, text = namespace(("numpy",), x64=False)
    assert names["Squash"] is softclip.Squash
    assert "torch" not in text
