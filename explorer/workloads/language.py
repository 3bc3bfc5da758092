"""Language models over bytes, and batches of real English text that is on every machine.

The text is ``pydoc_data.topics`` of Python's standard library, about 466 kB of help pages.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

VOCABULARY = 256
"""One token a byte."""


def gpt2_tiny() -> nn.Module:
    """Transformers' GPT-2 with 4 layers of width 128 and 4 heads over 128 positions; no dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=128,
        n_embd=128,
        n_layer=4,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
        use_cache=False,
    )
    return GPT2LMHeadModel(config)


@functools.cache
def _text() -> Tensor:
    """The whole text as bytes, uint8 of shape (length,)."""
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[name] for name in sorted(topics))
    return torch.frombuffer(bytearray(text, "utf-8"), dtype=torch.uint8)


def batches(batch_size: int, sequence_length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw one batch: token ids and the ids that follow them, both int64 of shape (batch_size, sequence_length)."""
    text = _text()
    starts = torch.randint(len(text) - sequence_length, (batch_size, 1), generator=generator)
    rows = text[starts + torch.arange(sequence_length + 1)].long()
    return rows[:, :-1], rows[:, 1:]
