"""The Gradio pages: what a browser gets, and how what a person does there reaches a session.

A page is one module with a ``build`` function and an entry in :mod:`explorer.ui.pages`; its panels are small ES modules
in ``static/``, fed by the run's event stream rather than through Gradio's queue. This is the only folder that imports
gradio. :func:`build` makes the app, :func:`launch` serves it.
"""

from explorer.ui.pages import build
from explorer.ui.serving import launch

__all__ = ["build", "launch"]
