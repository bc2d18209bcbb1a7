"""The project's tasks: ``nox -l`` lists them, ``nox -s tests -- torch`` runs one with arguments.

Every session makes its own environment, with the versions that constraints.txt pins.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False  # a Python that is not at hand is skipped, and nox says so

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
# Tests of scripts, pages and the repository, which take plotting, progress bars and today's libraries.
NO_SCRIPTS = [
    f"--ignore=tests/test_{name}.py"
    for name in ("docs", "examples", "model_examples", "numerics_page", "paper", "performance", "workflows")
]
# Tests that take a later JAX, or a later scikit-learn, than the package does. Between the widest bounds the XLA of jaxlib 0.5
# makes one divisor of two, which is 0, and the inverse with a slope infinite.
WITH_LATER_JAX = "Exported or Sharded or one_dispatch or over_processes or what_is_state or in_a_sequence or checks_of_scikit or (widest and jax)"
# Tests that hold numbers against the truth, or one way of computing them against another.
OF_NUMBERS = [
    f"tests/test_{name}.py"
    for name in (
        "any_slope",
        "calculus",
        "calculus_autodiff",
        "calculus_declared",
        "every_16_bit_value",
        "inverse",
        "in_place",
        "jax_array_bounds",
        "kernel",
        "known_bounds",
        "numpy",
        "partials",
        "program",
        "properties",
    )
] + [
    f"tests/test_{name}.py"
    for name in ("squash", "torch_blocks", "torch_function", "jax_function", "transforms", "values")
]
THREADED = [f"tests/test_{name}.py" for name in ("arguments", "numpy", "program", "squash")]


def install(session: nox.Session, *packages: str) -> None:
    session.install("--quiet", "--constraint", "constraints.txt", *packages)


def group(*names: str) -> list[str]:
    return nox.project.dependency_groups(PROJECT, *names)


def tested(libraries: Sequence[str]) -> list[str]:
    """What the tests of these libraries take, the libraries among it."""
    groups = [name for name in (f"test-{library}" for library in libraries) if name in PROJECT["dependency-groups"]]
    # gmpy2 makes the many digits of mpmath three times as fast; without it they are the same.
    return [
        *group("test", "demo", *groups),
        "gmpy2",
        "pytest-xdist",
        *(p for library in libraries for p in LIBRARIES[library]),
    ]


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
    # An ordinary installation, not an editable one: the tests see what a user gets.
    install(session, ".", *tested(libraries))
    options = [option for library in [*libraries, "cupy"] for option in ("--library", library)]  # skips without a GPU
    # A process that is done takes tests from the other: some take a hundred times as long as others.
    parallel = ("-n", "2", "--dist", "worksteal")
    session.run("pytest", *parallel, *options, *(a for a in session.posargs if a not in LIBRARIES))


@nox.session
def isa(session: nox.Session) -> None:
    """Run tests of numbers as on an older processor: the libraries are told to do without its wider instructions."""
    install(session, ".", *tested(("numpy", "torch", "jax")))
    dispatched = "import numpy._core._multiarray_umath as m; print(' '.join(f for f in m.__cpu_dispatch__ if m.__cpu_features__[f]))"
    features = session.run("python", "-c", dispatched, silent=True)
    # XLA before AVX lacks a function for float16: jaxlib 0.10 does not link what it compiles for SSE4.
    older = {
        "NPY_DISABLE_CPU_FEATURES": str(features).strip(),
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "TORCHINDUCTOR_CACHE_DIR": session.create_tmp(),  # what was compiled for wider instructions fails to compile here
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX" if platform.machine() in ("x86_64", "AMD64") else "",
    }
    options = [f"--library={name}" for name in ("numpy", "torch", "jax")]
    session.run("pytest", "-n", "2", *options, *(session.posargs or OF_NUMBERS), env=older)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run tests with the lowest versions that pyproject.toml allows (not of torch, whose old builds bring CUDA along)."""
    project = PROJECT["project"]
    extras = [r for name, extra in project["optional-dependencies"].items() if name != "torch" for r in extra]
    pins = [requirement.replace(">=", "==") for requirement in [*project["dependencies"], *extras]]
    tools = [requirement for requirement in group("test") if not requirement.startswith("array-api-extra")]
    session.install("--quiet", ".", *pins, *tools, "pytest-xdist", "jaxlib==0.5")
    session.install("--quiet", "--no-deps", "array-api-extra")  # the tests', which asks for a later array-api-compat
    options = [f"--library={name}" for name in ("numpy", "strict", "jax")]
    session.run("pytest", "-n", "2", *options, *NO_SCRIPTS, "-k", f"not ({WITH_LATER_JAX})", *session.posargs)


