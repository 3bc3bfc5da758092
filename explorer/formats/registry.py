"""The formats this project speaks of. Adding one is adding an entry to ``_ENTRIES``."""

from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from gfloat import Domain, FormatInfo
from gfloat.formats import format_info_bfloat16, format_info_binary16, format_info_binary32

from explorer.errors import look_up
from explorer.formats.spec import FormatSpec

# NVIDIA A100 Tensor Core GPU Architecture white paper (2020): the exponent of float32, the fraction of float16. 19 bits
# matter; they travel in the upper bits of a float32. Its special values are float32's, seen through those 19 bits.
_TF32 = FormatInfo(
    name="tf32",
    k=19,
    precision=11,
    bias=127,
    is_signed=True,
    domain=Domain.Extended,
    has_nz=True,
    num_high_nans=2**10 - 1,
    has_subnormals=True,
    is_twos_complement=False,
)

_ENTRIES = (
    FormatSpec.from_info("fp32", "FP32", format_info_binary32, storage="float32"),  # IEEE 754-2019, table 3.5: binary32
    FormatSpec.from_info("tf32", "TF32", _TF32, storage="float32"),
    FormatSpec.from_info("fp16", "FP16", format_info_binary16, storage="float16"),  # IEEE 754-2019, table 3.5: binary16
    FormatSpec.from_info("bf16", "BF16", format_info_bfloat16, storage="bfloat16"),  # upper half of binary32
)

_FORMATS = MappingProxyType({spec.name: spec for spec in _ENTRIES})


def names() -> tuple[str, ...]:
    """Names of the formats, in the order in which a page lists them."""
    return tuple(_FORMATS)


def get(name: str) -> FormatSpec:
    """Return the format of that name.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Raises
    ------
    InputError
        Where there is no such format; the sentence lists those there are.

    Examples
    --------
    >>> get("fp16").max
    65504.0
    """
    return look_up("format", name, _FORMATS)


def catalogue() -> list[dict[str, Any]]:
    """Every format as plain data for JSON: all fields of :class:`FormatSpec`, in the order of :func:`names`.

    A codec in another language needs nothing else. With ``m`` the code without its sign bit (``signed``: the highest
    of ``bits``), ``F = m & (2**mantissa_bits - 1)`` and ``E = m >> mantissa_bits``:

    - ``m > max_code`` is infinity where ``has_inf`` and ``m == max_code + 1``, and otherwise NaN;
    - the sign bit alone is NaN where ``has_negative_zero`` is false;
    - ``E == 0`` is ``F * 2**(1 - bias - mantissa_bits)``: zero or subnormal;
    - everything else is ``(2**mantissa_bits + F) * 2**(E - bias - mantissa_bits)``.

    (IEEE 754-2019, clause 3.4; OCP OFP8 1.0, section 5, for the formats without infinity.)
    """
    return [asdict(spec) for spec in _ENTRIES]
