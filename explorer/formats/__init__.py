"""What a number is: the floating-point formats and every way into and out of them.

A format is one value of :class:`FormatSpec`, derived from gfloat's ``FormatInfo`` in :mod:`.registry`; nothing else
knows a format by name. :mod:`.decode` reads codes, :mod:`.encode` rounds one number exactly once, :mod:`.arrays` rounds
whole arrays on the grid of :mod:`.grid`, and :mod:`.spacing` says what lies next to a code. :mod:`.rounding` holds the
rules they share, and :mod:`.exact` reads a number as it was given. A :class:`BlockFormatSpec` (:mod:`.blocks`,
:mod:`.scales`) is elements of one format that share a scale of another.

For people, :mod:`.text` reads what they type, :mod:`.row` says all about one number in one format, :mod:`.sentences`
says it in words, and :mod:`.disagreements` lists where the libraries part from the standards. Only numpy, ml_dtypes and
gfloat are imported here, so that a page or a plot can ask this room without torch.
"""

from explorer.formats.block_parts import BlockElement, BlockParts
from explorer.formats.blocks import BlockFormatSpec
from explorer.formats.decode import KINDS, Decoded
from explorer.formats.disagreements import DISAGREEMENTS, Disagreement
from explorer.formats.registry import block_catalogue, block_names, catalogue, get, names
from explorer.formats.rounding import OVERFLOWS, ROUNDINGS
from explorer.formats.row import describe
from explorer.formats.sentences import range_sentence
from explorer.formats.spec import FormatSpec
from explorer.formats.text import Parsed, parse

__all__ = [
    "DISAGREEMENTS",
    "KINDS",
    "OVERFLOWS",
    "ROUNDINGS",
    "BlockElement",
    "BlockFormatSpec",
    "BlockParts",
    "Decoded",
    "Disagreement",
    "FormatSpec",
    "Parsed",
    "block_catalogue",
    "block_names",
    "catalogue",
    "describe",
    "get",
    "names",
    "parse",
    "range_sentence",
]
