"""Soft clipping of torch's DTensor over two processes, in a file of its own for the processes to import."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from libraries import ALL, CALLS

from softclip import soft_clip
from softclip.torch import soft_clip_grad_norm_


def clip(rank: int, folder: str) -> None:
    """What rank 0 or 1 does; it writes what is wrong into a file of the folder."""
    import torch
    import torch.distributed as dist
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh
    from torch.distributed.tensor.debug import CommDebugMode

    dist.init_process_group("gloo", rank=rank, world_size=2, init_method=f"file://{folder}/meeting")
    mesh = init_device_mesh("cpu", (2,))
    x = torch.linspace(-9, 9, 24, dtype=torch.float64).reshape(8, 3)
    arrays = tuple(torch.tensor(b, dtype=torch.float64) for b in ([0.0, -1.0, -2.0], [1.0, 2.0, 3.0]))
    problems = []
    for g, (bounds, slope) in itertools.product(ALL, [*CALLS.values(), (arrays, None)]):
        spread = distribute_tensor(x, mesh, [Shard(0)]).requires_grad_()
        given = bounds if bounds is not arrays else tuple(distribute_tensor(b, mesh, [Replicate()]) for b in bounds)
        with CommDebugMode() as collectives:
            y = soft_clip(spread, *given, g, slope=slope)
            (gradient,) = torch.autograd.grad(y, spread, torch.ones_like(y))
        whole = x.clone().requires_grad_()
        want = soft_clip(whole, *bounds, g, slope=slope)
        (want_gradient,) = torch.autograd.grad(want, whole, torch.ones_like(want))
        good = (
            collectives.get_total_counts() == 0
            and y.placements == gradient.placements == (Shard(0),)
            and torch.allclose(
                y.full_tensor(), want, rtol=0, atol=4e-15
            )  # a shorter part ends in other loops of torch's
            and torch.allclose(gradient.full_tensor(), want_gradient, rtol=1e-14, atol=0)
        )
        if not good:
            problems.append(f"{g} {bounds} {slope}: {collectives.get_total_counts()} collectives, {y.placements}")
    weights = torch.nn.Parameter(distribute_tensor(torch.zeros(4, 2), mesh, [Shard(0)]))
    weights.grad = distribute_tensor(torch.arange(8.0).reshape(4, 2), mesh, [Shard(0)])
    norm = soft_clip_grad_norm_([weights], 2.0)
    expected = torch.arange(8.0).reshape(4, 2)
    expected, size = expected / (1 + expected.norm() / 2), expected.norm()
    if not (torch.allclose(weights.grad.full_tensor(), expected) and torch.allclose(norm.full_tensor(), size)):
        problems.append(f"norm {norm.full_tensor()} instead of {size}, gradients {weights.grad.full_tensor()}")
    Path(folder, f"rank{rank}").write_text("\n".join(problems) or "good")
    dist.barrier()
    # At the end of a process on a busy machine gloo's threads may still run, and C++ calls std::terminate: it is left at once.
    os._exit(0)
