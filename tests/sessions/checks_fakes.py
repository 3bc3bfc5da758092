"""A hardware check that needs no torch and takes the seconds that it is given."""

import time

from explorer.burst.events import Stamp

DEVICE = {"device": "cpu", "type": "cpu", "name": "a CPU"}
FORMATS = [{"device": "cpu", "format": "fp32", "support": "native", "how": "so it is"}]


def run_check(options, run):
    stamp = Stamp(run)
    seconds = options["seconds"] if isinstance(options, dict) else options.seconds
    yield stamp("check_started", options=options, device="cpu", versions={})
    yield stamp("devices", devices=[DEVICE], formats=FORMATS)
    until = time.monotonic() + seconds
    gflops = 1.0
    while time.monotonic() < until:
        yield stamp("matmul", device="cpu", format="fp32", gflops=gflops, shape=[1, 2, 3])
        yield stamp("progress", part="matmul", words="multiplying", fraction=0.5, elapsed=0.1, remaining=0.1)
        gflops += 1
        time.sleep(0.02)
    yield stamp("run_finished", seconds=stamp.elapsed())