@nox.session
def bare(session: nox.Session) -> None:
    """Use the package with nothing but its run-time dependencies installed."""
    install(session, ".")
    session.run("python", "-W", "error", "tests/bare.py")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it, and run tests in another folder, where there is no package beside them."""
    folder = Path(session.create_tmp()) / "elsewhere"
    shutil.rmtree(folder, ignore_errors=True)
    install(session, "build", *group("test", "demo"), "pytest-xdist")
    session.run("python", "-m", "build", "--quiet", "--wheel", "--outdir", str(folder / "dist"))
    install(session, "--force-reinstall", "--no-deps", *map(str, (folder / "dist").glob("*.whl")))
    install(session, "array-api-compat")
    shutil.copytree("tests", folder / "tests")
    shutil.copy("pyproject.toml", folder)
    session.chdir(folder)
    session.run("pytest", "-n", "2", "--library=numpy", "--library=strict", *NO_SCRIPTS, *session.posargs)


@nox.session
def newest(session: nox.Session) -> None:
    """Run tests with the newest releases of everything (but torch, unless ``-- torch`` is given, which brings CUDA along)."""
    libraries = [name for name in INSTALLED_BY_DEFAULT if name != "torch" or "torch" in session.posargs]
    session.install("--quiet", "--upgrade", ".", *tested(libraries))
    options = [f"--library={name}" for name in libraries]
    session.run("pytest", "-n", "2", *options, *(a for a in session.posargs if a != "torch"))


@nox.session
def prerelease(session: nox.Session) -> None:
    """Run tests with the newest releases, and those that are still to come, of what the package stands on."""
    session.install("--quiet", "--upgrade", "--pre", ".", "numpy", "scipy", "array-api-compat", "array-api-strict")
    session.install("--quiet", *group("test"), "pytest-xdist")
    session.run("pytest", "-n", "2", "--library=numpy", "--library=strict", *NO_SCRIPTS, *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def pythons(session: nox.Session) -> None:
    """Run tests on each Python that is at hand."""
    install(session, ".", *group("test"), "pytest-xdist")
    session.run("pytest", "-n", "2", "--library=numpy", "--library=strict", *NO_SCRIPTS, *session.posargs)


@nox.session(python=["3.11", "3.13t", "3.14t"])
def threads(session: nox.Session) -> None:
    """Run tests in four threads at once, where there is one on a Python without its global lock."""
    install(session, ".", *group("test"), "pytest-run-parallel")
    session.run("pytest", "--parallel-threads=4", "--iterations=2", "--library=numpy", *(session.posargs or THREADED))


@nox.session
def coverage(session: nox.Session) -> None:
    """Run all tests and demand that they reach every line and branch of the package."""
    install(session, ".", *tested(INSTALLED_BY_DEFAULT), "pytest-cov")
    options = [f"--library={name}" for name in INSTALLED_BY_DEFAULT]
    session.run("pytest", "-n", "2", *options, "--cov", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Call the public functions with wild arguments for a while (``-- --minutes 30``; all libraries that are installed)."""
    libraries = [package for name in INSTALLED_BY_DEFAULT for package in LIBRARIES[name]]
    install(session, ".", *group("test"), "pandas", *libraries)
    session.run("python", "tests/fuzz.py", *(session.posargs or ["--minutes", "10"]))


@nox.session
def mutation(session: nox.Session) -> None:
    """Change the core in thousands of small ways, and see a test fail each time (``-- "softclip._formulas*"`` for some of them)."""
    install(session, "mutmut", "array-api-compat", "pandas", "scikit-learn", *group("test"))
    shutil.rmtree("mutants", ignore_errors=True)
    session.run("mutmut", "run", "--max-children", "2", *session.posargs)
    session.run("mutmut", "results")


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
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html, warnings fatal, and check its links and what its examples print (``-- --accept``)."""
    install(session, ".", *group("docs"), *LIBRARIES["torch"], *LIBRARIES["jax"], *LIBRARIES["dask"])
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "docs", "docs/_build/html")
    session.run("python", "docs/_ext/check_site.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Move the sliders of the explorer in a headless Chromium, if there is one; ``nox -s docs`` builds the page."""
    install(session, ".", *group("test", "browser"))
    session.run("pytest", "tests/test_explorer.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Time soft_clip beside its floor, the formula as written and its peers, and write docs/performance.md (minutes; ``-- --quick``, ``-- --only torch learned``)."""
    install(session, ".", *group("bench"), *LIBRARIES["torch"], *LIBRARIES["jax"], *LIBRARIES["dask"])
    session.run("python", "benchmarks/bench.py", *(session.posargs or ["--output", "docs"]))


@nox.session
def nvrtc(session: nox.Session) -> None:
    """Compile every CUDA kernel by NVIDIA's compiler, which needs no GPU and no driver."""
    install(session, ".", *group("test"), "pytest-xdist", "nvidia-cuda-nvrtc-cu12")
    session.run("pytest", "-n", "2", "--dist", "worksteal", "tests/test_nvrtc.py", *session.posargs)


@nox.session
def gpu(session: nox.Session) -> None:
    """Check and time soft_clip on an NVIDIA GPU, with CuPy, torch and JAX, and write docs/gpu.md."""
    install(
        session, ".", *group("test"), "pytest-xdist", "tqdm", *LIBRARIES["torch"], "jax[cuda12]", *LIBRARIES["cupy"]
    )
    session.run("pytest", "-n", "4", "--dist", "worksteal", "tests/test_gpu.py")
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
    """Build the wheel and the source distribution into dist/, and look at them as the package index would."""
    install(session, "build", "twine", "check-wheel-contents")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build", "--quiet")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    session.run("check-wheel-contents", "dist")
