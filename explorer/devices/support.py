"""For each format whether a device multiplies it itself, and how that is known. Rules over facts; needs no torch.

*Native*: the device's own units multiply operands of this format, and PyTorch has the operation. *Emulated*: values
are rounded to the format and multiplied in a wider one, so that the numbers are right and the speed is not the
format's. *Missing*: not even that, for want of a wider format.

A rule comes from a vendor's documentation; an operation that was tried (:mod:`explorer.devices.attempts`) can take a
native away, never give one: PyTorch runs many operations by converting their operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from explorer import formats
from explorer.devices.facts import DeviceFacts

Support = Literal["native", "emulated", "missing"]
Evidence = Literal["capability", "operation", "measured", "documented", "definition"]

CUDA_GUIDE = "CUDA C++ Programming Guide, compute capabilities: arithmetic instructions and tensor core formats"
CUBLAS = "cuBLAS documentation, cublasLtMatmul: FP8 kernels need compute capability 8.9 or above"
CUBLAS_BLOCK = "cuBLAS documentation, narrow precision: block-scaled FP8 and FP4 need compute capability 10.0 or above"
PTX = "PTX ISA, mma: kind::mxf8f6f4 takes E3M2 and E2M3"
ROCM = "ROCm documentation, data types and precision support"
HIP_FP8 = "HIP documentation, FP8 numbers: gfx942 has FNUZ, gfx950 and gfx12 have the OCP formats"
METAL = "Metal Shading Language Specification: there is no double"
XPU = "Intel oneAPI: torch.xpu device properties"
OCP = "OCP Microscaling Formats (MX) 1.0, section 5: E8M0 is a scale"
BF16_TRAP = "PyTorch pull request 148322: is_bf16_supported() counts emulation unless told not to"
MEASURED = "both ways of multiplying, timed in turn on this device"

BLOCKS_OF_8 = ("mxfp8-e4m3", "mxfp8-e5m2")

FULL_RATE_FP16 = ((5, 3), (6, 0), (6, 2))
"""NVIDIA capabilities below 7.0 that add and multiply FP16 at twice FP32's rate (CUDA guide, arithmetic throughput)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An operation that was tried: whether it ran, and what it or the error said."""

    ran: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FormatVerdict:
    """How one device supports one format.

    Attributes
    ----------
    device, format : str
        Names; ``format`` is one of :func:`explorer.formats.names`.
    support : {"native", "emulated", "missing"}
        See the module.
    how : str
        One sentence: why.
    evidence : {"capability", "operation", "measured", "documented", "definition"}
        What kind of knowledge that is.
    source : str
        Where it can be checked.
    """

    device: str
    format: str
    support: Support
    how: str
    evidence: Evidence
    source: str

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


Rule = tuple[Support, Evidence, str, str]


def support(facts: DeviceFacts, attempts: Mapping[str, Attempt] | None = None) -> list[FormatVerdict]:
    """The verdict on every format, in the order of the catalogue; block formats too.

    Parameters
    ----------
    facts : DeviceFacts
        The device.
    attempts : mapping, optional
        By format the operation that was tried on it.
    """
    attempts = attempts or {}
    rules = _RULES.get(facts.vendor, _other)(facts)
    return [_settled(_verdict(facts, name, rules.get(name)), attempts.get(name)) for name in formats.names()]


def of(verdicts: Sequence[FormatVerdict], device: str, name: str) -> Support:
    """How a device supports a format, out of the verdicts of one or more devices."""
    return next(each.support for each in verdicts if each.device == device and each.format == name)


def _verdict(facts: DeviceFacts, name: str, rule: Rule | None) -> FormatVerdict:
    kind, evidence, how, source = rule or _emulated_rule(facts, name)
    return FormatVerdict(facts.device, name, kind, how, evidence, source)


def _emulated_rule(facts: DeviceFacts, name: str) -> Rule:
    if name == "e8m0":
        how = "A scale, never an operand: blocks are multiplied by it in float32."
        return "emulated", "definition", how, OCP
    wider = "float64" if name == "fp32" else "float32"
    how = f"{_owner(facts)} has no units for it: values are rounded to the format and multiplied in {wider}."
    return "emulated", "documented", how, _SOURCES.get(facts.vendor, "")


def _settled(verdict: FormatVerdict, attempt: Attempt | None) -> FormatVerdict:
    """The verdict in the light of an operation that was tried."""
    if attempt is None or verdict.evidence == "measured":
        return verdict
    if verdict.support == "native" and attempt.ran:
        tried = attempt.detail or "a small product ran here"
        return replace(verdict, how=f"{verdict.how} Tried: {tried}.", evidence="operation")
    if verdict.support == "native":
        how = f"{verdict.how} But the operation did not run here: {attempt.detail}"
        return replace(verdict, support="emulated", how=how, evidence="operation")
    if verdict.support == "emulated" and attempt.ran:
        return replace(verdict, how=f"{verdict.how} PyTorch runs the operation by converting.")
    return verdict


