"""Serving the app: Gradio's server with the run routes and the pages' own files beside it."""

from __future__ import annotations

from urllib.parse import quote

import gradio as gr

from explorer.errors import InputError
from explorer.sessions import Session, Store
from explorer.sessions.routes import router as run_routes
from explorer.ui import static_files
from explorer.ui.theme import THEME

STYLES = ("shared/tokens.css", "shared/page.css", "shared/cards.css", "lab/sidebar.css", "lab/lanes.css", "lab/lab.css",
          "lab/panels.css", "lab/bits.css", "lab/samples.css", "lab/phone.css", "bits/bits.css", "bits/line.css",
          "bits/blocks.css", "bits/tensor.css", "planner/planner.css", "hardware/hardware.css")  # fmt: skip


def launch(
    demo: gr.Blocks,
    session: Session,
    store: Store,
    *,
    host: str,
    port: int | None = None,
    share: bool = False,
    root_path: str | None = None,
) -> str:
    """Serve the app from a thread of its own; its address.

    Parameters
    ----------
    demo : gradio.Blocks
        As :func:`explorer.ui.build` makes it.
    session, store
        Where its runs go.
    host : str
        The interface to listen on.
    port : int, optional
        The port; Gradio's first free one from 7860 on where it is left out.
    share : bool
        Whether to ask for a public address.
    root_path : str, optional
        The path under which a proxy serves the app.

    Raises
    ------
    InputError
        The port is taken, or the host is none of this machine's.
    """
    routes = [*run_routes(session, store).routes, *static_files.router().routes]
    try:
        _, local, public = demo.launch(
            server_name=host,
            server_port=port,
            share=share,
            root_path=root_path,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            ssr_mode=False,
            footer_links=[],
            theme=THEME,
            head=_head(),
            favicon_path=static_files.FOLDER / "shared/icon.svg",
            app_kwargs={"routes": routes},
        )
    except OSError as error:
        raise InputError(
            "--port" if port else "--host",
            port or host,
            "a free one",
            sentence=f"--host {host}{f' --port {port}' if port else ''}: cannot be listened on ({error}).",
        ) from None
    return public or local


def _head() -> str:
    """What each page has in its head: the icon and the styles."""
    # In the page too: a browser that finds none looks at the root of the host, where behind a prefix there is none.
    icon = f'<link rel="icon" href="data:image/svg+xml,{quote(static_files.text("shared/icon.svg").strip())}">'
    # Not by css=: Gradio puts a prefix before every selector there, and within @media leaves nothing else.
    styles = "\n".join(static_files.text(name) for name in STYLES)
    return f"{icon}\n<style>\n{styles}</style>"
