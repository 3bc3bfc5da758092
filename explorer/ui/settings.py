"""The sidebar's form: its components, the config that their values make, and their values for a config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer import workloads
from explorer.burst.config import MOST_LANES, OPTIMIZERS, BurstConfig
from explorer.errors import InputError
from explorer.ui import lanes, words
from explorer.ui.lanes import LaneForm, plain_number

NUMBERS = ("steps", "batch_size", "sequence_length", "learning_rate", "seed",
           "loss_weight", "input_scale", "weight_gain", "weight_decay", "eps")  # fmt: skip
"""Fields that cannot be left empty."""


@dataclass(frozen=True)
class Form:
    """The components of the settings.

    ``count`` holds how many lanes are in use; ``about`` says what the chosen model is.
    """

    fields: dict[str, gr.components.Component]
    about: gr.HTML
    lanes: list[LaneForm]
    add: gr.Button
    count: gr.State

    @property
    def inputs(self) -> list[Any]:
        """The components whose values :func:`read` takes, in its order."""
        return [self.count, *self.fields.values(), *(field for lane in self.lanes for field in lane.fields.values())]

    @property
    def outputs(self) -> list[Any]:
        """The components that :func:`fill` updates, in its order."""
        return [self.about, *self.fields.values(), *self.lane_outputs]

    @property
    def lane_outputs(self) -> list[Any]:
        """The components that :func:`add_lane` and :func:`remove_lane` update, in their order."""
        lane_parts = [component for lane in self.lanes for component in (*lane.outputs, lane.remove)]
        return [self.count, self.add, *lane_parts]

    @property
    def model_outputs(self) -> list[Any]:
        """The components that :func:`fill_model` updates, in its order."""
        return [self.about, self.fields["sequence_length"], self.fields["input_scale"]]


def build(config: BurstConfig) -> Form:
    """Lay out the settings, filled with a config."""
    values = _values(config.as_json())
    fields: dict[str, gr.components.Component] = {}

    def number(field: str, *, hint: bool = False) -> None:
        visible = _is_read(field, config.model)
        help_text = words.HELP.get(field) if hint else None
        fields[field] = gr.Number(
            values[field], label=words.LABELS[field], info=help_text, step=None, visible=visible, min_width=80
        )

    models = [(model.label, model.name) for model in workloads.MODELS.values()]
    fields["model"] = gr.Dropdown(models, value=config.model, label=words.LABELS["model"], filterable=False)
    about = gr.HTML(_about(config.model), elem_classes="about", padding=False)
    with gr.Row():
        number("steps")
        number("batch_size")
        number("sequence_length")
    with gr.Row():
        fields["optimizer"] = gr.Dropdown(
            list(OPTIMIZERS),
            value=config.optimizer,
            label=words.LABELS["optimizer"],
            filterable=False,
            min_width=80,
        )
        number("learning_rate")
        fields["clip_norm"] = gr.Number(
            config.clip_norm, label=words.LABELS["clip_norm"], placeholder="none", step=None, min_width=80
        )
    with gr.Column(elem_classes="lane-forms"):
        gr.HTML("<h2>Lanes</h2>", padding=False)
        given = config.as_json()["lanes"]
        forms = [lanes.build(index, given[index] if index < len(given) else None) for index in range(MOST_LANES)]
        add = gr.Button("+ add a lane", size="sm", visible=len(given) < MOST_LANES, elem_classes="lane-add")
    with gr.Accordion("Advanced", open=False, elem_classes="advanced"):
        with gr.Row():
            number("seed")
            fields["device"] = gr.Dropdown(
                ["auto", "cpu", "cuda"], value=config.device, label=words.LABELS["device"], allow_custom_value=True,
                min_width=80,
            )  # fmt: skip
        for field in ("loss_weight", "input_scale", "weight_gain"):
            number(field, hint=True)
        with gr.Row():
            number("weight_decay")
            number("eps")
        fields["trace_parameter"] = gr.Textbox(
            values["trace_parameter"],
            label="Traced parameter",
            info="Name of the parameter whose bits are shown; auto takes the model's own choice.",
            max_lines=1,
        )
        fields["trace_index"] = gr.Textbox(
            values["trace_index"],
            label="Traced element",
            info="Its position, one number a dimension, as 3, 5; empty takes the middle.",
            placeholder="the middle",
            max_lines=1,
        )
    return Form(fields, about, forms, add, gr.State(len(given)))


def read(form: Form, values: Sequence[Any]) -> dict[str, Any]:
    """The config that the values of :attr:`Form.inputs` make, not checked yet but for what a form alone can get wrong.

    Raises
    ------
    InputError
        A number was left empty, or a text cannot be read.
    """
    given = dict(zip(form.fields, values[1:], strict=False))
    for field in NUMBERS:
        if given[field] is None and _is_read(field, given["model"]):
            sentence = f"{field}: is empty, but takes {words.accepted(field)}."
            raise InputError(field, None, words.accepted(field), sentence=sentence)
    config = {field: plain_number(given[field]) for field in NUMBERS if _is_read(field, given["model"])}
    config |= {field: given[field] for field in ("model", "optimizer", "device")}
    config["clip_norm"] = plain_number(given["clip_norm"]) or None
    config["trace"] = {
        "parameter": (given["trace_parameter"] or "auto").strip(),
        "index": _read_index(given["trace_index"] or ""),
    }
    config["lanes"] = []
    for index, lane in enumerate(_raw_lanes(form, values)):
        try:
            config["lanes"].append(lanes.read(lane))
        except InputError as error:
            raise InputError(f"lanes[{index}].{error.field}", error.given, error.accepted) from None
    return config


def fill(form: Form, config: BurstConfig) -> list[Any]:
    """Updates of :attr:`Form.outputs` that show a config."""
    given = config.as_json()
    values = _values(given)
    fields = [
        gr.update(value=values[field], visible=_is_read(field, config.model)) if field in NUMBERS else values[field]
        for field in form.fields
    ]
    return [_about(config.model), *fields, *_show_lanes([lanes.from_config(lane) for lane in given["lanes"]])]


def add_lane(form: Form, values: Sequence[Any]) -> list[Any]:
    """Updates of :attr:`Form.lane_outputs` that show one lane more."""
    return _show_lanes([*_raw_lanes(form, values), lanes.fresh()])


def remove_lane(form: Form, values: Sequence[Any], index: int) -> list[Any]:
    """Updates of :attr:`Form.lane_outputs` after a lane was taken away; those behind it move up."""
    kept = _raw_lanes(form, values)
    return _show_lanes(kept[:index] + kept[index + 1 :])


def _raw_lanes(form: Form, values: Sequence[Any]) -> list[dict[str, Any]]:
    """The values of the lanes in use, as they stand in the form, right or wrong."""
    rest = list(values[1 + len(form.fields) :])
    raw = []
    for lane in form.lanes[: values[0]]:
        raw.append(lanes.raw(lane, rest[: len(lane.fields)]))
        rest = rest[len(lane.fields) :]
    return raw


def _show_lanes(shown: Sequence[dict[str, Any]]) -> list[Any]:
    updates: list[Any] = [len(shown), gr.update(visible=len(shown) < MOST_LANES)]
    for index in range(MOST_LANES):
        updates += lanes.show(shown[index] if index < len(shown) else None)
        updates.append(gr.update(interactive=len(shown) > 1))
    return updates


def fill_model(model: str) -> list[Any]:
    """Updates that follow a choice of model: what it is, and which fields it reads."""
    return [_about(model), *(gr.update(visible=_is_read(field, model)) for field in ("sequence_length", "input_scale"))]


def _is_read(field: str, model: str) -> bool:
    """Whether a model reads a field at all; those that it does not read are out of sight."""
    chosen = workloads.get_model(model)
    if field == "sequence_length":
        return chosen.longest_sequence is not None
    return field != "input_scale" or workloads.DATASETS[chosen.data].real_valued


def _about(model: str) -> str:
    """What a model and its data are. Of the registry's own words, so nothing needs escaping."""
    chosen = workloads.get_model(model)
    data = workloads.DATASETS[chosen.data]
    return f'<p title="{chosen.summary} {data.summary}"><b>{data.label}.</b> {chosen.summary}</p>'


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """The values of the form's fields for a config."""
    index = given["trace"]["index"]
    trace = {"trace_parameter": given["trace"]["parameter"], "trace_index": ", ".join(map(str, index or []))}
    return {**{field: value for field, value in given.items() if field in words.LABELS}, **trace}


def _read_index(text: str) -> list[Any] | None:
    parts = [part for part in text.replace("[", " ").replace("]", " ").replace(",", " ").split() if part]
    return [int(part) if part.isascii() and part.isdigit() else part for part in parts] or None
