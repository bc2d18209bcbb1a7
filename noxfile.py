"""The project's tasks: ``nox -l`` lists them, ``nox -s tests -- torch`` runs one with arguments.

Every session makes its own environment, with the versions that constraints.txt pins.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
LIBRARIES = {
    "numpy": [],
    "torch": ["torch"],
    "jax": ["jax"],
    "dask": ["dask[array]"],
    "strict": [],
    "cupy": ["cupy-cuda12x"],
}
INSTALLED_BY_DEFAULT = ("numpy", "torch", "jax", "dask", "strict")


def install(session: nox.Session, *packages: str) -> None:
    session.install("--quiet", "--constraint", "constraints.txt", *packages)


def group(*names: str) -> list[str]:
    return nox.project.dependency_groups(PROJECT, *names)


@nox.session
def demo(session: nox.Session) -> None:
    """Soft-clip a real table; ``-- torch jax`` also compares those libraries, ``-- file.csv`` takes a table of yours."""
    libraries = [argument for argument in session.posargs if argument in LIBRARIES]
    packages = [package for library in libraries for package in LIBRARIES[library]]
    install(session, ".", *group("demo"), "scipy", *packages)
    session.run("python", "examples/demo.py", *(a for a in session.posargs if a not in libraries))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, of all libraries or those named; other arguments go to pytest."""
    libraries = [a for a in session.posargs if a in LIBRARIES] or list(INSTALLED_BY_DEFAULT)
    packages = [package for library in libraries for package in LIBRARIES[library]]
    # An ordinary installation, not an editable one: the tests see what a user gets.
    groups = [
        "test",
        "demo",
        *(f"test-{library}" for library in ("numpy", "torch", "jax", "dask") if library in libraries),
    ]
    install(session, ".", *group(*groups), "pytest-xdist", "tqdm", *packages)
    options = [option for library in [*libraries, "cupy"] for option in ("--library", library)]  # skips without a GPU
    session.run("pytest", "-n", "2", *options, *(a for a in session.posargs if a not in LIBRARIES))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff; ``-- fix`` mends what it can."""
    install(session, *group("lint"))
    session.run("ruff", "check", *(["--fix"] if "fix" in session.posargs else []))
    session.run("ruff", "format", *([] if "fix" in session.posargs else ["--check", "--diff"]))


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session, ".", *group("types"))
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Time soft_clip beside its floor, the formula as written and its peers, and write docs/performance.md (minutes; ``-- --quick``)."""
    install(session, ".", *group("bench"), *LIBRARIES["torch"], *LIBRARIES["jax"])
    session.run("python", "benchmarks/bench.py", *(session.posargs or ["--output", "docs"]))


@nox.session
def gpu(session: nox.Session) -> None:
    """Check and time soft_clip on an NVIDIA GPU, with CuPy, torch and JAX, and write docs/gpu.md."""
    install(session, ".", "scipy", "tqdm", *LIBRARIES["torch"], "jax[cuda12]", *LIBRARIES["cupy"])
    session.run("python", "benchmarks/gpu.py", *(session.posargs or ["--output", "docs"]))


@nox.session
def examples(session: nox.Session) -> None:
    """Train the models of docs/torch.md and docs/tables.md, print their tables and draw their pictures anew (minutes)."""
    install(session, ".", *group("demo"), *LIBRARIES["torch"])
    for name in ("torch_bounds", "torch_gradients", "sklearn_outliers"):
        session.run("python", f"examples/{name}.py", "--output", "docs")


@nox.session
def numerics(session: nox.Session) -> None:
    """Measure the largest errors of every function, library and peer, and write docs/numerics.md (minutes)."""
    peers = [*LIBRARIES["torch"], *LIBRARIES["jax"], "activations-plus", "skrub"]
    install(session, ".", *group("test"), "tqdm", *peers)
    session.run("python", "benchmarks/numerics.py", *session.posargs)


@nox.session
def paper(session: nox.Session) -> None:
    """Try the claims of arXiv:2406.16640 and write docs/paper.md (minutes)."""
    install(session, ".", *group("demo", "test-jax"), "tqdm", *LIBRARIES["jax"])
    session.run("python", "benchmarks/paper.py", *session.posargs)


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Evaluate every float32 value for every named function, and write docs/exhaustive.json (most of an hour on 2 cores)."""
    install(session, ".", "scipy", "tqdm")
    session.run("python", "benchmarks/exhaustive.py", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the source distribution into dist/."""
    install(session, "build")
    session.run("python", "-m", "build", "--quiet")
