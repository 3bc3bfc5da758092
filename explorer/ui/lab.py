"""The Lab: settings at the left, four live panels, and what happened."""

from __future__ import annotations

import html
import itertools
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from explorer import formats, recipes
from explorer.burst.autocast_policy import DIFFERENCES
from explorer.burst.config import BurstConfig, parse_config
from explorer.burst.presets import PRESETS, get_preset
from explorer.errors import InputError
from explorer.sessions import Session, Store
from explorer.ui import lanes, links, settings, static_files
from explorer.ui.planner import warning_for

DEFAULT_PRESET = "four-lanes"
FAILED = "Something went wrong on the server, and its log says what. Nothing was started."

LONGEST_LINK = 30_000
"""Letters of a config in a link: servers refuse a request whose address is longer than 64 kB, and some half of that."""

log = logging.getLogger(__name__)
_counter = itertools.count(1)


def build(demo: gr.Blocks, session: Session, store: Store) -> None:
    """Lay out the page and tie its events."""
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    with gr.Sidebar(width=328, elem_id="lab-sidebar") as sidebar:
        choices = [(preset.title, preset.name) for preset in PRESETS.values()]
        preset = gr.Dropdown(choices, value=DEFAULT_PRESET, label="Preset", filterable=False, elem_id="lab-preset")
        with gr.Row(elem_classes="lab-buttons"):
            run = gr.Button("▶ Run", variant="primary", elem_id="lab-run", min_width=60)
            stop = gr.Button("■ Stop", elem_id="lab-stop", min_width=60)
        alert = gr.HTML("", html_template=ALERT, padding=False, elem_id="lab-alert")
        form = settings.build(_first())
        share = gr.Button("copy a link to these settings", size="sm", elem_id="lab-share")
    panel = _panel(session)

    submitted = run.click(partial(_submit, session, form), form.inputs, [panel, alert], **quiet)
    submitted.then(partial(_foresee, session, form), form.inputs, alert, **quiet)
    # The panel knows its run, also where an address opened it and Gradio was never asked.
    stop.click(None, js="() => { document.dispatchEvent(new Event('lab:stop')); }", **quiet)
    share.click(partial(_link, form), form.inputs, [panel, alert], **quiet)

    def support() -> lanes.Supports | None:
        return session.details()["recipes"]

    def choose(name: str) -> list[Any]:
        return _choose(form, name, support())

    def recipe_chosen(name: str) -> list[Any]:
        return lanes.show_recipe(name, support())

    preset.input(choose, preset, [panel, alert, *form.outputs], **quiet)
    model, data = form.fields["model"], form.fields["data"]
    model.input(settings.fill_model, model, form.model_outputs, **quiet)
    data.input(settings.fill_data, [model, data], form.data_outputs, **quiet)
    form.add.click(_on_values(settings.add_lane, form, support), form.inputs, form.lane_outputs, **quiet)
    for index, lane in enumerate(form.lanes):
        removed = _on_values(settings.remove_lane, form, support, index=index)
        lane.remove.click(removed, form.inputs, form.lane_outputs, **quiet)
        lane.fields["recipe"].input(recipe_chosen, lane.fields["recipe"], lane.recipe_outputs, **quiet)
        lane.fields["fault"].input(lanes.show_fault, lane.fields["fault"], lane.fault_outputs, **quiet)

    # Not a partial: Gradio finds a wanted request by the annotation.
    def open_page(request: gr.Request) -> list[Any]:
        return _open(store, form, request.query_params, support())

    demo.load(open_page, None, [preset, panel, alert, *form.outputs], **quiet)
    demo.load(None, None, sidebar, js=NARROW, **quiet)


NARROW = """() => {
    document.body.classList.add('lab-loaded');
    return {__type__: 'update', open: innerWidth > 768};
}"""
"""On a phone the settings would cover the page: they are closed there until asked for."""

ALERT = '<p class="lab-alert" role="alert">${value}</p>'
"""The value is escaped in Python: what a person typed is part of the sentence."""


