"""How Sphinx makes the documentation: `make docs`. The pages are those that are read in the source tree, too.

The source folder is the project's, not this one: README.md and its neighbours are pages, and a link between pages is
the same relative path in an editor, on a code host and here.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from switchroom import __version__  # noqa: E402

project = "Switchroom"
author = "The authors of Switchroom"
project_copyright = "the authors of Switchroom"
version = release = __version__

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/*/*.md", "bench/README.md", "examples/*/README.md"]
exclude_patterns = [".*", "build", "dist", "src", "tests"]
#: Every reference is looked up, and one that leads nowhere ends `make docs`.
nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"Switchroom {release}"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_additional_pages = {"index": "start.html"}
templates_path = ["templates"]
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
#: Nothing is loaded from elsewhere, and the output is the same for the same input.
html_last_updated_fmt = None
