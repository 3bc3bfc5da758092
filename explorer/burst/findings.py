"""The findings: each says one thing that happened in a lane, from the run's own numbers, or nothing.

A finding that names a cause makes others redundant; it lists their codes. None of them reads which faults were asked
for: what they say has to follow from losses, norms, scales, skipped steps and what the instruments sampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median

from explorer.burst.seen import Seen

WORTH_SAYING_LOST = 0.01
"""Share of lost gradients from which they are mentioned."""

WORTH_SAYING_SUBNORMAL = 0.5
"""Share of subnormal gradients from which they are mentioned."""

WORTH_SAYING_UNCHANGED = 0.5
"""Share of weights that a non-zero update left as they were, from which it is mentioned."""

NARROW = 1e6
"""A format whose largest number is below this has a range that activations can leave (FP16: 65504)."""

WORTH_SAYING_LOST_8_BITS = 0.1
"""The same of a format of 8 bits."""

FULL_RANGE = 1e38
"""The largest numbers of float32, TF32 and BF16 are above this."""

SMALLEST_SAFE_EPS = 1e-5
"""Measured with moments in FP16: AdamW ends in NaN or infinity with an eps of 1e-8 to 1e-6, and trains with 1e-4."""

SPIKE = 10
"""A loss that is so many times the median of those before it is a spike, where they were calm."""

CALM = 5
"""How many losses that median is of."""

Write = Callable[[Seen, Seen | None], str | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Who writes the sentence of one code, and which codes need not be said beside it."""

    write: Write
    explains: frozenset[str] = frozenset()


FINDINGS: dict[str, Finding] = {}
"""Findings by the codes of ``diagnosis`` events, the most important first."""


def _finding(code: str, *explains: str) -> Callable[[Write], Write]:
    def register(write: Write) -> Write:
        FINDINGS[code] = Finding(write, frozenset(explains))
        return write

    return register


@_finding("outcome")
def outcome(lane: Seen, reference: Seen | None) -> str | None:
    """From which loss to which, and how far from the float32 lane."""
    if not math.isfinite(lane.losses[0]):
        return None
    end = short(lane.recent_loss) if math.isfinite(lane.recent_loss) else _what(lane.recent_loss)
    sentence = f"Loss {short(lane.losses[0])} → {end} in {_steps(len(lane.losses))}"
    if not reference or reference is lane or not math.isfinite(lane.recent_loss + reference.recent_loss):
        return sentence + "."
    return f"{sentence}, {_apart(lane.recent_loss, reference.recent_loss, reference.name)}."


def _apart(loss: float, reference: float, name: str) -> str:
    apart = loss / reference - 1 if reference else 0.0
    if abs(apart) < 0.01:
        return f"within 1 % of {name}"
    if apart > 9:
        return f"{short(apart + 1)} times as high as {name}"
    return f"{abs(apart):.0%} {'above' if apart > 0 else 'below'} {name}".replace("%", " %")


@_finding("forward-overflow", "non-finite-loss", "skipped-steps", "infinite-gradient", "lost-gradients")
def forward_overflow(lane: Seen, reference: Seen | None) -> str | None:
    """A value left the compute format's range before there was a gradient.

    With a scaler the weights are never updated by what is not finite, so that a loss that is not finite comes from the
    forward pass; the same holds at the first step of any lane.
    """
    bad = lane.first_bad
    if bad is None or not _has_narrow_range(lane) or _diverged_too(lane, reference) or _is_bad_too(reference, bad):
        return None
    if bad > 0 and not lane.scales and (_is_kept_narrow(lane) or not all(map(math.isfinite, lane.norms[:bad]))):
        return None
    what = _what(lane.losses[bad])
    once = sum(not math.isfinite(loss) for loss in lane.losses) == 1 < len(lane.losses) - bad
    when = f"was {what} at step {bad}" if once else f"is {what} from step {bad} on"
    cause = f"a value of the forward pass left {lane.format.label}'s range (±{lane.format.max:,.0f})"
    sentence = f"The loss {when}: {cause}, which no loss scale can cure."
    since = len(lane.losses) - bad
    if once and bad in lane.skipped:
        return f"{sentence} That step was skipped."
    if lane.skipped[-since:] == list(range(bad, bad + since)):
        fell = f"{power(lane.scale[bad])} → {power(lane.last_scale)}"
        return f"{sentence} Every step {'since ' if bad else ''}was skipped, and the scale only fell: {fell}."
    return sentence


