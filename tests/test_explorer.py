"""The explorer in a real browser: it draws, it follows its controls, its functions are softclip's, and nothing goes wrong in the console.

`nox -s browser` runs it on the page that `nox -s docs` has built.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softclip import NAMES, hinge, knee, soft_clip, soft_clip_derivative, soft_clip_log_derivative

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

PAGE = Path(__file__).parent.parent / "docs" / "_build" / "html" / "explorer.html"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver on the path"),
    pytest.mark.skipif(not PAGE.exists(), reason="the page is built by nox -s docs"),
]
PLOTS = {"plot-f": "f", "plot-derivative": "derivative", "plot-log": "logDerivative"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1300,1150",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """The page, freshly opened; afterwards nothing must have been complained of."""
    browser.get("about:blank")
    browser.get(PAGE.as_uri())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def drawing(page: Any, plot: str) -> str:
    """All of a plot: between other bounds the curve itself can be the same, and its axis another one."""
    return page.find_element(By.ID, plot).get_attribute("innerHTML")


def curve(page: Any, plot: str) -> str:
    return page.find_element(By.CSS_SELECTOR, f"#{plot} path.curve:not(.other)").get_attribute("d")


def readings(page: Any) -> list[float]:
    return [float(page.find_element(By.ID, f"{plot}-value").text) for plot in PLOTS]


def test_it_draws_three_curves(page: Any) -> None:
    for plot in PLOTS:
        assert curve(page, plot).count("L") > 400


@pytest.mark.parametrize(
    ("control", "keys"),
    [
        ("x_min", Keys.ARROW_LEFT),
        ("x_max", Keys.ARROW_RIGHT),
        ("bent", Keys.SPACE),
        ("g", Keys.ARROW_DOWN),
        ("x", Keys.HOME),
    ],
    ids=["x_min", "x_max", "slope", "g", "x"],
)
def test_a_control_moved_by_the_keyboard_moves_the_curves(page: Any, control: str, keys: str) -> None:
    before = {plot: drawing(page, plot) for plot in PLOTS}
    page.find_element(By.ID, control).send_keys(keys)
    for plot in PLOTS:
        assert drawing(page, plot) != before[plot]


def test_every_control_is_reached_by_tab_and_has_a_label(page: Any) -> None:
    controls = page.find_elements(By.CSS_SELECTOR, ".explorer select, .explorer input, .explorer button")
    assert len(controls) == 10
    for control in controls[:-1]:
        assert page.find_elements(By.CSS_SELECTOR, f"label[for='{control.get_attribute('id')}']")
    page.find_element(By.ID, "g").click()
    page.find_element(By.ID, "g").send_keys(Keys.ESCAPE)
    reached = [page.switch_to.active_element.get_attribute("id")]
    while reached[-1] != "reset":
        page.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(page.switch_to.active_element.get_attribute("id"))
        assert len(reached) < 20
    assert reached == [
        "g",
        "x_min",
        "x_max",
        "bent",
        "other",
        "x",
        "reset",
    ]  # slope, softness and knee have nothing to do here


def test_slope_softness_and_knee_are_there_when_they_have_something_to_do(page: Any) -> None:
    assert not page.find_element(By.ID, "slope").is_enabled()
    assert not page.find_element(By.ID, "softness").is_enabled()
    page.find_element(By.ID, "bent").click()
    Select(page.find_element(By.ID, "g")).select_by_value("hinge")
    for control in ("slope", "softness"):
        before = curve(page, "plot-f")
        page.find_element(By.ID, control).send_keys(Keys.ARROW_RIGHT)
        assert curve(page, "plot-f") != before
    assert not page.find_element(By.ID, "at").is_enabled()
    Select(page.find_element(By.ID, "g")).select_by_value("knee tanh")
    before = curve(page, "plot-f")
    page.find_element(By.ID, "at").send_keys(Keys.ARROW_RIGHT)
    assert curve(page, "plot-f") != before
    assert 'knee("tanh", 0.65)' in page.find_element(By.ID, "call").text


def test_the_bounds_do_not_cross(page: Any) -> None:
    page.find_element(By.ID, "x_min").send_keys(Keys.END)
    assert page.find_element(By.ID, "call").text == 'soft_clip(x, 9.9, 10, "sigmoid")'
    page.find_element(By.ID, "x_max").send_keys(Keys.HOME)
    assert page.find_element(By.ID, "call").text == 'soft_clip(x, -10, -9.9, "sigmoid")'


def test_the_address_keeps_what_is_set(page: Any) -> None:
    Select(page.find_element(By.ID, "g")).select_by_value("softsign")
    page.find_element(By.ID, "x_max").send_keys(Keys.END)
    address, drawn = page.current_url, curve(page, "plot-f")
    assert address.endswith("#g=softsign&x_max=10")
    page.find_element(By.ID, "reset").click()
    assert curve(page, "plot-f") != drawn
    page.get(address)
    assert curve(page, "plot-f") == drawn
    page.get(address.replace("softsign", "nonsense").replace("=10", "=abc"))
    assert page.find_element(By.ID, "call").text == 'soft_clip(x, -1, 1, "sigmoid")'


def test_the_call_that_is_shown_gives_the_numbers_that_are_shown(page: Any) -> None:
    page.find_element(By.ID, "bent").click()
    Select(page.find_element(By.ID, "g")).select_by_value("hinge")
    call = page.find_element(By.ID, "call").text
    x = np.array(float(page.find_element(By.ID, "x").get_attribute("value")))
    names = {"hinge": hinge, "x": x}
    shown = [eval(call, {**names, "soft_clip": f}) for f in (soft_clip, soft_clip_derivative, soft_clip_log_derivative)]  # noqa: S307
    np.testing.assert_allclose(readings(page), shown, rtol=1e-5)


@pytest.mark.parametrize("name", [*NAMES, "knee tanh", "knee algebraic", "knee exponential", "hinge"])
def test_its_functions_are_those_of_softclip(page: Any, name: str) -> None:
    """To 1e-6 of the larger bound, of the slope, and of the logarithm: at the bounds, far outside, and past the knees."""
    xs = [*np.linspace(-30, 30, 601), -1e6, 1e6]
    for low, high in ((-1.0, 1.0), (0.0, 6.0), (-1.0, 3.0), (-10.0, 9.9)):
        for slope in (None, 1.0, 2.5):
            parameter = 0.3
            g = hinge(parameter) if name == "hinge" else name
            g = knee(name.removeprefix("knee "), parameter) if name.startswith("knee") else g
            form = f"softclip[{json.dumps(name)}].{'plain' if slope is None else 'slope'}"
            arguments = f"{low}, {high}, {slope or 0}, {parameter}"
            found = page.execute_script(
                f"return {json.dumps(xs)}.map((x) => [{', '.join(f'{form}.{key}(x, {arguments})' for key in PLOTS.values())}]"
                ".map(String))"  # JSON has no infinity
            )
            value, derivative, log_derivative = np.array(found, float).T
            x = np.array(xs)
            np.testing.assert_allclose(
                value, soft_clip(x, low, high, g, slope=slope), rtol=0, atol=1e-6 * max(abs(low), abs(high))
            )
            np.testing.assert_allclose(
                derivative, soft_clip_derivative(x, low, high, g, slope=slope), rtol=1e-6, atol=1e-300
            )
            np.testing.assert_allclose(
                log_derivative, soft_clip_log_derivative(x, low, high, g, slope=slope), rtol=1e-6, atol=1e-6
            )


def test_a_picture_of_it(page: Any) -> None:
    """For a look: docs/_build/explorer.png."""
    Select(page.find_element(By.ID, "other")).select_by_value("softsign")
    assert page.get_screenshot_as_file(str(PAGE.parent.parent / "explorer.png"))
