"""One lane's settings: a swatch, a name, a recipe, and what the lane does otherwise than the rest."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer import recipes
from explorer.burst.config import OVERRIDES, ScalerConfig
from explorer.burst.faults import FAULTS
from explorer.errors import InputError
from explorer.ui import words

SCALER_NUMBERS = ("growth_factor", "backoff_factor", "growth_interval")
SWATCH = (
    '<svg class="swatch" viewBox="0 0 26 8" data-lane="{lane}" role="img" aria-label="the line of lane {number}">'
    '<line x1="1" x2="25" y1="4" y2="4"/></svg>'
)


Supports = dict[str, dict[str, str]]
"""For each recipe whether this machine's own kernels compute it (``how``) and a sentence that says why."""


@dataclass(frozen=True)
class LaneForm:
    """The components of one lane. ``fields`` are those with a value, in the order of :func:`raw`'s values."""

    group: gr.Group
    about: gr.HTML
    scaler: gr.Group
    fault: gr.Row
    remove: gr.Button
    fields: dict[str, gr.components.Component]

    @property
    def outputs(self) -> list[Any]:
        """Every component that :func:`show` updates."""
        return [self.group, self.about, self.scaler, self.fault, *self.fields.values()]

    @property
    def recipe_outputs(self) -> list[Any]:
        """The components that :func:`show_recipe` updates, in its order."""
        return [self.about, self.scaler]

    @property
    def fault_outputs(self) -> list[Any]:
        """The components that :func:`show_fault` updates, in its order."""
        names = ("fault_factor", "fault_lasting")
        return [self.fields["fault"], self.fault, *(self.fields[name] for name in names)]


def build(lane: int, settings: dict[str, Any] | None) -> LaneForm:
    """Lay out the lane of that index, filled with the lane of a config, or out of sight where there is none."""
    values = from_config(settings) if settings else fresh()
    choices = [(recipes.get(name).label, name) for name in recipes.names()]
    fields: dict[str, gr.components.Component] = {}
    with gr.Group(visible=settings is not None, elem_classes="lane-form") as group:
        with gr.Row(elem_classes="lane-row"):
            gr.HTML(SWATCH.format(lane=lane, number=lane + 1), elem_classes="lane-swatch", padding=False)
            fields["name"] = gr.Textbox(
                values["name"],
                label=f"Name of lane {lane + 1}",
                placeholder="name",
                container=False,
                max_lines=1,
                min_width=60,
                scale=5,
            )
            fields["recipe"] = gr.Dropdown(
                choices,
                value=values["recipe"],
                label=f"Recipe of lane {lane + 1}",
                container=False,
                filterable=False,
                min_width=60,
                scale=5,
            )
            remove = gr.Button("✕", size="sm", min_width=24, scale=0, elem_classes="lane-remove")
        about = gr.HTML(about_recipe(values["recipe"]), elem_classes="about", padding=False)
        with gr.Accordion("settings of this lane", open=False, elem_classes="lane-more"):
            scaled = recipes.get(values["recipe"]).scaler
            with gr.Group(visible=scaled, elem_classes="lane-scaler") as scaler:
                fields["enabled"] = gr.Checkbox(
                    values["enabled"], label=f"{words.SCALER_LABELS['enabled']} (default on)", container=False
                )
                fields["init_scale"] = gr.Textbox(
                    values["init_scale"],
                    label=words.SCALER_LABELS["init_scale"],
                    info=words.scaler_help("init_scale"),
                    max_lines=1,
                )
                for field in SCALER_NUMBERS:
                    label, help_text = words.SCALER_LABELS[field], words.scaler_help(field)
                    fields[field] = gr.Number(values[field], label=label, info=help_text, step=None)
            fields["own"] = gr.Textbox(
                values["own"],
                label="Own settings",
                info=f"For this lane alone, as learning_rate=0.01, clip_norm=none. There are {', '.join(OVERRIDES)}.",
                placeholder="none",
                max_lines=1,
            )
            fault = _build_fault(values, fields)
    return LaneForm(group, about, scaler, fault, remove, fields)


