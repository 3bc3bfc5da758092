"""Updates against the optimizers' own formulas, worked out in numpy and in exact fractions."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from burst_lanes import lane_of, watched
from torch import nn

from explorer import formats
from explorer.burst import updates
from explorer.burst.instrument import Instrument
from explorer.burst.updates import Updates, exponents_in_ulps
from explorer.recipes.precision import DTYPES


class Tensors(Instrument):
    """Keeps weights and clipped gradients as the optimizer gets them."""

    name = "tensors"

    def prepare(self, batch, step):
        self.grads = self.before = None

    def before_update(self):
        self.before = [p.detach().clone() for p in self.lane.parameters]

    def after_update(self):
        self.grads = [p.grad.clone() for p in self.lane.parameters]
        self.after = [p.detach().clone() for p in self.lane.parameters]


def flat(tensors):
    return np.concatenate([tensor.double().numpy().reshape(-1) for tensor in tensors])


def expected(update, before, after):
    """Share and histogram from exact numbers, with numpy's own ulp."""
    known = (update != 0) & np.isfinite(update)
    ulp = np.spacing(np.abs(before[known])).astype(np.float64)
    exponents = np.floor(np.log2(np.abs(update[known]) / ulp)).astype(int)
    low = exponents.min()
    return np.mean(before[known] == after[known]), {"low": low, "counts": np.bincount(exponents - low).tolist()}


@pytest.mark.parametrize("lr", [1e-3, 1e-9])
def test_of_sgd_the_exact_update_is_rate_times_gradient(lr):
    lane, batch = lane_of("mlp", "fp32", optimizer="sgd", learning_rate=lr)
    instrument, tensors = Updates(lane, 1), Tensors(lane, 1)
    for step in range(2):
        watched(lane, batch, instrument, tensors, step=step)
    reading = instrument.reading()
    before, after = flat(tensors.before).astype(np.float32), flat(tensors.after).astype(np.float32)
    update = before.astype(np.float64) - lr * flat(tensors.grads) - before.astype(np.float64)
    share, histogram = expected(update, before, after)
    assert reading["unchanged_fraction"] == share
    assert reading["histogram"] == histogram
    assert (share > 0.5) == (lr == 1e-9)


def test_of_adamw_the_exact_update_is_that_of_its_formula():
    lr, decay, eps = 1e-7, 0.1, 1e-8
    lane, batch = lane_of("mlp", "fp32", learning_rate=lr, weight_decay=decay)
    instrument, tensors = Updates(lane, 1), Tensors(lane, 1)
    # Loshchilov and Hutter 2019 (arXiv 1711.05101), algorithm 2, with the moments as float32 keeps them.
    for step in (1, 2, 3):
        moments = [lane.optimizer.state[p] for p in lane.parameters]
        m, v = (flat([each[k] for each in moments]) if step > 1 else 0.0 for k in ("exp_avg", "exp_avg_sq"))
        watched(lane, batch, instrument, tensors)
        g, before = flat(tensors.grads), flat(tensors.before)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        adam = lr * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + eps)
        update = before * (1 - lr * decay) - adam - before
        (replay,) = instrument._replays
        np.testing.assert_allclose(replay.exact_update().numpy(), update, rtol=1e-6, atol=1e-18)
        share, _ = expected(update, before.astype(np.float32), flat(tensors.after).astype(np.float32))
        assert instrument.reading()["unchanged_fraction"] == pytest.approx(share, abs=2e-4)
        assert 0.02 < share < 0.5


def pure(optimizer, dtype, **options):
    """A lane of one linear layer whose weights, gradients and optimizer state are all in one half format."""
    torch.manual_seed(0)
    layer = nn.Linear(64, 32).to(dtype)
    lane = SimpleNamespace(parameters=list(layer.parameters()), optimizer=optimizer(layer.parameters(), **options))
    return layer, lane


def step_of(layer, lane, instrument):
    instrument.prepare(None, 0)
    lane.optimizer.zero_grad()
    layer(torch.randn(16, 64).to(layer.weight.dtype)).square().mean().backward()
    before = flat([p.detach() for p in lane.parameters])
    with instrument.watching():
        lane.optimizer.step()
    return before, flat([p.detach() for p in lane.parameters])


def test_weights_in_bf16_do_not_notice_small_updates():
    layer, lane = pure(torch.optim.SGD, torch.bfloat16, lr=2.0**-4)
    instrument = Updates(lane, 1)
    before, after = step_of(layer, lane, instrument)
    update = -(2.0**-4) * flat([p.grad for p in lane.parameters])
    reading = instrument.reading()
    assert reading["unchanged_fraction"] == np.mean(before[update != 0] == after[update != 0])
    assert 0.05 < reading["unchanged_fraction"] < 0.95
    # An update of less than a quarter of an ulp never shows, whatever the weight's mantissa.
    low, counts = reading["histogram"]["low"], reading["histogram"]["counts"]
    assert sum(counts[: max(0, -2 - low)]) <= np.sum((before == after) & (update != 0))


def test_adafactors_whole_parameters_are_replayed():
    layer, lane = pure(torch.optim.Adafactor, torch.float32, lr=1e-3)
    instrument = Updates(lane, 1)
    for _ in range(3):
        before, after = step_of(layer, lane, instrument)
        exact = np.concatenate([replay.exact_update().numpy() for replay in instrument._replays])
        np.testing.assert_allclose(exact, after - before, rtol=2e-2, atol=2e-8)
    assert instrument.reading()["unchanged_fraction"] < 0.01


def test_a_skipped_step_has_no_updates():
    lane, batch = lane_of("mlp", "fp16-amp", lane={"scaler": {"init_scale": 2.0**60}})
    instrument = Updates(lane, 1)
    assert watched(lane, batch, instrument).skipped
    assert instrument.reading() == {"unchanged_fraction": None, "histogram": {"low": 0, "counts": []}}


def test_of_many_weights_a_sample_stands_for_all(monkeypatch):
    readings = {}
    for most in (10**6, 700):
        monkeypatch.setattr(updates, "MOST_ELEMENTS", most)
        layer, lane = pure(torch.optim.SGD, torch.bfloat16, lr=2.0**-4)
        instrument = Updates(lane, 1)
        step_of(layer, lane, instrument)
        readings[most] = instrument.reading()
    assert 500 < sum(readings[700]["histogram"]["counts"]) <= 710 < sum(readings[10**6]["histogram"]["counts"])
    assert readings[700]["unchanged_fraction"] == pytest.approx(readings[10**6]["unchanged_fraction"], abs=0.06)


@pytest.mark.parametrize("name", ["fp16", "bf16", "fp32"])
def test_ulps_are_those_of_the_format(name):
    spec, dtype = formats.get(name), DTYPES[name]
    values = [0.0, spec.smallest_subnormal, spec.smallest_normal, 1.0, 1.5, 0.1, -3.0, spec.max]
    weights = torch.tensor(values, dtype=torch.float64).to(dtype)
    for update in (1e-9, 3e-5, 0.25, 1e4):
        found = exponents_in_ulps(torch.full((len(values),), update, dtype=torch.float64), weights)
        for weight, exponent in zip(weights.double().tolist(), found.tolist(), strict=True):
            ratio = Fraction(update) / Fraction(spec.ulp(spec.encode(weight)))
            assert Fraction(2) ** exponent <= ratio < Fraction(2) ** (exponent + 1)
