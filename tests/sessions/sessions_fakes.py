"""A burst that needs no torch and does as it is told, for worker processes that are really started and killed.

The first lane's name is the script: ``step=0.01`` seconds a step, and at a step of lane 0 ``at=5`` one of
``do=hang|crash|invalid|memory|segfault|exit|print|torn|stop``.
"""

import os
import random
import signal
import sys
import time

from explorer.burst.events import Stamp
from explorer.errors import InputError

ROLES = {
    "fp32": ("weight", "gradient", "update"),
    "bf16-amp": ("weight", "compute", "gradient", "update"),
    "fp16-amp": ("weight", "compute", "scaled_gradient", "gradient", "update"),
}
MEMORY = {"weights": 201768, "master_weights": 0, "gradients": 201768, "optimizer": 403536, "activations": 98304,
          "cast_cache": 100884, "total": 1006260}  # fmt: skip


def config(script="", steps=20, lanes=1, **more):
    """A config that runs this script."""
    recipes = ("fp32", "bf16-amp", "fp16-amp", "fp16-amp")[:lanes]
    return {"model": "mlp", "steps": steps, "lanes": [{"recipe": r, "name": script or "none"} for r in recipes], **more}


def warm_up(device):
    if os.environ.get("FAKE_WARM_UP") == "fails":
        raise RuntimeError("no torch here")
    return {"devices": ["cpu"], "device": {"device": "cpu", "half": {"bf16": {"how": "native"}}}, "torch": "fake"}


def step_fields(recipe, index, draw):
    """What a real burst of a small network says of a step."""
    step_ms = draw.lognormvariate(0.4, 0.2)
    fields = {"loss": draw.lognormvariate(-2, 1), "scale": 65536.0 if recipe == "fp16-amp" else None, "skipped": False,
              "grad_norm": draw.lognormvariate(-1, 1), "step_ms": round(step_ms, 4),
              "samples_per_s": round(64000 / step_ms, 2)}  # fmt: skip
    if index % 10 == 0:
        fields["memory"] = dict(MEMORY)
        bins = {"low": -40, "counts": [draw.randrange(5000) for _ in range(60)]}
        fields["gradients"] = {"histogram": bins, "zero_fraction": draw.random(),
                               "subnormal_fraction": draw.random() / 100, "nonfinite_fraction": 0.0,
                               "lost_fraction": draw.random() / 100, "weights_histogram": bins,
                               "layers": {f"layer {at}": [draw.random(), 0.0, 0.0] for at in range(3)}}  # fmt: skip
        fields["updates"] = {"unchanged_fraction": draw.random(), "histogram": bins}
        fields["speed"] = {"forward_ms": draw.random(), "backward_ms": draw.random(), "optimizer_ms": draw.random(),
                           "flop": 5_062_656, "gflops": draw.random(), "matmul_share": draw.random()}  # fmt: skip
    if index % 3 == 1:
        fields["bits"] = [
            {"role": role, "format": "fp16" if role in ("compute", "scaled_gradient") else "fp32",
             "code": draw.randrange(2**16) if role in ("compute", "scaled_gradient") else draw.randrange(2**29, 2**32)}
            for role in ROLES[recipe]
        ]  # fmt: skip
    return fields


def events(config, run, sleep=time.sleep, act=lambda what: None):
    """The events of a burst as the contract has them."""
    stamp, draw = Stamp(run), random.Random(config["seed"])
    script = dict(part.split("=") for part in config["lanes"][0]["name"].split() if "=" in part)
    yield stamp("run_started", config=config, device={"device": "cpu"}, versions={}, trace={}, lanes=config["lanes"])
    for index in range(config["steps"]):
        if index == int(script.get("at", -1)):
            act(script["do"])
            if script["do"] == "stop":
                return
        sleep(float(script.get("step", 0)))
        for lane, settings in enumerate(config["lanes"]):
            yield stamp("step", lane=lane, step=index, **step_fields(settings["recipe"], index, draw))
    for lane in range(len(config["lanes"])):
        yield stamp("lane_finished", lane=lane, reason="done", steps=config["steps"], loss=0.1, skipped=0, seconds=1.0)
    yield stamp("run_finished", seconds=1.0)


def run_burst(config, run):
    """For the worker: the script may do its worst."""
    yield from events(config, run, act=misbehave)


def misbehave(what):
    time.sleep(0.05)
    if what == "hang":
        time.sleep(600)
    elif what == "crash":
        raise RuntimeError("index 7 is out of range")
    elif what == "invalid":
        raise InputError("trace.parameter", "nowhere", "the name of a parameter")
    elif what == "memory":
        raise MemoryError
    elif what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "exit":
        os._exit(7)
    elif what == "print":
        print("a stray print")
        os.write(1, b'{"type": "nonsense"}\n')
        sys.stdout.flush()
    elif what == "torn":
        # The pipe's own descriptor is the one that is a pipe and is none of the standard three.
        pipe = next(fd for fd in range(3, 50) if _is_pipe(fd))
        os.write(pipe, b'{"type":"step","run":"half a li')
        os.kill(os.getpid(), signal.SIGKILL)


def _is_pipe(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:")
    except OSError:
        return False
