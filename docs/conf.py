from __future__ import annotations

from typing import TYPE_CHECKING, Any

import svcgov

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "svcgov"
author = "The svcgov authors"
copyright = author
version = release = svcgov.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"svcgov {version}"
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
python_display_short_literal_types = True
python_maximum_signature_line_length = 100
add_module_names = False

nitpicky = True
# A reference to anything outside of this package, and the names that annotations alone use, have no page here.
nitpick_ignore_regex = [("py:class", ".*"), ("py:obj", r"(?!svcgov\.).*")]


def tidy(*about: Any) -> tuple[str, str | None]:
    """Facts and protocols are not made by their users: how they are made is not shown."""
    *_, signature, returns = about
    return ("" if signature in ("(**given)", "(*args, **kwargs)") else signature), returns


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", tidy)
