"""Whether float32 products may round their operands to TF32: the flags that say so, old and new, set and put back.

PyTorch 2.9 brought ``torch.backends.cuda.matmul.fp32_precision`` (``"ieee"``, ``"tf32"``, or ``"none"`` for what is
set above it) and warns of, and at last refuses, a mix with ``allow_tf32`` (PyTorch notes on CUDA semantics). So the
new flag is used wherever it is, and the old one only where it is alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

TF32, IEEE = "tf32", "ieee"


def allowed(backends: Any = None) -> bool:
    """Whether products of float32 matrices may use TF32 on CUDA now, whichever flag says so.

    Parameters
    ----------
    backends : module, optional
        ``torch.backends`` or what has its attributes.
    """
    backends = backends or _backends()
    precision = getattr(backends.cuda.matmul, "fp32_precision", None)
    if precision is None:
        return bool(backends.cuda.matmul.allow_tf32)
    if precision == "none":
        precision = getattr(backends, "fp32_precision", "none")
    return precision == TF32


@contextlib.contextmanager
def float32_products(precision: str, backends: Any = None) -> Iterator[None]:
    """Let float32 products on CUDA be ``"tf32"`` or ``"ieee"`` inside, and put the flags back.

    Raises
    ------
    ValueError
        Another precision.
    """
    if precision not in (TF32, IEEE):
        raise ValueError(f"float32 products are {TF32} or {IEEE}, not {precision!r}")
    backends = backends or _backends()
    old = not hasattr(backends.cuda.matmul, "fp32_precision")
    flag = "allow_tf32" if old else "fp32_precision"
    value = precision == TF32 if old else precision
    places = [backends.cuda.matmul, backends.cudnn if old else backends.cudnn.conv]
    before = [getattr(place, flag) for place in places]
    try:
        for place in places:
            setattr(place, flag, value)
        yield
    finally:
        for place, each in zip(places, before, strict=True):
            setattr(place, flag, each)


def _backends() -> Any:
    import torch

    return torch.backends
