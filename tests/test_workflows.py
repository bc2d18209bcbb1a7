"""The workflow files of a public host: they call sessions that there are, pin what they use, and leave nothing out."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import softclip

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.needs("numpy")
yaml = pytest.importorskip("yaml", reason="workflow files are YAML")
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Sessions that measure, train or draw, and are run by hand.
BY_HAND = {"bench", "examples", "numerics", "paper"}


def sessions() -> set[str]:
    """The functions of noxfile.py that are sessions."""
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {f.name for f in functions if any("session" in ast.unparse(decorator) for decorator in f.decorator_list)}


def called(text: str) -> set[str]:
    """The sessions that a script or workflow calls, a matrix of them included."""
    found = set()
    for match in re.finditer(r"nox(?: -R)? -s ([\w. ]+?)(?: --|$|-\$|-3|\n)", text, re.MULTILINE):
        found |= set(match[1].split())
    for match in re.finditer(r"session: \[([\w, ]+)\]", text):
        found |= set(match[1].split(", "))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestWorkflow:
    def test_calls_sessions_that_there_are(self, path: Path) -> None:
        assert called(path.read_text()) <= sessions()

    def test_pins_actions_by_their_hash(self, path: Path) -> None:
        uses = re.findall(r"uses: (.*)", path.read_text())
        assert uses
        for action in uses:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action

    def test_may_read_and_little_else(self, path: Path) -> None:
        workflow: dict[Any, Any] = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert set(job.get("permissions", {})) <= {"pages", "id-token"}
            assert job["timeout-minutes"] <= 180
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout"):
                    assert step["with"] == {"persist-credentials": False}


def test_every_session_is_called() -> None:
    text = "\n".join(path.read_text() for path in [*FILES, ROOT / ".ci" / "run"])
    assert sessions() - BY_HAND == called(text)


def test_contributing_says_what_each_session_is_for() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == sessions()


def test_the_same_pin_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in FILES:
        for name, pin in re.findall(r"uses: (\S+)@(.*)", path.read_text()):
            pins.setdefault(name, set()).add(pin)
    assert all(len(found) == 1 for found in pins.values()), pins


def test_the_citation() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == softclip.__version__
    assert citation["cff-version"] == "1.2.0"
