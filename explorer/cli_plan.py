"""The command ``plan``: the memory of training a model, recipe by recipe, without loading it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from explorer.errors import InputError
from explorer.planner import parse_request
from explorer.planner.cards import cards, verdict
from explorer.planner.request import ATTENTIONS, DEVICES, OPTIMIZERS, SHARDINGS, model_names

GIB = 2**30
COLUMNS = ("weights", "master_weights", "gradients", "optimizer", "activations", "cast_cache", "total")


def add(commands: Any) -> None:
    """Add the command to a parser's sub-commands."""
    plan = commands.add_parser(
        "plan", help="what training a model takes in memory, recipe by recipe, without loading it"
    )
    source = plan.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", metavar="NAME", help="hub:<id> or one of " + ", ".join(model_names()))
    source.add_argument("--config", metavar="FILE", help="a config.json of Transformers, or - for standard input")
    plan.add_argument("--recipe", nargs="+", action="extend", metavar="NAME", help="one or more recipes (all)")
    plan.add_argument("--batch", metavar="N", help="sequences or images a GPU takes at a time")
    plan.add_argument("--sequence", metavar="N", help="tokens in each sequence")
    plan.add_argument("--optimizer", default="adamw", metavar="NAME", help="one of " + ", ".join(OPTIMIZERS))
    plan.add_argument("--gpus", default="1", metavar="N", help="GPUs that share the work (1)")
    plan.add_argument("--sharding", default="none", metavar="NAME", help="one of " + ", ".join(SHARDINGS))
    plan.add_argument("--checkpointing", action="store_true", help="compute each layer again in backward")
    plan.add_argument("--attention", default="sdpa", metavar="NAME", help="one of " + ", ".join(ATTENTIONS))
    plan.add_argument("--device", default="auto", metavar="NAME", help="whose rules count: " + ", ".join(DEVICES))
    plan.add_argument("--json", action="store_true", help="print one JSON object, in bytes")
    plan.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    request = parse_request({
        "model": options.model,
        "config": None if options.config is None else _read(options.config),
        "recipes": options.recipe,
        "batch": _number(options.batch),
        "sequence": _number(options.sequence),
        "optimizer": options.optimizer,
        "gpus": _number(options.gpus),
        "sharding": options.sharding,
        "checkpointing": options.checkpointing,
        "attention": options.attention,
        "device": options.device,
    })  # fmt: skip
    # Imported here: refusing a request should not wait for torch.
    from explorer.planner.planning import plan

    found = plan(request)
    if options.json:
        print(json.dumps(found))
    else:
        _print(found)
    return 0


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        sentence = f"--config: {name}: {error.strerror}."
        raise InputError("--config", name, "a file that can be read", sentence=sentence) from None
    return data.decode("utf-8", "replace")


def _number(text: str | None) -> Any:
    """The whole number that a text is; the text itself where it is none, for the request to refuse."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return text


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    size = f"batch {found['batch']}" + (f" × {found['sequence']} tokens" if found["sequence"] else "")
    shared = "" if found["gpus"] == 1 else f", on each of {found['gpus']} GPUs ({found['sharding']})"
    console.print(f"[bold]{escape(found['label'])}[/bold]: {found['parameters']:,} parameters; {size}, "
                  f"{found['optimizer']}{shared}; GiB", highlight=False)  # fmt: skip
    table = Table("recipe", *(each.replace("_", " ") for each in COLUMNS), "smallest card", box=None, pad_edge=False)
    for name, parts in found["recipes"].items():
        table.add_row(name, *(f"{parts[each] / GIB:.3g}" for each in COLUMNS), _card(parts["total"]))
    console.print(table)
    if found["guide"]:
        console.print(found["guide"]["reason"], highlight=False)


def _card(total: int) -> str:
    """The smallest card that the plan fits in."""
    for card in cards():
        if verdict(total, card["memory"]) == "fits":
            return f"{card['memory'] // GIB} GB: {card['names'][0]}"
    return "none"
