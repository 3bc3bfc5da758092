"""Searching for the best shape, on made-up devices whose best is known, and timing on this one."""

import itertools
import random
import time

import pytest
import torch

from explorer.devices import bandwidth
from explorer.devices.operands import KERNELS, operands, pool
from explorer.devices.rates import MOST_MEMORY, Rate, sizes
from explorer.devices.shapes import LARGE_SIZES, SMALL_SIZES, Search, flop
from explorer.devices.timing import LARGEST_OWN_CACHE, Timer, cpu_flush_bytes

CPU = torch.device("cpu")


class Device:
    """A device with a known rate for each shape, whose clock is the search's budget."""

    def __init__(self, gflops, noise=0.0):
        self.gflops, self.noise, self.calls = gflops, noise, []
        self._random = random.Random(1)
        self.search = None

    def time_call(self, shape):
        self.calls.append(shape)
        # Another process takes the device for a while now and then; it never makes anything faster.
        held_up = 1 + (self._random.expovariate(1 / self.noise) if self.noise else 0)
        seconds = flop(shape) / 1e9 / self.gflops(shape) * held_up
        self.search.spent += seconds
        return seconds


def plateau(shape):
    """Rises with every side to a plateau, with a ridge where tiles fit: 256 in n."""
    m, n, k = shape
    rise = 1 / ((1 + 200 / m) * (1 + 100 / n) * (1 + 400 / k))
    return 100 * rise * (1.08 if n % 256 == 0 else 1.0) * (0.9 if m * k > 2**21 else 1.0)


def searched(gflops, seconds, noise=0.0, among=SMALL_SIZES, **more):
    device = Device(gflops, noise)
    device.search = Search(device.time_call, among, seconds, **more)
    for _ in device.search.run():
        pass
    return device


def best_of_all(gflops, among=SMALL_SIZES):
    return max(gflops(shape) for shape in itertools.product(among, repeat=3))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_search_of_twenty_seconds_finds_the_plateau(noise):
    device = searched(plateau, 20, noise)
    found = device.gflops(device.search.best().shape)
    assert found >= 0.97 * best_of_all(plateau)


def test_a_slow_device_is_searched_through_a_small_part_of_the_range():
    device = searched(lambda shape: plateau(shape) / 10, 20)
    assert len(device.search.timed) < len(SMALL_SIZES) ** 3 / 4
    affordable = [shape for shape in itertools.product(SMALL_SIZES, repeat=3) if 2 * flop(shape) / 1e9 < 10]
    assert device.gflops(device.search.best().shape) >= 0.9 * max(map(device.gflops, affordable))


def test_a_short_search_ends_in_time_and_finds_something():
    device = searched(plateau, 1)
    assert device.search.spent < 1.2
    assert device.gflops(device.search.best().shape) > 0.7 * best_of_all(plateau)


def test_a_slow_device_is_only_asked_for_what_it_can_afford():
    device = searched(lambda shape: 0.05, 1)
    assert device.search.spent < 1.3
    assert max(map(flop, device.calls)) <= flop((128, 128, 128))


def test_a_fast_device_is_not_asked_for_ever():
    device = searched(lambda shape: 500_000 * (1 if shape != (4096, 8192, 4096) else 1.1), 600, among=LARGE_SIZES)
    assert device.search.best().shape == (4096, 8192, 4096)
    assert device.search.spent < 300


def test_what_does_not_fit_into_memory_is_left_out():
    device = searched(plateau, 20, fits=lambda shape: max(shape) <= 1024)
    assert max(max(shape) for shape in device.search.timed) <= 1024


def test_a_call_that_is_held_up_does_not_decide():
    device = searched(plateau, 20, noise=0.5)
    best = device.search.best()
    assert len(best.seconds) > 6
    assert best.best <= device.gflops(best.shape) * 1.0001
    assert best.median < best.best


