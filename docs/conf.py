"""Sphinx: `make docs` builds the site into work_dirs/site, and any warning is an error."""

from nasvit_mm.version import __version__

project, author, release = 'nasvit_mm', 'nasvit_mm authors', __version__
copyright = '2026, nasvit_mm authors'
extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode']
source_suffix = {'.md': 'myst-nb', '.ipynb': 'myst-nb', '.rst': 'restructuredtext'}
nb_execution_mode = 'off'  # a test runs the notebooks and compares what they show
myst_heading_anchors = 3
html_theme = 'furo'
html_title = f'nasvit_mm {release}'
html_theme_options = dict(navigation_with_keys=True)
autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
# Configs and the registries' scopes are no Python names that a page could link.
nitpicky = False
