"""What to do with outliers before a linear model and before a small network: nothing, a hard clip, a soft clip.

    python examples/sklearn_outliers.py              a minute; the table and a picture
    python examples/sklearn_outliers.py --repeats 1

The breast cancer table that scikit-learn carries has columns with outliers of twenty interquartile ranges. Everything is learned inside the
folds of a cross-validation, the bounds too: the 5th and 95th percentiles for both clips.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Self

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from softclip.sklearn import SoftClipper


class HardClipper(TransformerMixin, BaseEstimator):
    """Winsorizing: the bounds of SoftClipper, with corners."""

    def fit(self, X: Any, y: Any = None) -> Self:
        self.low_, self.high_ = np.percentile(X, (5, 95), axis=0)
        return self

    def transform(self, X: Any) -> Any:
        return np.clip(X, self.low_, self.high_)


STEPS = {
    "standardised": [],
    "clipped hard, standardised": [HardClipper()],
    "clipped softly, standardised": [SoftClipper()],
    "clipped softly at 1 and 99 %": [SoftClipper(quantile_range=(1, 99))],
}
MODELS = {
    "logistic regression": LogisticRegression(max_iter=2000),
    "network of 32": MLPClassifier((32,), learning_rate_init=0.01, max_iter=60, random_state=0),
}


def measure(repeats: int) -> dict[tuple[str, str], Any]:
    import warnings

    X, y = load_breast_cancer(return_X_y=True)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network stops after its 60 epochs
        for model, step in tqdm([(model, step) for model in MODELS for step in STEPS], disable=None):
            pipeline = make_pipeline(*STEPS[step], StandardScaler(), MODELS[model])
            found[model, step] = cross_validate(pipeline, X, y, cv=folds, scoring=("neg_log_loss", "accuracy"))
    return found


def show(found: dict[tuple[str, str], Any]) -> None:
    print(f"{'model':<20} {'columns':<30} {'log loss':>15} {'accuracy':>9}")
    for (model, step), scores in found.items():
        loss = -scores["test_neg_log_loss"]
        error = loss.std() / np.sqrt(len(loss))
        print(f"{model:<20} {step:<30} {loss.mean():6.3f} +- {error:5.3f} {scores['test_accuracy'].mean():9.1%}")


def draw(path: Path, found: dict[tuple[str, str], Any]) -> None:
    mpl.use("Agg")
    data = load_breast_cancer()
    column = list(data.feature_names).index("area error")
    x = data.data[:, [column]]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    for name, step in (("hard", HardClipper()), ("soft", SoftClipper())):
        order = np.argsort(x[:, 0])
        left.plot(x[order, 0], step.fit_transform(x)[order, 0], ".-", ms=3, lw=0.8, label=name)
    left.set(title="the column “area error”, clipped", xlabel="as measured", ylabel="clipped", xscale="log")
    left.legend()
    places = np.arange(len(STEPS))
    for shift, model in zip((-0.2, 0.2), MODELS, strict=True):
        losses = [-found[model, step]["test_neg_log_loss"] for step in STEPS]
        errors = [loss.std() / np.sqrt(len(loss)) for loss in losses]
        right.bar(places + shift, [loss.mean() for loss in losses], 0.4, yerr=errors, label=model)
    right.set(title="log loss, held out", xticks=places)
    right.set_xticklabels([step.replace(", ", ",\n").replace(" at", "\nat") for step in STEPS], fontsize=8)
    right.margins(y=0.3)
    right.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=4, help="of the five-fold cross-validation")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the picture")
    options = parser.parse_args()
    found = measure(options.repeats)
    show(found)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "sklearn-outliers.png"
    draw(path, found)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
