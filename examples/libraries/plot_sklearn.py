"""
scikit-learn: a step of a pipeline
==================================

``softclip.sklearn.SoftClipper`` learns bounds from quantiles, inside the pipeline and so inside each fold.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from softclip.sklearn import SoftClipper

# %%
# A table is spoilt: one number in fifty has lost its decimal point.

X, y = load_diabetes(return_X_y=True, as_frame=True)
rng = np.random.default_rng(0)
spoilt = X.mask(rng.random(X.shape) < 0.02, 1000 * X)
models = {
    "standardised": make_pipeline(StandardScaler(), Ridge(1.0)),
    "clipped, standardised": make_pipeline(SoftClipper(), StandardScaler(), Ridge(1.0)),
}
for name, model in models.items():
    clean, bad = (cross_val_score(model, table, y, cv=5).mean() for table in (X, spoilt))
    print(f"{name:<22} R² {clean:.2f} on the table, {bad:.2f} on the spoilt one")

# %%
# DataFrames go in and come out, with their names, and the clip can be taken back.

clipper = SoftClipper().set_output(transform="pandas").fit(X)
clipped = clipper.transform(spoilt)
assert list(clipped) == list(X)
assert ((clipped >= clipper.x_min_) & (clipped <= clipper.x_max_)).all(axis=None)
np.testing.assert_allclose(clipper.inverse_transform(clipper.transform(X)), X, rtol=1e-9, atol=1e-15)
print(clipped.iloc[:2, :4].round(3))

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
axes[0].boxplot(spoilt.iloc[:, :5], tick_labels=list(X)[:5])
axes[0].set(title="spoilt", yscale="symlog")
axes[1].boxplot(clipped.iloc[:, :5], tick_labels=list(X)[:5])
axes[1].set(title="clipped")
fig.tight_layout()