def _build_fault(values: dict[str, Any], fields: dict[str, gr.components.Component]) -> gr.Row:
    """Lay out the first of the lane's faults; those behind it are text, and out of sight where there are none."""
    kind = values["fault"]
    fields["fault"] = gr.Dropdown(
        [("no", words.NO_FAULT), *((fault.label, fault.kind) for fault in FAULTS.values())],
        value=kind,
        label=words.FAULT_LABELS["fault"],
        info=_fault_info(kind),
        filterable=False,
    )
    with gr.Row(visible=kind in FAULTS) as row:
        fields["fault_step"] = gr.Number(
            values["fault_step"], label=words.FAULT_LABELS["fault_step"], step=None, min_width=60
        )
        fields["fault_factor"] = gr.Number(
            values["fault_factor"],
            label=words.FAULT_LABELS["fault_factor"],
            step=None,
            min_width=60,
            visible=_has_factor(kind),
        )
        fields["fault_lasting"] = gr.Checkbox(
            values["fault_lasting"],
            label=words.FAULT_LABELS["fault_lasting"],
            container=False,
            min_width=60,
            visible=_may_last(kind),
        )
    fields["more_faults"] = gr.Textbox(
        values["more_faults"],
        label=words.FAULT_LABELS["more_faults"],
        info="As JSON, a list as in a config.",
        max_lines=3,
        visible=bool(values["more_faults"]),
    )
    return row


def read(given: dict[str, Any]) -> dict[str, Any]:
    """The lane of a config that these values of the form's fields make.

    Raises
    ------
    InputError
        The lane's own settings cannot be read.
    """
    lane: dict[str, Any] = {"recipe": given["recipe"]}
    if given["name"]:
        lane["name"] = given["name"]
    if recipes.get(given["recipe"]).scaler:
        scaler = {"enabled": bool(given["enabled"]), "init_scale": words.read_scale(given["init_scale"] or "")}
        lane["scaler"] = scaler | {field: plain_number(given[field]) for field in SCALER_NUMBERS}
    if faults := [*_read_fault(given), *_read_more(given["more_faults"] or "")]:
        lane["faults"] = faults
    return {**lane, **_read_own(given["own"] or "")}


def _read_fault(given: dict[str, Any]) -> list[dict[str, Any]]:
    kind = given["fault"]
    if kind not in FAULTS:
        return []
    fault = {"kind": kind, "step": plain_number(given["fault_step"]) or 0}
    if _has_factor(kind) and given["fault_factor"] is not None:
        fault["factor"] = plain_number(given["fault_factor"])
    if _may_last(kind):
        fault["lasting"] = bool(given["fault_lasting"])
    return [fault]


def _read_more(text: str) -> list[Any]:
    if not text.strip():
        return []
    try:
        faults = json.loads(text)
    except ValueError:
        faults = None
    if not isinstance(faults, list):
        raise InputError("faults", text, "a list of faults as JSON")
    return faults


def raw(form: LaneForm, values: list[Any]) -> dict[str, Any]:
    """The values of the form's fields by name, as they stand, for :func:`show`."""
    return dict(zip(form.fields, values, strict=True))


def show(values: dict[str, Any] | None, support: Supports | None = None) -> list[Any]:
    """Updates of :attr:`LaneForm.outputs` to these values; None puts the lane out of sight."""
    visible = values is not None
    values = values or fresh()
    kind = values["fault"]
    more = {
        "fault": gr.update(value=kind, info=_fault_info(kind)),
        "fault_factor": gr.update(value=values["fault_factor"], visible=_has_factor(kind)),
        "fault_lasting": gr.update(value=values["fault_lasting"], visible=_may_last(kind)),
        "more_faults": gr.update(value=values["more_faults"], visible=bool(values["more_faults"])),
    }
    shown = [gr.update(visible=visible), *show_recipe(values["recipe"], support), gr.update(visible=kind in FAULTS)]
    return [*shown, *({**values, **more}).values()]


