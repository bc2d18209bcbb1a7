"""The site: what its pages say of the clipping functions, that every public name is on it, and that its own checks can fail."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import softclip
from softclip import NAMES, hinge, soft_clip

DOCS = Path(__file__).parent.parent / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
import check_site

pytestmark = pytest.mark.needs("numpy")
MODULES = (
    "softclip",
    "softclip.torch",
    "softclip.flax.nnx",
    "softclip.flax.linen",
    "softclip.equinox",
    "softclip.optax",
    "softclip.sklearn",
)


@pytest.fixture(scope="module")
def plates() -> Any:
    pytest.importorskip("matplotlib", reason="the plates are drawn with it")
    return importlib.import_module("plates")


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_on_the_reference_page(module: str) -> None:
    if module != "softclip":
        pytest.importorskip(module.split(".")[1], reason=f"{module} is for it")
    page = (DOCS / "api.md").read_text()
    current = ""
    named = set()
    for kind, name in re.findall(r"^\.\. (currentmodule|auto\w+):: (\S+)", page, re.MULTILINE):
        if kind == "currentmodule":
            current = name
        else:
            named.add(name if name.startswith("softclip.") else f"{current}.{name}")
    public = {f"{module}.{name}" for name in importlib.import_module(module).__all__ if not name.startswith("__")}
    assert public <= named


def namespace(**more: Any) -> dict[str, Any]:
    special = pytest.importorskip("scipy.special", reason="erf is SciPy's")
    return {name: getattr(np, name) for name in dir(np)} | {"erf": special.erf, "erfinv": special.erfinv} | more


def softplus(z: Any) -> Any:
    return np.logaddexp(0.0, z)


def test_there_are_facts_of_those_that_the_package_began_with(plates: Any) -> None:
    """A new function is on the page at once, with what is computed; its formulas are a line of `plates.FACTS`."""
    assert set(plates.FACTS) >= {"sigmoid", "hinge"}
    assert set(plates.FACTS) <= {*NAMES, "hinge"}


@pytest.mark.parametrize("name", [*NAMES, "hinge"])
def test_the_formulas_of_the_table(plates: Any, name: str) -> None:
    """As they stand there, evaluated: g itself, what 1 - G tends to, and the inverse of G."""
    if name not in plates.FACTS:
        pytest.skip(f"plates.FACTS has no line for {name} yet")
    facts, s = plates.FACTS[name], plates.SOFTNESS
    g = hinge(s) if name == "hinge" else name
    knee = {"cubic": 1.5, "quintic": 1.25, "sine": np.pi / 2}.get(name)
    x = np.linspace(-1, 1, 41)
    value = eval(facts.formula, namespace(x=x, s=s, softplus=softplus))  # noqa: S307
    low, high = {
        "sigmoid": (0, 1),
        "hinge": (0, 1),
        "arctan": (-np.pi / 2, np.pi / 2),
        "gudermannian": (-np.pi / 2, np.pi / 2),
    }.get(name, (-1, 1))
    np.testing.assert_allclose(soft_clip(x, low, high, g), value, rtol=1e-14, atol=1e-15)
    if knee is not None:
        assert facts.tail.startswith("0 from ")
        assert eval(facts.tail.removeprefix("0 from ").removesuffix(" on"), namespace()) == knee  # noqa: S307
    else:
        x = np.array([1e9 if name in ("arctan", "softsign", "algebraic") else 25.0 if name != "hinge" else 8.0])
        distance = soft_clip(-x if name != "hinge" else 1 - x, 0.0, 1.0, g)
        tail = eval(facts.tail, namespace(x=x, s=s))  # noqa: S307
        np.testing.assert_allclose(distance, tail, rtol=1e-2 if name == "erf" else 1e-6)
    if facts.inverse != "by iteration":
        p = np.linspace(0.01, 0.99, 99)
        x = eval(facts.inverse, namespace(p=p, s=s))  # noqa: S307
        np.testing.assert_allclose(soft_clip(x, 0.0, 1.0, g), p, rtol=1e-12)


def test_where_float32_saturates(plates: Any) -> None:
    """The last x below it gives less than 1."""
    for name in (*NAMES, "hinge"):
        x = np.float32(plates.saturation(name, slope=1.0))
        y = soft_clip(
            np.array([np.nextafter(x, np.float32(0)), x]), -1.0, 1.0, plates.clipping_function(name), slope=1.0
        )
        assert y[0] < 1 == y[1]


def test_the_table_has_a_line_for_every_function(plates: Any) -> None:
    lines = plates.table().splitlines()
    assert len(lines) == 2 + len(NAMES) + 1
    assert {line.count("|") for line in lines} == {9}


FORMULA = re.compile(r"^\| `(?P<formula>[^`]+)`(?P<note>[^|]*) \| `(?P<call>[^`]+)` \|$", re.MULTILINE)


def test_formulas_that_people_write_are_the_calls_beside_them() -> None:
    """Where nothing overflows and nothing is lost they are the same numbers; a clip differs by its corners only."""
    import softclip

    rows = list(FORMULA.finditer((DOCS / "choosing.md").read_text()))
    names = {
        "np": np,
        "x": np.linspace(-8, 8, 401),
        "cap": 3.0,
        "lo": -1.0,
        "hi": 2.0,
        "d": 1.7,
        "c": 2.5,
        "k": 0.7,
        "x0": 0.3,
    }
    names |= {name: getattr(softclip, name) for name in softclip.__all__}
    assert len(rows) == 10
    for row in rows:
        found, written = eval(row["call"], dict(names)), eval(row["formula"], dict(names))  # noqa: S307
        tolerance = 0.06 if "soft corners" in row["note"] else 1e-13
        assert 0 <= np.max(np.abs(found - written)) < tolerance, row["call"]


def test_choosing_links_recipes_that_exist() -> None:
    linked = set(re.findall(r"\]\(recipes/(\w+)\.rst\)", (DOCS / "choosing.md").read_text()))
    assert linked
    assert linked <= {path.stem for path in (DOCS.parent / "examples" / "recipes").glob("plot_*.py")}


class TestCheckSite:
    def test_broken_links(self, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text(
            '<h1 id="top"><a href="#top"><a href="b.html#there"><a href="b.html#not-there"><img src="none.png">'
            '<a href="https://example.org/x"><a href="../out.html"><a href="sub/">'
        )
        (tmp_path / "b.html").write_text('<p id="there"><a href="index.html?q=1#top">')
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "index.html").write_text('<a href="../b.html">')
        assert check_site.broken_links(tmp_path) == [
            "index.html: b.html#not-there leads to no place in that page",
            "index.html: none.png leads to no file",
            "index.html: ../out.html leads to no file",
        ]

    def test_changed_outputs(self, tmp_path: Path) -> None:
        (tmp_path / "plot_a.rst").write_text(
            ".. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n\n    one\n     two\n\n    three\n\n\n"
            "More text\n\n .. code-block:: none\n\n    four\n\n"
        )
        now = check_site.printed([tmp_path])
        assert now == {f"{tmp_path.name}/plot_a": "one\n two\n\nthree\nfour"}
        assert check_site.changed_outputs({"a": "1\n2"}, {"a": "1\n2"}) == []
        assert check_site.changed_outputs({"a": "1\n3"}, {"a": "1\n2"}) == ["a printed '2', and now '3'"]
        assert check_site.changed_outputs({"a": "1\n3"}, {"a": "1"}) == ["a printed '', and now '3'"]
        assert check_site.changed_outputs({"a": "1"}, {}) == ["a: has no output yet; --accept if that is right"]
        assert check_site.changed_outputs({}, {"a": "1"}) == ["a: is gone; --accept if that is right"]


def test_the_version_in_the_citation() -> None:
    assert f"version = {{{softclip.__version__}}}" in (DOCS / "cite.md").read_text()
