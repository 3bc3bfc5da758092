"""Where PyTorch's casts, ml_dtypes' casts and the standards part, as one table: every entry is a kind of input.

The standard's result is that of :meth:`FormatSpec.encode` to nearest even with native overflow. Found by casting every
code of every format up to 16 bits, and float32 and float64 numbers around every point where rounding decides, to every
format; the tests do it again and hold this table to being true and complete. The results are those of ml_dtypes 0.6.0
with numpy 2.4, and of PyTorch 2.13 on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.formats.registry import get

Concerns = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]
"""Says of each number, given as the float64 it equals, whether an entry speaks of it."""


@dataclass(frozen=True)
class Disagreement:
    """One kind of input that is not cast alike everywhere, with an example.

    Attributes
    ----------
    format : str
        What is cast to.
    inputs : str
        Which numbers it happens to, in words.
    source : str
        Format of the example.
    given : int
        The example: its code in `source`.
    standard, ml_dtypes, torch : int or None
        The code that comes out. None where there is none: the standard defines no result, or the library has no such
        type.
    sentence : str
        What happens, and why.
    reference : str
        Where that is written.
    concerns : callable
        `inputs`, as a function of float64 arrays.
    """

    format: str
    inputs: str
    source: str
    given: int
    standard: int | None
    ml_dtypes: int | None
    torch: int | None
    sentence: str
    reference: str
    concerns: Concerns

    def as_data(self) -> dict[str, Any]:
        """The entry as plain data for JSON: numbers as ``{code, hex, exact}``, without `concerns`."""
        results = {column: _shown(self.format, getattr(self, column)) for column in ("standard", "ml_dtypes", "torch")}
        return {
            "format": self.format,
            "inputs": self.inputs,
            "source": self.source,
            "given": _shown(self.source, self.given),
            **results,
            "sentence": self.sentence,
            "reference": self.reference,
        }


def _shown(name: str, code: int | None) -> dict[str, Any] | None:
    if code is None:
        return None
    spec = get(name)
    return {"code": code, "hex": f"0x{code:0{-(-spec.bits // 4)}X}", "exact": spec.decode(code).exact}


def _changed_by_float32(x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        return ~np.isnan(x) & (x.astype(np.float32) != x)


def _by_way_of_float32(
    name: str, number: float, standard: int, ml_dtypes: int | None, torch: int | None
) -> Disagreement:
    libraries = [
        library for library, code in (("ml_dtypes", ml_dtypes), ("PyTorch", torch)) if code not in (None, standard)
    ]
    return Disagreement(
        format=name,
        inputs="some float64 numbers that float32 does not hold",
        source="fp64",
        given=get("fp64").encode(number),
        standard=standard,
        ml_dtypes=ml_dtypes,
        torch=torch,
        sentence=f"{' and '.join(libraries)} cast float64 by way of float32, which rounds twice: the first rounding "
        "puts the number on a midpoint (or on zero, or on infinity), and the second cannot know on which side it was.",
        reference="IEEE 754-2019, clauses 4.3 and 5.4.2: a conversion rounds once, from the exact number",
        concerns=_changed_by_float32,
    )


def _nan_into_nothing(name: str, ml_dtypes: int) -> Disagreement:
    return Disagreement(
        format=name,
        inputs="NaN",
        source="fp32",
        given=0x7FC00000,
        standard=None,
        ml_dtypes=ml_dtypes,
        torch=None,
        sentence="The format has no NaN, and ml_dtypes makes it a zero, of the other sign: a wrong number where there "
        "should be none. Here it is refused.",
        reference="OCP MX 1.0, sections 5.3.2 and 5.3.3: FP6 and FP4 have no encoding for NaN",
        concerns=np.isnan,
    )


_NAN_BITS = "IEEE 754-2019, clauses 6.2.3 and 6.3: a payload should be kept, and the sign of a NaN means nothing"

DISAGREEMENTS = (
    Disagreement(
        format="e4m3fn",
        inputs="finite numbers beyond 464",
        source="fp32",
        given=0x43E88000,  # 465
        standard=0x7F,
        ml_dtypes=0x7F,
        torch=0x7E,
        sentence="E4M3FN has no infinity. What would round beyond 448 becomes NaN in ml_dtypes, the non-saturating "
        "conversion of the standard; PyTorch saturates, which it allows too (from 2.12 on; before, it gave NaN).",
        reference="OCP OFP8 1.0, section 5; pytorch/pytorch#178817; jax-ml/ml_dtypes#260",
        concerns=lambda x: np.isfinite(x) & (np.abs(x) > 464),
    ),
    Disagreement(
        format="e4m3fn",
        inputs="infinity",
        source="fp32",
        given=0xFF800000,
        standard=0x7F,
        ml_dtypes=0xFF,
        torch=0xFE,
        sentence="Infinity becomes NaN in ml_dtypes and the largest number in PyTorch, where an overflow so stays "
        "unseen: a loss scaler that looks for infinity and NaN does not find it.",
        reference="OCP OFP8 1.0, section 5; Micikevicius et al. 2022 (arXiv 2209.05433), section 3.1: infinity and NaN "
        "become NaN",
        concerns=np.isinf,
    ),
    Disagreement(
        format="e8m0",
        inputs="zero of either sign",
        source="fp32",
        given=0x00000000,
        standard=0xFF,
        ml_dtypes=0xFF,
        torch=0x00,
        sentence="E8M0 has no zero. ml_dtypes gives NaN; PyTorch gives the smallest number, 2^-127.",
        reference="OCP MX 1.0, section 5.4.1: no encoding for zero",
        concerns=lambda x: x == 0,
    ),
    Disagreement(
        format="e8m0",
        inputs="negative numbers above -1.5 * 2^127",
        source="fp32",
        given=0xBF800000,  # -1
        standard=0xFF,
        ml_dtypes=0xFF,
        torch=0x7F,
        sentence="E8M0 has no sign. ml_dtypes gives NaN; PyTorch drops the sign, so that -1 becomes 1.",
        reference="OCP MX 1.0, section 5.4.1: E8M0 is unsigned",
        concerns=lambda x: (x < 0) & (x > -1.5 * 2.0**127),
    ),
    Disagreement(
        format="e8m0",
        inputs="numbers between 2^-127 and 1.5 * 2^-127",
        source="fp32",
        given=0x00500000,  # 1.25 * 2^-127, subnormal in float32
        standard=0x00,
        ml_dtypes=0x01,
        torch=0x01,
        sentence="The nearest power of two is 2^-127, but ml_dtypes and PyTorch give 2^-126: these numbers are "
        "subnormal in float32, and both take the leading bit, there a part of the fraction, for one that rounds up.",
        reference="IEEE 754-2019, clause 4.3.1; OCP MX 1.0, section 5.4.1",
        concerns=lambda x: (x > 2.0**-127) & (x < 1.5 * 2.0**-127),
    ),
    _nan_into_nothing("e3m2", 0x20),
    _nan_into_nothing("e2m3", 0x20),
    _nan_into_nothing("e2m1", 0x08),
    Disagreement(
        format="fp64",
        inputs="NaN: its sign and payload",
        source="fp16",
        given=0x7C01,  # a signalling NaN
        standard=0x7FF8000000000000,
        ml_dtypes=0x7FF0040000000000,
        torch=0x7FF8040000000000,
        sentence="NaN stays NaN with its payload, but numpy keeps a signalling NaN signalling, where a conversion "
        "should make it quiet, as PyTorch's does.",
        reference=_NAN_BITS,
        concerns=np.isnan,
    ),
    Disagreement(
        format="fp32",
        inputs="NaN: its sign and payload",
        source="e8m0",
        given=0xFF,
        standard=0x7FC00000,
        ml_dtypes=0x7FC00000,
        torch=0x7F800001,
        sentence="NaN stays NaN, but PyTorch makes a signalling one of the NaN of E8M0 and of the FNUZ formats.",
        reference=_NAN_BITS,
        concerns=np.isnan,
    ),
    Disagreement(
        format="fp16",
        inputs="NaN: its sign and payload",
        source="fp32",
        given=0x7F800001,  # a signalling NaN
        standard=0x7E00,
        ml_dtypes=0x7C01,
        torch=0x7E00,
        sentence="NaN stays NaN, but numpy (which ml_dtypes leaves float16 to) keeps a signalling NaN signalling, "
        "where a conversion should make it quiet, as PyTorch's does.",
        reference=_NAN_BITS,
        concerns=np.isnan,
    ),
    Disagreement(
        format="bf16",
        inputs="NaN: its sign and payload",
        source="fp32",
        given=0x7FC00000,
        standard=0x7FC0,
        ml_dtypes=0x7FC0,
        torch=0xFFFF,
        sentence="NaN stays NaN, but PyTorch's vectorised cast sets every bit, its sign among them, while its cast of "
        "a single number gives 0x7FC0; ml_dtypes keeps the sign and drops the payload.",
        reference=_NAN_BITS,
        concerns=np.isnan,
    ),
    Disagreement(
        format="e4m3fn",
        inputs="NaN of an FNUZ format: its sign",
        source="e4m3fnuz",
        given=0x80,
        standard=0x7F,
        ml_dtypes=0xFF,
        torch=0x7F,
        sentence="NaN stays NaN, but the code of FNUZ's only NaN is a lone sign bit, which ml_dtypes keeps and PyTorch "
        "does not.",
        reference=_NAN_BITS,
        concerns=np.isnan,
    ),
    Disagreement(
        format="e5m2",
        inputs="NaN: its sign and payload",
        source="fp32",
        given=0x7FC00000,
        standard=0x7E,
        ml_dtypes=0x7E,
        torch=0x7F,
        sentence="NaN stays NaN, with one bit of payload more in PyTorch than in ml_dtypes.",
        reference=_NAN_BITS,
        concerns=np.isnan,
    ),
    _by_way_of_float32("fp16", 1 + 2**-11 + 2**-40, 0x3C01, 0x3C01, 0x3C00),
    _by_way_of_float32("bf16", 1 + 2**-8 + 2**-40, 0x3F81, 0x3F80, 0x3F80),
    _by_way_of_float32("e4m3fn", 1 + 2**-4 + 2**-40, 0x39, 0x38, 0x38),
    _by_way_of_float32("e5m2", 1 + 2**-3 + 2**-40, 0x3D, 0x3C, 0x3C),
    _by_way_of_float32("e4m3fnuz", 1 + 2**-4 + 2**-40, 0x41, 0x40, 0x40),
    _by_way_of_float32("e5m2fnuz", 1 + 2**-3 + 2**-40, 0x41, 0x40, 0x40),
    _by_way_of_float32("e8m0", 1.5 - 2**-40, 0x7F, 0x80, 0x80),
    _by_way_of_float32("e3m2", 1 + 2**-3 + 2**-40, 0x0D, 0x0C, None),
    _by_way_of_float32("e2m3", 1 + 2**-4 + 2**-40, 0x09, 0x08, None),
    _by_way_of_float32("e2m1", 1 + 2**-2 + 2**-40, 0x3, 0x2, None),
)
"""The table, in the order in which a page shows it."""
