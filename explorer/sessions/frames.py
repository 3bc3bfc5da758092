"""Events as a viewer's browser gets them: a frame, which carries what is new in columns.

A frame is one JSON object::

    {"from": 412, "to": 475,
     "lanes": {"0": {"step": 103, "loss": [2.30259, …], "scale": 65536, "skipped": [0, 1, …],
                     "grad_norm": [1.25, …], "step_ms": [6.125, …],
                     "bits":      {"step": [105, …], "weight": [1033476506, …], "update": [null, …], …},
                     "memory":    {"step": [100, …], "weights": [201768, …], …},
                     "updates":   {"step": [110, …], "unchanged_fraction": [0.25, …]},
                     "speed":     {"step": [110, …], "forward_ms": [2.1, …], …},
                     "eval":      {"step": [100, …], "loss": [2.2, …], "autocast_loss": [2.2, …]}},
               "0.1": {"step": 103, "loss": [2.31, …]}},
     "events": [every event that is not a step]}

``from`` and ``to`` are the numbers of the first and last event in it. A lane's steps follow one another, so ``step``
is the first one, and ``loss`` has an entry for each; the other columns are as long. ``scale`` is one number where it
stayed the same. What is sampled has a ``step`` column of its own. A column is absent where nothing is new in it:
``scale`` where it is null throughout, ``skipped`` where no step was skipped, ``memory`` where it is what it was
before. Losses have 6 significant digits, norms and durations of a step 4, samples 3; scale, bits and memory are exact.
Numbers that are not finite stay the strings of the events.

A burst over several seeds has each lane several times: the first seed's steps are the lane's own, and of seed 1, 2 …
there is the loss alone, under ``"0.1"``, ``"0.2"`` ….

The form was chosen by size: four lanes of a small network at 600 lane-steps a second are to fit 4 kB, ten times a
second. Objects that repeat each role's name took 1.9 kB for the bits alone, columns take 1.1. ``samples_per_s`` is
left out, being batch size over ``step_ms``, and a step's operations (``flop``), which are the same throughout.
Gradients, histograms, tables and a person's own text are left out too: a viewer who looks at them fetches them apart
(:mod:`explorer.sessions.samples`), and of the events that are nothing else there is the mere fact. Where a tenth of a
second brings more than 4 kB all the same, it goes out as two frames or more (:meth:`Encoder.frames`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from explorer.burst.events import Event, encode

DIGITS = {"loss": 6, "grad_norm": 4, "step_ms": 4}
"""Significant digits of a step's numbers on the wire; what is not here is exact."""

EVAL_DIGITS = 6
SAMPLE_DIGITS = 3
SCALED = {"scale_code": None, "scale_format": None, "amax": 4, "tensor_scale": 9}
"""What a traced element under a scale brings beside its code, with digits; nine tell any two float32 apart."""

LEFT_OUT = {"histogram", "flop"}
"""What a sample has that does not go out with it."""

FETCHED_APART = {"operations", "timeline"}
"""Types of the events of which a frame only says that there is one."""

LONGEST_TEXT = 40
"""Characters of a person's own text that a frame repeats."""


def compact(value: Any, digits: int | None = None) -> Any:
    """The number in as few characters as its digits need; anything else as it is."""
    if not isinstance(value, float):
        return value
    rounded = value if digits is None else float(f"{value:.{digits}g}")
    # Python writes 65536.0 and 1e-05 where JSON is as well served by 65536.
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


