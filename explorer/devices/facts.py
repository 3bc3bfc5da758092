"""What is known of a device before anything is measured, as data. Needs no torch: made-up devices are values too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Vendor = Literal["nvidia", "amd", "intel", "apple", "cpu", "other"]

ARCHITECTURES = {
    (5, 0): "Maxwell", (6, 0): "Pascal", (7, 0): "Volta", (7, 5): "Turing", (8, 0): "Ampere", (8, 9): "Ada Lovelace",
    (9, 0): "Hopper", (10, 0): "Blackwell", (12, 0): "Blackwell",
}  # fmt: skip
"""The first compute capability of each NVIDIA architecture (CUDA C++ Programming Guide, compute capabilities)."""


@dataclass(frozen=True)
class DeviceFacts:
    """A device as the rules of :mod:`explorer.devices.support` need it.

    Attributes
    ----------
    device, type : str
        ``"cuda:0"`` and ``"cuda"``; ROCm devices are of the type ``cuda`` too, as in PyTorch.
    vendor : str
        Who made it; decides which rules hold.
    name : str
        The model.
    capability : tuple of int, optional
        NVIDIA's compute capability, such as (8, 9).
    arch : str, optional
        AMD's architecture without its features, such as ``gfx942``.
    instructions : tuple of str
        Instruction sets of a CPU that matter for number formats.
    has_fp64 : bool, optional
        Whether the device has float64, as an Intel GPU says itself.
    bf16_native, bf16_claimed : bool, optional
        ``torch.cuda.is_bf16_supported(including_emulation=False)``, and the same as it is called without argument,
        which counts emulation (PyTorch pull request 148322).
    half : mapping
        What :func:`explorer.devices.measure` found: ``fp16`` and ``bf16``, each with ``how native_gflops
        emulated_gflops ratio``.
    more : mapping
        Further facts, which are shown and decide nothing.
    """

    device: str
    type: str
    vendor: Vendor
    name: str
    capability: tuple[int, int] | None = None
    arch: str | None = None
    instructions: tuple[str, ...] = ()
    has_fp64: bool | None = None
    bf16_native: bool | None = None
    bf16_claimed: bool | None = None
    half: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def compute_capability(self) -> str | None:
        """The capability or architecture as vendors write it: ``8.9``, ``gfx942``."""
        return f"{self.capability[0]}.{self.capability[1]}" if self.capability else self.arch

    @property
    def architecture(self) -> str | None:
        """The name of an NVIDIA architecture; None where it is not known."""
        if self.capability is None:
            return None
        first = max((each for each in ARCHITECTURES if each <= self.capability), default=None)
        return ARCHITECTURES.get(first)

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON."""
        return {
            **self.more,
            "device": self.device,
            "type": self.type,
            "vendor": self.vendor,
            "name": self.name,
            "compute_capability": self.compute_capability,
            "architecture": self.architecture,
            "instructions": list(self.instructions),
            "half": {name: dict(entry) for name, entry in self.half.items()},
        }
