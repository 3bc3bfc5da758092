"""What is advised for made-up machines."""

import pytest

from explorer.devices.facts import DeviceFacts
from explorer.devices.support import support
from explorer.hardware.advice import advise

HALF = {"fp16": {"how": "native"}, "bf16": {"how": "native"}}


def gpu(capability):
    return DeviceFacts("cuda:0", "cuda", "nvidia", "made up", capability=capability)


def cpu(fp16="emulated", bf16="emulated"):
    half = {name: {"how": how, "native_gflops": 1.0, "emulated_gflops": 1.0}
            for name, how in (("fp16", fp16), ("bf16", bf16))}  # fmt: skip
    return DeviceFacts("cpu", "cpu", "cpu", "made up", half=half)


MPS = DeviceFacts("mps:0", "mps", "apple", "M2", has_fp64=False, half=HALF)
MI300 = DeviceFacts("cuda:0", "cuda", "amd", "MI300X", arch="gfx942")


def advice(facts, rates=None, steps=None):
    formats = [verdict.as_dict() for verdict in support(facts)]
    matmul = [{"device": facts.device, "format": name, "gflops": rate} for name, rate in (rates or {}).items()]
    training = [{"device": facts.device, "recipe": name, "step_ms": ms} for name, ms in (steps or {}).items()]
    return advise(facts.as_dict(), formats, matmul, training)


def avoided(found):
    return {entry["recipe"]: entry["reason"] for entry in found["avoid"]}


@pytest.mark.parametrize("capability", [(8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)])
def test_ampere_and_newer_train_in_bf16(capability):
    found = advice(gpu(capability), {"fp32": 20_000, "bf16": 250_000, "fp16": 250_000})
    assert found["recipe"] == "bf16-amp"
    assert "no scaling" in found["reason"]
    assert "12 times" in found["reason"]


@pytest.mark.parametrize("capability", [(7, 0), (7, 5)])
def test_volta_and_turing_train_in_fp16_with_scaling(capability):
    found = advice(gpu(capability), {"fp32": 8_000, "fp16": 50_000, "bf16": 3_000})
    assert found["recipe"] == "fp16-amp"
    assert "scale the loss" in found["reason"]
    assert "emulated" in avoided(found)["bf16-amp"]


def test_pascal_trains_in_float32():
    found = advice(gpu((6, 1)))
    assert found["recipe"] == "fp32"
    assert {"fp16-amp"} <= set(avoided(found))


def test_fp8_is_the_runner_up_where_it_is_native():
    assert advice(gpu((8, 0)))["runner_up"]["recipe"] == "fp16-amp"
    assert advice(gpu((9, 0)))["runner_up"]["recipe"] == "fp8-tensorwise"
    assert advice(MI300)["runner_up"]["recipe"] == "fp8-tensorwise"


def test_a_check_that_was_stopped_early_still_advises():
    found = advice(gpu((8, 0)))
    assert found["recipe"] == "bf16-amp"
    assert "times" not in found["reason"]


def test_kernels_decide_on_an_accelerator_though_a_tiny_step_gains_nothing():
    found = advice(gpu((9, 0)), {"fp32": 50_000, "bf16": 700_000}, {"fp32": 9.0, "bf16-amp": 10.0})
    assert found["recipe"] == "bf16-amp"
    assert "0.9 times" in found["reason"]


def test_the_training_step_decides_on_a_cpu():
    rates = {"fp32": 190, "bf16": 410}
    slower = advice(cpu(bf16="native"), rates, {"fp32": 100, "bf16-amp": 110, "fp16-amp": 130})
    assert slower["recipe"] == "fp32"
    assert "but a step of gpt2-tiny runs at 0.91 times" in slower["reason"]
    assert slower["runner_up"]["recipe"] == "bf16-amp"
    assert "larger" in slower["runner_up"]["reason"]
    faster = advice(cpu(bf16="native"), rates, {"fp32": 100, "bf16-amp": 60, "fp16-amp": 130})
    assert faster["recipe"] == "bf16-amp"


def test_on_a_cpu_a_half_that_was_not_timed_is_not_advised():
    found = advice(cpu("native", "native"), {"fp32": 100, "bf16": 110, "fp16": 300}, {"fp32": 100, "bf16-amp": 120})
    assert found["recipe"] == "fp32"


def test_a_cpu_without_half_units_trains_in_float32():
    found = advice(cpu(), {"fp32": 130, "bf16": 0.9, "fp16": 0.8}, {"fp32": 290, "bf16-amp": 350, "fp16-amp": 320})
    assert found["recipe"] == "fp32"
    assert "No half format is native" in found["reason"]
    assert found["runner_up"]["recipe"] == "bf16-amp"
    assert "rehearse" in found["runner_up"]["reason"]
    assert "1.1 times" in avoided(found)["fp16-amp"]


def test_fp16_is_preferred_where_bf16_is_clearly_slower():
    assert advice(MPS, {"fp32": 3_000, "fp16": 6_000, "bf16": 3_400})["recipe"] == "fp16-amp"
    assert advice(MPS, {"fp32": 3_000, "fp16": 6_000, "bf16": 5_900})["recipe"] == "bf16-amp"
    assert advice(MPS, {"fp32": 3_000, "fp16": 3_100, "bf16": 3_000})["recipe"] == "fp32"


@pytest.mark.parametrize("facts", [gpu((7, 5)), gpu((8, 0)), gpu((9, 0)), cpu(), cpu("native", "native"), MPS, MI300])
def test_pure_halves_are_never_advised_and_every_reason_is_a_sentence(facts):
    found = advice(facts)
    assert {"bf16-pure", "fp16-pure"} <= set(avoided(found))
    named = [found, found["runner_up"], *found["avoid"]]
    recipes = [entry["recipe"] for entry in named]
    assert len(set(recipes)) == len(recipes)
    for entry in named:
        assert entry["reason"].endswith(".")


def test_emulated_fp8_and_blocks_are_for_learning():
    assert {"fp8-tensorwise", "mxfp8"} <= set(avoided(advice(cpu())))
    assert "mxfp8" in avoided(advice(gpu((9, 0))))
    assert not {"fp8-tensorwise", "mxfp8"} & set(avoided(advice(gpu((10, 0)))))
