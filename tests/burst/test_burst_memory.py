"""Memory of a step against two counts of PyTorch's own: its profiler's and its ``MemTracker``'s."""

import pytest
import torch
from burst_lanes import lane_of, watched
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker

from explorer import devices, recipes, workloads
from explorer.burst.memory import Memory

MODELS = [name for name in workloads.model_names() if name.endswith("-tiny") or name in ("mlp", "cnn")]


def counted(model, recipe):
    lane, batch = lane_of(model, recipe)
    memory = Memory(lane, 1)
    watched(lane, batch)
    watched(lane, batch, memory, step=1)
    return lane, batch, memory.reading()


def profiled_peak(lane, batch):
    """The most that one step allocates beyond what it begins with, by the profiler's record of the allocator."""
    # The optimizer frees the gradients first, so that both begin with nothing but weights and optimizer state.
    lane.optimizer.zero_grad()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        lane.train(batch)
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp"])
@pytest.mark.parametrize("model", MODELS)
def test_the_live_peak_of_every_model_agrees_with_the_profiler(model, recipe):
    lane, batch, reading = counted(model, recipe)
    owned, peak = reading["weights"] + reading["optimizer"], profiled_peak(lane, batch)
    if (model, recipe) == ("cnn", "bf16-amp"):
        # Half convolutions bring scratch memory of their own, inside of a kernel, where only the allocator sees it.
        assert 0.4 * peak < reading["total"] - owned <= peak
    else:
        assert reading["total"] - owned == pytest.approx(peak, rel=0.05)


@pytest.mark.parametrize("recipe", recipes.names())
@pytest.mark.parametrize("model", ["mlp", "gpt2-tiny"])
def test_the_live_peak_of_every_recipe_agrees_with_the_profiler(model, recipe):
    lane, batch, reading = counted(model, recipe)
    owned = reading["weights"] + reading["optimizer"]
    assert reading["total"] - owned == pytest.approx(profiled_peak(lane, batch), rel=0.05)


def tracked(lane, batch):
    """The largest of each of MemTracker's categories over one step without autocast, in bytes."""
    tracker = MemTracker()
    tracker.track_external(lane.model, lane.optimizer, *batch)
    lane.optimizer.zero_grad()
    with tracker:
        loss = nn.functional.cross_entropy(logits(lane.model(batch[0])).flatten(0, -2), batch[1].flatten())
        forward_end = tracker.get_tracker_snapshot()
        loss.backward()
        backward_end = tracker.get_tracker_snapshot()
        lane.optimizer.step()
        step_end = tracker.get_tracker_snapshot()
    return [
        {kind.value if hasattr(kind, "value") else kind: size for kind, size in snapshot[torch.device("cpu")].items()}
        for snapshot in (forward_end, backward_end, step_end)
    ]


def logits(output):
    return getattr(output, "logits", output)


@pytest.mark.parametrize("model", ["mlp", "cnn", "gpt2-tiny", "llama-tiny"])
def test_the_parts_agree_with_mem_tracker(model):
    lane, batch, reading = counted(model, "fp32")
    _, backward_end, step_end = tracked(lane, batch)
    assert step_end["Parameter"] + step_end.get("Buffer", 0) == reading["weights"]
    assert backward_end["Gradient"] == reading["gradients"]
    assert step_end["Optstate"] == reading["optimizer"]


@pytest.mark.parametrize("model", ["mlp", "cnn", "gpt2-tiny", "llama-tiny"])
def test_activations_are_what_lives_between_forward_and_backward(model):
    lane, batch, reading = counted(model, "fp32")
    lane.optimizer.zero_grad()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        loss = nn.functional.cross_entropy(logits(lane.model(batch[0])).flatten(0, -2), batch[1].flatten())
    alive = sum(event.nbytes() for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]")
    # What lives then beside what backward needs: the loss itself, and 64 bytes for a number to be aligned.
    assert alive - reading["activations"] == pytest.approx(loss.nbytes, abs=256)


@pytest.mark.parametrize("recipe", ["bf16-amp", "fp16-amp"])
def test_the_cast_cache_is_what_the_kernels_say_they_keep(recipe, monkeypatch):
    kernels = devices.kernels
    monkeypatch.setattr(devices, "kernels", lambda device, dtypes: kernels(device, dtypes, force="emulated"))
    lane, batch = lane_of("gpt2-tiny", recipe)
    memory, kept = Memory(lane, 1), []
    after_forward = memory.after_forward
    monkeypatch.setattr(
        memory, "after_forward", lambda: (after_forward(), kept.append(lane.precision._kernels.cast_cache_bytes))
    )
    watched(lane, batch, memory)
    assert memory.reading()["cast_cache"] == kept[0] > 0
