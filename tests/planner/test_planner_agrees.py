"""The plan against what the Lab measures: the same models, really trained here."""

import pytest
import torch

from explorer import recipes
from explorer.burst.config import parse_config
from explorer.burst.lane import Lane
from explorer.burst.memory import Memory
from explorer.planner.planning import plan
from explorer.workloads import build

CPU = torch.device("cpu")
SEQUENCE = 32
EXACT = ("weights", "master_weights", "gradients", "optimizer")


def measured(model, recipe, batch_size, optimizer="adamw"):
    """What the memory instrument reads in the second step of a burst."""
    config = parse_config({"model": model, "batch_size": batch_size, "sequence_length": SEQUENCE,
                           "optimizer": optimizer, "lanes": [{"recipe": recipe}]})  # fmt: skip
    lane = Lane(config, config.lanes[0], build.build_model(model, 0), CPU)
    batches = build.build_batches(config.data, batch_size, SEQUENCE, 0, model=model)
    lane.train(batches.next(CPU))
    memory, batch = Memory(lane, every=1), batches.next(CPU)
    memory.prepare(batch, step=1)
    lane.train(batch, [memory])
    return memory.reading()


def planned(model, recipe, batch_size, **more):
    asked = {"model": model, "recipes": [recipe], "batch": batch_size, "sequence": SEQUENCE, "device": "cpu", **more}
    return plan(asked)["recipes"][recipe]


def agree(found, reading):
    assert {part: found[part] for part in EXACT} == {part: reading[part] for part in EXACT}
    assert found["activations"] == pytest.approx(reading["activations"], rel=0.1)
    assert found["cast_cache"] == pytest.approx(reading["cast_cache"], rel=0.1)
    assert found["total"] == pytest.approx(reading["total"], rel=0.05)


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("recipe", recipes.names())
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_small_models_need_what_the_lab_measures(model, recipe, batch_size):
    agree(planned(model, recipe, batch_size), measured(model, recipe, batch_size))


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("recipe", recipes.names())
def test_a_transformer_needs_what_the_lab_measures(recipe, batch_size):
    agree(planned("gpt2-tiny", recipe, batch_size), measured("gpt2-tiny", recipe, batch_size))


@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp", "bf16-pure", "fp8-rowwise"])
@pytest.mark.parametrize("model", ["llama-tiny", "bert-tiny", "vit-tiny"])
def test_other_transformers_need_what_the_lab_measures(model, recipe):
    agree(planned(model, recipe, 4), measured(model, recipe, 4))


@pytest.mark.parametrize("optimizer", ["sgd", "adafactor"])
def test_other_optimizers_need_what_the_lab_measures(optimizer):
    found = planned("gpt2-tiny", "bf16-amp", 2, optimizer=optimizer)
    agree(found, measured("gpt2-tiny", "bf16-amp", 2, optimizer))
