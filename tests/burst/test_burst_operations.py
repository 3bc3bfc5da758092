"""What ran in which dtype, held against the profiler and against the tensors' own dtypes."""

import contextlib
from collections import Counter

import pytest
import torch
from burst_lanes import lane_of, watched
from torch import nn

from explorer import devices, recipes
from explorer.burst.operations import MOST_ROWS, Count, Kind, Operations, bounded


@pytest.fixture
def native(monkeypatch):
    """PyTorch's own half kernels, whatever this machine is better at."""
    monkeypatch.setattr(devices, "kernels", lambda *_, **__: contextlib.nullcontext())


def rows_of(model, recipe, **fields):
    lane, batch = lane_of(model, recipe, **fields)
    operations = Operations(lane)
    watched(lane, batch)
    watched(lane, batch, operations, step=1)
    return lane, batch, operations.reading()["rows"]


def profiled(lane, batch):
    """How often the profiler saw each ATen operation in forward and backward."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler, lane.precision.step():
        with lane.precision.forward():
            loss = nn.functional.cross_entropy(lane.model(batch[0]), batch[1])
        lane.scaler.scale(loss * lane.loss_weight).backward()
    # Inside of its kernel a product with a Python number turns that into a tensor of the other's dtype.
    seen = (event for event in profiler.events() if "aten::mul" not in parents(event))
    return Counter(event.name.removeprefix("aten::") for event in seen)


def parents(event):
    while event := event.cpu_parent:
        yield event.name


def total(rows, op, field="count", **where):
    return sum(row[field] for row in rows if row["op"] == op and all(row[key] == value for key, value in where.items()))


@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp"])
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_as_many_operations_ran_as_the_profiler_saw(native, model, recipe):
    lane, batch, rows = rows_of(model, recipe)
    lane.optimizer.zero_grad()
    seen = profiled(lane, batch)
    for op in ("mm", "addmm", "convolution_backward", "_to_copy", "relu", "threshold_backward", "_log_softmax", "sum"):
        assert total(rows, op) == seen[op], op
    assert total(rows, "mm") + total(rows, "addmm") >= 3


def test_autocasts_casts_are_counted_with_their_bytes(native):
    lane, batch, rows = rows_of("mlp", "bf16-amp")
    forward = {"direction": "forward", "dtype_in": "fp32", "dtype_out": "bf16"}
    parameters = sum(p.numel() for p in lane.parameters)
    # Forward casts every parameter and the batch to BF16, two bytes each; hidden activations are BF16 already.
    assert total(rows, "_to_copy", "cast_bytes", **forward) == 2 * (parameters + batch[0].numel())
    assert total(rows, "_to_copy", "casts", **forward) == len(lane.parameters) + 1
    # Backward casts the parameters' gradients up, four bytes each.
    backward = {"direction": "backward", "dtype_in": "bf16", "dtype_out": "fp32"}
    assert total(rows, "_to_copy", "cast_bytes", **backward) == 4 * parameters
    assert all(row["casts"] == 0 for row in rows if row["op"] not in ("_to_copy", "copy_"))


def test_nothing_is_cast_in_float32():
    _, _, rows = rows_of("gpt2-tiny", "fp32")
    assert not any(row["casts"] for row in rows)
    assert {row["dtype_out"] for row in rows} == {"fp32"}


def test_every_operation_is_under_the_module_that_ran_it():
    lane, _, rows = rows_of("gpt2-tiny", "fp32")
    names = {name for name, _ in lane.model.named_modules()} | {"(loss)", "(model)", "(gradients)"}
    assert {row["module"] for row in rows} <= names
    for direction, products in (("forward", ("addmm", 1)), ("backward", ("mm", 2))):
        for name, module in lane.model.named_modules():
            if type(module).__name__ == "Conv1D":
                assert total(rows, products[0], module=name, direction=direction) == products[1], name
    # The head has no bias, and its gradient has two products as well.
    assert total(rows, "mm", module="lm_head", direction="forward") == 1
    assert total(rows, "mm", module="lm_head", direction="backward") == 2
    assert total(rows, "native_layer_norm_backward", module="transformer.h.2.ln_1", direction="backward") == 1
    assert total(rows, "nll_loss_forward", module="(loss)", direction="forward") == 1


def test_an_emulated_product_is_one_operation_in_the_recipes_format():
    with pytest.MonkeyPatch.context() as patch:
        kernels = devices.kernels
        patch.setattr(devices, "kernels", lambda device, dtypes: kernels(device, dtypes, force="emulated"))
        _, _, rows = rows_of("mlp", "bf16-amp")
    linear = [row for row in rows if row["emulated"]]
    assert [row["module"] for row in linear] == ["0", "2", "4", "4", "2", "0"]
    assert {(row["op"], row["dtype_in"], row["dtype_out"], row["count"]) for row in linear} == {
        ("linear", "bf16", "bf16", 1)
    }
    assert not any(row["op"] in ("mm", "addmm") for row in rows)


@pytest.mark.parametrize("recipe", [name for name in recipes.names() if recipes.get(name).converts])
def test_a_converted_layer_multiplies_in_the_recipes_formats(recipe):
    lane, _, rows = rows_of("mlp", recipe)
    described = recipes.get(recipe)
    linear = [row for row in rows if row["emulated"]]
    assert {row["module"] for row in linear} == set(lane.precision.converted)
    assert {row["dtype_in"] for row in linear if row["direction"] == "forward"} == {described.compute}
    backward = "+".join(dict.fromkeys((described.gradient_operand, described.compute)))
    assert {row["dtype_in"] for row in linear if row["direction"] == "backward"} == {backward}
    assert total(rows, "addmm", module="4", dtype_in="fp32") == 1


def test_products_in_tf32_are_named_so():
    _, _, rows = rows_of("mlp", "tf32")
    products = [row for row in rows if row["op"] in ("mm", "addmm")]
    assert {row["dtype_in"] for row in products} == {"tf32"}
    assert all(row["emulated"] for row in products)


def test_the_update_is_not_in_it():
    _, _, rows = rows_of("mlp", "fp32")
    assert not any(row["op"].startswith("_foreach") or row["op"] in ("lerp_", "addcdiv_", "sqrt") for row in rows)


def test_recording_changes_nothing():
    plain, batch = lane_of("gpt2-tiny", "fp16-amp")
    seen, _ = lane_of("gpt2-tiny", "fp16-amp")
    for step in range(3):
        instruments = (Operations(seen),) if step == 1 else ()
        assert watched(seen, batch, *instruments, step=step).loss == plain.train(batch).loss
    for ours, theirs in zip(seen.parameters, plain.parameters, strict=True):
        assert torch.equal(ours, theirs)


def test_repeated_layers_are_put_together_where_there_are_too_many():
    kinds = {
        Kind(f"h.{layer}.part.{part}", op, "forward", "fp32", "fp32", False): Count(1, 1, 10)
        for layer in range(60)
        for part in ("a", "b", "c")
        for op in ("mm", "add", "_to_copy")
    }
    few = bounded(kinds)
    assert len(few) == 9
    assert few[Kind("h.*.part.a", "mm", "forward", "fp32", "fp32", False)] == Count(60, 60, 600)
    many = {
        Kind(f"part{chr(97 + a)}.x{b}y", "mm", "forward", "fp32", "fp32", False): Count(1)
        for a in range(20)
        for b in range(30)
    }
    assert len(bounded(many)) <= MOST_ROWS
    assert sum(count.count for count in bounded(many).values()) == 600
