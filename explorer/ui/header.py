"""The header of every page: its title, the way to the other pages, the session's chip, the theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from explorer.sessions import Session
from explorer.ui import static_files


def build(session: Session, entries: list[tuple[str, str]], current: str) -> None:
    """Lay out the header.

    Parameters
    ----------
    session : Session
        Whose state the chip tells.
    entries : list of (str, str)
        Title and address of each page.
    current : str
        Address of the page that this header is on.
    """
    links = "".join(
        f'<a href="{address or "./"}"{" aria-current=page" if address == current else ""}>{title}</a>'
        for title, address in entries
    )
    module = static_files.module_address("shared/header.js")
    gr.HTML(
        value="",
        html_template=static_files.text("shared/header.html").replace("@NAV@", links),
        js_on_load=f"import(new URL('{module}', document.baseURI)).then((m) => m.mount(element, server))",
        apply_default_css=False,
        elem_id="site-header",
        server_functions=_functions(session),
    )


def _functions(session: Session) -> list[Callable[..., Any]]:
    """What the header's module may call. Gradio hands each one argument, needed or not."""

    def session_details(_: Any = None) -> dict[str, Any]:
        """The device in a few words, and the session's facts as rows of a table; a number is of bytes."""
        details = session.details()
        device = details["device"] or {}
        return {"short": _short(device), "rows": list(_rows(details, device))}

    def restart_session(_: Any = None) -> str:
        """Restart the worker; nothing to say where it went well."""
        session.restart()
        return ""

    return [session_details, restart_session]


def _short(device: dict[str, Any]) -> str:
    if not device:
        return ""
    if device["type"] == "cpu":
        return f"CPU · {device['threads']} {'core' if device['threads'] == 1 else 'cores'}"
    return device["name"]


def _rows(details: dict[str, Any], device: dict[str, Any]) -> Any:
    if device:
        yield "Device", device["name"]
        for name, support in device["half"].items():
            yield name.upper(), f"{support['how']} products"
    else:
        yield "Device", details["reason"] or "not known until the worker is ready"
    yield "Memory free", details["memory_free"]
    yield "Memory", details["memory_total"]
    if details["torch"]:
        yield "PyTorch", details["torch"]
