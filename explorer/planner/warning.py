"""Whether a burst will find the memory it needs, said before it starts."""

from __future__ import annotations

from typing import Any

from explorer import workloads
from explorer.burst.config import BurstConfig, parse_config
from explorer.errors import InputError

GIB = 2**30

ALWAYS = ("weights", "master_weights", "optimizer", "gradients")
"""What every lane keeps while the others have their turn: gradients stay until the lane's next step."""


def may_be_large(config: BurstConfig, free_bytes: int) -> bool:
    """Whether it is worth asking how much memory a burst needs: a bound that needs no torch, and is generous.

    Weights, gradients and two moments take at most 16 bytes a parameter and lane. What a network keeps of an example
    or a token for backward is hardly more than four bytes a parameter: each layer keeps some vectors of its width,
    and has the square of it in parameters.
    """
    model = workloads.MODELS.get(config.model)
    if model is None or model.parameters is None:
        return True
    positions = config.sequence_length if model.longest_sequence else 1
    kept = 16 * model.parameters * len(config.lanes)
    return kept + 4 * model.parameters * config.batch_size * positions > free_bytes


def needed(config: BurstConfig | dict[str, Any]) -> int:
    """Bytes that a burst needs at most: what all lanes keep, and the most that one lane's step adds.

    Raises
    ------
    InputError
        The model cannot be planned.
    """
    from explorer.planner.planning import plan
    from explorer.planner.subject import LabModel

    config = parse_config(config)
    subject = LabModel(config.model) if config.model in workloads.MODELS else None
    kept, most = 0, 0
    for lane in config.lanes:
        asked = {
            "model": config.model,
            "recipes": [lane.recipe],
            "batch": config.batch_size,
            "sequence": config.sequence_length,
            "optimizer": config.lane_setting(lane, "optimizer"),
        }
        found = plan(asked, subject)["recipes"][lane.recipe]
        keeps = sum(found[part] for part in ALWAYS)
        kept += keeps
        most = max(most, found["total"] - keeps)
    return kept + most


def warning(config: BurstConfig | dict[str, Any], free_bytes: int) -> str | None:
    """A sentence for a burst that will not find the memory it needs; None where it will, or where it is not known.

    Parameters
    ----------
    config : BurstConfig or dict
        The burst.
    free_bytes : int
        What the device has free.
    """
    try:
        bytes_needed = needed(config)
    except InputError:
        return None
    if bytes_needed <= free_bytes:
        return None
    lanes = len(parse_config(config).lanes)
    return (
        f"This burst needs about {bytes_needed / GIB:.3g} GiB in {'one lane' if lanes == 1 else f'{lanes} lanes'}, and "
        f"{free_bytes / GIB:.3g} GiB are free: it may run out of memory. A smaller batch, a smaller model or fewer "
        "lanes need less."
    )
