"""The scaled FP8 recipes, held bit for bit against torchao's emulation; torchao kept out of where it is not used."""

import subprocess
import sys

import pytest
import torch

from explorer import recipes
from explorer.recipes import native
from explorer.recipes.linear import Operands, RoundedLinear

RUN = """
import sys
from explorer.burst import run_burst
config = {"model": "gpt2-tiny", "batch_size": 1, "sequence_length": 8, "steps": 1,
          "lanes": [{"recipe": "fp8-tensorwise"}, {"recipe": "mxfp8"}]}
assert [event["type"] for event in run_burst(config)][-1] == "run_finished"
print("torchao" in sys.modules)
"""


def linear(inputs, outputs, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layer = torch.nn.Linear(inputs, outputs, device="meta")
    layer.weight = torch.nn.Parameter(torch.randn(outputs, inputs, generator=generator) * 0.05)
    layer.bias = torch.nn.Parameter(torch.randn(outputs, generator=generator))
    return layer


def products(layer, size):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(*size, layer.in_features, generator=generator).requires_grad_()
    out = layer(x)
    gradient = torch.randn(out.shape, generator=generator) * 1e-5
    return out.detach(), *torch.autograd.grad(out, (x, layer.weight, layer.bias), gradient)


@pytest.fixture(scope="module")
def float8():
    with native._quietly():
        import torchao.float8
    return torchao.float8


@pytest.mark.parametrize("name", ["fp8-tensorwise", "fp8-rowwise"])
@pytest.mark.parametrize("size", [(64,), (4, 16), (1,)])
def test_a_layer_gives_bit_for_bit_what_torchaos_emulation_gives(float8, name, size):
    from torchao.float8.float8_linear import Float8Linear

    layer = linear(48, 80)
    if name == "fp8-rowwise":
        config = float8.Float8LinearConfig.from_recipe_name("rowwise")
    else:
        config = float8.Float8LinearConfig(round_scales_to_power_of_2=True)
    object.__setattr__(config, "emulate", True)
    theirs = products(Float8Linear.from_float(layer, config), size)
    ours = products(RoundedLinear(layer, Operands.of(recipes.get(name))), size)
    for ours_, theirs_ in zip(ours, theirs, strict=True):
        assert torch.equal(ours_, theirs_)


def test_on_a_cpu_nothing_imports_torchao_or_writes_to_standard_error():
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


@pytest.mark.parametrize("name", ["fp8-tensorwise", "fp8-rowwise", "mxfp8"])
def test_torchaos_layer_shares_the_parameters_of_the_one_it_replaces(float8, name):
    layer = linear(128, 256)
    native_layer = native.layer(recipes.get(name), layer)
    assert isinstance(native_layer, native.NativeLinear)
    assert native_layer.weight is layer.weight
    assert native_layer._kernels[0].weight is layer.weight
    assert [parameter for _, parameter in native_layer.named_parameters()] == [layer.weight, layer.bias]


def test_a_layer_whose_sizes_the_kernels_do_not_take_is_emulated():
    made = native.layer(recipes.get("fp8-tensorwise"), linear(30, 20))
    assert type(made) is RoundedLinear


def test_without_the_hardware_the_reason_names_it():
    obstacle = native.obstacle(recipes.get("fp8-rowwise"), torch.device("cpu"))
    assert "compute capability 8.9" in obstacle


def test_kernels_that_fail_are_not_used_and_that_is_said():
    # On a CPU torchao's FP8 kernels raise or are not there: what a GPU without them would meet.
    verdict = native._trial.__wrapped__("mxfp8", "cpu")
    assert verdict is not None
    assert "torchao's kernels" in verdict