@_finding(
    "eps-underflow", "non-finite-loss", "infinite-gradient", "learning-rate-too-high", "lost-updates", "lost-gradients"
)
def eps_underflow(lane: Seen, reference: Seen | None) -> str | None:
    """AdamW's eps does not keep its denominator away from 0 where moments are kept in FP16."""
    if lane.optimizer != "adamw" or not _is_kept_narrow(lane) or lane.eps >= SMALLEST_SAFE_EPS or lane.first_bad == 0:
        return None
    bad = lane.first_bad
    if (bad is None and not lane.has_diverged) or (reference is not None and reference.has_diverged):
        return None
    label = lane.stored.label
    if bad is None:
        peak = max(loss for loss in lane.losses if math.isfinite(loss))
        when = f"The loss rose from {short(lane.losses[0])} to {short(peak)}"
    else:
        when = f"The loss is {_what(lane.losses[bad])} from step {bad} on"
    if lane.stored.decode(lane.stored.encode(lane.eps)).value == 0:
        return (
            f"{when}: AdamW's eps of {lane.eps:g} is 0 in {label}, and 0 / 0 where a second moment is 0 too. Take 1e-4."
        )
    return (
        f"{when}: AdamW's eps of {lane.eps:g} is too small beside second moments that round to 0 in {label}. Take 1e-4."
    )


@_finding("infinite-gradient", "non-finite-loss")
def infinite_gradient(lane: Seen, reference: Seen | None) -> str | None:
    """A gradient was not finite, and no scaler kept it from the weights."""
    if lane.scales or _diverged_too(lane, reference):
        return None
    bad = next((step for step, norm in enumerate(lane.norms) if not math.isfinite(norm)), None)
    if bad is None or not math.isfinite(lane.losses[bad]):
        return None
    after = ""
    if lane.first_bad is not None:
        after = f", and the loss is {_what(lane.losses[lane.first_bad])} from step {lane.first_bad} on"
    return f"A gradient was not finite at step {bad}; without a scaler the update was made all the same{after}."


@_finding("clipped-before-unscaling", "lost-gradients", "learning-rate-too-high")
def clipped_before_unscaling(lane: Seen, reference: Seen | None) -> str | None:
    """The unscaled norm is clip_norm / scale, step after step: the mark of clipping what is still scaled."""
    if not lane.scales or lane.clip_norm is None:
        return None
    taken = [step for step, norm in enumerate(lane.norms) if math.isfinite(norm) and lane.scale[step] >= 2]
    marked = [step for step in taken if math.isclose(lane.norms[step] * lane.scale[step], lane.clip_norm, rel_tol=1e-3)]
    if len(marked) < 5 or len(marked) < 0.9 * len(taken):
        return None
    return (
        "Clipped before unscaling: step after step the gradients' norm after unscaling is clip_norm / scale "
        f"({lane.norms[marked[-1]]:.2g}). Call unscale_ first, then clip."
    )


@_finding("scaler-not-updated", "skipped-steps")
def scaler_not_updated(lane: Seen, reference: Seen | None) -> str | None:
    """A step was skipped, or a growth interval went by, and the scale is what it was."""
    if not lane.stuck:
        return None
    scale = power(lane.scale[lane.stuck[0]])
    if lane.skipped:
        count = len(lane.skipped)
        return f"{_steps(count)} skipped and the scale stayed at {scale}: the scaler is not updated."
    return (
        f"The scale stayed at {scale} through {lane.growth_interval} steps without overflow: the scaler is not updated."
    )


@_finding("loss-spike", "learning-rate-too-high")
def loss_spike(lane: Seen, reference: Seen | None) -> str | None:
    """One step's loss is far above all before it, which were calm; a learning rate that is too high grows the loss."""
    losses = lane.losses
    for step in range(CALM, len(losses)):
        before = median(losses[step - CALM : step])
        if losses[step] > SPIKE * max(before, 1e-6):
            if not max(losses[:step]) <= 1.5 * losses[0]:
                return None
            break
    else:
        return None
    sentence = f"The loss jumped at step {step} from about {short(before)} to {short(losses[step])}"
    back = next((late for late in range(step + 1, len(losses)) if losses[late] <= 1.1 * before), None)
    if back is None:
        end = short(lane.recent_loss) if math.isfinite(lane.recent_loss) else _what(lane.recent_loss)
        return f"{sentence} and has not come back: {end} after {_steps(len(losses))}."
    return f"{sentence} and was back {'in the next step' if back == step + 1 else f'after {back - step} steps'}."


@_finding("learning-rate-too-high", "non-finite-loss", "lost-gradients", "skipped-steps")
def learning_rate_too_high(lane: Seen, reference: Seen | None) -> str | None:
    """The loss grew, and not for the format's sake: it grew in float32 too, or there is no float32 lane to ask."""
    if not (lane.over or lane.first_bad is not None) or not (lane.has_diverged or lane.first_bad is not None):
        return None
    if not _diverged_too(lane, reference):
        return None
    told = []
    if lane.has_diverged:
        peak = max(loss for loss in lane.losses if math.isfinite(loss))
        told.append(f"rose from {short(lane.losses[0])} to {short(peak)}")
    if lane.first_bad is not None:
        told.append(f"became {_what(lane.losses[lane.first_bad])} at step {lane.first_bad}")
    too = f", and grew in {reference.name} too" if reference not in (None, lane) else ""
    return f"The loss {' and '.join(told)}{too}: the learning rate of {lane.learning_rate:g} is too high."


