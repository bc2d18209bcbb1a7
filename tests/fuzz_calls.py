"""What `fuzz` calls: a public function and, for each argument, the text of a Python expression that makes it."""

from __future__ import annotations

import importlib.util
import itertools
import re
from typing import Any, NamedTuple

from hypothesis import strategies as st

import softclip

PACKAGES = {"numpy": "numpy", "torch": "torch", "jax": "jax", "dask": "dask", "strict": "array_api_strict"}
FUNCTIONS = ("soft_clip", "soft_clip_derivative", "soft_clip_log_derivative", "soft_clip_inverse")
IMPORTS = {
    "jax": "import jax, jax.numpy as jnp",
    "torch": "import torch",
    "dask": "import dask.array as da",
    "array_api_strict": "import array_api_strict as xp",
    "scipy": "from scipy import special",
    "pandas": "import pandas as pd",
    "polars": "import polars as pl",
}
"""What the text of a call may name, by the package that must be there."""
X64 = 'jax.config.update("jax_enable_x64", True); jax.config.update("jax_numpy_dtype_promotion", "strict")'
HELPERS = """
import dataclasses, functools, math
from decimal import Decimal
from fractions import Fraction
import array_api_compat, ml_dtypes, numpy as np
from softclip import *
nan, inf = math.nan, math.inf
class Sub(np.ndarray): pass
@dataclasses.dataclass(frozen=True)
class Scaled:
    by: list
    def __call__(self, z): return logistic(self.by[0] * z)
class Own(Exception): pass
def raises(z): raise Own
def logistic(z): return 1 / (1 + 2.0 ** -z)
def density(z): return math.log(2) * logistic(z) * logistic(-z)
def quantile(p): return -array_api_compat.array_namespace(p).log2(1 / p - 1)
def readonly(a): a = a.copy(); a.flags.writeable = False; return a
def unaligned(a): return np.frombuffer(b"0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape)
def nested(n): return [nested(n - 1)] if n else [1.0]
def recursive(): a = []; a.append(a); return a
"""
DTYPES = {
    "strict": ['"f4"', '"f8"'],
    "torch": ['"f4"', '"f8"', '"f2"'],
    "jax": ['"f4"', '"f8"', '"f2"', "ml_dtypes.bfloat16"],
}
DTYPES["numpy"] = DTYPES["dask"] = [*DTYPES["jax"], '">f4"']
INTEGERS = ['"i1"', '"u1"', '"i4"', '"i8"', '"u8"']
ODD_DTYPES = [
    '"?"',
    '"c8"',
    '"O"',
    '"U8"',
    '"S8"',
    '"M8[s]"',
    '"m8[s]"',
    '"g"',
    "ml_dtypes.float8_e5m2",
    "ml_dtypes.int4",
]
NEAR = ["()", "(1,)", "(3,)", "(2, 1)", "(2, 3)"]
"""Shapes that broadcast."""
SHAPES = [*NEAR, *NEAR, *NEAR, "(0,)", "(3, 0, 2)", "(1,) * 30"]
PLAIN = {
    "numpy": "{}",
    "torch": "torch.tensor({})",
    "jax": "jnp.asarray({})",
    "dask": "da.from_array({}, chunks=2)",
    "strict": "xp.asarray({})",
}
VIEWS = {
    "numpy": """{}[::-1] | {}[..., ::2] | {}.T | np.asfortranarray({}) | readonly({}) | {}.view(Sub) | np.matrix({}) | {}[()]
        | np.broadcast_to({}, (2, 3)) | unaligned({}) | {}.tolist() | tuple({}.tolist()) | np.ma.masked_less({}, 0)""",
    "torch": """torch.tensor({})[..., ::2] | torch.tensor({}).mT | torch.tensor({}).expand(2, 3) | torch.tensor({}).bfloat16()
        | torch.tensor({}).requires_grad_() | torch.nn.Parameter(torch.tensor({})) | torch.tensor({}, device="meta")
        | torch.tensor({}).to_sparse() | (1j * torch.tensor({})).conj().imag | torch.tensor({}).to(torch.float8_e5m2)""",
    "jax": "jnp.asarray({}).T | jnp.asarray({})[::2] | jnp.asarray({}, jnp.bfloat16) | jax.random.key(0)",
    "dask": """da.from_array({}, chunks=-1).T | da.from_array({})[da.from_array({}) > 0] | da.ma.masked_less(da.from_array({}), 0)""",
    "strict": 'xp.asarray({}).mT | xp.asarray({}, device=xp.Device("device1")) | xp.asarray({})[::-1, ...]',
}
JUNK = """None | True | np.True_ | '1' | b'1' | np.str_('1') | np.bytes_(b'1') | 1j | np.complex64(1 + 1j) | 10**400
    | -(10**400) | Fraction(10**400) | Decimal('-1e5000') | Decimal('nan') | nan | inf | -inf | {} | {1: 2}
    | set() | [] | [1, 2] | [[1], [2, 3]] | (1, [2]) | ['a'] | [None] | [True] | [nan] | [1j] | [10**400] | [Fraction(1, 2)]
    | [np.float32(1)] | [np.zeros(2), np.ones(2)] | object() | len | dict | (i for i in range(2)) | range(3) | slice(1) | ...
    | bytearray(b'1') | memoryview(b'1') | np.datetime64('2020') | np.timedelta64(3, 's') | np.longdouble('1e4000')
    | np.array(None) | np.array('a') | np.array([1j]) | np.array([True]) | nested(70) | recursive() | NotImplemented | math
    | pd.Series([1.0]) | pd.DataFrame({'a': [1.0]}) | pd.NA | pd.NaT | pl.Series([1.0]) | pl.DataFrame({'a': [1.0]})"""
