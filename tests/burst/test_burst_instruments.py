"""What the instruments say, held against another way to find it out."""

import gc
import weakref

import pytest
import torch
from burst_lanes import lane_of, watched

from explorer import formats, recipes
from explorer.burst import parse_config
from explorer.burst.bits import Bits, locate
from explorer.burst.gradients import Gradients
from explorer.burst.instrument import Instrument
from explorer.burst.instruments import instruments_of
from explorer.burst.memory import Memory
from explorer.burst.operations import Operations
from explorer.burst.storages import LiveStorages
from explorer.burst.timeline import Timeline
from explorer.burst.updates import Updates

RECIPES = ("fp32", "bf16-amp", "fp16-amp")
MODELS = ("mlp", "cnn", "gpt2-tiny")


class Tensors(Instrument):
    """Keeps the tensors that the bits instrument reads one element of."""

    name = "tensors"

    def __init__(self, lane, parameter):
        super().__init__(lane, 1)
        self.parameter = lane.model.get_parameter(parameter)
        self.kept = {}

    def after_backward(self):
        self.kept["weight"] = self.parameter.detach().clone()
        self.kept["scaled_gradient"] = self.parameter.grad.clone()

    def before_update(self):
        self.kept["gradient"] = self.parameter.grad.clone()

    def after_update(self):
        self.kept["update"] = self.parameter.detach() - self.kept["weight"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_code_decodes_to_the_tensors_own_value(model, recipe):
    lane, batch = lane_of(model, recipe)
    parameter, index = locate(lane.model, parse_config({"lanes": [{"recipe": recipe}]}).trace, traced(model))
    bits, tensors = Bits(lane, 1, parameter, index), Tensors(lane, parameter)
    for step in range(3):
        watched(lane, batch, bits, tensors, step=step)
        expected = {role: tensor[index] for role, tensor in tensors.kept.items()}
        expected["compute"] = expected["weight"].to(lane.precision.compute)
        read = {entry["role"]: entry for entry in bits.reading()}
        assert read.keys() == expected.keys()
        for role, entry in read.items():
            assert formats.get(entry["format"]).decode(entry["code"]).value == expected[role].item(), role


def traced(model):
    from explorer.workloads import get_model

    return get_model(model).traced


@pytest.mark.parametrize("model", MODELS)
def test_the_traced_scalar_has_a_gradient(model):
    lane, batch = lane_of(model, "fp32")
    parameter, index = locate(lane.model, parse_config({"lanes": [{"recipe": "fp32"}]}).trace, traced(model))
    tensors = Tensors(lane, parameter)
    watched(lane, batch, tensors)
    assert tensors.kept["gradient"][index] != 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_memory_counts_what_the_lane_owns(model, recipe):
    lane, batch = lane_of(model, recipe)
    memory = Memory(lane, 1)
    for step in range(2):
        watched(lane, batch, memory, step=step)
        reading = memory.reading()
    parameters = sum(p.numel() for p in lane.parameters)
    assert reading["weights"] == reading["gradients"] == 4 * parameters
    # AdamW keeps two moments a parameter, and a float32 step count for each tensor.
    assert reading["optimizer"] == 8 * parameters + 4 * len(lane.parameters)
    assert reading["total"] >= reading["weights"] + reading["optimizer"] + max(
        reading["gradients"], reading["activations"]
    )


def test_activations_of_the_mlp_are_what_its_layers_save():
    lane, batch = lane_of("mlp", "fp32")
    memory = Memory(lane, 1)
    watched(lane, batch, memory)
    hidden = 16 * 128 * 4
    # Two ReLU outputs, each also the next layer's input; log-softmax of the logits, and cross-entropy's total weight.
    assert memory.reading()["activations"] == 2 * hidden + 16 * 10 * 4 + 4


def test_autocast_keeps_activations_and_weight_copies_in_half():
    readings = {}
    for recipe in ("fp32", "fp16-amp"):
        lane, batch = lane_of("mlp", recipe)
        memory = Memory(lane, 1)
        watched(lane, batch, memory)
        readings[recipe] = memory.reading()
    assert readings["fp32"]["cast_cache"] == 0
    assert readings["fp16-amp"]["cast_cache"] == 2 * sum(p.numel() for p in lane.parameters)
    assert readings["fp16-amp"]["activations"] < 0.9 * readings["fp32"]["activations"]


@pytest.mark.parametrize("recipe", recipes.names())
@pytest.mark.parametrize("model", ["mlp", "gpt2-tiny"])
def test_instruments_change_nothing(model, recipe):
    plain, batch = lane_of(model, recipe)
    seen, _ = lane_of(model, recipe)
    parameter, index = locate(seen.initial, parse_config({"lanes": [{"recipe": recipe}]}).trace, traced(model))
    instruments = instruments_of(seen, 4, parameter, index)
    for step in range(4):
        sampled = [each for each in instruments if each.samples(step, 4)]
        ours, theirs = watched(seen, batch, *sampled, step=step), plain.train(batch)
        assert ours.loss == theirs.loss or ours.loss != ours.loss
        assert all(each.reading() is not None for each in sampled)
    for ours, theirs in zip(seen.parameters, plain.parameters, strict=True):
        assert torch.equal(ours.nan_to_num(), theirs.nan_to_num())


def test_nothing_that_a_step_saved_outlives_it(monkeypatch):
    lane, batch = lane_of("gpt2-tiny", "bf16-amp")
    save, alive = LiveStorages._save, []

    def noting(self, tensor):
        alive.append(weakref.ref(tensor.untyped_storage()))
        save(self, tensor)

    monkeypatch.setattr(LiveStorages, "_save", noting)
    watched(lane, batch, Memory(lane, 1))
    lane.optimizer.zero_grad()
    weights = {p.untyped_storage()._cdata for p in lane.parameters} | {t.untyped_storage()._cdata for t in batch}
    gc.collect()
    left = [ref() for ref in alive if ref() is not None and ref()._cdata not in weights]
    assert alive
    assert not left


def test_of_several_micro_batches_one_is_counted():
    readings = []
    for more in (0, 2):
        lane, batch = lane_of("gpt2-tiny", "bf16-amp")
        memory = Memory(lane, 1)
        memory.prepare(batch, 0)
        lane.train(batch, (memory,), [tuple(_copied(each) for each in batch) for _ in range(more)])
        readings.append(memory.reading())
    single, several = readings
    for part in ("weights", "gradients", "optimizer", "activations", "cast_cache"):
        assert several[part] == single[part], part


def _copied(rows):
    """The same numbers in memory of their own, laid out alike: rows that a larger tensor is cut to."""
    return torch.cat((rows, rows[:, :1]), 1)[:, :-1]


def test_together_they_count_what_each_counts_alone():
    readings = []
    for others in (
        lambda lane: (),
        lambda lane: (Gradients(lane, 1), Updates(lane, 1), Operations(lane), Timeline(lane)),
    ):
        lane, batch = lane_of("gpt2-tiny", "fp16-amp")
        memory = Memory(lane, 1)
        for step in range(2):
            watched(lane, batch, memory, *others(lane), step=step)
        readings.append(memory.reading())
    assert readings[0] == readings[1]
