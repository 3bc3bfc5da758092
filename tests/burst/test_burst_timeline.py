"""Memory through a step, held against the memory instrument and against what the lane owns."""

import pickle

import pytest
import torch
from burst_lanes import lane_of, watched

from explorer.burst.memory import Memory
from explorer.burst.timeline import HOLDERS, MOST_POINTS, Timeline, thinned


def timeline_of(model, recipe, **fields):
    lane, batch = lane_of(model, recipe, **fields)
    watched(lane, batch)
    timeline, memory = Timeline(lane), Memory(lane, 1)
    watched(lane, batch, timeline, memory, step=1)
    return lane, timeline.reading(), memory.reading()


@pytest.fixture(scope="module", params=[("mlp", "fp32"), ("cnn", "bf16-amp"), ("gpt2-tiny", "fp16-amp")])
def seen(request):
    return timeline_of(*request.param)


def at(reading, mark):
    """The last point before a mark, by holder."""
    columns = reading["columns"]
    last = max(i for i, moment in enumerate(columns["time_ms"]) if moment <= reading["marks"][mark])
    return {name: columns[name][last] for name in HOLDERS}


def test_its_largest_sum_is_the_live_peak(seen):
    _, reading, memory = seen
    sums = [sum(point) for point in zip(*(reading["columns"][name] for name in HOLDERS), strict=True)]
    assert max(sums) == memory["total"]


def test_each_part_at_its_mark_is_what_the_memory_instrument_counts(seen):
    _, reading, memory = seen
    assert at(reading, "forward_end")["activations"] == memory["activations"]
    assert at(reading, "forward_end")["weights"] == memory["weights"]
    assert at(reading, "backward_end")["gradients"] == memory["gradients"]
    assert at(reading, "step_end")["optimizer"] == memory["optimizer"]
    assert max(reading["columns"]["cast_cache"]) == memory["cast_cache"]


def test_only_weights_gradients_and_optimizer_are_left_at_the_end(seen):
    _, reading, _ = seen
    end = at(reading, "step_end")
    assert end["activations"] == end["cast_cache"] == 0
    # The loss, its scale and the norm of the gradients still live in the step's own variables.
    assert end["other"] < 200


def test_the_marks_are_in_the_order_of_the_step(seen):
    _, reading, _ = seen
    marks, times = reading["marks"], reading["columns"]["time_ms"]
    assert 0 < marks["forward_end"] < marks["backward_end"] < marks["step_end"]
    assert times == sorted(times)
    assert len(times) <= MOST_POINTS


def test_the_old_gradients_live_until_they_are_cleared(seen):
    lane, reading, _ = seen
    gradients = reading["columns"]["gradients"]
    assert gradients[0] == sum(p.grad.nbytes for p in lane.parameters)
    assert at(reading, "forward_end")["gradients"] == 0


def test_the_first_step_makes_the_optimizers_state():
    lane, batch = lane_of("mlp", "fp32")
    timeline = Timeline(lane)
    watched(lane, batch, timeline)
    reading = timeline.reading()
    assert at(reading, "backward_end")["optimizer"] == 0
    assert at(reading, "step_end")["optimizer"] == 8 * sum(p.numel() for p in lane.parameters) + 4 * len(
        lane.parameters
    )


def test_thinning_keeps_ends_and_peaks():
    columns = [[(7 * i) % 1000 for i in range(5000)], [0] * 2500 + [10**6] + [0] * 2499]
    kept = thinned(columns)
    assert len(kept) <= MOST_POINTS
    assert {0, 4999, 2500} <= set(kept)
    assert kept == sorted(set(kept))
    assert thinned([[1, 2, 3]]) == [0, 1, 2]


def test_there_is_no_allocator_record_on_a_cpu():
    lane, batch = lane_of("mlp", "fp32")
    timeline = Timeline(lane)
    watched(lane, batch, timeline)
    assert timeline.snapshot is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_allocators_record_is_one_that_the_memory_viewer_reads():
    lane, batch = lane_of("mlp", "fp16-amp", device=torch.device("cuda"))
    timeline = Timeline(lane)
    watched(lane, batch, timeline)
    record = pickle.loads(timeline.snapshot)
    assert {"segments", "device_traces"} <= record.keys()
    assert any(entry["action"] == "alloc" for trace in record["device_traces"] for entry in trace)
