"""Published formulas for activation memory, shown beside the traced figure."""

from __future__ import annotations

CITATION = "Korthikanti et al. 2022, Reducing Activation Recomputation in Large Transformer Models (arXiv 2205.05198)"


def activations(
    layers: int, hidden: int, heads: int, batch: int, sequence: int, attention: str, checkpointing: bool
) -> int:
    """Bytes of activations of a GPT-like model in 16 bits, after Korthikanti et al. 2022.

    A layer keeps ``s·b·h·(34 + 5·a·s/h)`` bytes (equation 2); without the matrices of scores, as with a fused
    attention, ``34·s·b·h``; where whole layers are computed again only their inputs are kept, ``2·s·b·h``
    (section 4.3 and table 2). The formula has dropout and an MLP of four times the width in it, and neither the
    embedding nor the logits.

    Parameters
    ----------
    layers, hidden, heads : int
        Layers, their width h, and heads of attention a.
    batch, sequence : int
        Sequences b of s tokens.
    attention : str
        ``eager`` keeps the scores; ``sdpa`` does not.
    checkpointing : bool
        Whether layers are computed again in backward.
    """
    values = sequence * batch * hidden
    if checkpointing:
        return layers * 2 * values
    scores = 5 * heads * sequence**2 * batch if attention == "eager" else 0
    return layers * (34 * values + scores)
