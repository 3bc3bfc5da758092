"""The Hardware page: a check of this machine, its result, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from explorer import formats, recipes
from explorer.devices import datasheet
from explorer.errors import InputError
from explorer.sessions import Session, Store
from explorer.ui import static_files


def build(_demo: gr.Blocks, session: Session, _store: Store) -> None:
    """Lay out the page."""
    module = static_files.module_address("hardware/hardware.js")
    gr.HTML(
        value=None,
        html_template=static_files.text("hardware/hardware.html"),
        js_on_load=f"import(new URL('{module}', document.baseURI)).then((m) => m.mount(element, props, server))",
        apply_default_css=False,
        elem_id="hardware-page",
        server_functions=_functions(session),
        sheets=[{**asdict(sheet), "sparse_fp16": sheet.sparse("fp16")} for sheet in datasheet.sheets()],
        labels=_labels(),
    )


def _labels() -> dict[str, str]:
    """What formats and recipes are called on the page."""
    labels = {name: formats.get(name).label for name in formats.names()}
    return {**labels, "int8": "INT8", **{recipe.name: recipe.label for recipe in recipes.RECIPES}}


def _functions(session: Session) -> list[Callable[..., Any]]:
    """What the page's module may call. Gradio hands each one argument, needed or not."""

    def start_check(options: Any) -> dict[str, Any]:
        """Start a check; its id, or the sentence about what was wrong."""
        try:
            return {"check": session.check(options).run}
        except InputError as error:
            return {"error": str(error)}

    def stop_check(check: Any) -> bool:
        """Stop a check; whether there was something to stop."""
        return isinstance(check, str) and session.stop_check(check)

    def device_names(_: Any = None) -> list[str]:
        """Names of the devices; none while the worker starts."""
        return session.details()["devices"] or []

    return [start_check, stop_check, device_names]