ALIASES = {
    "sigmoid": "special.expit | torch.sigmoid | torch.nn.Sigmoid() | jax.nn.sigmoid",
    "tanh": "np.tanh | math.tanh | torch.tanh | torch.nn.Tanh | jnp.tanh | da.tanh | xp.tanh",
    "arctan": "np.arctan | torch.atan | jnp.arctan | da.arctan",
    "softsign": "torch.nn.functional.softsign | jax.nn.soft_sign",
    "erf": "special.erf | math.erf | torch.erf | jax.scipy.special.erf",
}
DECLARED = "Squash(logistic, slope=math.log(2) / 4, inverse=quantile, derivative=density)"
BARE = "logistic | lambda z: logistic(z) | Scaled([2.0]) | functools.partial(logistic) | lambda z: 3 * logistic(z) - 2"
BROKEN = """raises | lambda z: z | lambda z: -logistic(z) | lambda z: z.sum() | lambda z: 1
    | lambda z: None | lambda z: [0.0, 1.0] | lambda z: logistic(z)[..., None] | lambda z: 2 * np.cos(z)
    | lambda z: z * nan | lambda: 0 | lambda z: int(z) | lambda z: 1 / 0 | lambda z: z.nothing | lambda z: z / (1 + abs(z))
    | list | str | lambda z: logistic(z * torch.ones(1, requires_grad=True)) | int | Squash | np.ndarray
    | np.poly1d([1.0]) | np.exp | np.sin | torch.relu | torch.nn.ReLU() | jnp.exp | special.gamma | jax.jit(logistic) | hinge"""
WRONG_KIND = """lambda z: z > 0 | lambda z: z.argsort() | lambda z: np.float64(logistic(z)) | lambda z: logistic(z) * 1j
    | lambda z: np.asarray(logistic(z), object) | lambda z: np.tanh(z) | lambda z: jnp.tanh(z) | np.vectorize(math.tanh)"""
NO_NAMES = "'Tanh' | '' | '\\0' | 'sigmoid ' | b'tanh' | 'hinge(1.0)' | ['tanh']"
LIMITS = (
    "0, 1 | -1, 1 | -5, -2 | 0, 1e-300 | -1e308, 1e308 | -5e-324, 5e-324 | 1, 0 | nan, 1 | 0, inf | None, 1 | '0', 1"
)
MORE = "inverse=raises | derivative=lambda z: z[:0] | derivative=lambda z: -z | slope=2.0 | center=nan | center=1e300"


