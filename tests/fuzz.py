"""Wild calls of the public functions, for some minutes: ``python tests/fuzz.py --minutes 10 [--seed 1] [--library torch]``.

A call must give a result that is right, or a documented error that names an argument. The calls are made in child
processes, which may crash or hang: each call is written to a file before it is made. One that is wrong is made as small
as it gets, and printed to be pasted.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_calls import FUNCTIONS, PACKAGES, Call, calls, namespace
from fuzz_truth import Refused, Unknown, Wrong, check_error, check_result, library_of, truth
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

CALL_SECONDS, BATCH_SECONDS, BATCH_LIMIT = 20.0, 45.0, 120.0


class Hang(BaseException):
    """Not an Exception, so that neither the package nor Hypothesis catches it."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def lazily() -> Iterator[None]:
    """Where dask must not compute."""
    if (dask := sys.modules.get("dask")) is None:
        yield
        return

    def refuse(*_: Any, **__: Any) -> None:
        raise Wrong("computed early: dask")

    with dask.config.set(scheduler=refuse):
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def bytes_of(v: Any) -> bytes:
    """What a call must leave as it is."""
    if library_of(v) == "torch" and v.is_cpu and not v.is_sparse:
        return v.detach().resolve_neg().contiguous().flatten().view(sys.modules["torch"].uint8).numpy().tobytes()
    return v.tobytes() if isinstance(v, np.ndarray) else b""


def attempt(call: Call, names: dict[str, Any]) -> str:
    """Make the call; "result" or the name of the error, Wrong if it is none that may be."""
    t, sure = None, None
    with quiet():
        try:
            codes = {k: compile(source, "<call>", "eval") for k, source in call.arguments.items()}
            arguments = {k: eval(code, names) for k, code in codes.items()}  # noqa: S307
            before = [bytes_of(v) for v in arguments.values()]
        except Exception:  # noqa: BLE001
            return "not made"  # NumPy cannot cast that, or the library has no such dtype
        if call.function in FUNCTIONS:
            try:
                t = truth(call, *arguments.values())
                sure = t.sure or None
            except Refused:
                sure = False
            except Unknown:
                pass
    try:
        with warnings.catch_warnings(), at_most(CALL_SECONDS):
            warnings.simplefilter("error")
            with lazily() if call.function in FUNCTIONS else contextlib.nullcontext():
                y = names[call.function](**arguments)
            with quiet():  # what else is in the graph may warn
                computed = y.compute(scheduler="synchronous") if library_of(y) == "dask" else y
            repr(y), hash(y) if call.function not in FUNCTIONS else None
    except Wrong:
        raise
    except Exception as error:
        if sure:
            raise Wrong(f"refused: {type(error).__name__}: {str(error)[:300]}") from error
        check_error(call, error)
        return type(error).__name__
    with quiet():
        if sure is False:
            raise Wrong(f"accepted: {repr(y)[:200]}")
        if [bytes_of(v) for v in arguments.values()] != before:
            raise Wrong("written to: an argument")
        if t is not None:
            check_result(call, arguments, t, y)
            if library_of(y) == "dask" and (computed.dtype, computed.shape) != (y.dtype, y.shape):
                raise Wrong(f"computed: {computed.dtype} {computed.shape}, not {y.dtype} {y.shape}")
    return "result"


def batch(libraries: tuple[str, ...], start: int, seconds: float, note: Path | None = None) -> dict[str, Any]:
    """Make calls for that long, or until one is wrong. The call that is being made, and the smallest wrong one, go to `note`."""
    names, text = namespace(libraries, x64=start % 2 == 0)
    report: dict[str, Any] = {"counts": Counter()}

    def write(name: str, content: Any) -> None:
        if note is not None:
            (note / name).write_text(json.dumps(content))

    def fail(call: Call, complaint: str) -> None:
        same = complaint.partition(":")[0] == report.get("complaint", complaint).partition(":")[0]
        if same and len(str(call)) <= len(report.get("call", str(call))):
            report.update(complaint=complaint, call=str(call), before=text)
            write("report", report)

    def one(call: Call) -> None:
        write("call", {"call": str(call), "before": text})
        try:
            outcome = attempt(call, names)
        except Wrong as wrong:
            fail(call, str(wrong))
            raise
        except Hang:
            fail(call, f"hang: more than {CALL_SECONDS} seconds")
            raise
        report["counts"][outcome] += 1

    options = settings(
        max_examples=100,
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    end = time.monotonic() + seconds
    with contextlib.suppress(Wrong, Hang):
        for n in itertools.count():
            seed(start * 100_000 + n)(options(given(calls(libraries))(one)))()
            if time.monotonic() >= end:
                break
    write("report", report)
    return report


def watched(command: list[str], note: Path, limit: float) -> dict[str, Any]:
    """The report of a batch in a process of its own; of one that dies or hangs the call that it was at."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        died = f"crash: the process ended with {run.returncode}: {run.stderr[-2000:]}" if run.returncode else ""
    except subprocess.TimeoutExpired:
        died = f"hang: the process had not ended after {limit} seconds"
    report, call = (
        {} if not (note / name).exists() else json.loads((note / name).read_text()) for name in ("report", "call")
    )
    if not died or "call" in report:  # it was being made smaller
        return report
    return {"counts": {}, "call": "", "before": ""} | call | {"complaint": died}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, help="what the calls follow from; another one every time if left out")
    parser.add_argument("--library", nargs="+", choices=PACKAGES, help="of x; all that are installed if left out")
    parser.add_argument("--note", type=Path, help=argparse.SUPPRESS)  # of a child process
    asked = parser.parse_args()
    libraries = asked.library or [name for name, package in PACKAGES.items() if importlib.util.find_spec(package)]
    if asked.note:
        batch(tuple(libraries), asked.seed, asked.minutes * 60, asked.note)
        return 0
    first = int(time.time()) % 1_000_000 if asked.seed is None else asked.seed
    print(f"--seed {first} --library {' '.join(libraries)}", flush=True)
    counts: Counter[str] = Counter()
    report: dict[str, Any] = {}
    end = time.monotonic() + asked.minutes * 60
    for n in itertools.count(first):
        if (left := end - time.monotonic()) <= 0 or "call" in report:
            break
        with tempfile.TemporaryDirectory() as note:
            command = [sys.executable, "-X", "faulthandler", __file__, "--note", note, "--seed", str(n)]
            command += ["--minutes", str(min(left, BATCH_SECONDS) / 60), "--library", *libraries]
            report = watched(command, Path(note), BATCH_LIMIT)
        counts.update(report["counts"])
    if "call" in report:
        print(f"\n# --seed {n - 1}: {report['complaint']}\n\n{report['before']}{report['call']}\n")
    print(f"{counts.total()} calls", *(f"{count:8} {outcome}" for outcome, count in counts.most_common()), sep="\n")
    return int("call" in report)


if __name__ == "__main__":
    sys.exit(main())
