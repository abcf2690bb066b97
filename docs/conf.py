"""Sphinx configuration of the API reference: ``make docs``."""

import os
import re
from importlib import import_module
from importlib.metadata import version as version_of

# Compiled kernels would hide their signatures, and compiling takes longer than the pages do.
os.environ["NUMBA_DISABLE_JIT"] = "1"
# Before torch is mocked: scipy looks at a torch that is loaded, and chokes on a mock.
for _package in ("mcplugin.fidelity", "mcplugin.testing"):
    import_module(_package)

project = "mcplugin"
author = "The mcplugin developers"
copyright = f"2026, {author}"  # noqa: A001 -- Sphinx wants this name
version = release = version_of("mcplugin")

# A reference to what does not exist is a warning too.
nitpicky = True

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc"]
exclude_patterns = ["_build"]

# Training is documented without torch, and the pages are the same where it is installed.
autodoc_mock_imports = ["torch"]
autodoc_member_order = "bysource"
# The docstrings say what the arguments are; in a signature ArrayLike alone fills two lines.
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
add_module_names = False

# Members are listed by autodoc already.
numpydoc_show_class_members = False

html_title = f"mcplugin {release}"
html_show_sphinx = False

_LITERAL_OR_BAR = re.compile(r"(``.*?``)|\|")


def _keep_absolute_values(_app, _what, _name, _object, _options, lines):
    """Escape bars: docstrings write |u|, which is not meant as a substitution."""
    lines[:] = [_LITERAL_OR_BAR.sub(lambda m: m[1] or r"\|", line) for line in lines]


def setup(app):
    """Come before numpydoc, which takes the docstrings apart."""
    app.connect("autodoc-process-docstring", _keep_absolute_values, priority=400)
