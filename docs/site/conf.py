"""The site: the repository's own Markdown files, and an API reference from the docstrings."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

project = "collection_jobs"
author = "The collection_jobs authors"
project_copyright = author
version = release = version_of("collection-jobs")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_external_toc",
]
# The sources are where a code-hosting site shows them too, so that every link holds in both places.
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**",
    "stubs/README.md",
    "examples/adapters/**",
]
exclude_patterns = ["docs/site/_*"]
external_toc_path = str(Path(__file__).parent / "_toc.yml")

nitpicky = True  # a reference to nothing is an error
# The standard library's own pages are not asked for: the build needs no network.
nitpick_ignore_regex = [
    (
        "py:class",
        r"(abc|collections\.abc|contextlib|datetime|enum|os|pathlib|typing_extensions)\..*",
    ),
    ("py:exc", r"asyncio\..*"),
    ("py:class", r"(asyncio|hypothesis)\..*"),
    ("py:class", r"(Tracer|Meter)Provider"),  # OpenTelemetry's, imported for type checkers alone
    # The parts that a repository is made of are no part of the reference.
    ("py:class", r"collection_jobs\.adapters\.sqlite\..*"),
    ("py:class", r"collection_jobs\.conformance\.spec\.calls\..*"),
    ("py:(class|obj)", r"collection_jobs\..*\._[RTV]"),  # a type variable has no page
    # The modules that the kit's values come from are no part of the reference.
    (
        "py:class",
        r"collection_jobs\.conformance\.(report\.capability_report|running\.(open_store|processes)|static\.report)\..*",
    ),
]

myst_heading_anchors = 3  # links to headings, as code-hosting sites make them

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
maximum_signature_line_length = 80
autodoc_class_signature = "mixed"
autodoc_default_options = {"show-inheritance": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "collection_jobs"
html_static_path = ["_static"]
html_extra_path = ["_extra"]  # python -m tests.pictures puts the report there
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def _make_home(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    """Let the README be the site's first page."""
    app.connect("build-finished", _make_home)