def _owner(facts: DeviceFacts) -> str:
    if facts.compute_capability:
        architecture = f" ({facts.architecture})" if facts.architecture else ""
        kind = "Compute capability " if facts.capability else ""
        return f"{kind}{facts.compute_capability}{architecture}"
    return {"cpu": "This CPU", "apple": "Metal", "intel": "This GPU"}.get(facts.vendor, "This device")


def _native(how: str, source: str, evidence: Evidence = "capability") -> Rule:
    return "native", evidence, how, source


def _nvidia(facts: DeviceFacts) -> dict[str, Rule]:
    capability, owner = facts.capability or (0, 0), _owner(facts)
    rules = {
        "fp64": _native("Every NVIDIA GPU has float64 units; consumer cards run them at 1/32 or 1/64 of FP32's rate.",
                        CUDA_GUIDE, "documented"),
        "fp32": _native("Every NVIDIA GPU multiplies float32; with TF32 switched off that is IEEE float32.", CUDA_GUIDE,
                        "documented"),
    }  # fmt: skip
    if capability >= (8, 0):
        rules["tf32"] = _native(f"{owner} has TF32 tensor cores: 8.0 or above.", CUDA_GUIDE)
    if capability >= (7, 0):
        rules["fp16"] = _native(f"{owner} has FP16 tensor cores: 7.0 or above.", CUDA_GUIDE)
    elif capability in FULL_RATE_FP16:
        rules["fp16"] = _native(f"{owner} multiplies FP16 at twice FP32's rate, without tensor cores.", CUDA_GUIDE)
    elif capability >= (6, 0):
        how = f"{owner} multiplies FP16 at 1/64 of FP32's rate, so PyTorch's products run in float32."
        rules["fp16"] = ("emulated", "capability", how, CUDA_GUIDE)
    rules["bf16"] = _nvidia_bf16(facts, capability, owner)
    if capability >= (8, 9):
        for name in ("e4m3fn", "e5m2"):
            partner = " E5M2 is multiplied by E4M3, not by itself." if name == "e5m2" else ""
            rules[name] = _native(f"{owner} has FP8 tensor cores: 8.9 or above.{partner}", CUBLAS)
    if capability >= (10, 0):
        for name in (*BLOCKS_OF_8, "nvfp4", "e8m0", "e2m1"):
            what = {"e8m0": "takes it as the scale of MX blocks", "e2m1": "takes it as the element of FP4 blocks"}
            rules[name] = _native(f"{owner} {what.get(name, 'scales blocks in its tensor cores')}: 10.0 or above.",
                                  CUBLAS_BLOCK)  # fmt: skip
        how = f"{owner} multiplies it, but cuBLAS and PyTorch offer FP4 on NVIDIA as NVFP4 only."
        rules["mxfp4"] = ("emulated", "documented", how, CUBLAS_BLOCK)
        for name in ("e3m2", "e2m3", "mxfp6-e3m2", "mxfp6-e2m3"):
            how = f"{owner} has FP6 tensor cores, but PyTorch has no FP6 operation."
            rules[name] = ("emulated", "documented", how, PTX)
    return rules


def _nvidia_bf16(facts: DeviceFacts, capability: tuple[int, int], owner: str) -> Rule:
    native = capability >= (8, 0) if facts.bf16_native is None else facts.bf16_native
    if native:
        asked = "" if facts.bf16_native is None else " torch.cuda.is_bf16_supported(including_emulation=False) says so."
        return _native(f"{owner} has BF16 tensor cores: 8.0 or above.{asked}", CUDA_GUIDE)
    trap = " torch.cuda.is_bf16_supported() says True because it counts emulation." if facts.bf16_claimed else ""
    how = f"{owner} is below 8.0 and has no BF16 units.{trap} FP16 is the half format of this GPU."
    return "emulated", "capability", how, BF16_TRAP if trap else CUDA_GUIDE