def test_a_search_can_be_left_at_any_time():
    device = Device(plateau)
    device.search = Search(device.time_call, SMALL_SIZES, 20)
    steps = device.search.run()
    next(steps)
    steps.close()
    assert len(device.search.timed) == 1
    assert device.search.best().shape == (128, 128, 128)


def test_only_time_inside_counts():
    search = Search(lambda shape: 1e-3, (128, 256), 0.05)
    started = time.perf_counter()
    for _ in search.run():
        time.sleep(0.02)
        if time.perf_counter() - started > 1:
            break
    assert search.spent < 0.05


@pytest.mark.parametrize("name", ["fp32", "bf16", "int8"])
def test_a_rate_is_measured_here(name):
    rate = Rate(name, CPU, 0.2, 10**9)
    for _ in rate.search.run():
        pass
    found = rate.found()
    assert found["gflops"] >= found["median_gflops"] > 0
    assert set(found["shape"]) <= set(sizes(CPU))
    assert found["format"] == name


def test_matrices_take_a_part_of_the_memory_only():
    rate = Rate("fp32", CPU, 1, memory_free=10 * 2**20)
    assert rate._fits((128, 128, 128))
    assert not rate._fits((2048, 2048, 2048))
    assert MOST_MEMORY < 1


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16", "int8"])
def test_products_are_products(name):
    kernel = KERNELS[name]
    left, right = operands(kernel, pool(kernel, CPU), (32, 48, 64))
    assert (left.shape, right.shape) == ((32, 64), (64, 48))
    exact = left.double() @ right.double()
    found = kernel.multiply(left, right).double()
    tolerance = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 2e-2, "int8": 0}[name]
    assert (found - exact).abs().max() <= tolerance * exact.abs().max()


def test_operands_longer_than_the_pool_repeat_it():
    kernel = KERNELS["fp32"]
    values = pool(kernel, CPU)
    left, _ = operands(kernel, values, (1025, 8, 1024))
    assert torch.equal(left.flatten()[: len(values)], values)
    assert torch.equal(left.flatten()[len(values) :], values[:1024])


def test_a_timer_flushes_before_the_call_and_not_within():
    timer = Timer(CPU)
    seconds = timer.seconds(lambda: None)
    assert 0 <= seconds < 0.05


def test_memory_is_moved_and_numbers_cast():
    *_, copied = bandwidth.bandwidth(CPU, 0.05, 200 * 2**20)
    assert copied["gb_per_s"] >= copied["median_gb_per_s"] > 0
    assert copied["bytes"] <= 2 * bandwidth.MOST_MEMORY * 200 * 2**20
    pairs = {(each["from"], each["to"]): each for each in bandwidth.casts(CPU, 0.1, 200 * 2**20)}
    assert {("fp32", "bf16"), ("fp16", "fp32"), ("fp32", "e4m3fn")} <= set(pairs)
    for (start, end), each in pairs.items():
        size = bandwidth.DTYPES[start].itemsize + bandwidth.DTYPES[end].itemsize
        assert each["gb_per_s"] == pytest.approx(size * each["gvalues_per_s"], rel=0.01)


@pytest.mark.parametrize(
    ("caches", "flushed"),
    [
        ({2: "512K", 3: "16384K"}, 32 * 2**20),
        ({2: "2048K", 3: "491520K"}, 16 * 2**20),
        ({2: "2048K"}, 16 * 2**20),
        ({}, 32 * 2**20),
        ({2: "nonsense"}, 32 * 2**20),
    ],
    ids=["desktop", "server", "no level 3", "unknown", "unreadable"],
)
def test_the_caches_of_a_cpu_are_emptied_but_not_a_server_s(tmp_path, caches, flushed):
    for level, size in caches.items():
        folder = tmp_path / f"index{level}"
        folder.mkdir()
        (folder / "level").write_text(f"{level}\n")
        (folder / "size").write_text(f"{size}\n")
    assert cpu_flush_bytes(4, tmp_path) == flushed
    assert flushed <= 2 * LARGEST_OWN_CACHE