@_finding("lost-updates")
def lost_updates(lane: Seen, reference: Seen | None) -> str | None:
    """Updates that are not zero leave the stored weights as they were; by chance, where rounding is stochastic."""
    if not lane.unchanged or (share := fmean(lane.unchanged)) < WORTH_SAYING_UNCHANGED or lane.recipe.stochastic:
        return None
    return (
        f"{percent(share)} of its weights stayed as they were though their update was not 0: less than half the "
        f"distance to the next {lane.stored.label} number. Float32 master weights keep such updates."
    )


@_finding("lost-gradients")
def lost_gradients(lane: Seen, reference: Seen | None) -> str | None:
    """Gradients that float32 has and the compute format does not.

    Rounding moves some activations to the other side of a ReLU, and their gradients are zero for that: a few in BF16,
    which has float32's range, a percent or two in FP8. So this is said of formats of narrow range only, and of FP8 from
    a larger share on. Where operands are scaled, what vanishes is small beside its neighbours, and is not lost.
    """
    narrow = lane.gradient_format.max < FULL_RANGE and lane.recipe.scaling == "none"
    if not narrow or not lane.lost:
        return None
    share = fmean(lane.lost)
    if share < (WORTH_SAYING_LOST if lane.gradient_format.bits > 8 else WORTH_SAYING_LOST_8_BITS):
        return None
    return f"It lost {percent(share)} of its gradients: too small for {lane.gradient_format.label}, they became 0."


@_finding("non-finite-loss")
def non_finite_loss(lane: Seen, reference: Seen | None) -> str | None:
    """The loss is not finite, for no cause that these findings know."""
    if lane.first_bad is None:
        return None
    return f"The loss became {_what(lane.losses[lane.first_bad])} at step {lane.first_bad}."


@_finding("skipped-steps")
def skipped_steps(lane: Seen, reference: Seen | None) -> str | None:
    """How often the scaler skipped a step, and where the scale went."""
    if not lane.skipped:
        return None
    count = f"{_steps(len(lane.skipped))} skipped"
    if lane.grown:
        low, high = power(min(lane.scale)), power(max(lane.scale))
        return f"{count}: the scale grew until gradients overflowed, and moved between {low} and {high}."
    return f"{count} while the scale fell from {power(lane.scale[0])} to {power(lane.last_scale)}."


@_finding("subnormal-gradients")
def subnormal_gradients(lane: Seen, reference: Seen | None) -> str | None:
    """Gradients that are held with fewer bits than the format has."""
    if not lane.subnormal or (share := fmean(lane.subnormal)) < WORTH_SAYING_SUBNORMAL:
        return None
    return (
        f"{percent(share)} of its gradients are subnormal in {lane.gradient_format.label}, held with fewer than "
        f"{lane.gradient_format.mantissa_bits + 1} significant bits."
    )


def _is_bad_too(reference: Seen | None, step: int) -> bool:
    """Whether the float32 lane's loss stopped being finite too, by this step or the next (lanes advance in turn)."""
    return reference is not None and reference.first_bad is not None and reference.first_bad <= step + 1


def _diverged_too(lane: Seen, reference: Seen | None) -> bool:
    """Whether the loss grew in float32, which clears the format; the lane's own tells where there is no float32."""
    return (reference or lane).has_diverged


def _has_narrow_range(lane: Seen) -> bool:
    """Whether activations can leave the range of the compute format; where operands are scaled they do not."""
    return lane.format.max < NARROW and lane.recipe.scaling == "none"


def _is_kept_narrow(lane: Seen) -> bool:
    """Whether weights, and with them the optimizer's moments, are kept in a format of narrow range."""
    return lane.stored.max < NARROW


def _what(loss: float) -> str:
    return "NaN" if math.isnan(loss) else "infinite"


def _steps(count: int) -> str:
    return f"{count} step{'s' if count > 1 else ''}"


def short(value: float) -> str:
    """The number with three or four digits."""
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def percent(share: float) -> str:
    """The share in percent; with a digit more where it is near 0 or 1."""
    return f"{share:.1%}".replace("%", " %") if share > 0.99 or share < 0.02 else f"{share:.0%}".replace("%", " %")


def power(scale: float) -> str:
    """The scale as a power of two, where it is one."""
    mantissa, exponent = math.frexp(scale)
    return f"2^{exponent - 1}" if mantissa == 0.5 else f"{scale:.4g}"