def _panel(session: Session) -> gr.HTML:
    module = static_files.module_address("lab/lab.js")

    def run_status(run: str) -> dict[str, Any]:
        """How a run stands that has not begun."""
        return session.status(run)

    def cancel_run(run: str) -> bool:
        """Stop a run."""
        return session.cancel(run)

    return gr.HTML(
        value=None,
        html_template=static_files.text("lab/lab.html").replace("@PLOTLY@", static_files.plotly_address()),
        js_on_load=f"import(new URL('{module}', document.baseURI)).then((m) => m.mount(element, props, watch, server))",
        apply_default_css=False,
        elem_id="lab-panel",
        server_functions=[run_status, cancel_run],
        preset=DEFAULT_PRESET,
        presets={name: {"question": one.question, "answer": one.answer} for name, one in PRESETS.items()},
        formats=formats.catalogue(),
        recipes={name: _recipe(name) for name in recipes.names()},
        policies={each.op: {"cpu": each.cpu, "cuda": each.cuda} for each in DIFFERENCES},
        link=None,
    )


def _recipe(name: str) -> dict[str, str]:
    recipe = recipes.get(name)
    return {"label": recipe.label, "summary": recipe.summary}


def _submit(session: Session, form: settings.Form, *values: Any) -> tuple[Any, Any]:
    """Run: the panel gets the run's id, or the alert the sentence that says what is wrong."""
    try:
        taken = session.submit(settings.read(form, values))
    except InputError as error:
        return gr.skip(), html.escape(str(error))
    except Exception:
        log.exception("A run could not be submitted")
        return gr.skip(), FAILED
    # The counter makes the value differ from the last one: an equal one would not reach the panel.
    return {"id": taken.run, "n": next(_counter), "position": taken.position}, ""


def _foresee(session: Session, form: settings.Form, *values: Any) -> Any:
    """Warn where the memory will not do; nothing else is said, and what was said before stays."""
    try:
        sentence = warning_for(session, settings.read(form, values))
    except InputError:
        sentence = None
    return html.escape(sentence) if sentence else gr.skip()


def _link(form: settings.Form, *values: Any) -> tuple[Any, Any]:
    """The settings as a link, which the panel puts on the clipboard."""
    try:
        config = links.encode_config(parse_config(settings.read(form, values)))
        if len(config) > LONGEST_LINK:
            sentence = f"text: is too long for a link, which holds about {LONGEST_LINK * 3 // 4:,} characters in all."
            raise InputError("text", None, "a shorter one", sentence=sentence)
    except InputError as error:
        return gr.skip(), html.escape(str(error))
    return gr.update(link={"config": config, "n": next(_counter)}), ""


def _choose(form: settings.Form, name: str, support: lanes.Supports | None = None) -> list[Any]:
    """A preset was chosen: all settings follow."""
    return [gr.update(preset=name), "", *settings.fill(form, get_preset(name).config(), support)]


def _open(store: Store, form: settings.Form, query: Any, support: lanes.Supports | None = None) -> list[Any]:
    """What the page's address asks for: a preset, or the settings of a run or of a link."""
    settings_alone = [gr.skip(), gr.skip()]
    try:
        if name := query.get("preset"):
            return [name, *_choose(form, get_preset(name).name, support)]
        config = _asked_for(store, query)
    except InputError as error:
        return [*settings_alone, html.escape(str(error)), *([gr.skip()] * len(form.outputs))]
    shown = settings.fill(form, config, support) if config else settings.mark(form, _first(), support)
    return [*settings_alone, "", *shown]


def _first() -> BurstConfig:
    """What the settings hold before anyone has chosen."""
    return get_preset(DEFAULT_PRESET).config()


def _asked_for(store: Store, query: Any) -> BurstConfig | None:
    if run := query.get("run"):
        record = store.get(run)
        # The panel itself says that a run is not known.
        return record and parse_config(record.config)
    config = query.get("config")
    return links.decode_config(config) if config else None


def _on_values(
    handler: Callable[..., Any], form: settings.Form, support: Callable[[], Any], **more: Any
) -> Callable[..., Any]:
    """A handler of all the form's values, which Gradio hands over one by one."""
    return lambda *values: handler(form, values, support(), **more)
