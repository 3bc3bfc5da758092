"""How long the parts of a step take, and what rate of computing that comes to.

The floating-point operations of a step are counted by PyTorch's ``FlopCounterMode``: two for each multiplication and
addition of every matrix product, convolution and attention, forward and backward, nothing for all else. They do not
change from step to step, so they are counted once, in a step that is not timed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from explorer import devices
from explorer.burst.instrument import TYPICAL_STEP, Instrument

if TYPE_CHECKING:
    from explorer.burst.lane import Lane
    from explorer.workloads.build import Batch


class Speed(Instrument):
    """Milliseconds of the parts of a step, and the rate.

    ``forward_ms`` (the loss included), ``backward_ms`` and ``optimizer_ms`` (unscaling and clipping included), sums
    over the micro-batches of a step; ``flop``, the floating-point operations of the step; ``gflops``, 10⁹ of them a
    second over the three parts together; ``matmul_share``, that over the rate which this device reached in the products
    of one attention block in the same format and on the same kernels (:mod:`explorer.devices.half`), null where no such
    rate was measured. The last three are null where the operations were not counted. On CUDA the times are the
    stream's, taken by events.

    Steps that another of the interval's instruments looks at are left alone: what it does would be timed.

    Parameters
    ----------
    lane : Lane
        What is timed.
    every : int
        Steps from one timing to the next.
    flop : callable
        Gives the floating-point operations of a step, or None where they are not known.
    """

    name = "speed"

    def __init__(self, lane: Lane, every: int, flop: Callable[[], int | None]) -> None:
        super().__init__(lane, every)
        self._flop = flop
        self._clock = _clock(lane.device)

    def samples(self, step: int, steps: int) -> bool:
        """Between two samples of the others, and the first step that is both typical and not watched by all of them."""
        return step == TYPICAL_STEP + 1 or step % self.every == self.every // 2

    def prepare(self, batch: Batch, step: int) -> None:
        """Measure the device's own rate before the first timing."""
        self._rate = matmul_gflops(self.lane)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Take the times at which the step and each forward pass begin, and at which the step ends."""
        self._moments: list[tuple[str, Any]] = [("forward", self._clock.now())]
        begins = self.lane.model.register_forward_pre_hook(self._begin_forward)
        try:
            yield
        finally:
            begins.remove()
        self._begin("end")

    def after_forward(self) -> None:
        """Backward begins."""
        self._begin("backward")

    def after_backward(self) -> None:
        """The optimizer begins."""
        self._begin("optimizer")

    def reading(self) -> dict[str, float | int | None]:
        """Times and rates."""
        parts = dict.fromkeys(("forward", "backward", "optimizer"), 0.0)
        for (part, start), (_, end) in zip(self._moments, self._moments[1:], strict=False):
            parts[part] += self._clock.milliseconds(start, end)
        flop, total = self._flop(), sum(parts.values())
        gflops = flop / total / 1e6 if flop and total else None
        return {
            **{f"{part}_ms": round(milliseconds, 4) for part, milliseconds in parts.items()},
            "flop": flop,
            "gflops": gflops and round(gflops, 4),
            "matmul_share": gflops / self._rate if gflops and self._rate else None,
        }

    def _begin(self, part: str) -> None:
        self._moments.append((part, self._clock.now()))

    def _begin_forward(self, *_: object) -> None:
        # The first forward pass began with the step.
        if self._moments[-1][0] != "forward":
            self._begin("forward")


class _HostClock:
    """Reads the host's time, once the device has done what it was given."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> float:
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)
        return time.perf_counter()

    def milliseconds(self, start: float, end: float) -> float:
        return (end - start) * 1e3


class _StreamClock:
    """Puts marks into CUDA's stream, which hold up nothing; they can be read when the step is over."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def milliseconds(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        end.synchronize()
        return start.elapsed_time(end)


def _clock(device: torch.device) -> _HostClock | _StreamClock:
    return _StreamClock(device) if device.type == "cuda" else _HostClock(device)


def matmul_gflops(lane: Lane) -> float | None:
    """The measured rate of products in the lane's compute format on its device, 10⁹ operations a second.

    None where the format has no products that are measured: TF32, FP8 and block formats.
    """
    if lane.precision.recipe.compute == "fp32":
        return devices.float32_gflops(lane.device)
    if lane.precision.compute is torch.float32:
        return None
    found = devices.measured(lane.device).of(lane.precision.compute)
    return found.native_gflops if found.how == "native" else found.emulated_gflops


def _attention_flop(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward_flop(grad: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flop,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flop,
}
"""The CPU's fused attention, which PyTorch's counter does not know; counted as it counts CUDA's, causal or not."""


def flop_counter() -> FlopCounterMode:
    """A context that counts the floating-point operations inside of it; ``get_total_flops()`` gives the sum."""
    return FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION)
