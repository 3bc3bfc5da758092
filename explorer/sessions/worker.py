"""The worker process, ``python -m explorer.sessions.worker``: imports torch once and runs one burst at a time.

It reads commands from standard input, one JSON object a line: ``{"run": id, "job": "burst" or "check", "config": {…}}``
and ``{"cancel": id, "kind": …, "message": …}``. It writes the events of the burst, or of the hardware check, as they
are, and beside them ``{"ready": {…}}`` once, ``{"idle": id}`` after each run, and ``{"failed": sentence}`` where it
cannot start.

It dies with the server: when standard input ends, even in the middle of a step, and on Linux by the kernel's hand.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import importlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, NoReturn

from explorer.burst.events import ENDINGS, Event, Stamp, encode
from explorer.errors import InputError
from explorer.sessions.deaths import crash_sentence
from explorer.sessions.pipe import LinePipe

LINUX_SET_PARENT_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of prctl(2)."""

log = logging.getLogger("explorer.worker")

RunBurst = Callable[[dict[str, Any], str], Iterator[Event]]


class Commands:
    """What the server says, read by a thread of its own so that a running step need not look."""

    def __init__(self) -> None:
        self.runs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._stop: dict[str, Any] | None = None

    def listen(self) -> None:
        """Read until the server is gone, then end the process at once."""
        for line in sys.stdin.buffer:
            command = json.loads(line)
            if "run" in command:
                self.runs.put(command)
            else:
                self._stop = command
        # Not sys.exit: a training step must not go on for a server that is no more, nor its tear-down take time.
        os._exit(0)

    def stop_of(self, run: str) -> dict[str, Any] | None:
        """The command to stop this run, if there is one."""
        stop = self._stop
        return stop if stop is not None and stop["cancel"] == run else None


def run_one(run: str, config: dict[str, Any], run_burst: RunBurst, commands: Commands, pipe: LinePipe) -> None:
    """Run a burst and send its events; whatever happens, the last one sent ends the run."""
    started = time.perf_counter()
    seq = 0

    def fail(kind: str, message: str) -> None:
        pipe.send(encode(Stamp(run, seq, started)("run_failed", kind=kind, message=message)), now=True)

    events = iter(())
    try:
        events = run_burst(config, run)
        for event in events:
            ending = event["type"] in ENDINGS
            pipe.send(encode(event), now=ending)
            if ending:
                return
            seq = event["seq"] + 1
            if stop := commands.stop_of(run):
                fail(stop["kind"], stop["message"])
                return
        raise RuntimeError("the burst stopped without an event that ends it")
    except InputError as error:
        fail("invalid", str(error))
    except MemoryError:
        log.exception("Run %s ran out of memory", run)
        fail("out-of-memory", "Memory ran out. Take a smaller model, a smaller batch or fewer lanes.")
    except Exception as error:
        log.exception("Run %s crashed", run)
        fail("crashed", crash_sentence(error))
    finally:
        getattr(events, "close", lambda: None)()


def warm_up(device: str) -> dict[str, Any]:
    """Import and measure what a first burst would wait for; what this machine is, for the server."""
    started = time.perf_counter()
    import torch

    from explorer import devices, recipes
    from explorer.burst import run_burst
    from explorer.recipes.support import support_of
    from explorer.workloads.imports import load_transformers

    load_transformers()
    # The transformer models load lazily, and most bursts want one; a first step opens the data and the kernels.
    importlib.import_module("transformers.models.gpt2.modeling_gpt2")
    step = {"model": "mlp", "steps": 1, "device": device, "lanes": [{"recipe": "fp16-amp"}]}
    for _ in run_burst(step):
        pass
    resolved = devices.resolve(device)
    return {
        "devices": devices.here(),
        "device": devices.describe(resolved),
        "recipes": {name: asdict(support_of(recipes.get(name), resolved)) for name in recipes.names()},
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - started, 3),
    }


def free_memory() -> bool:
    """Give back what a burst held, to the device too; False where the device no longer works."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return True
    try:
        # After an illegal access the CUDA context stays broken for the life of the process.
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError:
        log.exception("The GPU's context is broken")
        return False
    return True


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; Linux only, elsewhere standard input has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # It ended before the call.
            os._exit(0)


def named(spec: str) -> Any:
    """The object that ``module:name`` means."""
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name)


def leave() -> NoReturn:
    """End the process with status 1, without the interpreter's shutdown: it aborts while a thread reads stdin."""
    sys.stderr.flush()
    os._exit(1)


def main() -> NoReturn:
    """Run bursts until the server is gone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parent", type=int, required=True, help="process id of the server")
    parser.add_argument("--device", default="auto", help="the device to describe")
    parser.add_argument("--burst", default="explorer.burst:run_burst", help="module:function that runs a config")
    parser.add_argument("--check", default="explorer.hardware:run_check", help="module:function that checks the device")
    parser.add_argument("--warm", default="explorer.sessions.worker:warm_up", help="module:function called first")
    options = parser.parse_args()
    die_with(options.parent)
    faulthandler.enable()
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")

    # Whatever is printed, by us or by a library in C, goes to the log; the pipe is ours alone.
    pipe = LinePipe(os.dup(1))
    os.dup2(2, 1)
    commands = Commands()
    threading.Thread(target=commands.listen, name="commands", daemon=True).start()
    try:
        ready = named(options.warm)(options.device)
        jobs = {"burst": named(options.burst), "check": named(options.check)}
    except Exception as error:
        log.exception("The worker cannot start")
        pipe.send(json.dumps({"failed": str(error) or type(error).__name__}), now=True)
        leave()
    pipe.send(json.dumps({"ready": ready}), now=True)
    while True:
        command = commands.runs.get()
        run_one(command["run"], command["config"], jobs[command["job"]], commands, pipe)
        if not free_memory():
            leave()
        pipe.send(json.dumps({"idle": command["run"]}), now=True)


if __name__ == "__main__":
    main()