def _amd(facts: DeviceFacts) -> dict[str, Rule]:
    arch, owner = facts.arch or "", _owner(facts)
    cdna = arch in ("gfx908", "gfx90a", "gfx940", "gfx941", "gfx942", "gfx950")
    rdna3 = arch.startswith(("gfx11", "gfx12"))
    rules = {
        "fp64": _native("Every AMD GPU of ROCm has float64 units; Radeon cards run them slowly.", ROCM, "documented"),
        "fp32": _native("Every AMD GPU multiplies float32.", ROCM, "documented"),
    }
    if arch in ("gfx940", "gfx941", "gfx942"):
        rules["tf32"] = _native(
            f"{owner} has XF32 matrix cores (CDNA 3); hipBLASLt uses them where TF32 is allowed.", ROCM
        )
    if cdna or rdna3:
        units = "matrix cores" if cdna else "WMMA instructions"
        for name in ("fp16", "bf16"):
            rules[name] = _native(f"{owner} has {name.upper()} {units}.", ROCM)
    else:
        rules["fp16"] = _native(f"{owner} multiplies packed FP16, without matrix cores.", ROCM)
        how = f"{owner} has no BF16 units. torch.cuda.is_bf16_supported() says True on every ROCm device."
        rules["bf16"] = ("emulated", "documented", how, ROCM)
    fnuz, ocp = ("e4m3fnuz", "e5m2fnuz"), ("e4m3fn", "e5m2")
    if arch in ("gfx940", "gfx941", "gfx942"):
        for name in fnuz:
            rules[name] = _native(f"{owner} (MI300) multiplies the FNUZ formats.", HIP_FP8)
        for name in ocp:
            how = f"{owner} (MI300) multiplies the FNUZ formats, which read the same codes as other values."
            rules[name] = ("emulated", "capability", how, HIP_FP8)
    elif arch == "gfx950" or arch.startswith("gfx12"):
        for name in ocp:
            rules[name] = _native(f"{owner} multiplies the OCP formats.", HIP_FP8)
    if arch == "gfx950":
        for name in ("mxfp8-e4m3", "mxfp4", "e8m0", "e2m1"):
            rules[name] = _native(f"{owner} (MI350) scales MX blocks in its matrix cores.", ROCM)
        for name in ("e3m2", "e2m3", "mxfp6-e3m2", "mxfp6-e2m3"):
            how = f"{owner} has FP6 matrix cores, but PyTorch has no FP6 operation."
            rules[name] = ("emulated", "documented", how, ROCM)
    return rules


def _intel(facts: DeviceFacts) -> dict[str, Rule]:
    rules = {
        "fp32": _native("Every Intel GPU multiplies float32.", XPU, "documented"),
        "fp16": _native("Every Intel GPU that PyTorch runs on multiplies FP16.", XPU, "documented"),
    }
    if facts.has_fp64:
        rules["fp64"] = _native("The device says that it has float64.", XPU)
    else:
        rules["fp64"] = ("missing", "capability", "The device says that it has no float64.", XPU)
    if facts.bf16_native:
        how = "torch.xpu.is_bf16_supported(including_emulation=False) says so."
        rules["bf16"] = _native(how, XPU)
    return rules


def _apple(facts: DeviceFacts) -> dict[str, Rule]:
    rules: dict[str, Rule] = {
        "fp64": ("missing", "documented", "Metal has no float64; do float64 work on the CPU.", METAL),
        "fp32": _native("Every Apple GPU multiplies float32.", METAL, "documented"),
    }
    for name in ("fp16", "bf16"):
        if (facts.half.get(name) or {}).get("how") == "missing":
            how = f"{name.upper()} products do not run here; BF16 needs macOS 14 or newer."
            rules[name] = ("missing", "operation", how, METAL)
        else:
            rules[name] = _native(f"Metal has {'half' if name == 'fp16' else 'bfloat'} as a type.", METAL, "documented")
    return rules


def _cpu(facts: DeviceFacts) -> dict[str, Rule]:
    rules = {
        name: _native(f"Every CPU multiplies {wide}.", "IEEE 754", "definition")
        for name, wide in (("fp64", "float64"), ("fp32", "float32"))
    }
    for name in ("fp16", "bf16"):
        if (entry := facts.half.get(name)) is not None:
            rules[name] = _measured_half(facts, name, entry)
    return rules


def _measured_half(facts: DeviceFacts, name: str, entry: Mapping[str, Any]) -> Rule:
    there = [each for each in facts.instructions if name.upper() in each]
    units = f"It has {', '.join(there)}. " if there else f"It has no instructions for {name.upper()}. "
    native, emulated = entry.get("native_gflops"), entry.get("emulated_gflops")
    rates = f": {native:.3g} against {emulated:.3g} GFLOP/s in an attention block" if native and emulated else ""
    faster = "worth using" if entry["how"] == "native" else "slower than float32's, so float32's are used"
    return entry["how"], "measured", f"{units}Measured: PyTorch's own products are {faster}{rates}.", MEASURED


def _other(facts: DeviceFacts) -> dict[str, Rule]:
    return {"fp32": _native("PyTorch multiplies float32 on every device.", "PyTorch documentation", "documented")}


_RULES: dict[str, Callable[[DeviceFacts], dict[str, Rule]]] = {
    "nvidia": _nvidia, "amd": _amd, "intel": _intel, "apple": _apple, "cpu": _cpu,
}  # fmt: skip
_SOURCES = {
    "nvidia": CUDA_GUIDE, "amd": ROCM, "intel": XPU, "apple": METAL, "cpu": "Intel and Arm instruction set manuals",
}  # fmt: skip
