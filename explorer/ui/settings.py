"""The sidebar's form: its components, the config that their values make, and their values for a config."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer import workloads
from explorer.burst.config import LONGEST_TEXT, MOST_LANES, OPTIMIZERS, BurstConfig
from explorer.burst.schedule import SCHEDULES
from explorer.errors import InputError
from explorer.ui import lanes, words
from explorer.ui.lanes import LaneForm, Supports, plain_number

NUMBERS = ("steps", "batch_size", "accumulation_steps", "sequence_length", "learning_rate", "warmup_steps", "seed",
           "seeds", "loss_weight", "input_scale", "weight_gain", "weight_decay", "eps")  # fmt: skip
"""Fields that cannot be left empty."""

MAY_BE_EMPTY = ("clip_norm", "eval_every")
CHOICES = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}
DEPEND_ON_WORKLOAD = ("text", "sequence_length", "input_scale")
"""Fields that some models or data do not read; they are out of sight then."""


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
        return [self.about, self.fields["data"], *(self.fields[field] for field in DEPEND_ON_WORKLOAD)]

    @property
    def data_outputs(self) -> list[Any]:
        """The components that :func:`fill_data` updates, in its order."""
        return [self.about, *(self.fields[field] for field in DEPEND_ON_WORKLOAD)]


def build(config: BurstConfig) -> Form:
    """Lay out the settings, filled with a config."""
    values = _values(config.as_json())
    fields: dict[str, gr.components.Component] = {}

    def number(field: str, *, hint: bool = False, placeholder: str | None = None) -> None:
        visible = _is_read(field, config.model, config.data)
        help_text = words.HELP.get(field) if hint else None
        fields[field] = gr.Number(
            values[field], label=words.LABELS[field], info=help_text, step=None, visible=visible, min_width=80,
            placeholder=placeholder,
        )  # fmt: skip

    def choice(field: str) -> None:
        fields[field] = gr.Dropdown(
            list(CHOICES[field]), value=values[field], label=words.LABELS[field], filterable=False, min_width=80
        )

    models = [(model.label, model.name) for model in workloads.MODELS.values()]
    fields["model"] = gr.Dropdown(models, value=config.model, label=words.LABELS["model"], allow_custom_value=True)
    fields["data"] = gr.Dropdown(**_data_choice(config.model, config.data), label=words.LABELS["data"],
                                 filterable=False)  # fmt: skip
    about = gr.HTML(_about(config.model, config.data), elem_classes="about", padding=False)
    with gr.Row():
        number("steps")
        number("batch_size")
        number("sequence_length")
    with gr.Row():
        choice("optimizer")
        number("learning_rate")
        number("clip_norm", placeholder="none")
    with gr.Column(elem_classes="lane-forms"):
        gr.HTML("<h2>Lanes</h2>", padding=False)
        given = config.as_json()["lanes"]
        forms = [lanes.build(index, given[index] if index < len(given) else None) for index in range(MOST_LANES)]
        add = gr.Button("+ add a lane", size="sm", visible=len(given) < MOST_LANES, elem_classes="lane-add")
    with gr.Accordion("Advanced", open=False, elem_classes="advanced"):
        fields["text"] = gr.Textbox(
            values["text"],
            label=words.LABELS["text"],
            info=words.HELP["text"],
            placeholder="the usual text",
            lines=2,
            max_lines=6,
            max_length=LONGEST_TEXT,
            visible=_is_read("text", config.model, config.data),
            elem_classes="own-text",
        )
        with gr.Row():
            choice("schedule")
            number("warmup_steps")
            number("accumulation_steps")
        with gr.Row():
            number("seed")
            number("seeds")
            number("eval_every", placeholder="never")
        for field in ("loss_weight", "input_scale", "weight_gain"):
            number(field, hint=True)
        with gr.Row():
            number("weight_decay")
            number("eps")
            fields["device"] = gr.Dropdown(
                ["auto", "cpu", "cuda"], value=config.device, label=words.LABELS["device"], allow_custom_value=True,
                min_width=80,
            )  # fmt: skip
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
    model, data = (given["model"] or "").strip(), given["data"]
    for field in NUMBERS:
        if given[field] is None and _is_read(field, model, data):
            sentence = f"{field}: is empty, but takes {words.accepted(field)}."
            raise InputError(field, None, words.accepted(field), sentence=sentence)
    config = {field: plain_number(given[field]) for field in NUMBERS if _is_read(field, model, data)}
    config |= {field: given[field] for field in (*CHOICES, "device")}
    config |= {field: plain_number(given[field]) or None for field in MAY_BE_EMPTY}
    config["model"] = model
    if len(_datasets(model)) > 1:
        config["data"] = data
    if given["text"] and _is_read("text", model, data):
        config["text"] = given["text"]
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


def fill(form: Form, config: BurstConfig, support: Supports | None = None) -> list[Any]:
    """Updates of :attr:`Form.outputs` that show a config."""
    given = config.as_json()
    values = _values(given)
    fields = []
    for field in form.fields:
        if field == "data":
            fields.append(gr.update(**_data_choice(config.model, config.data)))
        elif field in DEPEND_ON_WORKLOAD:
            fields.append(gr.update(value=values[field], visible=_is_read(field, config.model, config.data)))
        else:
            fields.append(values[field])
    shown = [lanes.from_config(lane) for lane in given["lanes"]]
    return [_about(config.model, config.data), *fields, *_show_lanes(shown, support)]


def mark(form: Form, config: BurstConfig, support: Supports | None) -> list[Any]:
    """Updates of :attr:`Form.outputs` that mark the recipes as native or emulated, and touch no value."""
    about = {lane.about: settings.recipe for lane, settings in zip(form.lanes, config.lanes, strict=False)}
    return [lanes.about_recipe(about[each], support) if each in about else gr.skip() for each in form.outputs]


def add_lane(form: Form, values: Sequence[Any], support: Supports | None = None) -> list[Any]:
    """Updates of :attr:`Form.lane_outputs` that show one lane more."""
    return _show_lanes([*_raw_lanes(form, values), lanes.fresh()], support)


def remove_lane(form: Form, values: Sequence[Any], support: Supports | None = None, *, index: int) -> list[Any]:
    """Updates of :attr:`Form.lane_outputs` after a lane was taken away; those behind it move up."""
    kept = _raw_lanes(form, values)
    return _show_lanes(kept[:index] + kept[index + 1 :], support)


def _raw_lanes(form: Form, values: Sequence[Any]) -> list[dict[str, Any]]:
    """The values of the lanes in use, as they stand in the form, right or wrong."""
    rest = list(values[1 + len(form.fields) :])
    raw = []
    for lane in form.lanes[: values[0]]:
        raw.append(lanes.raw(lane, rest[: len(lane.fields)]))
        rest = rest[len(lane.fields) :]
    return raw


def _show_lanes(shown: Sequence[dict[str, Any]], support: Supports | None = None) -> list[Any]:
    updates: list[Any] = [len(shown), gr.update(visible=len(shown) < MOST_LANES)]
    for index in range(MOST_LANES):
        updates += lanes.show(shown[index] if index < len(shown) else None, support)
        updates.append(gr.update(interactive=len(shown) > 1))
    return updates


def fill_model(model: str) -> list[Any]:
    """Updates of :attr:`Form.model_outputs` after another model was chosen: what it is, and which fields it reads."""
    data = next(iter(_datasets(model)), None)
    return [_about(model, data), gr.update(**_data_choice(model, data)), *_read_fields(model, data)]


def fill_data(model: str, data: str) -> list[Any]:
    """Updates of :attr:`Form.data_outputs` after other data was chosen."""
    return [_about(model, data), *_read_fields(model, data)]


def _read_fields(model: str, data: str | None) -> list[Any]:
    return [gr.update(visible=_is_read(field, model, data)) for field in DEPEND_ON_WORKLOAD]


def _model(name: str) -> workloads.Model | None:
    """The model of that name, which a person may have typed; None where there is none."""
    try:
        return workloads.accepts((name or "").strip())
    except InputError:
        return None


def _datasets(model: str) -> tuple[str, ...]:
    """The data that a model can be trained on, the usual first."""
    chosen = _model(model)
    return tuple(dict.fromkeys((chosen.data, *chosen.datasets))) if chosen else ()


def _data_choice(model: str, data: str | None) -> dict[str, Any]:
    """Choices, value and visibility of the field of the data: out of sight where there is nothing to choose."""
    names = _datasets(model)
    choices = [(workloads.DATASETS[name].label, name) for name in names]
    return {"choices": choices, "value": data if data in names else None, "visible": len(names) > 1}


def _is_read(field: str, model: str, data: str | None) -> bool:
    """Whether a model and its data read a field at all; those that they do not read are out of sight."""
    chosen = _model(model)
    if chosen is None or field not in DEPEND_ON_WORKLOAD:
        return True
    if field == "sequence_length":
        return chosen.longest_sequence is not None
    data = data if data in chosen.datasets else chosen.data
    return data == "text" if field == "text" else workloads.DATASETS[data].real_valued


def _about(model: str, data: str | None) -> str:
    """What a model and its data are; a person may have typed the model's name, so it is escaped."""
    try:
        chosen = workloads.accepts((model or "").strip())
    except InputError as error:
        return f"<p>{html.escape(str(error))}</p>"
    dataset = workloads.DATASETS[data if data in chosen.datasets else chosen.data]
    title = html.escape(f"{chosen.summary} {dataset.summary} {words.HELP['model']}")
    return f'<p title="{title}"><b>{html.escape(dataset.label)}.</b> {html.escape(chosen.summary)}</p>'


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """The values of the form's fields for a config."""
    index = given["trace"]["index"]
    trace = {"trace_parameter": given["trace"]["parameter"], "trace_index": ", ".join(map(str, index or []))}
    fields = {field: value for field, value in given.items() if field in words.LABELS}
    return {**fields, "text": given["text"] or "", **trace}


def _read_index(text: str) -> list[Any] | None:
    parts = [part for part in text.replace("[", " ").replace("]", " ").replace(",", " ").split() if part]
    return [int(part) if part.isascii() and part.isdigit() else part for part in parts] or None
