"""Times against the step's own, operations against a count by hand."""

import time

import pytest
import torch
from burst_lanes import lane_of, watched

from explorer import devices
from explorer.burst.operations import Operations
from explorer.burst.speed import Speed, flop_counter, matmul_gflops


def counted(model, recipe, **fields):
    lane, batch = lane_of(model, recipe, **fields)
    operations = Operations(lane)
    watched(lane, batch, operations)
    return operations.flop()


@pytest.mark.parametrize("recipe", ["fp32", "tf32", "bf16-amp", "fp16-amp", "bf16-pure", "fp8-tensorwise", "nvfp4"])
def test_operations_of_the_mlp_are_two_a_multiplication(recipe):
    products = 16 * (64 * 128 + 128 * 128 + 128 * 10)
    # Forward once, backward twice, but for the gradient of the batch, which nobody asks for.
    assert counted("mlp", recipe) == 2 * (3 * products - 16 * 64 * 128)


@pytest.mark.parametrize("recipe", ["fp32", "fp16-amp"])
def test_operations_of_gpt2_are_those_of_its_matrices(recipe):
    tokens, width, layers, sequence, vocabulary = 2 * 32, 128, 4, 32, 256
    matrices = layers * (3 + 1 + 4 + 4) * width**2 + vocabulary * width
    # Attention multiplies twice forward and five times backward: the fused kernel computes the scores again.
    attention = 2 * layers * tokens * sequence * width
    assert counted("gpt2-tiny", recipe) == 6 * tokens * matrices + 7 * attention


def test_attention_is_counted_alike_on_every_kernel():
    query, key, value = (torch.randn(2, 4, 16, 8, requires_grad=True) for _ in range(3))
    counts = []
    for backend in (torch.nn.attention.SDPBackend.FLASH_ATTENTION, torch.nn.attention.SDPBackend.MATH):
        with torch.nn.attention.sdpa_kernel(backend), flop_counter() as counter:
            torch.nn.functional.scaled_dot_product_attention(query, key, value)
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] == 2 * 2 * 2 * 4 * 16 * 16 * 8


def test_the_parts_are_the_whole():
    lane, batch = lane_of("gpt2-tiny", "fp32")
    speed = Speed(lane, 10, lambda: None)
    watched(lane, batch)
    trained = watched(lane, batch, speed, step=2)
    reading = speed.reading()
    parts = [reading[f"{part}_ms"] for part in ("forward", "backward", "optimizer")]
    assert all(part > 0 for part in parts)
    assert sum(parts) == pytest.approx(trained.step_ms, rel=0.05)
    assert reading["gflops"] is reading["matmul_share"] is reading["flop"] is None


def test_time_spent_in_a_part_is_that_parts():
    lane, batch = lane_of("mlp", "fp32")
    speed = Speed(lane, 10, lambda: None)
    lane.model.register_forward_pre_hook(lambda *_: time.sleep(0.05))
    lane.model[0].weight.register_hook(lambda _: time.sleep(0.1))
    lane.optimizer.register_step_pre_hook(lambda *_: time.sleep(0.2))
    watched(lane, batch, speed, step=2)
    reading = speed.reading()
    assert 50 <= reading["forward_ms"] < 95
    assert 100 <= reading["backward_ms"] < 190
    assert 200 <= reading["optimizer_ms"] < 380


def test_the_rate_is_operations_over_time():
    lane, batch = lane_of("gpt2-tiny", "fp32")
    speed = Speed(lane, 10, lambda: 10**9)
    watched(lane, batch, speed, step=2)
    reading = speed.reading()
    seconds = sum(reading[f"{part}_ms"] for part in ("forward", "backward", "optimizer")) / 1e3
    assert reading["gflops"] == pytest.approx(1 / seconds, rel=1e-3)
    assert reading["matmul_share"] == pytest.approx(reading["gflops"] / devices.float32_gflops("cpu"), rel=1e-3)


def test_the_device_is_held_to_its_own_rate_in_the_same_format():
    lane, _ = lane_of("mlp", "fp32")
    side, rate = 512, matmul_gflops(lane)
    matrix = torch.randn(side, side)
    times = []
    for _ in range(8):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    # A block with attention is slower than one large product, and not by an order of magnitude.
    assert 0.1 < rate / (2 * side**3 / min(times) / 1e9) < 3
    found = devices.measured("cpu").fp16
    expected = found.native_gflops if found.how == "native" else found.emulated_gflops
    assert matmul_gflops(lane_of("mlp", "fp16-amp")[0]) == expected
    assert matmul_gflops(lane_of("mlp", "fp8-tensorwise")[0]) is None


def test_it_times_steps_that_nothing_else_looks_at():
    lane, _ = lane_of("mlp", "fp32")
    speed = Speed(lane, 10, lambda: None)
    assert [step for step in range(40) if speed.samples(step, 40)] == [2, 5, 15, 25, 35]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_parts_are_the_whole():
    lane, batch = lane_of("gpt2-tiny", "bf16-amp", device=torch.device("cuda"))
    speed = Speed(lane, 10, lambda: None)
    for step in range(3):
        trained = watched(lane, batch, speed, step=step)
    reading = speed.reading()
    parts = sum(reading[f"{part}_ms"] for part in ("forward", "backward", "optimizer"))
    assert parts == pytest.approx(trained.step_ms, rel=0.2)
