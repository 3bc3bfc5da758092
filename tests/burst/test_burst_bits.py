"""The bits of one weight under every recipe: every code decodes to the tensor's own value."""

import math

import pytest
import torch

from explorer import formats, recipes
from explorer.burst import parse_config
from explorer.burst.bits import ROLES, Bits, locate
from explorer.burst.instrument import Instrument
from explorer.burst.lane import Lane
from explorer.recipes.linear import RoundedLinear
from explorer.workloads import build, get_model

CPU = torch.device("cpu")
SETTINGS = {"mlp": {"batch_size": 16}, "gpt2-tiny": {"batch_size": 1, "sequence_length": 16}}


@pytest.fixture(scope="module")
def models():
    return {name: build.build_model(name, 0) for name in SETTINGS}


class Tensors(Instrument):
    """Keeps the tensors that the bits instrument reads one element of."""

    name = "tensors"

    def __init__(self, lane, parameter):
        super().__init__(lane, 1)
        self.parameter = lane.model.get_parameter(parameter)
        self.kept = {}

    def after_backward(self):
        self.kept["weight"] = self.parameter.detach().clone()
        self.kept["scaled_gradient"] = self.parameter.grad.clone()

    def before_update(self):
        self.kept["gradient"] = self.parameter.grad.clone()

    def after_update(self):
        self.kept["update"] = self.parameter.detach().double() - self.kept["weight"].double()


class Operand:
    """Catches the weight as the forward product of a converted layer takes it."""

    def __init__(self, layer, monkeypatch):
        self.rounded = None
        quantizer, weight = layer.operands.forward, layer.weight
        original = type(quantizer).__call__

        def call(of, matrix, dim=1):
            rounded = original(of, matrix, dim)
            if matrix.data_ptr() == weight.data_ptr() and dim == 1:
                self.rounded = rounded.clone()
            return rounded

        monkeypatch.setattr(type(quantizer), "__call__", call)


def lane_of(models, model, recipe, **fields):
    config = parse_config({"model": model, **SETTINGS[model], "lanes": [{"recipe": recipe}], "eps": 1e-4, **fields})
    batches = build.build_batches(config.data, config.batch_size, config.sequence_length, config.seed)
    return Lane(config, config.lanes[0], models[model], CPU), batches.next(CPU), config


def value_of(entry):
    return formats.get(entry["format"]).decode(entry["code"]).value


def scaled_value(entry):
    """What the element of an entry stands for, as float32."""
    value = value_of(entry)
    if "scale_code" in entry:
        value *= formats.get(entry["scale_format"]).decode(entry["scale_code"]).value
    return torch.tensor(value * entry.get("tensor_scale", 1.0), dtype=torch.float64).float().item()


@pytest.mark.parametrize("model", SETTINGS)
@pytest.mark.parametrize("recipe", recipes.names())
def test_every_code_decodes_to_the_tensors_own_value(models, model, recipe, monkeypatch):
    lane, batch, config = lane_of(models, model, recipe)
    traced = get_model(model).traced
    parameter, index = locate(models[model], config.trace, traced)
    bits, tensors = Bits(lane, 1, parameter, index), Tensors(lane, parameter)
    owner = parameter.rpartition(".")[0]
    at = index[::-1] if owner in lane.precision.transposed else index
    layer = lane.model.get_submodule(owner)
    operand = Operand(layer, monkeypatch) if isinstance(layer, RoundedLinear) else None
    for _ in range(2):
        lane.train(batch, (bits, tensors))
        read = {entry["role"]: entry for entry in bits.reading()}
        assert tuple(read) == ROLES
        for role, tensor in tensors.kept.items():
            assert value_of(read[role]) == tensor[at].float().item(), role
        if operand is not None:
            assert scaled_value(read["compute"]) == operand.rounded[at].item()
        elif recipe == "tf32":
            expected = formats.get("tf32").quantize([tensors.kept["weight"][at].item()])[0]
            assert value_of(read["compute"]) == expected
        else:
            assert value_of(read["compute"]) == tensors.kept["weight"][at].to(lane.precision.compute).item()


@pytest.mark.parametrize("recipe", recipes.names())
def test_the_same_scalar_is_traced_in_every_lane(models, recipe):
    lane, batch, _ = lane_of(models, "gpt2-tiny", recipe, learning_rate=1e-6)
    parameter, index = "transformer.h.0.mlp.c_fc.weight", (60, 300)
    bits = Bits(lane, 1, parameter, index)
    lane.train(batch, (bits,))
    initial = models["gpt2-tiny"].get_parameter(parameter)[index].item()
    assert value_of(bits.reading()[0]) == pytest.approx(initial, rel=2**-8)


@pytest.mark.parametrize("recipe", recipes.names())
def test_formats_are_announced_as_they_are_read(models, recipe):
    lane, batch, config = lane_of(models, "mlp", recipe)
    bits = Bits(lane, 1, *locate(models["mlp"], config.trace, "2.weight"))
    lane.train(batch, (bits,))
    assert bits.announced()["formats"] == {entry["role"]: entry["format"] for entry in bits.reading()}
    assert bits.announced()["formats"]["weight"] == recipes.get(recipe).weights


@pytest.mark.parametrize(
    ("recipe", "size", "format_name"),
    [("mxfp8", 32, "e8m0"), ("nvfp4", 16, "e4m3fn"), ("fp8-rowwise", 128, "fp32"), ("fp8-tensorwise", None, "fp32")],
)
def test_an_entry_under_a_scale_tells_what_shares_it(models, recipe, size, format_name):
    lane, batch, _ = lane_of(models, "mlp", recipe)
    row, column = 5, 70
    bits, tensors = Bits(lane, 1, "2.weight", (row, column)), Tensors(lane, "2.weight")
    lane.train(batch, (bits, tensors))
    entry = bits.reading()[1]
    weight = tensors.kept["weight"]
    shares = weight if size is None else weight[row, column // size * size : (column // size + 1) * size]
    assert entry["scale_format"] == format_name
    assert entry["amax"] == shares.abs().max().item()
    assert ("tensor_scale" in entry) == (recipe == "nvfp4")


def test_a_weight_that_is_not_finite_is_told_in_strings_that_json_holds(models):
    lane, batch, _ = lane_of(models, "mlp", "mxfp8")
    with torch.no_grad():
        lane.model.get_parameter("2.weight")[0, 0] = math.inf
    bits = Bits(lane, 1, "2.weight", (0, 1))
    lane.train(batch, (bits,))
    entry = bits.reading()[1]
    assert entry["amax"] == "inf"
    assert math.isnan(value_of(entry) * formats.get("e8m0").decode(entry["scale_code"]).value)


@pytest.mark.parametrize("recipe", ["fp8-tensorwise", "mxfp8", "nvfp4"])
def test_a_bias_and_the_head_are_not_cast(models, recipe):
    lane, batch, _ = lane_of(models, "mlp", recipe)
    bias, head = Bits(lane, 1, "0.bias", (3,)), Bits(lane, 1, "4.weight", (3, 3))
    lane.train(batch, (bias, head))
    for bits in (bias, head):
        entries = {entry["role"]: entry for entry in bits.reading()}
        assert entries["compute"]["format"] == "fp32"
        assert entries["compute"]["code"] == entries["weight"]["code"]
