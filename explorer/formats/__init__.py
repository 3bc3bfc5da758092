"""What a number is: the floating-point formats and every way into and out of them.

A format is one value of :class:`FormatSpec`, derived from gfloat's ``FormatInfo`` in :mod:`.registry`; nothing else
knows a format by name. :mod:`.decode` reads codes, :mod:`.encode` rounds one number exactly once, :mod:`.arrays` rounds
whole arrays, and :mod:`.spacing` says what lies next to a code. :mod:`.rounding` holds the rules they share, and
:mod:`.exact` reads a number as it was given. Only numpy, ml_dtypes and gfloat are imported here, so that a page or a
plot can ask this room without torch.
"""

from explorer.formats.decode import KINDS, Decoded
from explorer.formats.registry import catalogue, get, names
from explorer.formats.rounding import OVERFLOWS, ROUNDINGS
from explorer.formats.spec import FormatSpec

__all__ = ["KINDS", "OVERFLOWS", "ROUNDINGS", "Decoded", "FormatSpec", "catalogue", "get", "names"]