def show_recipe(name: str, support: Supports | None = None) -> list[Any]:
    """Updates of :attr:`LaneForm.recipe_outputs` after another recipe was chosen."""
    return [about_recipe(name, support), gr.update(visible=recipes.get(name).scaler)]


def show_fault(kind: str) -> list[Any]:
    """Updates of :attr:`LaneForm.fault_outputs` after another kind was chosen: its usual strength and length."""
    fault = FAULTS.get(kind)
    return [
        gr.update(info=_fault_info(kind)),
        gr.update(visible=fault is not None),
        gr.update(value=fault and fault.factor, visible=_has_factor(kind)),
        gr.update(value=bool(fault and fault.lasting), visible=_may_last(kind)),
    ]


def about_recipe(name: str, support: Supports | None = None) -> str:
    """What a recipe is and whether this machine's own kernels compute it. Of our own words; escaped all the same.

    Parameters
    ----------
    name : str
        The recipe.
    support : dict, optional
        For each recipe ``how`` and ``reason``, once the worker has found out.
    """
    recipe = recipes.get(name)
    known = (support or {}).get(name)
    mark = f'<small class="support" data-how="{known["how"]}">{known["how"]}</small> ' if known else ""
    title = html.escape(f"{recipe.summary} {known['reason'] if known else recipe.needs}")
    return f'<p title="{title}">{mark}{html.escape(recipe.summary)}</p>'


def _fault_info(kind: str) -> str:
    return FAULTS[kind].summary if kind in FAULTS else "A mistake or an accident, to see what it does."


def _has_factor(kind: str) -> bool:
    return kind in FAULTS and FAULTS[kind].factor is not None


def _may_last(kind: str) -> bool:
    return kind in FAULTS and not FAULTS[kind].always_lasting


def fresh() -> dict[str, Any]:
    """The values of a lane that was just added."""
    return from_config({"name": "", "recipe": "fp16-amp"})


def plain_number(value: Any) -> Any:
    """A number of a form as a config takes it: whole where it is whole."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def from_config(settings: dict[str, Any]) -> dict[str, Any]:
    """The values of :attr:`LaneForm.fields` that show a lane of a config."""
    scaler = ScalerConfig.model_validate(settings.get("scaler") or {})
    return {
        "name": settings.get("name") or "",
        "recipe": settings["recipe"],
        "enabled": scaler.enabled,
        "init_scale": words.scale_text(scaler.init_scale),
        **{field: getattr(scaler, field) for field in SCALER_NUMBERS},
        "own": _own_text(settings),
        **_fault_values(settings.get("faults") or []),
    }


def _fault_values(faults: list[dict[str, Any]]) -> dict[str, Any]:
    first, *more = faults or [{"kind": words.NO_FAULT, "step": 0, "factor": None, "lasting": False}]
    return {
        "fault": first["kind"],
        "fault_step": first["step"],
        "fault_factor": first["factor"],
        "fault_lasting": bool(first["lasting"]),
        "more_faults": json.dumps(more) if more else "",
    }


def _own_text(settings: dict[str, Any]) -> str:
    own = {field: settings[field] for field in OVERRIDES if field in settings}
    return ", ".join(f"{field}={'none' if value is None else value}" for field, value in own.items())


def _read_own(text: str) -> dict[str, Any]:
    """The settings in ``learning_rate=0.01, clip_norm=none``."""
    own: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        field, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or field not in OVERRIDES:
            accepted = f"settings such as learning_rate=0.01, separated by commas; there are {', '.join(OVERRIDES)}"
            raise InputError("own settings", part, accepted)
        own[field] = _read_value(value)
    return own


def _read_value(text: str) -> Any:
    if text.lower() in ("none", "null"):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
