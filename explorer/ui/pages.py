"""The app: its pages in the order of the navigation, each one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from explorer.sessions import Session, Store
from explorer.ui import bits, endpoints, hardware, header, lab, planner

TITLE = "Mixed-Precision Explorer"


@dataclass(frozen=True)
class Page:
    """A page: its title in the navigation, its address below the app's, and what lays it out."""

    title: str
    address: str
    build: Callable[[gr.Blocks, Session, Store], None]


PAGES = (Page("Lab", "", lab.build), Page("Bits", "bits", bits.build), Page("Hardware", "hardware", hardware.build),
         Page("Planner", "planner", planner.build))  # fmt: skip


def build(session: Session, store: Store) -> gr.Blocks:
    """The app with all its pages. The first is the one without an address of its own."""
    first, *others = PAGES
    entries = [(page.title, page.address) for page in PAGES]
    with gr.Blocks(title=TITLE, fill_height=True, fill_width=True, analytics_enabled=False) as demo:
        header.build(session, entries, first.address)
        first.build(demo, session, store)
        endpoints.build(session, store)
    for page in others:
        with demo.route(page.title, page.address):
            header.build(session, entries, page.address)
            page.build(demo, session, store)
    return demo
