"""docs/paper.md, written from docs/paper.json."""

from __future__ import annotations

from typing import Any

import numpy as np


class Found:
    """What one method came to: its best step size and clip value by validation, and what they give on the test set."""

    def __init__(self, rates: list[float], found: dict[str, Any]) -> None:
        validation, test = np.array(found["validation"]), np.array(found["test"])
        mean = validation.mean(axis=2)
        rate, clip = np.unravel_index(mean.argmax(), mean.shape)
        self.rate, self.clip = rates[rate], found["clips"][clip]
        self.accuracy, self.spread = test[rate, clip].mean(), test[rate, clip].std()
        good = [r for r, best in zip(rates, mean.max(axis=1), strict=True) if best >= mean.max() - 0.02]
        self.lowest, self.highest = min(good), max(good)
        # With one clip value for all step sizes, the one with the most of them.
        counts = (mean >= mean.max() - 0.02).sum(axis=0)
        self.widest = int(counts.max())


def page(report: dict[str, Any]) -> str:
    methods = {name: Found(report["rates"], found) for name, found in report["methods"].items()}
    rows = "\n".join(
        f"| {name} | {f.rate:g} | {f'{f.clip:g}' if f.clip else ''} | {f.accuracy:.1%} ± {f.spread:.1%} | "
        f"{f.lowest:g} to {f.highest:g} | {f.widest} |"
        for name, f in methods.items()
    )
    return f"""# Soft-clipped updates, tried

Williamson, Eisenmann and Stillfjord ([arXiv:2406.16640](https://arxiv.org/abs/2406.16640)) soft-clip every component of the update of SGD. With optax, their scheme is:

```python
import optax

from softclip.optax import soft_clip

optimizer = optax.chain(optax.sgd(1.0), soft_clip(0.01, "softsign"))
```

They report results on par with Adam and tuned SGD, larger usable step sizes, and little difference between the clipping functions. To test this, a
small network (64, 64 rectified units, 10) learns scikit-learn's handwritten digits here. It learns for {report["epochs"]} epochs in batches of 32, with {len(report["rates"])} step sizes from
{report["rates"][0]:g} to {report["rates"][-1]:g}, three clip values for each method that clips, and {report["seeds"]} seeds. Step size and clip value are chosen on 300 digits. The accuracy is that on 600 others.

A step size is *usable* if it comes within 2 points of the method's best on the 300 digits, with the clip value that is best for that step size.
The last column counts the step sizes that are usable with one and the same clip value.

| method | best step size | clip value | accuracy | usable step sizes | with one clip value |
| --- | ---: | ---: | ---: | ---: | ---: |
{rows}

![Accuracy by step size, for every method](paper.png)

{_said(methods)}

`nox -s paper` measures this again. All accuracies are in [paper.json](paper.json).
"""


def _said(methods: dict[str, Found]) -> str:
    """What came out, in words, from the numbers."""
    soft = {name.rpartition(", ")[2]: f for name, f in methods.items() if name.startswith("soft")}
    best = max(soft.values(), key=lambda f: f.accuracy)
    worst = min(soft.values(), key=lambda f: f.accuracy)
    others = {name: methods[name] for name in ("SGD", "Adam")}
    lines = ["What came out:", ""]
    for name, f in others.items():
        gap = 100 * (best.accuracy - f.accuracy)
        lines.append(
            f"- The best soft-clipped scheme is {abs(gap):.1f} points {'above' if gap >= 0 else 'below'} {name}."
        )
    lines.append(
        f"- Among softsign, arctan and tanh the accuracies differ by {100 * (best.accuracy - worst.accuracy):.1f} points, "
        f"where seeds differ by {100 * max(f.spread for f in soft.values()):.1f}."
    )
    hard = methods["SGD, update clipped hard"]
    highest = max(f.highest for f in soft.values())
    lines.append(
        f"- The largest usable step size is {highest:g} for the soft-clipped schemes, {methods['SGD'].highest:g} for SGD, "
        f"{methods['Adam'].highest:g} for Adam, and {hard.highest:g} with updates clipped hard at the same place."
    )
    return "\n".join(lines)