class Call(NamedTuple):
    """A call of a public function. Of its g: named:tanh, hinge, declared, bare (a function), broken, or a liar's Squash."""

    library: str
    function: str
    arguments: dict[str, str]
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.function}({', '.join(f'{name}={source}' for name, source in self.arguments.items())})"


def pick(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([option.strip() for option in re.split(r"\s+\|\s+", text)])


EDGES = pick(
    "0.0 | -0.0 | 1 | -1 | 5e-324 | 1e-45 | 1e-38 | 65504.0 | 3.4028234663852886e38 | 1.7976931348623157e308 | -1e300"
)
USUAL = st.one_of(st.floats(-9, 9).map(repr), st.floats(-9, 9, width=16).map(repr), st.integers(-9, 9).map(repr))
FINITE = st.one_of(USUAL, USUAL, EDGES, st.floats(allow_nan=False, allow_infinity=False).map(repr))
ANY = st.one_of(FINITE, FINITE, pick("nan | inf | -inf"))
POSITIVE = st.one_of(pick("1.0 | 0.05 | 5e-324 | 1e-300 | 1e-30 | 1e30 | 1e308 | 3"), st.floats(1e-3, 1e3).map(repr))
BELOW = st.one_of(st.floats(-9, -1).map(repr), pick("-1e300 | -0.5"))
ABOVE = st.one_of(st.floats(1, 9).map(repr), pick("1e300 | 0.5 | 127"))
TYPES = pick("{} | {} | {} | np.float32({}) | np.float64({}) | np.float16({}) | Fraction({}) | Decimal({})")


@st.composite
def arrays(draw: st.DrawFn, library: str, values: Any = ANY, shapes: list[str] = SHAPES, odd: bool = False) -> str:
    dtype = draw(st.sampled_from(DTYPES[library] * 4 + INTEGERS + ODD_DTYPES * 2 * odd))
    plain = draw(st.integers(0, 3)) != 3
    shape = draw(st.sampled_from(shapes if plain else ["(2, 3)", "(2, 1)", "(1, 3)"]))  # which have all the views
    shape = "(70_001,)" if plain and draw(st.integers(0, 20)) == 20 else shape
    source = f"np.resize([{', '.join(draw(st.lists(values, min_size=1, max_size=4)))}], {shape}).astype({dtype})"
    if library == "dask" and "70" in shape:
        return f"da.from_array({source}, chunks=9_999)"
    return (PLAIN[library] if plain else draw(pick(VIEWS[library]))).replace("{}", source)


@st.composite
def calls(draw: st.DrawFn, libraries: tuple[str, ...]) -> Call:
    absent = re.compile(rf"\b({'|'.join(_absent(libraries))})\b")

    def pick_present(text: str) -> st.SearchStrategy[str]:
        return pick(text).filter(lambda option: not absent.search(option))

    library = draw(st.sampled_from([name for name in libraries for _ in range(1 if name == "jax" else 3)]))
    junk = st.one_of(pick_present(JUNK), *(arrays(name, odd=True) for name in libraries))
    broken = pick_present(BROKEN)
    if draw(st.integers(0, 15)) == 15:
        return draw(_constructors(library, junk, broken))
    strange = draw(
        st.sampled_from([*[()] * 12, *itertools.combinations(("x", "x_min", "x_max", "g", "slope"), 1), ("x", "g")])
    )
    numbers = sorted(draw(st.lists(FINITE, min_size=2, max_size=2, unique_by=float)), key=float)
    values = st.one_of(ANY, ANY, st.sampled_from(numbers))  # on a bound, an inverse is infinite
    usual = arrays(library, values)
    if library == "numpy" and draw(st.integers(0, 3)) == 3:
        usual = st.one_of(values, values.map("[[{}], [0.5]]".format))
    x = draw(junk if "x" in strange else usual)
    form, (low, high) = draw(st.integers(0, 4)), (draw(TYPES).replace("{}", v) for v in numbers)
    low = draw(arrays(library, BELOW, NEAR)) if form in (3, 4) else low
    high = draw(arrays(library, ABOVE, NEAR)) if form in (2, 3) else high
    kind, g = draw(_functions(pick_present))
    if kind == "hinge":
        low, high = draw(st.sampled_from([(low, high), (low, high), ("None", high), (low, "None")]))
    slope = draw(st.one_of(st.just("None"), pick("None | 1"), POSITIVE, arrays(library, POSITIVE, NEAR)))
    if "None" in (low, high) or kind == "bare":
        slope = draw(pick("None | None | 1"))
    low, high = (draw(junk | FINITE) if name in strange else v for name, v in (("x_min", low), ("x_max", high)))
    slope = draw(st.one_of(junk, FINITE)) if "slope" in strange else slope
    if "g" in strange:
        liars = st.builds("Squash({}, {}, {})".format, broken | pick(WRONG_KIND), pick(LIMITS), pick(MORE))
        kind, g = draw(
            st.one_of(
                *(st.tuples(st.just("broken"), s) for s in (broken, pick(NO_NAMES), junk)),
                st.tuples(st.just("liar"), liars),
            )
        )
    function = draw(st.sampled_from([*FUNCTIONS, *FUNCTIONS[:1] * (4 if kind == "bare" else 1)]))
    arguments = {
        "y" if function == "soft_clip_inverse" else "x": x,
        "x_min": low,
        "x_max": high,
        "g": g,
        "slope": slope,
    }
    return Call(library, function, {k: v for k, v in arguments.items() if (k, v) != ("slope", "None")}, kind)


@st.composite
def _functions(draw: st.DrawFn, pick_present: Any) -> tuple[str, str]:
    kind = draw(st.sampled_from(["named"] * 4 + ["alias", "hinge", "hinge", "declared", "declared", "bare"]))
    if kind == "named":
        name = draw(st.sampled_from(softclip.NAMES))
        return f"named:{name}", repr(name)
    if kind == "alias":
        name, g = draw(
            pick_present(" | ".join(f"{name} {g}" for name, text in ALIASES.items() for g in text.split(" | ")))
        ).split()
        return f"named:{name}", g
    return kind, f"hinge({draw(POSITIVE)})" if kind == "hinge" else draw(pick(BARE if kind == "bare" else DECLARED))


def _constructors(library: str, junk: Any, broken: Any) -> st.SearchStrategy[Call]:
    softness = st.one_of(junk, ANY, POSITIVE).map(lambda v: Call(library, "hinge", {"softness": v}))
    options = {"low": ANY | junk, "high": ANY | junk, "center": ANY, "slope": POSITIVE | ANY | junk, "inverse": junk}
    options |= {"derivative": broken, "name": pick("None | 'f' | ''")}
    functions = st.fixed_dictionaries({"fn": pick(BARE) | broken | junk}, optional=options)
    return st.one_of(softness, functions.map(lambda arguments: Call(library, "Squash", arguments)))


def _absent(libraries: tuple[str, ...]) -> list[str]:
    """What calls cannot name, as it was not asked for or is not installed."""
    unasked = {package for name, package in PACKAGES.items() if name not in libraries}
    missing = [text for package, text in IMPORTS.items() if package in unasked or not importlib.util.find_spec(package)]
    return [
        name for text in missing for name in re.findall(r"import (\w+)|as (\w+)", text) for name in name if name
    ] or ["-"]


def namespace(libraries: tuple[str, ...], x64: bool) -> tuple[dict[str, Any], str]:
    """What the text of a call may name, and the text that makes it."""
    unasked = {package for name, package in PACKAGES.items() if name not in libraries}
    lines = [text for package, text in IMPORTS.items() if package not in unasked and importlib.util.find_spec(package)]
    text = "\n".join([*lines, *[X64] * (x64 and "jax" in libraries)]) + HELPERS
    names: dict[str, Any] = {}
    exec(compile(text, "<call>", "exec"), names)  # noqa: S102
    return names, text
