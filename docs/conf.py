"""The site: `nox -s docs` builds it, without network and with warnings fatal."""

from __future__ import annotations

import sys
from pathlib import Path

import softclip

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))
import explorer_port
import plates

GENERATED = DOCS / "generated"  # what is made anew with every build
plates.write(GENERATED)
explorer_port.write(GENERATED / "static")

TYPES = ("Array", "ArrayT", "Bound", "Floats", "G", "Integers", "Lists", "Number", "NumberBound", "Scalar")

project = "softclip"
author = "the softclip developers"
project_copyright = f"2026, {author}"
version = release = softclip.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build"]
nitpicky = True
# Types of other libraries, whose own pages would have to be fetched to link to them, and those that docs/api.md explains.
nitpick_ignore_regex = [
    ("py:class", r"(collections|flax|optax|torch)\..*"),
    ("py:class", "|".join((*TYPES, "TypeAliasForwardRef"))),
]

html_theme = "furo"
html_title = f"softclip {release}"
html_static_path = ["_static", "generated/static"]
html_css_files = ["softclip.css"]
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_type_aliases = {name: name for name in TYPES}
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/recipes", "../examples/libraries"],
    "gallery_dirs": ["recipes", "libraries"],
    "filename_pattern": "plot_",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "copyfile_regex": "",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 10_000,  # times would make every build another one
    "plot_gallery": "True",
    "backreferences_dir": None,
    "reference_url": {},
    "matplotlib_animations": False,
}
