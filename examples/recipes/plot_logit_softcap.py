"""
Soft-capping logits
===================

Gemma 2 keeps its logits between -cap and cap with ``cap * tanh(x / cap)``: 50 for attention, 30 for the vocabulary.
It is a soft clip of slope 1.
"""

# %%
# The same function
# -----------------
# The peer is the formula, as flash-attention and transformers have it, evaluated in float64.

import matplotlib.pyplot as plt
import numpy as np
import torch

from softclip import soft_clip


def formula(x, cap):
    return cap * torch.tanh(x / cap)


def softcap(x, cap):
    return soft_clip(x, -cap, cap, "tanh", slope=1.0)


x = torch.linspace(-500, 500, 200_001, dtype=torch.float64)
for cap in (50.0, 30.0, 15.0):
    np.testing.assert_allclose(softcap(x, cap).numpy(), formula(x, cap).numpy(), rtol=0, atol=4 * np.spacing(cap))
print(softcap(torch.tensor([0.1, 10.0, 50.0, 1000.0]), 50.0).numpy().round(3))

# %%
# In 16 bits
# ----------
# Written by hand in bfloat16, every step of the formula rounds to 8 bits. Here they are computed in float32 and
# rounded once.

logits = torch.linspace(-60, 60, 20_001).to(torch.bfloat16)
exact = formula(logits.double(), 15.0)
errors = {
    "formula in bfloat16": (formula(logits, 15.0).double() - exact).abs(),
    "softclip": (softcap(logits, 15.0).double() - exact).abs(),
}
for name, error in errors.items():
    print(f"{name}: off by up to {error.max():.2g}")
assert errors["softclip"].max() < errors["formula in bfloat16"].max()

# %%
# The gradient past saturation
# ----------------------------
# autograd takes 1 - tanh², which is 0 as soon as tanh has rounded to 1: in float32 from nine caps on. From x it stays
# right.

far = torch.tensor([100.0, 300.0, 600.0], requires_grad=True)
by_hand = torch.autograd.grad(formula(far, 30.0).sum(), far)[0]
ours = torch.autograd.grad(softcap(far, 30.0).sum(), far)[0]
true = 1 / np.cosh(np.array([100.0, 300.0, 600.0]) / 30.0) ** 2
np.testing.assert_allclose(ours.numpy(), true, rtol=5e-6)  # x / 30 is rounded, and exp(-2x / 30) multiplies that by 40
for at, hand, our in zip((100, 300, 600), by_hand, ours, strict=True):
    print(f"at {at}: formula {hand:.3g}, softclip {our:.3g}")

# %%
# Cap before masking, never after
# -------------------------------
# A mask puts -inf where attention must not go. A cap behind it makes -cap of that, and the model sees what it must
# not: the smaller the cap, the more.

scores = torch.tensor([1.0, 1.5, -2.0, 1.0])
allowed = torch.tensor([True, True, True, False])
masked_last = torch.where(allowed, softcap(scores, 5.0), -torch.inf).softmax(0)
masked_first = softcap(torch.where(allowed, scores, -torch.inf), 5.0).softmax(0)
print("capped, then masked:", masked_last[3].item())
print("masked, then capped:", f"{masked_first[3].item():.1g}")
assert masked_last[3] == 0 < masked_first[3]

# %%
# A cap of 0 or None means "no cap" in several projects. Here a bound that is not above the other one is an error.

try:
    softcap(scores, 0.0)
except ValueError as error:
    print(error)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
for cap in (15.0, 30.0, 50.0):
    axes[0].plot(x, softcap(x, cap), label=f"cap {cap:g}")
axes[0].plot(x, x, "k:", linewidth=1)
axes[0].set(xlim=(-150, 150), ylim=(-60, 60), xlabel="logit", ylabel="capped", title="slope 1 in the middle")
axes[0].legend()
for name, error in errors.items():
    axes[1].plot(logits.float(), error, label=name, linewidth=0.8)
axes[1].set(xlabel="logit, cap 15", ylabel="error", title="bfloat16")
axes[1].legend()
fig.tight_layout()
