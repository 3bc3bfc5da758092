"""Driver, clocks and power of an NVIDIA GPU, where ``nvidia-ml-py`` is installed. It is optional."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

FIELDS = ("driver", "clock_mhz", "clock_max_mhz", "memory_clock_max_mhz", "power_limit_w", "power_w", "temperature_c")


def read(uuid: str | None, library: Any = None) -> dict[str, Any]:
    """What NVML says of a GPU.

    Parameters
    ----------
    uuid : str or None
        As ``torch.cuda.get_device_properties(…).uuid`` gives it: numbers of devices differ between CUDA and NVML.
    library : module, optional
        ``pynvml`` or what behaves like it; imported where it is left out.

    Returns
    -------
    dict
        ``nvml`` (``"read"``, or why it was not) and :data:`FIELDS`: megahertz, watts and degrees Celsius; None where
        unknown.
    """
    nothing: dict[str, Any] = dict.fromkeys(FIELDS)
    if library is None:
        try:
            library = importlib.import_module("pynvml")
        except ImportError:
            return nothing | {"nvml": "nvidia-ml-py is not installed"}
    if uuid is None:
        return nothing | {"nvml": "the device has no UUID"}
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        return nothing | {"nvml": f"not available ({error})"}
    try:
        name = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        handle = library.nvmlDeviceGetHandleByUUID(name.encode())
    except library.NVMLError as error:
        library.nvmlShutdown()
        return nothing | {"nvml": f"not available ({error})"}

    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except library.NVMLError:  # A laptop's GPU or a slice of one does not tell everything.
            return None

    try:
        graphics, memory = library.NVML_CLOCK_SM, library.NVML_CLOCK_MEM
        driver = ask(library.nvmlSystemGetDriverVersion)
        limit, power = (
            ask(library.nvmlDeviceGetEnforcedPowerLimit, handle),
            ask(library.nvmlDeviceGetPowerUsage, handle),
        )
        return {
            "nvml": "read",
            "driver": driver.decode() if isinstance(driver, bytes) else driver,
            "clock_mhz": ask(library.nvmlDeviceGetClockInfo, handle, graphics),
            "clock_max_mhz": ask(library.nvmlDeviceGetMaxClockInfo, handle, graphics),
            "memory_clock_max_mhz": ask(library.nvmlDeviceGetMaxClockInfo, handle, memory),
            # NVML counts milliwatts.
            "power_limit_w": None if limit is None else limit / 1000,
            "power_w": None if power is None else power / 1000,
            "temperature_c": ask(library.nvmlDeviceGetTemperature, handle, library.NVML_TEMPERATURE_GPU),
        }
    finally:
        library.nvmlShutdown()
