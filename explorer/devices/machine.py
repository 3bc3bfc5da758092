"""From the name of a device, as a person gives it, to the device itself, and to a description of it."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from explorer.devices import half
from explorer.devices.memory import memory
from explorer.errors import InputError


def resolve(name: str) -> torch.device:
    """The device that ``name`` means on this machine.

    Parameters
    ----------
    name : str
        ``"auto"`` (the accelerator if there is one, else the CPU), ``"cpu"``, or a kind of accelerator with or
        without an index: ``"cuda"``, ``"cuda:1"``, ``"mps"``, ``"xpu"``. Case and surrounding blanks do not count.

    Returns
    -------
    torch.device
        With an index for every accelerator, so that two names of one device compare equal.

    Raises
    ------
    InputError
        Of the field ``device``, where the name is none or names what is not here. It says what there is.
    """
    wanted = name.strip().lower() if isinstance(name, str) else None
    available = here()
    if wanted == "auto":
        wanted = (available[1:] or available)[0]
    if wanted == "cpu":
        return torch.device("cpu")
    # A kind without an index is the first of its kind. Comparing with what is here also rejects nonsense.
    for candidate in (wanted, f"{wanted}:0"):
        if candidate in available[1:]:
            return torch.device(candidate)
    raise InputError("device", name, _accepted(available))


def here() -> list[str]:
    """Names of the devices that this process can use: ``cpu`` first, then each accelerator with its index."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return ["cpu"]
    return ["cpu", *(f"{accelerator.type}:{index}" for index in range(torch.accelerator.device_count()))]


def _accepted(available: list[str]) -> str:
    names = ["auto", *available]
    return f"{', '.join(names[:-1])} or {names[-1]} (what there is here)"


def describe(device: torch.device | str) -> dict[str, Any]:
    """What a device is, in plain JSON types.

    Measures the half-precision products on the first call for a device (under a second on a CPU).

    Parameters
    ----------
    device : torch.device or str
        As :func:`resolve` returns it.

    Returns
    -------
    dict
        ``device`` (its name here), ``type``, ``name`` (the model of the CPU or GPU), ``cores`` (processors this
        process may use, or multiprocessors of a GPU; None where unknown), ``threads`` (that PyTorch uses on the
        CPU), ``memory_total`` and ``memory_free`` (bytes, None where unknown; on Linux within the limit of the
        control group), ``instructions`` (what PyTorch's CPU kernels were chosen for, such as ``AVX512``; None on an
        accelerator), ``torch`` (version), ``build`` (``cpu``, ``cuda 13.0``, ``rocm 7.0``, ``xpu``, …) and ``half``
        (``fp16`` and ``bf16``, each with ``format how native_gflops emulated_gflops ratio``).
    """
    device = torch.device(device)
    on_cpu = device.type == "cpu"
    return {
        "device": str(device),
        "type": device.type,
        **(_describe_cpu() if on_cpu else _describe_accelerator(device)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "build": _build(),
        "half": half.measured(device).as_dict(),
    }


def _describe_cpu() -> dict[str, Any]:
    total, free = memory()
    return {
        "name": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_total": total,
        "memory_free": free,
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _describe_accelerator(device: torch.device) -> dict[str, Any]:
    found = {"name": device.type, "cores": None, "memory_total": None, "memory_free": None, "instructions": None}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        free, total = torch.cuda.mem_get_info(device)
        return found | {
            "name": properties.name,
            "cores": properties.multi_processor_count,
            "memory_total": total,
            "memory_free": free,
        }
    if device.type == "xpu":
        properties = torch.xpu.get_device_properties(device)
        free, total = torch.xpu.mem_get_info(device)
        return found | {"name": properties.name, "memory_total": total, "memory_free": free}
    if device.type == "mps":
        # Metal shares the machine's memory and recommends how much of it to use.
        total = torch.mps.recommended_max_memory()
        return found | {
            "name": f"{cpu_name()} GPU",
            "memory_total": total,
            "memory_free": total - torch.mps.driver_allocated_memory(),
        }
    return found


def cpu_name() -> str:
    """The CPU's model as the system gives it, or its architecture where the system gives none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip().lower() in ("model name", "hardware", "cpu model") and value.strip():
            return " ".join(value.split())
    return platform.processor() or platform.machine() or "CPU"


def _build() -> str:
    for kind in ("cuda", "hip", "xpu"):
        version = getattr(torch.version, kind, None)
        if version:
            return f"{'rocm' if kind == 'hip' else kind} {version}"
    return "mps" if torch.backends.mps.is_built() else "cpu"
