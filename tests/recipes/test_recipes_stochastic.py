"""Stochastic rounding of stored weights: right on average, the same for equal seeds, and PyTorch's own update."""

import pytest
import torch
from torch import nn

from explorer import recipes
from explorer.recipes.precision import Precision
from explorer.recipes.stochastic import round_stochastically, stochastic

CPU = torch.device("cpu")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_number_goes_to_one_of_its_neighbours_and_is_right_on_average():
    draws = 20_000
    for share in (0.1, 0.5, 0.9):
        for sign in (1.0, -1.0):
            # Between 1 and its upper neighbour in BF16, 1 + 2^-7.
            number = sign * (1 + share * 2.0**-7)
            rounded = round_stochastically(torch.full((draws,), number), generator()).double()
            assert set((rounded * sign).tolist()) == {1.0, 1 + 2.0**-7}
            deviation = (share * (1 - share) / draws) ** 0.5 * 2.0**-7
            assert abs(rounded.mean().item() - float(torch.tensor(number))) < 5 * deviation


def test_numbers_of_all_sizes_are_right_on_average():
    numbers = torch.randn(64, generator=generator(1)) * 2.0 ** torch.randint(-120, 120, (64,), generator=generator(2))
    rounded = round_stochastically(numbers.expand(8_192, 64).contiguous(), generator(3)).double()
    unit = 2.0 ** (torch.floor(torch.log2(numbers.abs().double())) - 7)
    error = (rounded.mean(0) - numbers.double()) / unit
    assert error.abs().max() < 5 * 0.5 / 8_192**0.5


def test_what_bf16_holds_already_stays():
    codes = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    rounded = round_stochastically(codes.float(), generator())
    assert torch.equal(rounded.isnan(), codes.isnan())
    assert torch.equal(rounded[~codes.isnan()], codes[~codes.isnan()])


def test_nan_stays_whatever_its_payload():
    payloads = torch.tensor([0x7FC00000, 0x7FFFFFFF, -1, 0x7F800001], dtype=torch.int32).view(torch.float32)
    assert round_stochastically(payloads, generator()).isnan().all()


def trained(kind, dtype, steps=3, seed=0, **options):
    parameter = nn.Parameter(torch.randn(40, 30, generator=generator(4)).bfloat16().to(dtype))
    made = stochastic(kind) if dtype is torch.bfloat16 else kind
    extra = {"generator": generator(seed)} if dtype is torch.bfloat16 else {}
    optimizer = made([parameter], **options, **extra)
    yield parameter, optimizer
    for step in range(steps):
        parameter.grad = torch.randn(40, 30, generator=generator(5 + step)).bfloat16().to(dtype)
        optimizer.step()
        yield parameter, optimizer


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.AdamW, {"lr": 1e-2, "weight_decay": 0.1}),
        (torch.optim.SGD, {"lr": 1e-1, "weight_decay": 0.1}),
        (torch.optim.Adafactor, {"lr": 1e-2}),
    ],
)
def test_one_update_is_the_optimizers_own_in_float32_rounded_to_a_neighbour(kind, options):
    for step, (ours, theirs) in enumerate(
        zip(trained(kind, torch.bfloat16, 1, **options), trained(kind, torch.float32, 1, **options), strict=True)
    ):
        stored, exact = ours[0].detach().float(), theirs[0].detach()
        if step:
            unit = 2.0 ** (torch.floor(torch.log2(exact.abs())) - 7)
            assert ((stored - exact).abs() < unit).all()
            assert not torch.equal(stored, exact.bfloat16().float())
        else:
            assert torch.equal(stored, exact)


def test_what_the_optimizer_keeps_is_what_it_would_keep_in_float32():
    (_, ours), (_, theirs) = (
        list(trained(torch.optim.AdamW, dtype, 1, lr=1e-3))[-1] for dtype in (torch.bfloat16, torch.float32)
    )
    (mine,), (other,) = ours.state.values(), theirs.state.values()
    for name in ("exp_avg", "exp_avg_sq"):
        assert mine[name].dtype is torch.float32
        assert torch.equal(mine[name], other[name])


def test_equal_seeds_give_equal_weights_and_others_do_not():
    def weights(seed):
        return list(trained(torch.optim.AdamW, torch.bfloat16, seed=seed, lr=1e-3))[-1][0].detach()

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_a_lane_draws_from_its_own_generator_seeded_by_the_burst():
    def weights(seed):
        precision = Precision(recipes.get("bf16-pure-stochastic"), CPU, seed=seed)
        torch.manual_seed(torch.seed())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = precision.prepare(nn.Linear(16, 16))
        optimizer = precision.optimizer("sgd", model.parameters(), lr=1e-3, weight_decay=0.0, eps=1e-8)
        before = torch.get_rng_state()
        model(torch.ones(2, 16)).sum().backward()
        optimizer.step()
        assert torch.equal(torch.get_rng_state(), before)
        return model.weight.detach()

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_updates_below_half_a_unit_survive_on_average_and_are_lost_to_the_nearest():
    moved = {}
    for name, kind in (("nearest", torch.optim.SGD), ("stochastic", stochastic(torch.optim.SGD))):
        weight = nn.Parameter(torch.ones(1000, dtype=torch.bfloat16))
        extra = {"generator": generator()} if name == "stochastic" else {}
        optimizer = kind([weight], lr=2.0**-11, **extra)
        for _ in range(100):
            weight.grad = torch.full_like(weight, -1)
            optimizer.step()
        moved[name] = weight.detach().double().mean().item() - 1
    assert moved["nearest"] == 0
    assert moved["stochastic"] == pytest.approx(100 * 2.0**-11, rel=0.05)


def test_hooks_learning_rates_and_storages_are_a_plain_optimizers():
    weight, other = (nn.Parameter(torch.ones(8, dtype=torch.bfloat16)) for _ in range(2))
    optimizer = stochastic(torch.optim.AdamW)([weight, other], lr=0.0, weight_decay=0.0, generator=generator())
    torch.optim.AdamW([nn.Parameter(torch.ones(1))])  # has AdamW's own step wrapped for hooks
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    storage, weight.grad = weight.data_ptr(), torch.ones_like(weight)
    gradient = weight.grad
    optimizer.step()
    assert calls == ["before", "after"]
    assert torch.equal(weight, torch.ones_like(weight))
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert (weight < 0.8).all()
    assert torch.equal(other, torch.ones_like(other))
    assert (weight.data_ptr(), weight.grad, weight.dtype) == (storage, gradient, torch.bfloat16)
    assert optimizer.param_groups[0]["params"] == [weight, other] or optimizer.param_groups[0]["params"][0] is weight
