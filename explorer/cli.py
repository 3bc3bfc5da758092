"""The command line: ``burst`` runs a burst here, ``bits`` shows a number in every format, ``runs`` reads the store.

Bad input is one line on standard error and exit status 2; an interrupt is recorded and ends with status 130.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import signal
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from explorer import cli_check, cli_plan
from explorer.burst import PRESETS, BurstConfig, get_preset, parse_config
from explorer.burst.events import Event, encode
from explorer.errors import InputError
from explorer.formats import OVERFLOWS, ROUNDINGS
from explorer.formats import get as get_format
from explorer.formats.inspection import inspect
from explorer.sessions import RunRecord, Store, default_folder

BAD_INPUT, INTERRUPTED, FAILED = 2, 130, 1
"""Exit statuses; 130 is the shell's own for an interrupt (128 + SIGINT)."""

_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)

STEP_COLUMNS = ("lane", "seed", "step", "time", "loss", "scale", "skipped", "grad_norm", "step_ms", "samples_per_s")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}. Try {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(_with_negative_numbers(sys.argv[1:] if arguments is None else arguments))
    try:
        return options.command(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough; point stdout elsewhere so that closing it is quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _with_negative_numbers(arguments: Sequence[str]) -> list[str]:
    """Mark ``-2^-14`` and ``-inf`` by a space: argparse would take them for options."""
    return [f" {each}" if _NEGATIVE.match(each) else each for each in arguments]


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data-dir", type=Path, metavar="FOLDER", help=f"where runs are kept ({default_folder()})")

    parser = _Parser(prog="python -m explorer", description="Short mixed-precision training bursts, watched closely.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    burst = commands.add_parser("burst", parents=[shared], help="train a burst here and record it")
    source = burst.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", metavar="FILE", help="a JSON config, or - for standard input")
    source.add_argument("--preset", metavar="NAME", help="one of " + ", ".join(PRESETS))
    burst.add_argument("--device", metavar="NAME", help="auto, cpu, or an accelerator such as cuda or cuda:1")
    burst.add_argument("--jsonl", action="store_true", help="print the events, one a line")
    burst.set_defaults(command=_burst)

    bits = commands.add_parser("bits", help="show a number in every format, to the bit")
    bits.add_argument("value", metavar="VALUE", help="0.1, 1e-5, 2^-14, nan, -inf; 0x… or 0b… for a code of --format")
    bits.add_argument("--format", nargs="+", action="extend", default=[], metavar="NAME",
                      help="one or more formats (all of single numbers)")  # fmt: skip
    bits.add_argument("--rounding", default=ROUNDINGS[0], metavar="NAME", help="one of " + ", ".join(ROUNDINGS))
    bits.add_argument("--overflow", default=OVERFLOWS[0], metavar="NAME", help="one of " + ", ".join(OVERFLOWS))
    bits.add_argument("--seed", type=int, help="of the random bits of stochastic rounding")
    bits.add_argument("--json", action="store_true", help="print a JSON list")
    bits.set_defaults(command=_bits)

    cli_check.add(commands, shared)
    cli_plan.add(commands)

    runs = commands.add_parser("runs", help="list, show and export recorded runs")
    actions = runs.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser)
    listing = actions.add_parser("list", parents=[shared], help="the latest runs, a line each")
    listing.add_argument("--json", action="store_true", help="print a JSON list")
    listing.set_defaults(command=_list)
    show = actions.add_parser("show", parents=[shared], help="one run: what was asked and how it ended")
    show.add_argument("run", metavar="ID")
    show.add_argument("--json", action="store_true", help="print a JSON object")
    show.set_defaults(command=_show)
    export = actions.add_parser("export", parents=[shared], help="a run's events, to standard output")
    export.add_argument("run", metavar="ID")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="all events, or the steps as CSV")
    export.set_defaults(command=_export)
    return parser


def _bits(options: argparse.Namespace) -> int:
    rows = inspect(options.value, options.format, options.rounding, options.overflow, options.seed)
    if options.json:
        print(json.dumps(rows))
        return 0
    from rich.console import Console
    from rich.table import Table

    # Rows one may copy out of: no box, and the table as wide as its bits even where that is wider than the window.
    table = Table("format", "bits", "code", "value", "kind", "relative error", "ulp", box=None, pad_edge=False)
    for row in rows:
        spec = get_format(row["format"])
        parts = (row["bits"][: spec.signed], row["bits"][spec.signed :][: spec.exponent_bits],
                 row["bits"][len(row["bits"]) - spec.mantissa_bits :])  # fmt: skip
        error, ulp = row["relative_error"], row["ulp"]
        table.add_row(
            row["format"],
            " ".join(filter(None, parts)),
            row["hex"],
            _figure(row["value"], 9),
            row["kind"],
            "" if error is None else "exact" if error == 0 else _figure(error, 3),
            "" if ulp is None else _figure(ulp, 4),
        )
    width = 0 if sys.stdout.isatty() else 200
    Console(width=width or None, soft_wrap=True).print(table)
    return 0


def _burst(options: argparse.Namespace) -> int:
    config = _config(options)
    # Imported here: they load torch, which listing runs or refusing a config should not wait for.
    from explorer import devices
    from explorer.sessions import record

    devices.resolve(config.device)
    with contextlib.closing(Store(options.data_dir)) as store:
        events = _until_interrupted(store, record(store, config))
        return _print_lines(events) if options.jsonl else _show_progress(config, events)


def _config(options: argparse.Namespace) -> BurstConfig:
    asked = _read(options.config) if options.preset is None else get_preset(options.preset).settings
    config = parse_config(asked)
    if options.device is not None:
        config = parse_config({**config.as_json(), "device": options.device})
    return config


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InputError(
            "--config", name, "a file that can be read", sentence=f"--config: {name}: {error.strerror}."
        ) from None


def _until_interrupted(store: Store, events: Generator[Event]) -> Iterator[Event]:
    """The events up to an interrupt, which is acted on between two of them, and then the one that records it.

    A second interrupt does not wait for the step in hand.
    """
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        for event in events:
            yield event
            if asked:
                events.close()
                yield from map(json.loads, store.events(event["run"], after=event["seq"]))
                return
    finally:
        signal.signal(signal.SIGINT, before)


def _print_lines(events: Iterable[Event]) -> int:
    ending = {}
    for event in events:
        print(encode(event), flush=True)
        ending = event
    return _status(ending)


def _show_progress(config: BurstConfig, events: Iterable[Event]) -> int:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    lanes: dict[int, dict[str, Any]] = {}
    said: dict[tuple[int, str], str] = {}
    ending: Event = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        steps_of_lane = config.steps * config.seeds
        task = progress.add_task(f"{config.model} on {config.data}", total=steps_of_lane * len(config.lanes))
        for event in events:
            ending = event
            if event["type"] == "run_started":
                lanes = dict(enumerate(event["lanes"]))
            elif event["type"] == "step":
                progress.advance(task)
                lanes[event["lane"]].setdefault("first_loss", event["loss"])
            elif event["type"] == "diagnosis":
                said[event["lane"], event["code"]] = event["sentence"]
            elif event["type"] == "lane_finished":
                lanes[event["lane"]].update(event)
                progress.advance(task, steps_of_lane - event["steps"])
    if ending.get("type") == "run_finished":
        _print_table(lanes, said)
    print(f"run {ending['run']}: {ending.get('message') or 'recorded'}")
    return _status(ending)


def _print_table(lanes: dict[int, dict[str, Any]], said: dict[tuple[int, str], str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    seeds = max(lane.get("seeds", 1) for lane in lanes.values())
    last_loss = "last loss" if seeds == 1 else f"last loss, {seeds} seeds"
    table = Table("lane", "recipe", "first loss", last_loss, "skipped", "ms a step")
    for lane in lanes.values():
        table.add_row(
            escape(lane["name"]),
            f"{lane['recipe']} ({lane['support']})",
            _figure(lane["first_loss"]),
            _with_deviation(lane),
            str(lane["skipped"]),
            f"{lane['seconds'] / lane['steps'] * 1e3:.1f}",
        )
    console = Console()
    console.print(table)
    for index, lane in lanes.items():
        sentences = " ".join(sentence for (at, _), sentence in said.items() if at == index)
        sentences = " ".join(filter(None, (sentences, lane.get("message"))))
        console.print(f"[bold]{escape(lane['name'])}[/bold]: {escape(sentences)}", highlight=False)


def _with_deviation(lane: dict[str, Any]) -> str:
    """The lane's last loss; over several seeds their mean and standard deviation."""
    deviation = lane.get("loss_deviation")
    return _figure(lane["loss"]) + ("" if deviation is None else f" ± {_figure(deviation, 2)}")


def _figure(value: float | str, digits: int = 4) -> str:
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def _status(ending: Event) -> int:
    if ending.get("type") == "run_finished":
        return 0
    return INTERRUPTED if ending.get("kind") == "cancelled" else FAILED


def _recorded(store: Store, run: str) -> RunRecord:
    found = store.get(run)
    if found is None:
        raise InputError("run", run, "the id of a recorded run; python -m explorer runs list shows them")
    return found


def _described(record: RunRecord) -> dict[str, Any]:
    return {
        "run": record.id,
        "state": record.state,
        "created": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="seconds"),
        "step": record.steps_done,
        "steps": record.steps,
        "message": record.message,
        "config": record.config,
    }


def _list(options: argparse.Namespace) -> int:
    with contextlib.closing(Store(options.data_dir)) as store:
        runs = [_described(record) for record in store.list()]
    if options.json:
        print(json.dumps(runs))
        return 0
    for run in runs:
        lanes = ", ".join(lane["recipe"] for lane in run["config"]["lanes"])
        print(f"{run['run']}  {run['created']}  {run['state']:<11}  {run['config']['model']}: {lanes}")
    return 0


def _show(options: argparse.Namespace) -> int:
    with contextlib.closing(Store(options.data_dir)) as store:
        run = _described(_recorded(store, options.run))
    if options.json:
        print(json.dumps(run))
        return 0
    print(f"run {run['run']}, {run['created']}: {run['state']}, step {run['step']} of {run['steps']}")
    if run["message"]:
        print(run["message"])
    print(json.dumps(run["config"], indent=1))
    return 0


def _export(options: argparse.Namespace) -> int:
    with contextlib.closing(Store(options.data_dir)) as store:
        lines = store.iterate(_recorded(store, options.run).id)
        if options.format == "jsonl":
            for line in lines:
                print(line)
        else:
            rows = csv.DictWriter(sys.stdout, STEP_COLUMNS, extrasaction="ignore", lineterminator="\n")
            rows.writeheader()
            rows.writerows(event for event in map(json.loads, lines) if event["type"] == "step")
    return 0
