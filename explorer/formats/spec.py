"""A number format as data, with the operations that take it as their first argument."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt
from gfloat import Domain, FormatInfo

from explorer.formats import arrays, spacing
from explorer.formats import decode as decoding
from explorer.formats import encode as encoding
from explorer.formats.decode import Decoded
from explorer.formats.exact import Number
from explorer.formats.rounding import RandomSource


@dataclass(frozen=True)
class FormatSpec:
    """One binary floating-point format: the widths of its fields, its limits, its special values.

    A code is the integer that the format's bits spell, sign first, then exponent, then mantissa
    (IEEE 754-2019, clause 3.4). The fields are plain JSON values, so that a browser decodes from the same definition.

    Attributes
    ----------
    name, label : str
        What programs and what people call it.
    bits, exponent_bits, mantissa_bits : int
        Width of a code, of its exponent field and of its mantissa field (the trailing significand, without the
        implicit leading bit).
    bias : int
        Subtracted from the exponent field to give the exponent of a normal number.
    max, smallest_normal : float
        Largest finite and smallest positive normal value.
    smallest_subnormal : float or None
        Smallest positive subnormal value, None in a format without subnormals.
    epsilon : float
        Distance from 1 to the next larger value, ``2**-mantissa_bits``.
    has_inf, has_nan, signed : bool
        Whether the format can say infinity, NaN and a negative number.
    has_zero : bool
        Whether code 0 is zero.
    has_negative_zero : bool
        Whether the sign bit alone is -0. In the formats with a sign where it is not, it is the one NaN.
    has_subnormals : bool
        Whether exponent field 0 means subnormal numbers; if not, it is an exponent like any other.
    max_code : int
        Code of `max`. Of the codes above it (sign bit left aside) the first is infinity where `has_inf`; the rest are
        NaN.
    nan_code : int or None
        The NaN that rounding gives: positive and quiet, with no payload (IEEE 754-2019, clause 6.2.1).
    storage : str
        The numpy or ml_dtypes type that holds a number of this format in memory. Where it is wider than the format
        (TF32 in float32), the code is its upper bits and the rest are zero.
    """

    name: str
    label: str
    bits: int
    exponent_bits: int
    mantissa_bits: int
    bias: int
    max: float
    smallest_normal: float
    smallest_subnormal: float | None
    epsilon: float
    has_inf: bool
    has_nan: bool
    signed: bool
    has_zero: bool
    has_negative_zero: bool
    has_subnormals: bool
    max_code: int
    nan_code: int | None
    storage: str

    @classmethod
    def from_info(cls, name: str, label: str, info: FormatInfo, *, storage: str) -> Self:
        """Derive a format from gfloat's description of it.

        Parameters
        ----------
        name, label, storage : str
            As the attributes.
        info : gfloat.FormatInfo
            A format with a sign-and-magnitude code, or without sign.
        """
        return cls(
            name=name,
            label=label,
            bits=info.k,
            exponent_bits=info.expBits,
            mantissa_bits=info.tSignificandBits,
            bias=info.bias,
            max=float(info.max),
            smallest_normal=float(info.smallest_normal),
            smallest_subnormal=float(info.smallest_subnormal) if info.has_subnormals else None,
            epsilon=float(info.eps),
            has_inf=info.domain == Domain.Extended,
            has_nan=info.num_nans > 0,
            signed=info.is_signed,
            has_zero=info.has_zero,
            has_negative_zero=info.has_nz,
            has_subnormals=info.has_subnormals,
            max_code=info.code_of_max,
            nan_code=_quiet_nan(info) if info.num_nans else None,
            storage=storage,
        )

    @property
    def sign_mask(self) -> int:
        """The sign bit as a code: ``1 << (bits - 1)``, or 0 in a format without sign."""
        return 1 << (self.bits - 1) if self.signed else 0

    @property
    def least_exponent_field(self) -> int:
        """Exponent field of the smallest normal numbers: 1, or 0 in a format without subnormals."""
        return int(self.has_subnormals)

    @property
    def largest_exponent(self) -> int:
        """Exponent of `max`, ``floor(log2(max))`` (emax: IEEE 754-2019, clause 3.3)."""
        return math.frexp(self.max)[1] - 1

    @property
    def underflow_threshold(self) -> Fraction | None:
        """The largest magnitude that becomes zero under ``nearest-even``: half the smallest subnormal, exactly.

        A tie between zero, whose digit is even, and the smallest subnormal, whose is odd (IEEE 754-2019, clause 4.3.1).
        None in a format without zero. In FP16 it is ``2**-25``.
        """
        return Fraction(self.smallest_subnormal) / 2 if self.has_subnormals else None

    def decode(self, code: int) -> Decoded:
        """Read a code: its fields, its kind, its value.

        Parameters
        ----------
        code : int
            From 0 to ``2**bits - 1``.

        Raises
        ------
        InputError
            A code out of range, or not a whole number.

        Examples
        --------
        >>> get("fp16").decode(0x2E66).exact
        '0.0999755859375'
        """
        return decoding.decode(self, code)

    def encode(
        self, value: Number, rounding: str = "nearest-even", overflow: str = "native", rng: RandomSource = None
    ) -> int:
        """Round a number to this format, once, from its exact value.

        Parameters
        ----------
        value : int, float, Fraction, Decimal or NumPy scalar
            Taken exactly: ``Decimal("0.1")`` is a tenth, ``0.1`` the float64 next to it.
        rounding : str
            ``nearest-even`` (the default of IEEE 754-2019, clause 4.3), ``nearest-away`` (a tie goes away from zero),
            ``toward-zero``, ``toward-positive``, ``toward-negative``, or ``stochastic``: away from zero with a
            probability that is the distance to the neighbour nearer zero over the distance between the two, to 63
            bits.
        overflow : str
            What becomes of a number that would round beyond `max` if the exponent had no limit (clause 7.4), and of
            infinity. ``native``: infinity where the format has one, else NaN, else the largest value; but a finite
            number under a rounding that points back at zero (``toward-zero``; of a positive number
            ``toward-negative``; of a negative one ``toward-positive``) gives the largest value (clause 7.4, b to d).
            ``saturate``: the largest value of the same sign, for infinity too.
        rng : numpy.random.Generator, int or None
            For ``stochastic``: where the random bits come from, one 64-bit draw a call. A whole number seeds a new
            generator, None takes fresh entropy.

        Returns
        -------
        int
            The code. The sign of zero is kept, and a negative number that rounds to zero gives -0 where there is one.
            Every NaN becomes `nan_code`, as do negative numbers in a format without sign and zero in one without zero;
            a positive number below the smallest of a format without zero gives that smallest. A tie in a format
            without mantissa bits goes up under ``nearest-even``, for neither neighbour has an even digit (clause
            4.3.1).

        Raises
        ------
        InputError
            Something that is not a number, NaN into a format that has none, an unknown rounding or overflow.

        Examples
        --------
        >>> hex(get("fp16").encode(0.1))
        '0x2e66'
        """
        return encoding.encode(self, value, rounding, overflow, rng)

    def neighbours(self, code: int) -> tuple[int | None, int | None]:
        """Give the codes of the next smaller and next larger value (nextDown, nextUp: IEEE 754-2019, clause 5.3.1).

        -0 and +0 are one point. The zero above the negative subnormals is -0 where the format has it, as in nextUp.
        None where there is nothing beyond: below the least value, above the greatest, and for NaN on both sides.

        Parameters
        ----------
        code : int
            From 0 to ``2**bits - 1``.

        Raises
        ------
        InputError
            A code out of range, or not a whole number.

        Examples
        --------
        >>> [hex(code) for code in get("fp16").neighbours(0x3C00)]
        ['0x3bff', '0x3c01']
        """
        return spacing.neighbours(self, code)

    def ulp(self, code: int) -> float:
        """Give the unit in the last place: what the last mantissa bit of this code is worth.

        As Python's :func:`math.ulp`: `smallest_subnormal` for zero and the subnormals, infinity for infinity, NaN for
        NaN.

        Parameters
        ----------
        code : int
            From 0 to ``2**bits - 1``.

        Raises
        ------
        InputError
            A code out of range, or not a whole number.
        """
        return spacing.ulp(self, code)

    def quantize(
        self,
        array: npt.ArrayLike,
        rounding: str = "nearest-even",
        overflow: str = "native",
        rng: RandomSource = None,
    ) -> npt.NDArray[np.float32] | npt.NDArray[np.float64]:
        """Round every element to this format: ``decode(encode(element)).value``, elementwise, once.

        Parameters
        ----------
        array : array_like of real numbers
            Any shape; floats of up to 64 bits, and whole numbers that float64 holds exactly.
        rounding, overflow : str
            As for :meth:`encode`.
        rng : numpy.random.Generator, int or None
            As for :meth:`encode`; one draw an element, in C order.

        Returns
        -------
        ndarray of float32, for FP64 of float64
            Of the same shape, never the same memory.

        Raises
        ------
        InputError
            An array of something else, NaN into a format that has none, an unknown rounding or overflow.

        Examples
        --------
        >>> get("bf16").quantize([1 + 2**-8, 1 + 3 * 2**-8])
        array([1.      , 1.015625], dtype=float32)
        """
        return arrays.quantize(self, array, rounding, overflow, rng)


def _quiet_nan(info: FormatInfo) -> int:
    """The positive NaN whose first mantissa bit alone is set, or the only one there is."""
    if not info.num_high_nans:
        return info.code_of_nan
    last = (1 << (info.k - info.signBits)) - 1
    ieee_like = info.num_high_nans == 2**info.tSignificandBits - 1
    return last - (2 ** (info.tSignificandBits - 1) - 1) if ieee_like else last
