"""Every device that PyTorch sees, with its facts."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from typing import Any

import torch

from explorer.devices import nvml
from explorer.devices.control_group import cpu_limit
from explorer.devices.facts import DeviceFacts
from explorer.devices.machine import describe, here

INSTRUCTIONS = {
    "AVX2": "avx2", "F16C": "f16c", "FMA": "fma3", "AVX512F": "avx512_f", "AVX512-VNNI": "avx512_vnni",
    "AVX-VNNI": "avx_vnni", "AVX512-BF16": "avx512_bf16", "AVX512-FP16": "avx512_fp16", "AMX-BF16": "amx_bf16",
    "AMX-FP16": "amx_fp16", "AMX-INT8": "amx_int8", "AVX10.1": "avx10_1", "AVX10.2": "avx10_2",
    "NEON": "neon", "FP16": "fp16_arith", "BF16": "bf16", "I8MM": "i8mm", "SVE": "sve", "SVE-BF16": "sve_bf16",
    "SVE2": "sve2", "SME": "sme",
}  # fmt: skip
"""Instruction sets that matter here, and what ``torch.cpu.get_capabilities`` calls them."""


def probe() -> list[DeviceFacts]:
    """The facts of every device, the CPU first.

    Measures the half-precision products of each once for the process (:func:`explorer.devices.measured`); that takes
    less than a second a device.
    """
    return [_cpu(), *(_accelerator(torch.device(name)) for name in here()[1:])]


def _cpu() -> DeviceFacts:
    described = describe("cpu")
    limit = cpu_limit()
    more = _common(described) | {
        "kernels": described["instructions"],
        "cpu_limit": limit and limit.as_dict(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return DeviceFacts("cpu", "cpu", "cpu", described["name"], instructions=cpu_instructions(), has_fp64=True,
                       half=described["half"], more=more)  # fmt: skip


def cpu_instructions() -> tuple[str, ...]:
    """Which of :data:`INSTRUCTIONS` this CPU has, as PyTorch's own CPU detection tells; empty where it cannot."""
    capabilities: dict[str, Any] = {}
    with contextlib.suppress(AttributeError, RuntimeError):
        capabilities = torch.cpu.get_capabilities()
    return tuple(label for label, key in INSTRUCTIONS.items() if capabilities.get(key) is True)


def _accelerator(device: torch.device) -> DeviceFacts:
    described = describe(device)
    find = {"cuda": _cuda, "xpu": _xpu, "mps": _mps}.get(device.type, lambda _: {"vendor": "other"})
    found = find(device)
    more = _common(described) | found.pop("more", {})
    return DeviceFacts(str(device), device.type, name=described["name"], half=described["half"], more=more, **found)


def _common(described: dict[str, Any]) -> dict[str, Any]:
    fields = ("cores", "threads", "memory_total", "memory_free", "torch", "build")
    return {field: described[field] for field in fields}


def _cuda(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    bf16 = {}
    with torch.cuda.device(device):
        bf16["bf16_claimed"] = torch.cuda.is_bf16_supported()
        bf16["bf16_native"] = torch.cuda.is_bf16_supported(including_emulation=False)
    if torch.version.hip:
        arch = properties.gcnArchName.partition(":")[0]
        return {"vendor": "amd", "arch": arch, "has_fp64": True, "more": {"driver": _rocm_driver()}, **bf16}
    uuid = getattr(properties, "uuid", None)
    return {
        "vendor": "nvidia",
        "capability": (properties.major, properties.minor),
        "has_fp64": True,
        "more": nvml.read(None if uuid is None else str(uuid)),
        **bf16,
    }


def _rocm_driver() -> str | None:
    with contextlib.suppress(OSError), open("/sys/module/amdgpu/version", encoding="ascii") as file:
        return file.read().strip() or None
    return None


def _xpu(device: torch.device) -> dict[str, Any]:
    properties = torch.xpu.get_device_properties(device)
    with torch.xpu.device(device):
        native = torch.xpu.is_bf16_supported(including_emulation=False)
    return {
        "vendor": "intel",
        "has_fp64": bool(getattr(properties, "has_fp64", True)),
        "bf16_native": native,
        "more": {"driver": getattr(properties, "driver_version", None)},
    }


def _mps(_: torch.device) -> dict[str, Any]:
    return {"vendor": "apple", "has_fp64": False, "more": {"driver": f"macOS {platform.mac_ver()[0]}",
                                                            "chip": _apple_chip()}}  # fmt: skip


def _apple_chip() -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=5)
        return done.stdout.strip() or None
    return None
