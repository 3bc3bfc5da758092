"""The Planner page: will a model fit, recipe by recipe, counted without loading it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from explorer import recipes, workloads
from explorer.burst.config import parse_config
from explorer.errors import InputError
from explorer.planner import NAMED
from explorer.planner.cards import TIGHT_SHARE, cards
from explorer.planner.request import ATTENTIONS, OPTIMIZERS, SHARDINGS
from explorer.planner.warning import may_be_large
from explorer.sessions import Session, Store
from explorer.ui import static_files


def build(_demo: gr.Blocks, session: Session, _store: Store) -> None:
    """Lay out the page."""
    module = static_files.module_address("planner/planner.js")
    gr.HTML(
        value=None,
        html_template=static_files.text("planner/planner.html"),
        js_on_load=f"import(new URL('{module}', document.baseURI)).then((m) => m.mount(element, props, server))",
        apply_default_css=False,
        elem_id="planner-page",
        server_functions=_functions(session),
        models=_models(),
        recipes=[{"name": one.name, "label": one.label, "summary": one.summary} for one in recipes.RECIPES],
        optimizers=OPTIMIZERS,
        shardings=SHARDINGS,
        attentions=ATTENTIONS,
        cards=cards(),
        tight=TIGHT_SHARE,
    )


def warning_for(session: Session, config: Any) -> str | None:
    """A sentence where the device's free memory will not do for a burst; None where it will, or is not known."""
    details = session.details()
    device = details["device"] or {}
    # An accelerator's memory is known from when the worker began; no plan is that exact.
    free = details["memory_free"] if device.get("type") == "cpu" else device.get("memory_free")
    try:
        config = parse_config(config)
        if not free or not may_be_large(config, free):
            return None
        return session.planner.warning(config.as_json(), free)
    except InputError:
        return None


def _models() -> list[dict[str, Any]]:
    """Each model with its name, what it is called, and the group that it is offered in."""
    named = [{"name": one.name, "label": one.label, "group": "Published models"} for one in NAMED.values()]
    # Where both have a name, the published model's config is the one meant.
    lab = [
        {"name": name, "label": model.label, "group": "The Lab's models"}
        for name, model in workloads.MODELS.items() if name not in NAMED
    ]  # fmt: skip
    return [*named, *lab]


def _functions(session: Session) -> list[Callable[..., Any]]:
    """What the page's module may call."""

    def plan(asked: Any) -> dict[str, Any]:
        """A plan, or the sentence about what was wrong."""
        try:
            return {"plan": session.planner.plan(asked)}
        except InputError as error:
            return {"error": str(error)}

    return [plan]
