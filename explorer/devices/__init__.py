"""What a machine can do, and what makes a CPU do well what it was not built for.

``machine`` turns a device's name into the device and says what it is; ``half`` measures once whether a device's own
half-precision products are worth using, and gives the context in which a training step multiplies in float32 and
rounds once where they are not; ``products`` and ``intercept`` hold those products and the way calls are sent to them.

Importing this package leaves torch alone; the names below load it when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explorer.devices.half import FormatSupport, HalfSupport, float32_gflops, kernels, measure, measured
    from explorer.devices.intercept import HalfKernels
    from explorer.devices.machine import describe, here, resolve

_HOMES = {
    "half": ("FormatSupport", "HalfSupport", "float32_gflops", "kernels", "measure", "measured"),
    "intercept": ("HalfKernels",),
    "machine": ("describe", "here", "resolve"),
}

__all__ = [
    "FormatSupport",
    "HalfKernels",
    "HalfSupport",
    "describe",
    "float32_gflops",
    "here",
    "kernels",
    "measure",
    "measured",
    "resolve",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
