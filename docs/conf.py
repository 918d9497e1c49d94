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
# Attributes are looked up by their bare names, and several records may have one of the same name.
suppress_warnings = ["ref.python"]


FACTORIES = {  # the functions that make something of settings: the class, and what is no keyword
    "retry": ("Retry", ""),
    "circuit_breaker": ("CircuitBreaker", "name=None"),
    "bulkhead": ("Bulkhead", "limit"),
    "rate_limit": ("RateLimit", "limit"),
    "timeout": ("Timeout", "seconds"),
}


def tidy(*about: Any) -> tuple[str, str | None]:
    """Settings are shown one by one; facts and protocols are not made by their users: how they are made is not shown."""
    _, _, name, *_, signature, returns = about
    made = FACTORIES.get(name.removeprefix("svcgov."))
    if made is not None:
        return _of_settings(*made), made[0]
    return ("" if signature in ("(**given)", "(*args, **kwargs)") else signature), returns


def _of_settings(made: str, first: str) -> str:
    """The signature of a factory, from the settings of the class that it makes."""
    fields = getattr(svcgov.policies, made).settings_class._fields
    keywords = [
        f"{name}={'...' if repr(field.default) == 'required' else repr(field.default)}"
        for name, field in fields.items()
        if name != first
    ]
    more = [one for one in ("name=None", "clock=None") if one != first]
    return f"({', '.join([*([first] if first else []), '*', *keywords, *more])})"


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", tidy)
