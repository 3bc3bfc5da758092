"""How fast a device multiplies matrices in a format: the rate found by a search over shapes."""

from __future__ import annotations

import functools
from typing import Any

import torch

from explorer.devices.operands import KERNELS, operands, pool
from explorer.devices.shapes import LARGE_SIZES, LARGER_SIZES, MANY_THREADS, SMALL_SIZES, Search, Shape
from explorer.devices.timing import Timer

MOST_MEMORY = 0.2
"""Share of the free memory that one product's matrices may take."""


def sizes(device: torch.device) -> tuple[int, ...]:
    """The sides that are searched over on a device."""
    if device.type != "cpu":
        return LARGE_SIZES
    return LARGER_SIZES if torch.get_num_threads() > MANY_THREADS else SMALL_SIZES


class Rate:
    """The search for one format's rate on one device.

    Parameters
    ----------
    name : str
        A key of :data:`explorer.devices.operands.KERNELS`.
    device : torch.device
        Where to multiply.
    seconds : float
        How long to search.
    memory_free : int, optional
        Bytes, of which the matrices take at most :data:`MOST_MEMORY`.
    timer : Timer, optional
        What times the calls.

    Attributes
    ----------
    search : Search
        To be run; see there.
    """

    def __init__(
        self,
        name: str,
        device: torch.device,
        seconds: float,
        memory_free: int | None = None,
        timer: Timer | None = None,
    ) -> None:
        self.name, self.device = name, device
        self.kernel = KERNELS[name]
        self._timer = timer or Timer(device)
        self._values = pool(self.kernel, device)
        self._operands = functools.lru_cache(maxsize=1)(functools.partial(operands, self.kernel, self._values))
        self._memory_free = memory_free
        self.search = Search(self.seconds, sizes(device), seconds, self._fits)

    def seconds(self, shape: Shape) -> float:
        """Seconds of one product.

        Raises
        ------
        RuntimeError, TypeError, NotImplementedError, ValueError
            Where PyTorch has no such operation on the device.
        """
        left, right = self._operands(shape)
        with torch.no_grad(), self.kernel.context(self.device):
            return self._timer.seconds(lambda: self.kernel.multiply(left, right))

    def _fits(self, shape: Shape) -> bool:
        if self._memory_free is None:
            return True
        m, n, k = shape
        # The result has up to four bytes an element whatever the operands have.
        needed = (m * k + k * n) * self.kernel.dtype.itemsize + 4 * m * n
        return needed <= MOST_MEMORY * self._memory_free

    def found(self) -> dict[str, Any]:
        """The best so far, ready for JSON.

        ``format device gflops`` (10⁹ operations a second in the fastest call) ``median_gflops`` (of the same shape)
        ``shape`` (m, n, k) ``calls`` (of that shape) ``shapes`` (how many were tried) and ``accumulate``.
        """
        best = self.search.best()
        return {
            "device": str(self.device),
            "format": self.name,
            "gflops": round(best.best, 3),
            "median_gflops": round(best.median, 3),
            "shape": list(best.shape),
            "calls": len(best.seconds),
            "shapes": len(self.search.timed),
            "accumulate": self.kernel.accumulate,
        }
