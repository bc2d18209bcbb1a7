"""
torch: a layer whose bounds are learned
=======================================

``softclip.torch.SoftClipping`` is a module. Numbers are fixed bounds, tensors are buffers, and a
``torch.nn.Parameter`` is trained.
"""

import matplotlib.pyplot as plt
import torch

from softclip.torch import SoftClipping

# %%
# A sensor shows tanh of a signal between bounds that nobody has written down.

torch.manual_seed(0)
signal = 2 * torch.randn(4000)
reading = SoftClipping(-0.7, 4.3, "tanh")(signal) + 0.05 * torch.randn(4000)

layer = SoftClipping(torch.nn.Parameter(torch.tensor(-1.0)), torch.nn.Parameter(torch.tensor(1.0)), "tanh")
print(layer)
optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
path = []
for _ in range(300):
    optimizer.zero_grad()
    (layer(signal) - reading).square().mean().backward()
    optimizer.step()
    path.append([parameter.item() for parameter in (layer.x_min, layer.x_max)])
low, high = path[-1]
print(f"learned: {low:.2f} and {high:.2f}")
assert abs(low + 0.7) < 0.02
assert abs(high - 4.3) < 0.02

# %%
# What is saved is what is learned. Without parameters or buffers a ``state_dict`` is empty, as that of the layer that
# this one replaces.

print(sorted(layer.state_dict()), sorted(SoftClipping(0.0, 6.0).state_dict()))

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4))
axes[0].plot(signal, reading, ".", markersize=1, color="0.6")
order = signal.argsort()
axes[0].plot(signal[order], layer(signal).detach()[order], label="learned")
axes[0].set(xlabel="signal", ylabel="reading")
axes[0].legend()
axes[1].plot(path, label=["x_min", "x_max"])
axes[1].axhline(-0.7, color="0.7", linestyle=":")
axes[1].axhline(4.3, color="0.7", linestyle=":")
axes[1].set(xlabel="step")
axes[1].legend()
fig.tight_layout()
