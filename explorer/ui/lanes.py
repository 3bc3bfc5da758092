"""One lane's settings: a swatch, a name, a recipe, and what the lane does otherwise than the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer import recipes
from explorer.burst.config import OVERRIDES, ScalerConfig
from explorer.errors import InputError
from explorer.ui import words

SCALER_NUMBERS = ("growth_factor", "backoff_factor", "growth_interval")
SWATCH = (
    '<svg class="swatch" viewBox="0 0 26 8" data-lane="{lane}" role="img" aria-label="the line of lane {number}">'
    '<line x1="1" x2="25" y1="4" y2="4"/></svg>'
)


@dataclass(frozen=True)
class LaneForm:
    """The components of one lane. ``fields`` are those with a value, in the order of :func:`raw`'s values."""

    group: gr.Group
    scaler: gr.Group
    remove: gr.Button
    fields: dict[str, gr.components.Component]

    @property
    def outputs(self) -> list[Any]:
        """Every component that :func:`show` updates."""
        return [self.group, self.scaler, *self.fields.values()]


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
    return LaneForm(group, scaler, remove, fields)


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
    return {**lane, **_read_own(given["own"] or "")}


def raw(form: LaneForm, values: list[Any]) -> dict[str, Any]:
    """The values of the form's fields by name, as they stand, for :func:`show`."""
    return dict(zip(form.fields, values, strict=True))


def show(values: dict[str, Any] | None) -> list[Any]:
    """Updates of :attr:`LaneForm.outputs` to these values; None puts the lane out of sight."""
    visible = values is not None
    values = values or fresh()
    return [gr.update(visible=visible), gr.update(visible=recipes.get(values["recipe"]).scaler), *values.values()]


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
