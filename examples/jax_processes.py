"""One array over the devices of several processes, soft-clipped where its parts lie.

    python examples/jax_processes.py                two processes with two CPU devices each, on this machine

On a cluster every process runs `work` with its own number, and the address of process 0.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys

COLLECTIVE = re.compile(r"all-gather|all-reduce|all-to-all|collective-|reduce-scatter")


def work(process: int, processes: int, address: str) -> None:
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    from softclip import soft_clip

    jax.distributed.initialize(address, processes, process)
    mesh = jax.make_mesh((jax.device_count(),), ("rows",))
    rows = NamedSharding(mesh, PartitionSpec("rows"))
    mine = (
        np.linspace(-9, 9, 1_000_000, dtype=np.float32).reshape(-1, 4) + process
    )  # read from this process's own files
    x = jax.make_array_from_process_local_data(rows, mine)

    clip = jax.jit(lambda v: soft_clip(v, 0.0, 6.0, "tanh", slope=1.0))
    y = clip(x)
    collectives = COLLECTIVE.findall(clip.lower(x).compile().as_text())
    part = y.addressable_shards[0].data
    print(
        f"process {process}: {len(y.addressable_shards)} of {jax.device_count()} parts of {y.shape}, "
        f"same sharding: {y.sharding.is_equivalent_to(rows, y.ndim)}, collectives: {len(collectives)}, "
        f"in [{float(part.min()):.4f}, {float(part.max()):.4f}]"
    )
    jax.distributed.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--process", type=int, help="work as this one (set by the parent)")
    parser.add_argument("--address", help="where process 0 listens (set by the parent)")
    options = parser.parse_args()
    if options.process is not None:
        work(options.process, options.processes, options.address)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    arguments = [sys.executable, __file__, "--processes", str(options.processes), "--address", address, "--process"]
    running = [
        subprocess.Popen([*arguments, str(process)], env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
        for process in range(options.processes)
    ]
    for process in running:
        print(process.communicate(timeout=120)[0], end="")
    sys.exit(max(process.returncode for process in running))


if __name__ == "__main__":
    main()
