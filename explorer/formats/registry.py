"""The formats this project speaks of. Adding one is adding an entry to ``_SCALARS`` or ``_BLOCKS``."""

from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from gfloat import Domain, FormatInfo
from gfloat.formats import (
    format_info_bfloat16,
    format_info_binary16,
    format_info_binary32,
    format_info_binary64,
    format_info_ocp_e2m1,
    format_info_ocp_e2m3,
    format_info_ocp_e3m2,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
    format_info_ocp_e8m0,
)

from explorer.errors import look_up
from explorer.formats.blocks import BlockFormatSpec
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


def _fnuz(name: str, exponent_bits: int) -> FormatInfo:
    """An FP8 format without infinity and without -0, whose sign bit alone is the one NaN ("finite, NaN, no -0").

    Noune et al. 2022 (arXiv 2206.02915), section 3. The bias is one more than IEEE 754's, ``2**(exponent_bits - 1)``.
    """
    return FormatInfo(
        name=name,
        k=8,
        precision=8 - exponent_bits,
        bias=2 ** (exponent_bits - 1),
        is_signed=True,
        domain=Domain.Finite,
        has_nz=False,
        num_high_nans=0,
        has_subnormals=True,
        is_twos_complement=False,
    )


_spec = FormatSpec.from_info
_SCALARS = (
    _spec("fp64", "FP64", format_info_binary64, storage="float64"),  # IEEE 754-2019, table 3.5: binary64
    _spec("fp32", "FP32", format_info_binary32, storage="float32"),  # IEEE 754-2019, table 3.5: binary32
    _spec("tf32", "TF32", _TF32, storage="float32"),
    _spec("fp16", "FP16", format_info_binary16, storage="float16"),  # IEEE 754-2019, table 3.5: binary16
    _spec("bf16", "BF16", format_info_bfloat16, storage="bfloat16"),  # upper half of binary32
    _spec("e4m3fn", "FP8 E4M3", format_info_ocp_e4m3, storage="float8_e4m3fn"),  # OCP OFP8 1.0, table 1
    _spec("e5m2", "FP8 E5M2", format_info_ocp_e5m2, storage="float8_e5m2"),  # OCP OFP8 1.0, table 1
    _spec("e4m3fnuz", "FP8 E4M3 FNUZ", _fnuz("e4m3fnuz", 4), storage="float8_e4m3fnuz"),
    _spec("e5m2fnuz", "FP8 E5M2 FNUZ", _fnuz("e5m2fnuz", 5), storage="float8_e5m2fnuz"),
    _spec("e8m0", "E8M0", format_info_ocp_e8m0, storage="float8_e8m0fnu"),  # OCP MX 1.0, section 5.4.1
    _spec("e3m2", "FP6 E3M2", format_info_ocp_e3m2, storage="float6_e3m2fn"),  # OCP MX 1.0, section 5.3.2
    _spec("e2m3", "FP6 E2M3", format_info_ocp_e2m3, storage="float6_e2m3fn"),  # OCP MX 1.0, section 5.3.2
    _spec("e2m1", "FP4 E2M1", format_info_ocp_e2m1, storage="float4_e2m1fn"),  # OCP MX 1.0, section 5.3.3
)
_BY_NAME = {spec.name: spec for spec in _SCALARS}


def _mx(name: str, label: str, element: str) -> BlockFormatSpec:
    """A concrete MX format: 32 elements share one power of two (OCP MX 1.0, table 1)."""
    return BlockFormatSpec(name, label, _BY_NAME[element], _BY_NAME["e8m0"], block_size=32, scale_rule="mx-floor")


_BLOCKS = (
    _mx("mxfp8-e4m3", "MXFP8 E4M3", "e4m3fn"),
    _mx("mxfp8-e5m2", "MXFP8 E5M2", "e5m2"),
    _mx("mxfp6-e3m2", "MXFP6 E3M2", "e3m2"),
    _mx("mxfp6-e2m3", "MXFP6 E2M3", "e2m3"),
    _mx("mxfp4", "MXFP4", "e2m1"),
    # NVIDIA 2025 (arXiv 2509.25149), section 2 and appendix C
    BlockFormatSpec("nvfp4", "NVFP4", _BY_NAME["e2m1"], _BY_NAME["e4m3fn"], block_size=16, scale_rule="nvfp4"),
)

_FORMATS = MappingProxyType({spec.name: spec for spec in _SCALARS + _BLOCKS})


def names() -> tuple[str, ...]:
    """Names of all formats, in the order in which a page lists them: those of single numbers, then those of blocks."""
    return tuple(_FORMATS)


def block_names() -> tuple[str, ...]:
    """Names of the formats of blocks alone."""
    return tuple(spec.name for spec in _BLOCKS)


def get(name: str) -> FormatSpec | BlockFormatSpec:
    """Return the format of that name.

    Parameters
    ----------
    name : str
        One of :func:`names`. A :class:`BlockFormatSpec` comes for the :func:`block_names`, a :class:`FormatSpec` for
        the others.

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
    """Every format of single numbers as plain data for JSON, in the order of :func:`names`.

    All fields of :class:`FormatSpec`, and for a reader whose numbers are doubles (JavaScript) the codes as hexadecimal
    text: ``max_code_hex``, ``nan_code_hex``, and ``nan_ranges``, the first and last code of every run of NaNs.

    A codec in another language needs nothing else. With ``m`` the code without its sign bit (``signed``: the highest
    of ``bits``), ``F = m & (2**mantissa_bits - 1)`` and ``E = m >> mantissa_bits``:

    - ``m > max_code`` is infinity where ``has_inf`` and ``m == max_code + 1``, and otherwise NaN;
    - the sign bit alone is NaN where ``signed`` and not ``has_negative_zero``;
    - ``E == 0`` is ``F * 2**(1 - bias - mantissa_bits)`` where ``has_subnormals``: zero or subnormal;
    - everything else is ``(2**mantissa_bits + F) * 2**(E - bias - mantissa_bits)``.

    (IEEE 754-2019, clause 3.4; OCP OFP8 1.0, section 5, for the formats without infinity; OCP MX 1.0, section 5.4.1,
    for E8M0, which has neither sign nor zero.)
    """
    return [asdict(spec) | _hexadecimal(spec) for spec in _SCALARS]


def block_catalogue() -> list[dict[str, Any]]:
    """Every format of blocks as plain data for JSON, in the order of :func:`names`.

    ``name label element scale block_size scale_rule bits_per_value largest_element_exponent``: `element` and `scale`
    are names in :func:`catalogue`. The two rules, by which another language computes the same, are written out in
    :mod:`explorer.formats.scales`.
    """
    return [spec.as_data() for spec in _BLOCKS]


def _hexadecimal(spec: FormatSpec) -> dict[str, Any]:
    first_nan, last = spec.max_code + 1 + spec.has_inf, (1 << (spec.bits - spec.signed)) - 1
    runs = [(first_nan, last), (first_nan | spec.sign_mask, last | spec.sign_mask)] if first_nan <= last else []
    if not spec.signed:
        runs = runs[:1]
    elif not spec.has_negative_zero:
        runs.append((spec.sign_mask, spec.sign_mask))
    return {
        "max_code_hex": hex(spec.max_code),
        "nan_code_hex": None if spec.nan_code is None else hex(spec.nan_code),
        "nan_ranges": [[hex(first), hex(end)] for first, end in runs],
    }
