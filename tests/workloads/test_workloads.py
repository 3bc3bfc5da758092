"""Models and data: real, on the machine already, and the same for equal seeds."""

import pytest
import torch

from explorer import workloads
from explorer.errors import InputError
from explorer.workloads import build

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", workloads.model_names())
def test_equal_seeds_give_equal_weights_and_leave_the_random_state_alone(name):
    before = torch.get_rng_state()
    first, second, other = (build.build_model(name, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("model", workloads.MODELS.values(), ids=workloads.model_names())
def test_a_model_learns_from_its_data_and_has_its_traced_parameter(model):
    built = build.build_model(model.name, 0)
    batch = build.build_batches(model.data, 4, 16, 0).next(CPU)
    loss = build.loss(built, batch)
    loss.backward()
    assert loss.shape == ()
    assert loss.isfinite()
    assert built.get_parameter(model.traced).grad.abs().sum() > 0


def test_gpt2_tiny_has_about_a_million_parameters():
    assert sum(p.numel() for p in build.build_model("gpt2-tiny", 0).parameters()) == 842_496


def test_weight_gain_multiplies_matrices_but_not_biases_and_norms():
    plain, gained = build.build_model("gpt2-tiny", 0), build.build_model("gpt2-tiny", 0, weight_gain=2.0)
    for (name, weight), (_, twice) in zip(plain.named_parameters(), gained.named_parameters(), strict=True):
        assert torch.equal(twice, weight * 2 if weight.dim() >= 2 else weight), name


@pytest.mark.parametrize("data", workloads.DATASETS)
def test_equal_seeds_give_equal_batches_and_each_batch_differs(data):
    first, second = (build.build_batches(data, 8, 32, seed=5) for _ in range(2))
    inputs, targets = first.next(CPU)
    again, same = second.next(CPU)
    assert torch.equal(inputs, again)
    assert torch.equal(targets, same)
    assert not torch.equal(inputs, first.next(CPU)[0])


def test_text_targets_are_the_bytes_that_follow():
    inputs, targets = build.build_batches("text", 4, 64, 0).next(CPU)
    assert inputs.shape == targets.shape == (4, 64)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert b"the" in b"".join(bytes(row.tolist()) for row in inputs)


def test_digits_lie_between_0_and_1_and_input_scale_multiplies_them():
    inputs, classes = build.build_batches("digits", 64, 0, 0).next(CPU)
    scaled, _ = build.build_batches("digits", 64, 0, 0, input_scale=256.0).next(CPU)
    assert inputs.shape == (64, 64)
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert set(classes.tolist()) <= set(range(10))
    assert torch.equal(scaled, inputs * 256)


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="gpt2-tiny, mlp, cnn"):
        build.build_model("gpt9", 0)
