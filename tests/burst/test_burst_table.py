"""The table that ends a burst on the command line: seeds as mean and deviation, and why a lane ended early."""

import json

import pytest

from explorer.cli import main


@pytest.fixture
def table(tmp_path, capsys):
    def run(**config):
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"model": "mlp", "batch_size": 16, **config}))
        assert main(["burst", "--config", str(file), "--data-dir", str(tmp_path)]) == 0
        return " ".join(capsys.readouterr().out.split())

    return run


def test_several_seeds_are_told_as_mean_and_deviation(table):
    out = table(steps=3, seeds=2, lanes=[{"recipe": "fp32"}])
    assert "last loss, 2 seeds" in out
    assert "±" in out


def test_one_seed_is_told_without(table):
    assert "±" not in table(steps=3, lanes=[{"recipe": "fp32"}])


def test_a_lane_that_ended_early_says_why(table):
    lanes = [{"name": "half", "recipe": "fp16-amp", "scaler": {"init_scale": 1.0}}, {"recipe": "fp32"}]
    out = table(steps=25, input_scale=256.0, weight_gain=16.0, lanes=lanes)
    assert "Ended early: every step was skipped until the loss scale fell below 2^-14" in out
    assert "left FP16's range" in out
