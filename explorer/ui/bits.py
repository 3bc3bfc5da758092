"""The Bits page: what each format makes of a number. All of it runs in the browser, on the catalogue given here."""

from __future__ import annotations

import gradio as gr

from explorer import formats
from explorer.sessions import Session, Store
from explorer.ui import static_files


def build(_demo: gr.Blocks, _session: Session, _store: Store) -> None:
    """Lay out the page."""
    module = static_files.module_address("bits/bits.js")
    gr.HTML(
        value=None,
        html_template=static_files.text("bits/bits.html"),
        js_on_load=f"import(new URL('{module}', document.baseURI)).then((m) => m.mount(element, props))",
        apply_default_css=False,
        elem_id="bits-page",
        catalogue=formats.catalogue(),
        blocks=formats.block_catalogue(),
        casts=[entry.as_data() for entry in formats.DISAGREEMENTS],
    )
