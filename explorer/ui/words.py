"""What each setting is called and what is said about it. Ranges come from the config itself, defaults too."""

from __future__ import annotations

from typing import Any

from explorer.burst.config import BurstConfig, ScalerConfig
from explorer.burst.fields import words_of

LABELS = {
    "model": "Model",
    "data": "Data",
    "text": "Own text",
    "steps": "Steps",
    "batch_size": "Batch size",
    "sequence_length": "Sequence",
    "optimizer": "Optimizer",
    "learning_rate": "Learning rate",
    "clip_norm": "Clip norm",
    "accumulation_steps": "Accumulation",
    "warmup_steps": "Warm-up",
    "schedule": "Schedule",
    "eval_every": "Evaluate every",
    "seed": "Seed",
    "seeds": "Seeds",
    "loss_weight": "Loss weight",
    "input_scale": "Input scale",
    "weight_gain": "Weight gain",
    "weight_decay": "Weight decay",
    "eps": "Epsilon",
    "device": "Device",
}

HELP = {
    "loss_weight": "Multiplies the loss before backward; small values push FP16 gradients into underflow.",
    "input_scale": "Multiplies the inputs; large values push FP16 activations into overflow.",
    "weight_gain": "Multiplies the initial weights.",
    "weight_decay": "Share of a weight that AdamW takes off it, times the learning rate.",
    "eps": "Added to AdamW's denominator; below 6e-8 it is zero in FP16.",
    "model": "hub:owner/name or path:folder takes a model of your own, safetensors only.",
    "text": "Learnt from in place of the usual text; up to 50,000 characters.",
    "accumulation_steps": "Batches whose gradients are summed before one update.",
    "warmup_steps": "Steps over which the learning rate rises to its full size.",
    "schedule": "How the learning rate goes on after the warm-up.",
    "eval_every": "Steps from one evaluation on held-out data to the next; empty: never.",
    "seeds": "How often each lane is trained, with weights and batches of its own; the mean and a band are drawn.",
    "device": "auto takes the accelerator where there is one.",
    "clip_norm": "Largest norm of all gradients together, after unscaling; empty or 0: none.",
}

SCALER_LABELS = {
    "enabled": "Scale the loss",
    "init_scale": "Initial scale",
    "growth_factor": "Growth factor",
    "backoff_factor": "Backoff factor",
    "growth_interval": "Growth interval",
}

SCALER_HELP = {
    "init_scale": "What the loss is multiplied by at first; 2^16 and 65536 are the same.",
    "growth_factor": "Multiplies the scale after a growth interval without overflow.",
    "backoff_factor": "Multiplies the scale after a step that overflowed and was skipped.",
    "growth_interval": "Steps in a row without overflow before the scale grows.",
}


FAULT_LABELS = {
    "fault": "Break it on purpose",
    "fault_step": "At step",
    "fault_factor": "Factor",
    "fault_lasting": "from that step on",
    "more_faults": "Further faults",
}

NO_FAULT = "none"


def accepted(field: str, part: type = BurstConfig) -> str:
    """What a field takes, in the words of the config."""
    return words_of(part.model_fields[field])


def scaler_help(field: str) -> str:
    """The sentence on a scaler's setting, with its range and default."""
    default = scale_text(ScalerConfig.model_fields[field].default)
    return f"{SCALER_HELP[field]} Takes {accepted(field, ScalerConfig)}; default {default}."


def scale_text(scale: Any) -> str:
    """A scale as people write it: ``2^16`` for a power of two that is not small, else the number."""
    if isinstance(scale, int | float) and scale >= 1024 and float(scale).hex().startswith("0x1.0000000000000p"):
        return f"2^{float(scale).hex().split('p+')[-1]}"
    return f"{scale:g}" if isinstance(scale, float) else str(scale)


def read_scale(text: str) -> Any:
    """The number in ``2^16``, ``2**16`` or ``65536``; what is none comes back as it is, for the config to refuse."""
    try:
        base, power, exponent = text.replace("**", "^").replace(" ", "").partition("^")
        return float(base) ** float(exponent) if power else float(base)
    except (ValueError, OverflowError, ZeroDivisionError):
        return text
