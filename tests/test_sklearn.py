"""The transformer of scikit-learn: its own checks, columns that are no ordinary ones, tables of other libraries, skrub's scaler."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.9", reason="the transformer is scikit-learn's")
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from softclip import NAMES, hinge
from softclip.sklearn import SoftClipper, _pick, _pick_from_numpy

pytestmark = pytest.mark.needs("numpy")


@pytest.fixture
def table() -> np.ndarray:
    """Heavy tails, with a NaN and both infinities."""
    X = np.random.default_rng(0).standard_t(2, (200, 3)) * [1.0, 100.0, 1e-3] + [0.0, 50.0, -1.0]
    X[3, 0], X[4, 1], X[5, 2] = np.nan, np.inf, -np.inf
    return X


def in_its_own_process(script: str) -> str:
    """SciPy and scikit-learn read SCIPY_ARRAY_API when they are imported."""
    script = "import os, warnings\nos.environ['SCIPY_ARRAY_API'] = '1'\nwarnings.simplefilter('ignore')\n" + script
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_checks_of_scikit_learn() -> None:
    """All of them, array API dispatch to every library that is here among them; what is skipped is another device or library."""
    printed = in_its_own_process(
        "from sklearn.utils.estimator_checks import check_estimator\n"
        "from softclip.sklearn import SoftClipper\n"
        "for estimator in (SoftClipper(), SoftClipper(-1.0, 1.0, 'tanh'), SoftClipper(slope=None)):\n"
        "    for check in check_estimator(estimator, on_fail=None, on_skip=None):\n"
        "        print(check['status'], check['check_name'], str(check['exception']).splitlines()[0])\n"
    )
    lines = printed.splitlines()
    assert len(lines) > 150
    for line in lines:
        absent = re.search(
            r"requires cuda|XPU device|MPS device|(cupy|dpnp|torch|pandas|polars|pyarrow) is not installed", line
        )
        assert line.startswith("passed") or (line.startswith("skipped") and absent), line


class TestLearned:
    def test_bounds_are_quantiles_of_the_finite_values(self, table: np.ndarray) -> None:
        for range_ in ((5.0, 95.0), (0, 100), (25, 50)):
            clipper = SoftClipper(quantile_range=range_).fit(table)
            for column in range(3):
                finite = table[np.isfinite(table[:, column]), column]
                want = np.percentile(finite, range_)
                np.testing.assert_allclose([clipper.x_min_[column], clipper.x_max_[column]], want, rtol=1e-13)

    def test_values_are_those_of_the_closed_form(self, table: np.ndarray) -> None:
        """m + z / sqrt(1 + (z / h)^2) with z = x - m."""
        clipper = SoftClipper().fit(table)
        y = clipper.transform(table)
        m, h = (clipper.x_max_ + clipper.x_min_) / 2, (clipper.x_max_ - clipper.x_min_) / 2
        z = table - m
        finite = np.isfinite(table)
        with np.errstate(invalid="ignore"):
            want = m + z / np.sqrt(1 + (z / h) ** 2)
        np.testing.assert_allclose(y[finite], want[finite], rtol=1e-11, atol=1e-13)
        assert np.isnan(y[3, 0])
        assert (y[4, 1], y[5, 2]) == (clipper.x_max_[1], clipper.x_min_[2])
        assert (np.nanmin(y, axis=0) >= clipper.x_min_).all()
        assert (np.nanmax(y, axis=0) <= clipper.x_max_).all()

    def test_and_back(self, table: np.ndarray) -> None:
        clipper = SoftClipper().fit(table)
        np.testing.assert_allclose(clipper.inverse_transform(clipper.transform(table)), table, rtol=1e-6)

    def test_what_is_outside_becomes_nan_with_one_warning(self, table: np.ndarray) -> None:
        clipper = SoftClipper().fit(table)
        y = clipper.transform(table)
        y[0, 0], y[1, 2], y[2, 2] = 1e9, -1e9, np.inf
        with pytest.warns(UserWarning, match=r"3 values in columns \[0, 2\] are outside of the bounds") as caught:
            x = clipper.inverse_transform(y)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert np.argwhere(np.isnan(x)).tolist() == [[0, 0], [1, 2], [2, 2], [3, 0]]  # the last was NaN before

    def test_predictions_outside_warn(self) -> None:
        X = np.linspace(0.0, 1.0, 50)[:, None]
        model = TransformedTargetRegressor(LinearRegression(), transformer=SoftClipper())
        model.fit(X, 10 * X[:, 0])
        assert np.isfinite(model.predict(X[5:-5])).all()
        with pytest.warns(UserWarning, match=r"1 value in column \[0\] is outside of the bounds"):
            assert np.isnan(model.predict([[100.0]])).all()

    def test_nan_and_columns_without_bounds_do_not_warn(self) -> None:
        with pytest.warns(UserWarning, match="no finite value"):
            clipper = SoftClipper().fit([[1.0, np.nan], [2.0, np.nan]])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_allclose(clipper.inverse_transform([[1.5, 7.0], [np.nan, np.nan]])[:, 1], np.nan)

    def test_only_what_fit_has_seen(self, table: np.ndarray) -> None:
        clipper = SoftClipper().fit(table[:100])
        np.testing.assert_array_equal(clipper.transform(table)[:100], clipper.transform(table[:100]))

    def test_a_constant_column(self) -> None:
        for c, bounds in ((7.0, (0.0, 14.0)), (0.0, (-1.0, 1.0)), (-1e30, (-2e30, 0.0)), (1e-300, (0.0, 2e-300))):
            clipper = SoftClipper().fit(np.full((9, 1), c))
            np.testing.assert_allclose([clipper.x_min_[0], clipper.x_max_[0]], bounds)
            np.testing.assert_allclose(clipper.transform([[c]]), [[c]], rtol=1e-15)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("n", [1, 2, 5, 65, 1000])
    def test_a_constant_column_of_any_number_and_length(self, n: int, dtype: Any) -> None:
        """c comes back as it was, between 0 and 2 c, or as far as the format goes."""
        greatest, tiny = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for c in np.array([0.01, 0.1, 1 / 3, 1e30, 7.7, 1e-30, greatest / 2, greatest / 1.8, tiny], dtype):
                for sign in (1, -1):
                    X = np.full((n, 1), sign * c)
                    clipper = SoftClipper().fit(X)
                    low, high = float(clipper.x_min_[0]), float(clipper.x_max_[0])
                    reach = min(float(c), float(greatest) - float(c))
                    np.testing.assert_allclose([low, high], [sign * c - reach, sign * c + reach], np.finfo(dtype).eps)
                    np.testing.assert_array_equal(clipper.transform(X), X)
            for c in (greatest, -greatest, greatest * (1 - 2 * np.finfo(dtype).eps)):
                clipper = SoftClipper().fit(np.full((n, 1), c))
                assert sorted(map(abs, (clipper.x_min_[0], clipper.x_max_[0]))) == [0.0, greatest]
                assert abs(clipper.transform([[c]])[0, 0]) > 0.8 * greatest

    @pytest.mark.parametrize("c", [0.01, -0.1, 1 / 3, 1e-300])
    @pytest.mark.parametrize("n", [65, 640, 997])
    def test_a_mostly_constant_column_has_its_ends_for_bounds(self, c: float, n: int) -> None:
        X = np.full((n, 1), c)
        X[0], X[1] = -1000.0, 1000.0
        clipper = SoftClipper(quantile_range=(5.1, 94.9)).fit(X)
        assert (clipper.x_min_[0], clipper.x_max_[0]) == (-1000.0, 1000.0)

    def test_columns_as_wide_as_the_format(self) -> None:
        """Of the quantiles by exact fractions, without a warning."""
        column = [-1.7e308, -1.0e308, 1.6e308, 1.7e308]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for range_ in ((5.0, 95.0), (0, 100), (40.0, 60.0), (50.0, 99.0)):
                clipper = SoftClipper(quantile_range=range_).fit(np.array(column)[:, None])
                for percent, found in zip(range_, (clipper.x_min_[0], clipper.x_max_[0]), strict=True):
                    position = Fraction(percent) * 3 / 100
                    below = int(position)
                    start, end = Fraction(column[below]), Fraction(column[min(below + 1, 3)])
                    want = start + (position - below) * (end - start)
                    assert abs(Fraction(found) - want) <= 4 * 2.0**-52 * 1.7e308
                y = clipper.transform(np.array([column, [0.0] * 4]).reshape(-1, 1))
                assert ((clipper.x_min_ <= y) & (y <= clipper.x_max_)).all()

    def test_bounds_rise_with_the_percentage_and_stay_between_neighbours(self) -> None:
        rng = np.random.default_rng(0)
        X = np.sort(np.concatenate([rng.normal(size=20), [0.1, np.nextafter(0.1, 1.0), 1e300, -1e300]]))[:, None]
        percents = np.linspace(0.0, 100.0, 1001)
        lows = np.array([SoftClipper(quantile_range=(p, 100)).fit(X).x_min_[0] for p in percents[:-1]])
        assert (np.diff(lows) >= 0).all()
        below = np.floor(percents[:-1] / 100 * (len(X) - 1)).astype(int)
        assert (X[below, 0] <= lows).all()
        assert (lows <= X[below + 1, 0]).all()

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_fitting_leaves_the_table_as_it_was(self, table: np.ndarray, order: Any) -> None:
        table = np.array(table, order=order)
        kept = table.copy()
        SoftClipper().fit(table)
        np.testing.assert_array_equal(table, kept)

    def test_a_column_of_mostly_zeros_is_not_destroyed(self) -> None:
        X = np.zeros((100, 1))
        X[:3, 0] = [-2.0, 5.0, 3.0]
        clipper = SoftClipper().fit(X)
        assert (clipper.x_min_[0], clipper.x_max_[0]) == (-2.0, 5.0)

    def test_a_column_without_a_finite_value(self) -> None:
        X = np.array([[1.0, np.nan, np.inf], [2.0, np.nan, np.nan], [3.0, np.nan, -np.inf]])
        with pytest.warns(UserWarning, match=r"columns \[1, 2\] have no finite value"):
            clipper = SoftClipper().fit(X)
        y = clipper.transform([[2.0, 2.0, 2.0]])
        np.testing.assert_allclose(y, [[2.0, np.nan, np.nan]])

    def test_one_row(self) -> None:
        np.testing.assert_allclose(SoftClipper().fit_transform([[3.0, -4.0]]), [[3.0, -4.0]])


def test_picking_from_numpy_is_picking_from_any_library(table: np.ndarray) -> None:
    """By a partition and by a sort: the finite values with these ranks, 0 in a column that has none."""
    table = np.column_stack([table, np.full(len(table), np.nan)])
    finite = np.isfinite(table)
    ranks = [np.array([0, 7, rank, 0]) for rank in (0, 1, 150, 198)]
    want = [[sorted(table[finite[:, j], j])[rank[j]] for j in range(3)] + [0.0] for rank in ranks]
    for pick in (_pick, _pick_from_numpy):
        np.testing.assert_array_equal(np.stack(list(pick(table, finite, ranks))), want)


class TestGiven:
    @pytest.mark.parametrize("g", [*NAMES, hinge(0.2)], ids=str)
    @pytest.mark.parametrize("slope", [None, 1.0])
    def test_bounds_for_all_columns(self, table: np.ndarray, g: Any, slope: float | None) -> None:
        clipper = SoftClipper(-1.0, 2.0, g, slope=slope).fit(table)
        np.testing.assert_array_equal(clipper.x_min_, [-1.0] * 3)
        y = clipper.transform([[np.inf, -np.inf, np.nan], [0.5, 0.5, 0.5]])
        np.testing.assert_array_equal(y[0], [2.0, -1.0, np.nan])
        if slope:
            np.testing.assert_allclose(y[1], 0.5, rtol=1e-12)

    def test_bounds_for_each_column(self, table: np.ndarray) -> None:
        clipper = SoftClipper([0.0, 1.0, 2.0], np.array([1.0, 2.0, 3.0])).fit(table)
        np.testing.assert_array_equal(clipper.transform(np.full((1, 3), np.inf)), [[1.0, 2.0, 3.0]])

    def test_one_bound_is_learned_where_the_other_is_given(self, table: np.ndarray) -> None:
        both, upper = SoftClipper().fit(table), SoftClipper(x_min=-1e6).fit(table)
        np.testing.assert_array_equal(upper.x_max_, both.x_max_)
        np.testing.assert_array_equal(upper.x_min_, [-1e6] * 3)

    @pytest.mark.parametrize(
        ("parameters", "error", "words"),
        [
            ({"x_min": 1.0, "x_max": 1.0}, ValueError, "x_min must be less than x_max in every column; column 0"),
            ({"x_min": 1e9}, ValueError, r"column 0 has 1000000000\.0"),
            ({"x_min": 0.0, "x_max": np.inf}, ValueError, "finite"),
            ({"quantile_range": (95, 5)}, ValueError, r"increasing order; got \(95, 5\)"),
            ({"quantile_range": (0.05, 950)}, ValueError, "percentages"),
            ({"g": "sigmiod"}, ValueError, "Did you mean 'sigmoid'"),
            ({"slope": -1.0}, ValueError, "slope must be positive"),
            ({"x_min": [0.0, 1.0]}, ValueError, r"x_min must be .* each of the 3 columns; got .* shape \(2,\)"),
            ({"x_max": [9.0]}, ValueError, r"x_max must be .* each of the 3 columns; got .* shape \(1,\)"),
            ({"x_min": np.zeros((1, 3))}, ValueError, r"x_min must be .* shape \(1, 3\)"),
            ({"x_min": np.nan}, ValueError, "x_min must be finite; got nan"),
            ({"x_max": np.nan}, ValueError, "x_max must be finite; got nan"),
            ({"x_min": -np.inf}, ValueError, "x_min must be finite; got -inf"),
            ({"x_min": [0.0, np.nan, 0.0]}, ValueError, r"x_min must be finite; got \[0.0, nan, 0.0\]"),
            ({"x_max": np.array([1.0, np.inf, 9.0])}, ValueError, "x_max must be finite"),
            ({"x_max": 10**400}, ValueError, "x_max must be finite; got 1000"),
            ({"x_min": "0"}, TypeError, "x_min must hold real numbers; got '0'"),
            ({"x_max": ["a", "b", "c"]}, TypeError, "x_max must hold real numbers"),
            ({"x_max": True}, TypeError, "x_max must hold real numbers"),
            ({"x_max": 1j}, TypeError, "x_max must hold real numbers"),
            ({"x_max": [1.0, None, 2.0]}, TypeError, "x_max must hold real numbers"),
            ({"x_max": {}}, TypeError, "x_max must hold real numbers"),
            ({"x_max": [[1.0], [1.0, 2.0]]}, ValueError, "x_max must be"),
            ({"quantile_range": 5.0}, TypeError, "quantile_range must be two percentages"),
            ({"quantile_range": ("5", "95")}, TypeError, "quantile_range must be two percentages"),
            ({"quantile_range": (5, 50, 95)}, ValueError, "quantile_range must be two percentages"),
            ({"quantile_range": (np.nan, 95)}, ValueError, "quantile_range must be two percentages"),
        ],
    )
    def test_what_is_refused(self, table: np.ndarray, parameters: Any, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            SoftClipper(**parameters).fit(table)

    def test_bounds_that_the_dtype_of_the_table_cannot_hold(self, table: np.ndarray) -> None:
        with pytest.raises(ValueError, match=r"x_max must be finite in float32; got 1e\+300"):
            SoftClipper(x_max=1e300).fit(table.astype(np.float32))
        SoftClipper(x_max=1e300).fit(table)

    @pytest.mark.parametrize("make", [tuple, np.float32, lambda v: np.array(v, int)], ids=["tuple", "float32", "int"])
    def test_bounds_of_many_kinds(self, table: np.ndarray, make: Any) -> None:
        clipper = SoftClipper(make([-1, -2, -3]), Fraction(7, 2)).fit(table)
        assert clipper.x_min_.tolist() == [-1.0, -2.0, -3.0]
        assert clipper.x_max_.tolist() == [3.5] * 3

    def test_sparse_tables_are_refused(self) -> None:
        import scipy.sparse

        with pytest.raises(TypeError, match=r"[Ss]parse"):
            SoftClipper().fit(scipy.sparse.csr_array(np.eye(3)))


class TestTables:
    @pytest.mark.parametrize(
        ("dtype", "result"), [(np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64)]
    )
    def test_dtypes(self, dtype: Any, result: Any) -> None:
        X = np.arange(60).reshape(20, 3).astype(dtype)
        clipper = SoftClipper().fit(X)
        y = clipper.transform(X)
        assert np.dtype(result).name in clipper.__sklearn_tags__().transformer_tags.preserves_dtype
        assert y.dtype == clipper.x_min_.dtype == clipper.inverse_transform(y).dtype == result

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_data_frames(self, table: np.ndarray, library: str) -> None:
        frames = pytest.importorskip(library, reason="of the tests' group for scikit-learn")
        frame = frames.DataFrame({name: table[:, i] for i, name in enumerate("abc")})
        clipper = SoftClipper().set_output(transform=library).fit(frame)
        y = clipper.transform(frame)
        assert isinstance(y, frames.DataFrame)
        assert list(y.columns) == ["a", "b", "c"] == list(clipper.get_feature_names_out())
        np.testing.assert_array_equal(y.to_numpy(), SoftClipper().fit_transform(table))

    @pytest.mark.parametrize("columns", [1, 2, 4])
    def test_the_inverse_of_too_few_or_too_many_columns(self, table: np.ndarray, columns: int) -> None:
        clipper = SoftClipper().fit(table)
        for method in (clipper.transform, clipper.inverse_transform):
            with pytest.raises(ValueError, match=rf"X has {columns} features, but SoftClipper is expecting 3 features"):
                method(np.zeros((2, columns)))

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_the_inverse_looks_at_names(self, table: np.ndarray, library: str) -> None:
        frames = pytest.importorskip(library, reason="of the tests' group for scikit-learn")
        frame = frames.DataFrame({name: table[:, i] for i, name in enumerate("abc")})
        clipper = SoftClipper().set_output(transform=library).fit(frame)
        y = clipper.transform(frame)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            want = clipper.inverse_transform(y)
            # What `transform` gives by default has no names: it can be taken back too.
            np.testing.assert_array_equal(clipper.inverse_transform(y.to_numpy()), want)
        np.testing.assert_allclose(want, table, rtol=1e-6)
        with pytest.raises(ValueError, match="feature names should match"):
            clipper.inverse_transform(y[["c", "b", "a"]])
        with pytest.raises(ValueError, match="feature names"):
            clipper.inverse_transform(y[["a", "b"]])

    def test_torch_stays_torch(self) -> None:
        pytest.importorskip("torch", reason="the array library that is dispatched to")
        printed = in_its_own_process(
            "import numpy as np, sklearn, torch\n"
            "from softclip.sklearn import SoftClipper\n"
            "X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)\n"
            "X[3, 0], X[4, 1], X[:, 2] = np.nan, np.inf, 0.01\n"
            "want = SoftClipper().fit(X).transform(X)\n"
            "with sklearn.config_context(array_api_dispatch=True):\n"
            "    clipper = SoftClipper().fit(torch.from_numpy(X))\n"
            "    y = clipper.transform(torch.from_numpy(X))\n"
            "    back = clipper.inverse_transform(y)\n"
            "    try: clipper.transform(X)\n"
            "    except ValueError as error: print('must use the same' in str(error))\n"
            "print(type(y).__name__, type(clipper.x_min_).__name__, type(back).__name__, y.dtype)\n"
            "np.testing.assert_allclose(y.numpy(), want, rtol=1e-5, atol=1e-6)\n"
        )
        assert printed.split("\n")[:2] == ["True", "Tensor Tensor Tensor torch.float32"]


class TestWithOthers:
    def test_in_a_pipeline_a_column_transformer_and_a_grid_search(self) -> None:
        X, y = load_breast_cancer(return_X_y=True)
        clip = ColumnTransformer([("clip", SoftClipper(), slice(0, 20))], remainder="passthrough")
        model = make_pipeline(StandardScaler(), clip, LogisticRegression(max_iter=1000))
        search = GridSearchCV(model, {"columntransformer__clip__g": ["tanh", "algebraic"]}, cv=3)
        assert search.fit(X, y).best_score_ > 0.95

    def test_cloned_and_pickled(self, table: np.ndarray) -> None:
        clipper = SoftClipper(g=hinge(0.5), quantile_range=(10, 90)).fit(table)
        assert repr(clone(clipper)) == repr(clipper)
        again = pickle.loads(pickle.dumps(clipper))
        np.testing.assert_array_equal(again.transform(table), clipper.transform(table))


class TestLikeTheSquashingScaler:
    """skrub's robust scale and smooth clip is two steps here."""

    def two_steps(self) -> Any:
        return make_pipeline(RobustScaler(quantile_range=(25.0, 75.0)), SoftClipper(-3.0, 3.0, "algebraic", slope=1.0))

    def test_it_is_equal_on_ordinary_columns(self) -> None:
        scaler = pytest.importorskip("skrub", reason="of the tests' group for scikit-learn").SquashingScaler()
        for X in (load_breast_cancer().data, np.random.default_rng(0).standard_cauchy((500, 4))):
            np.testing.assert_allclose(
                self.two_steps().fit_transform(X), scaler.fit_transform(X), rtol=1e-11, atol=1e-14
            )

    def test_and_right_where_that_one_is_not(self) -> None:
        skrub = pytest.importorskip("skrub", reason="of the tests' group for scikit-learn")
        X = np.random.default_rng(0).normal(size=(50, 1))
        X[7, 0] = 1e160
        with np.errstate(over="ignore"):
            assert skrub.SquashingScaler().fit_transform(X)[7, 0] == 0.0
        assert self.two_steps().fit_transform(X)[7, 0] == 3.0
