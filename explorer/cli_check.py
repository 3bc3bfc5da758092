"""The command ``check``: what this machine can do and what to train in on it, measured here and recorded."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from explorer.burst.events import Event
from explorer.hardware import Result, parse_options, schema
from explorer.hardware.options import FORMATS, PARTS

INTERRUPTED = 130


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to a parser's sub-commands."""
    check = commands.add_parser("check", parents=[shared], help="what this machine can do, and what to train in on it")
    check.add_argument("--seconds", default="20", metavar="N", help="how long to measure (20)")
    check.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, or an accelerator such as cuda:1")
    check.add_argument("--formats", nargs="+", default=list(FORMATS), metavar="NAME",
                       help="whose products are timed, of " + ", ".join(FORMATS))  # fmt: skip
    check.add_argument("--parts", nargs="+", default=list(PARTS), metavar="NAME",
                       help="what is measured, of " + ", ".join(PARTS))  # fmt: skip
    check.add_argument("--json", action="store_true", help="print the result as one JSON object")
    check.add_argument("--schema", action="store_true", help="print the JSON Schema of that object instead")
    check.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the check; Ctrl-C ends it early and what it has measured is printed all the same."""
    if options.schema:
        print(json.dumps(schema(), indent=1))
        return 0
    asked = parse_options({"seconds": _number(options.seconds), "device": options.device,
                           "formats": options.formats, "parts": options.parts})  # fmt: skip
    # Imported here: refusing options should not wait for torch.
    from explorer.hardware.check import run_check
    from explorer.sessions.checks import Checks
    from explorer.sessions.store import default_folder

    folder = Path(options.data_dir).expanduser() if options.data_dir else default_folder()
    events = Checks(folder).record(asked, run_check)
    result = Result()
    interrupted = False
    try:
        for event in _shown(events):
            result.add(event)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        events.close()
    found = result.as_dict()
    if options.json:
        print(json.dumps(found))
    else:
        _print(found)
    return INTERRUPTED if interrupted else 0


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _shown(events: Iterable[Event]) -> Iterator[Event]:
    """The events, with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    events = iter(events)
    # What is refused is refused before the bar is drawn.
    yield next(events)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[times]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("looking at the devices", total=1.0, times="")
        for event in events:
            if event["type"] == "progress":
                times = f"{event['elapsed']:.0f} s, {event['remaining']:.0f} s left"
                progress.update(task, completed=event["fraction"], description=event["words"], times=times)
            yield event


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    # As in other listings: no box, and no line broken where the output is not a terminal.
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)

    def table(*columns: str) -> Table:
        return Table(*columns, box=None, pad_edge=False)

    for device in found["devices"]:
        console.print(_device_line(device), markup=False, soft_wrap=True)
    if found["formats"]:
        of_device = [row for row in found["formats"] if row["device"] == found["device"]]
        for support in ("native", "emulated", "missing"):
            names = [row["format"] for row in of_device if row["support"] == support]
            if names:
                console.print(f"{support} on {found['device']}: {', '.join(names)}", markup=False, soft_wrap=True)
    peaks = {row["format"]: row for row in (found["datasheet"] or {}).get("formats", ())}
    if found["matmul"]:
        rates = table("format", "GFLOP/s", "median", "m × n × k", "of the datasheet's peak")
        for row in found["matmul"]:
            peak = peaks.get(row["format"])
            share = f"{peak['share']:.0%} of {peak['peak_tflops']:g} TFLOP/s" if peak else ""
            shape = " × ".join(map(str, row["shape"]))
            rates.add_row(row["format"], f"{row['gflops']:.4g}", f"{row['median_gflops']:.4g}", shape, share)
        console.print()
        console.print(rates)
    if found["speedups"]:
        speed = table("recipe", "computes in", "products", "training step", "ms a step")
        steps = {row["recipe"]: row for row in found["training"]}
        for row in found["speedups"]:
            kernel = _times(row["kernel"]) if row["support"] == "native" else row["support"]
            step = f"{steps[row['recipe']]['step_ms']:.1f}"
            speed.add_row(row["recipe"], row["compute"], kernel, _times(row["training"]), step)
        console.print()
        console.print(speed)
    if found["bandwidth"]:
        console.print(f"\nmemory: {found['bandwidth']['gb_per_s']:.4g} GB/s read and written", markup=False)
    for entry in found["unavailable"]:
        console.print(entry["message"], markup=False, soft_wrap=True)
    if advice := found["advice"]:
        console.print(f"\nTrain in {advice['recipe']}. {advice['reason']}", markup=False, soft_wrap=True)
        if advice["runner_up"]:
            runner_up = advice["runner_up"]
            console.print(f"Runner-up: {runner_up['recipe']}. {runner_up['reason']}", markup=False, soft_wrap=True)
        for entry in advice["avoid"]:
            console.print(f"Not: {entry['recipe']}. {entry['reason']}", markup=False, soft_wrap=True)
    if not found["complete"]:
        console.print("\nStopped early: this is what was measured until then.", markup=False)


def _device_line(device: dict[str, Any]) -> str:
    parts = [device["name"], device["compute_capability"] and f"capability {device['compute_capability']}"]
    if device["type"] == "cpu":
        parts.append(f"{device['cores']} cores")
        if limit := device.get("cpu_limit"):
            parts.append(f"limited to {limit['cores']:g} by {limit['source']}")
        parts.append(" ".join(device["instructions"]))
    if device["memory_total"]:
        parts.append(f"{device['memory_total'] / 2**30:.1f} GiB")
    if device.get("driver"):
        parts.append(f"driver {device['driver']}")
    parts.append(f"torch {device['torch']} ({device['build']})")
    return f"{device['device']}: {', '.join(filter(None, parts))}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} ×"
