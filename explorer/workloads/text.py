"""Batches of text: real English that is on every machine, or a person's own, for predicting next or masked tokens.

The English is ``pydoc_data.topics`` of Python's standard library, about 466 kB of help pages.
"""

from __future__ import annotations

import functools
from typing import Literal

import torch
from torch import Tensor

from explorer.errors import InputError
from explorer.workloads.examples import Draw
from explorer.workloads.intake import Intake

MASKED_SHARE = 0.15
"""Share of the tokens that are masked (Devlin et al. 2019, BERT, arXiv 1810.04805, section 3.1, task 1)."""

IGNORED = -100
"""Target of a position that the loss leaves out: ``torch.nn.functional.cross_entropy``'s own ``ignore_index``."""

HELD_OUT = 0.1
"""Share of the text, at its end, that is kept for evaluation."""


@functools.cache
def english() -> str:
    """All help topics in the order of their names."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def draws(intake: Intake, sequence_length: int, split: Literal["train", "eval"], text: str | None = None) -> Draw:
    """Open the text for drawing batches.

    Parameters
    ----------
    intake : Intake
        How the model reads text and what it predicts.
    sequence_length : int
        Tokens a sequence.
    split : {"train", "eval"}
        Everything but the last tenth of the tokens, or that tenth; of a short text at least one sequence is held out.
    text : str, optional
        A person's own text instead of the English one.

    Returns
    -------
    callable
        Draws token ids and targets, both int64 of shape (batch_size, sequence_length). Targets are the tokens that
        follow, or, for masked tokens, what stood there and :data:`IGNORED` everywhere else.

    Raises
    ------
    InputError
        The text is too short for a sequence to train on and another one to evaluate on.
    """
    masked = intake.objective == "masked"
    window = sequence_length + (not masked)
    tokens = intake.encode(english() if text is None else text)
    if len(tokens) < 2 * window:
        raise InputError(
            "text",
            text,
            f"at least {2 * window} tokens",
            sentence=f"text: its {len(tokens):,} tokens are too few for a sequence_length of {sequence_length:,}, "
            f"which takes {2 * window:,}: one sequence to train on and one that is held out. Take a longer text or "
            "shorter sequences.",
        )
    held_out = max(int(len(tokens) * HELD_OUT), window)
    part = tokens[-held_out:] if split == "eval" else tokens[:-held_out]
    offsets = torch.arange(window)

    def draw(batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(part) - window + 1, (batch_size, 1), generator=generator)
        rows = part[starts + offsets]
        return mask(rows, intake.mask_token, generator) if masked else (rows[:, :-1], rows[:, 1:])

    return draw


def mask(rows: Tensor, mask_token: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Hide :data:`MASKED_SHARE` of each row, at least one token, behind the mask token.

    Every hidden token becomes the mask token. BERT leaves a tenth of them as they were and replaces another tenth by
    random ones, for the sake of fine-tuning on texts without masks (section 3.1), which does not follow here.

    Parameters
    ----------
    rows : Tensor
        Token ids, int64 of shape (batch, sequence).
    mask_token : int
        Its id.
    generator : torch.Generator
        Draws which tokens are hidden.

    Returns
    -------
    tuple of Tensor
        The rows with masks, and what they hide, :data:`IGNORED` elsewhere; both as ``rows``.
    """
    count = max(1, round(MASKED_SHARE * rows.shape[1]))
    hidden = torch.rand(rows.shape, generator=generator).topk(count).indices
    targets = torch.full_like(rows, IGNORED).scatter(1, hidden, rows.gather(1, hidden))
    return rows.scatter(1, hidden, mask_token), targets
