"""Models and data: real, on the machine already, and the same for equal seeds."""

import time

import pytest
import torch

from explorer import workloads
from explorer.errors import InputError
from explorer.workloads import build
from explorer.workloads.text import IGNORED

CPU = torch.device("cpu")
SMALL = [model for model in workloads.MODELS.values() if not model.wants_gpu]
EACH = pytest.mark.parametrize("model", SMALL, ids=[model.name for model in SMALL])


def batches_for(model, batch_size=8, sequence_length=32, seed=0, **more):
    return build.build_batches(model.data, batch_size, sequence_length, seed, model=model.name, **more)


@EACH
def test_equal_seeds_give_equal_weights_and_leave_the_random_state_alone(model):
    before = torch.get_rng_state()
    first, second, other = (build.build_model(model.name, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@EACH
def test_a_model_learns_from_its_data_and_has_its_traced_parameter(model):
    built = build.build_model(model.name, 0)
    batches, held_out = batches_for(model, 32), batches_for(model, 64, split="eval").next(CPU)
    optimizer = torch.optim.AdamW(built.parameters(), lr=2e-3)

    def held_out_loss():
        with torch.no_grad():
            return build.loss(built, held_out).item()

    before = held_out_loss()
    for _ in range(15):
        optimizer.zero_grad()
        loss = build.loss(built, batches.next(CPU))
        loss.backward()
        optimizer.step()
    assert loss.shape == ()
    assert held_out_loss() < before - 0.05
    assert built.get_parameter(model.traced).grad.abs().sum() > 0
    assert build.traced_parameter(model.name, built) == model.traced


@pytest.mark.parametrize("model", workloads.MODELS.values(), ids=workloads.model_names())
def test_a_model_has_as_many_parameters_as_it_says_and_the_one_it_traces(model):
    with torch.device("meta"):
        parameters = dict(build.builder_of(model)().named_parameters())
    assert sum(parameter.numel() for parameter in parameters.values()) == model.parameters
    assert parameters[model.traced].dim() >= 2


@EACH
def test_a_small_model_is_built_within_a_second(model):
    build.build_model(model.name, 0)
    started = time.perf_counter()
    build.build_model(model.name, 0)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("name", ["gpt2-tiny", "llama-tiny", "bert-tiny"])
def test_the_longest_sequence_is_one_that_the_model_takes(name):
    model = workloads.get_model(name)
    batch = batches_for(model, 1, model.longest_sequence).next(CPU)
    assert build.loss(build.build_model(name, 0), batch).isfinite()
    with pytest.raises(InputError, match=f"sequence_length: got 129, but takes at most 128 with the model {name}"):
        batches_for(model, 1, model.longest_sequence + 1)


def test_weight_gain_multiplies_matrices_but_not_biases_and_norms():
    plain, gained = build.build_model("gpt2-tiny", 0), build.build_model("gpt2-tiny", 0, weight_gain=2.0)
    for (name, weight), (_, twice) in zip(plain.named_parameters(), gained.named_parameters(), strict=True):
        assert torch.equal(twice, weight * 2 if weight.dim() >= 2 else weight), name


@EACH
def test_equal_seeds_give_equal_batches_and_each_batch_differs(model):
    first, second, other = (batches_for(model, seed=seed) for seed in (5, 5, 6))
    inputs, targets = first.next(CPU)
    again, same = second.next(CPU)
    assert torch.equal(inputs, again)
    assert torch.equal(targets, same)
    assert not torch.equal(inputs, first.next(CPU)[0])
    assert not torch.equal(inputs, other.next(CPU)[0])


@EACH
def test_held_out_batches_are_the_same_for_every_seed(model):
    first, other = (batches_for(model, seed=seed, split="eval").next(CPU) for seed in (5, 6))
    assert torch.equal(first[0], other[0])
    assert torch.equal(first[1], other[1])


def test_text_targets_are_the_bytes_that_follow():
    inputs, targets = build.build_batches("text", 4, 64, 0).next(CPU)
    assert inputs.shape == targets.shape == (4, 64)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert b"the" in b"".join(bytes(row.tolist()) for row in inputs)


def test_masked_text_hides_fifteen_percent_and_asks_for_nothing_else():
    inputs, targets = batches_for(workloads.get_model("bert-tiny"), 64, 100).next(CPU)
    hidden = targets != IGNORED
    assert hidden.float().mean() == pytest.approx(0.15)
    assert (hidden.sum(1) == 15).all()
    assert (inputs[hidden] == 0xFF).all()
    assert not (inputs[~hidden] == 0xFF).any()
    whole = torch.where(hidden, targets, inputs)
    assert "the" in b"".join(bytes(row.tolist()) for row in whole).decode("utf-8", "replace")
    assert hidden.any(0).all(), "a position is never masked"


def test_the_loss_counts_masked_positions_only():
    built = build.build_model("bert-tiny", 0)
    inputs, targets = batches_for(workloads.get_model("bert-tiny"), 2, 20).next(CPU)
    logits = built(inputs).logits.double().log_softmax(-1)
    hidden = [(row, at) for row in range(2) for at in range(20) if targets[row, at] != IGNORED]
    expected = -sum(logits[row, at, targets[row, at]] for row, at in hidden) / len(hidden)
    assert build.loss(built, (inputs, targets)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_training_never_sees_the_last_tenth_of_a_text():
    text = "a" * 900 + "b" * 100
    seen = build.build_batches("text", 256, 20, 0, text=text).next(CPU)
    held_out = build.build_batches("text", 256, 20, 0, text=text, split="eval").next(CPU)
    assert {chr(token) for part in seen for token in part.unique().tolist()} == {"a"}
    assert {chr(token) for part in held_out for token in part.unique().tolist()} == {"b"}


@pytest.mark.parametrize("data", ["digits", "spirals"])
def test_no_held_out_example_is_trained_on(data):
    # Distinct rows tell examples apart; a few digits are drawn alike by two people, and those are none of this.
    rows = [
        {tuple(row) for row in build.build_batches(data, 20_000, 0, 0, split=split).next(CPU)[0].tolist()}
        for split in ("train", "eval")
    ]
    assert not rows[0] & rows[1]
    assert len(rows[1]) == pytest.approx(len(rows[0]) / 9, abs=1)


def test_a_persons_own_text_is_what_is_drawn():
    inputs, _ = build.build_batches("text", 4, 8, 0, text="déjà vu " * 40).next(CPU)
    assert b"d\xc3\xa9j" in b"".join(bytes(row.tolist()) for row in inputs) * 2


@pytest.mark.parametrize("text", ["", "too short", "x" * 65])
def test_a_text_that_is_too_short_is_refused(text):
    with pytest.raises(
        InputError, match=r"^text: its \d+ tokens are too few for a sequence_length of 32, which takes 66"
    ):
        build.build_batches("text", 1, 32, 0, text=text)


def test_the_shortest_text_that_is_taken_has_one_sequence_for_each_split():
    text = bytes(range(65, 75)).decode()
    trained, _ = build.build_batches("text", 3, 4, 0, text=text).next(CPU)
    held_out, _ = build.build_batches("text", 3, 4, 0, text=text, split="eval").next(CPU)
    assert [bytes(row).decode() for row in trained.tolist()] == ["ABCD"] * 3
    assert [bytes(row).decode() for row in held_out.tolist()] == ["FGHI"] * 3


def test_digits_lie_between_0_and_1_and_input_scale_multiplies_them():
    inputs, classes = build.build_batches("digits", 64, 0, 0).next(CPU)
    scaled, _ = build.build_batches("digits", 64, 0, 0, input_scale=256.0).next(CPU)
    assert inputs.shape == (64, 64)
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert set(classes.tolist()) <= set(range(10))
    assert torch.equal(scaled, inputs * 256)


def test_input_scale_multiplies_images_too():
    plain, scaled = (batches_for(workloads.get_model("vit-tiny"), input_scale=scale).next(CPU)[0] for scale in (1, 4))
    assert torch.equal(scaled, plain * 4)


@pytest.mark.parametrize("name", ["vit-tiny", "vit-small"])
def test_images_have_the_size_a_vision_transformer_takes_and_the_digits_pixels(name):
    model = workloads.get_model(name)
    channels, side = model.image
    images, classes = batches_for(model, 4).next(CPU)
    flat, same = build.build_batches("digits", 4, 0, 0).next(CPU)
    assert images.shape == (4, channels, side, side)
    assert torch.equal(classes, same)
    block, expected = side // 8, 2 * flat.view(4, 8, 8) - 1
    for channel in range(channels):
        assert torch.equal(images[:, channel, ::block, ::block], expected)
        assert torch.equal(images[:, channel, block - 1 :: block, block - 1 :: block], expected)


def test_spirals_wind_within_the_unit_circle_in_three_equal_arms():
    points, arms = build.build_batches("spirals", 9000, 0, 0).next(CPU)
    assert points.shape == (9000, 2)
    assert points.norm(dim=1).max() <= 1.0001
    assert torch.bincount(arms).float().div(9000).sub(1 / 3).abs().max() < 0.03


@pytest.mark.parametrize(("model", "data"), [("mlp", "text"), ("gpt2-tiny", "digits"), ("vit-tiny", "spirals")])
def test_data_that_a_model_does_not_take_is_refused(model, data):
    with pytest.raises(InputError, match=f"^data: got '{data}', but takes (digits|text) with the model {model}"):
        build.build_batches(data, 1, 8, 0, model=model)


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(
        InputError, match=r"one of gpt2-tiny, llama-tiny, bert-tiny, .*hub:<owner>/<id> or path:<folder>"
    ):
        build.build_model("gpt9", 0)