class Encoder:
    """Makes the frames of one run, in order.

    It remembers each lane's last memory, which is sent again only when it has changed. So one encoder serves
    viewers who have all seen the same events.
    """

    def __init__(self) -> None:
        self._memory: dict[int, dict[str, Any]] = {}

    def frames(
        self, lines: Sequence[str], events: Sequence[Event], limit: int
    ) -> Iterator[tuple[Sequence[Event], str]]:
        """The events in one frame, or halved until each frame has at most ``limit`` characters; with what it holds.

        A single event is never divided, however long.
        """
        before = dict(self._memory)
        frame = self.frame(lines, events)
        if len(frame) <= limit or len(events) == 1:
            yield events, frame
            return
        self._memory = before
        half = len(events) // 2
        yield from self.frames(lines[:half], events[:half], limit)
        yield from self.frames(lines[half:], events[half:], limit)

    def frame(self, lines: Sequence[str], events: Sequence[Event]) -> str:
        """The frame of one or more consecutive events, given as lines of JSON and as objects."""
        lanes: dict[tuple[int, int], list[Event]] = {}
        others = []
        for line, event in zip(lines, events, strict=True):
            if event["type"] == "step":
                lanes.setdefault((event["lane"], event.get("seed") or 0), []).append(event)
            else:
                others.append(_short(event) or line)
        parts = [f'{{"from":{events[0]["seq"]},"to":{events[-1]["seq"]}']
        if lanes:
            columns = {
                f"{lane}.{seed}" if seed else str(lane): _losses(steps) if seed else self._lane(lane, steps)
                for (lane, seed), steps in sorted(lanes.items())
            }
            parts.append(',"lanes":' + json.dumps(columns, allow_nan=False, separators=(",", ":")))
        if others:
            parts.append(f',"events":[{",".join(others)}]')
        parts.append("}")
        return "".join(parts)

    def _lane(self, lane: int, steps: list[Event]) -> dict[str, Any]:
        columns: dict[str, Any] = {"step": steps[0]["step"]}
        for name in ("loss", "scale", "grad_norm", "step_ms"):
            column = [compact(step.get(name), DIGITS.get(name)) for step in steps]
            if name == "loss" or any(value is not None for value in column):
                columns[name] = column
        if len(set(columns.get("scale", ()))) == 1:
            columns["scale"] = columns["scale"][0]
        skipped = [int(bool(step.get("skipped"))) for step in steps]
        if any(skipped):
            columns["skipped"] = skipped
        sampled = {
            "bits": [(step["step"], _codes(step["bits"])) for step in steps if step.get("bits")],
            "updates": _samples(steps, "updates"),
            "speed": _samples(steps, "speed"),
            "eval": _samples(steps, "eval", EVAL_DIGITS),
            "memory": list(self._changed_memory(lane, steps)),
        }
        columns.update({name: _columns(samples) for name, samples in sampled.items() if samples})
        return columns

    def _changed_memory(self, lane: int, steps: list[Event]) -> Iterable[tuple[int, dict[str, Any]]]:
        for step in steps:
            memory = step.get("memory")
            if memory and memory != self._memory.get(lane):
                self._memory[lane] = memory
                yield step["step"], memory


def _codes(bits: list[dict[str, Any]]) -> dict[str, Any]:
    """The code of each role; of an element under a scale also the scale's, and what else belongs to it."""
    codes: dict[str, Any] = {}
    for entry in bits:
        role = entry["role"]
        codes[role] = entry["code"]
        codes |= {f"{role}_{name}": compact(entry[name], SCALED[name]) for name in SCALED if name in entry}
    return codes


def _losses(steps: list[Event]) -> dict[str, Any]:
    """The columns of a further seed of a lane."""
    return {"step": steps[0]["step"], "loss": [compact(step["loss"], DIGITS["loss"]) for step in steps]}


def _short(event: Event) -> str | None:
    """A line of JSON in place of an event that is too long for a frame; None for one that goes out as it is."""
    if event["type"] in FETCHED_APART:
        return encode({name: event[name] for name in ("type", "run", "seq", "time", "lane")})
    text = event["config"].get("text") if event["type"] == "run_started" else None
    if text is not None and len(text) > LONGEST_TEXT:
        return encode({**event, "config": {**event["config"], "text": text[: LONGEST_TEXT - 1] + "…"}})
    return None


def _samples(steps: list[Event], field: str, digits: int = SAMPLE_DIGITS) -> list[tuple[int, dict[str, Any]]]:
    return [
        (step["step"], {name: compact(value, digits) for name, value in step[field].items() if name not in LEFT_OUT})
        for step in steps
        if step.get(field)
    ]


def _columns(samples: list[tuple[int, dict[str, Any]]]) -> dict[str, list[Any]]:
    """Samples as columns; one that a sample lacks is null there, and one that all lack is left out."""
    names = dict.fromkeys(name for _, sample in samples for name, value in sample.items() if value is not None)
    return {
        "step": [step for step, _ in samples],
        **{name: _column(name, [sample.get(name) for _, sample in samples]) for name in names},
    }


def _column(name: str, values: list[Any]) -> Any:
    """The values; the name of a format that stays the same is sent once."""
    return values[0] if name.endswith("_format") and len(set(values)) == 1 else values
