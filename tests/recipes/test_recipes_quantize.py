"""Rounding in torch, held against the formats' own rounding element by element."""

import numpy as np
import pytest
import torch

from explorer import formats
from explorer.recipes import rounding
from explorer.recipes.quantize import Quantizer
from explorer.recipes.rounding import round_mantissa, round_quotients, round_to_elements_

ELEMENTS = ("e4m3fn", "e5m2", "e2m1", "e3m2", "e2m3")
BLOCKS = ("mxfp8-e4m3", "mxfp8-e5m2", "mxfp6-e3m2", "mxfp6-e2m3", "mxfp4", "nvfp4")
MX = BLOCKS[:-1]


def same(ours, theirs):
    """Equal as numbers, NaN where the other is."""
    return np.array_equal(ours.numpy(), theirs, equal_nan=True)


def spread(rows, columns, seed=0):
    """float32 numbers over 60 binades, zeros among them."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(rows, columns, generator=generator)
    numbers *= 2.0 ** torch.randint(-30, 30, (rows, columns), generator=generator)
    numbers[torch.rand(rows, columns, generator=generator) < 0.05] = 0
    return numbers


def around_ties(name):
    """Every number of a format, every midpoint of two neighbours, and float32's neighbours of both."""
    spec = formats.get(name)
    values = sorted({spec.decode(code).value for code in range(2**spec.bits) if np.isfinite(spec.decode(code).value)})
    values = np.array(values, np.float32)
    points = np.concatenate([values, (values[1:] + values[:-1]) / 2, [1.5 * spec.max, -1.5 * spec.max]]).astype("f4")
    below, above = np.nextafter(points, np.float32(-np.inf)), np.nextafter(points, np.float32(np.inf))
    return torch.from_numpy(np.concatenate([points, below, above]))


def words(step=65_521):
    """Float32 numbers of all kinds: every 65,521st code, NaN and infinity among them."""
    codes = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32)
    special = np.array([0x7F800000, 0xFF800000, 0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F7FFFFF, 1, 0x80000001], "u4")
    return torch.from_numpy(np.concatenate([codes, special]).view(np.float32))


@pytest.mark.parametrize("name", ELEMENTS)
def test_an_unscaled_cast_rounds_like_the_format_at_every_number_and_every_tie(name):
    given = around_ties(name)
    assert same(Quantizer(name)(given[None])[0], formats.get(name).quantize(given.numpy(), overflow="saturate"))


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2"])
def test_an_unscaled_cast_rounds_like_the_format_over_all_of_float32(name):
    given = words()
    assert same(Quantizer(name)(given[None])[0], formats.get(name).quantize(given.numpy(), overflow="saturate"))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("shape", [(7, 64), (3, 80), (1, 5), (200, 512)])
def test_blocks_round_like_the_format(name, shape):
    given = spread(*shape)
    assert same(Quantizer(name, "block")(given), formats.get(name).quantize(given.numpy()))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("shape", [(64, 7), (80, 3), (5, 1), (512, 200)])
def test_blocks_down_the_columns_are_those_of_the_transpose(name, shape):
    given = spread(*shape, seed=1)
    expected = formats.get(name).quantize(np.ascontiguousarray(given.numpy().T)).T
    assert same(Quantizer(name, "block")(given, 0), expected)


@pytest.mark.parametrize("name", MX)
def test_mx_blocks_round_like_the_format_over_all_of_float32(name):
    numbers = words()
    # Sorted by code, a block holds neighbours; shuffled, numbers of all sizes. NaN would fill most shuffled blocks.
    finite = numbers[numbers.isfinite()]
    shuffled = finite[torch.randperm(len(finite), generator=torch.Generator().manual_seed(0))]
    for given in (numbers, shuffled):
        assert same(Quantizer(name, "block")(given[None])[0], formats.get(name).quantize(given.numpy()))


@pytest.mark.parametrize("factor", [2.0**-149, 2.0**-140, 2.0**-120, 1e-30, 1.0, 1e30, 2.0**120])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_of_tiny_and_of_huge_numbers_round_like_the_format(name, factor):
    given = (torch.randn(16, 64, generator=torch.Generator().manual_seed(2)) * 3).double().mul(factor).float()
    assert same(Quantizer(name, "block")(given), formats.get(name).quantize(given.numpy()))


@pytest.mark.parametrize("factor", [2.0**-110, 2.0**-90, 2.0**-70, 2.0**70, 2.0**95])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_of_very_different_sizes_at_the_ends_of_float32_round_like_the_format(name, factor):
    given = spread(40, 64, seed=9).double().mul(factor).float()
    for dim in (0, 1):
        along = given if dim else given.T
        expected = formats.get(name).quantize(np.ascontiguousarray(along.numpy()))
        assert same(Quantizer(name, "block")(given, dim), expected if dim else expected.T)


@pytest.mark.parametrize("name", BLOCKS)
def test_ties_in_a_block_go_to_the_even_neighbour(name):
    spec = formats.get(name)
    points = around_ties(spec.element.name)
    points = points[points.abs() <= spec.element.max]
    # The first element fixes the scale, and in NVFP4 a last block fixes the tensor's, at a power of two.
    size = spec.block_size
    blocks = torch.zeros(-(-len(points) // (size - 1)), size)
    blocks.view(-1)[torch.arange(blocks.numel()) % size > 0] = torch.nn.functional.pad(
        points, (0, len(blocks) * (size - 1) - len(points))
    )
    blocks[:, 0] = spec.element.max
    blocks = torch.cat([blocks, torch.full((1, size), spec.element.max * 448 if name == "nvfp4" else 1.0)])
    rounded = Quantizer(name, "block")(blocks)
    assert same(rounded, spec.quantize(blocks.numpy()))
    inner = rounded[:-1, 1:]
    assert torch.isin(inner, torch.from_numpy(spec.element.quantize(inner.numpy()))).all()


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_a_special_number_spoils_its_block_and_no_other(name, special):
    given = spread(4, 128, seed=3)
    given[2, 40] = special
    rounded = Quantizer(name, "block")(given)
    assert same(rounded, formats.get(name).quantize(given.numpy()))
    assert rounded.isnan().sum() == formats.get(name).block_size


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("shape", [(3, 64), (64, 3)])
def test_zeros_stay_zeros(name, shape):
    assert not Quantizer(name, "block")(torch.zeros(shape), dim=int(shape[0] == 3)).any()


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2"])
@pytest.mark.parametrize(("scaling", "dim"), [("tensor", 1), ("row", 1), ("row", 0)])
def test_a_scale_is_the_largest_power_of_two_that_keeps_the_largest_in_range(name, scaling, dim):
    spec, given = formats.get(name), spread(24, 40, seed=4)
    split = Quantizer(name, scaling).split(given, dim)
    amax = given.abs().amax() if scaling == "tensor" else given.abs().amax(dim, keepdim=True)
    exponent = torch.floor(torch.log2(spec.max / amax.double()))
    inverse = torch.exp2(exponent).expand(given.shape)
    assert torch.equal(split.scale.double(), 1 / inverse)
    assert torch.equal(split.amax, amax.expand(given.shape))
    expected = spec.quantize((given.double() * inverse).numpy(), overflow="saturate")
    assert same(split.elements, expected)
    assert torch.equal(Quantizer(name, scaling)(given, dim), split.values)


@pytest.mark.parametrize("scaling", ["tensor", "row"])
def test_a_number_that_is_not_finite_spoils_what_shares_its_scale(scaling):
    given = torch.ones(4, 8)
    given[1, 2] = torch.inf
    rounded = Quantizer("e4m3fn", scaling)(given)
    assert rounded.isnan().sum() == (32 if scaling == "tensor" else 8)


@pytest.mark.parametrize(("name", "scaling"), [("e4m3fn", "none"), ("e5m2", "tensor"), ("e4m3fn", "row"),
                                              ("mxfp8-e4m3", "block"), ("nvfp4", "block")])  # fmt: skip
@pytest.mark.parametrize("dim", [0, 1])
def test_elements_are_numbers_of_their_format_and_scales_of_theirs(name, scaling, dim):
    quantizer, given = Quantizer(name, scaling), spread(48, 70, seed=5) * 1e-3
    split = quantizer.split(given, dim)
    assert same(split.elements, quantizer.element.quantize(split.elements.numpy()))
    assert same(split.scale, formats.get(quantizer.scale_format).quantize(split.scale.numpy()))
    assert torch.equal(split.values, quantizer(given, dim))


@pytest.mark.parametrize(("name", "scaling"), [("e4m3fn", "tensor"), ("e4m3fn", "row"), ("nvfp4", "block"),
                                              ("mxfp8-e4m3", "block")])  # fmt: skip
@pytest.mark.parametrize("dim", [0, 1])
def test_the_size_of_the_pieces_changes_nothing(name, scaling, dim, monkeypatch):
    given = spread(96, 160, seed=6)
    at_once = Quantizer(name, scaling)(given, dim)
    monkeypatch.setattr(rounding, "PIECE_BYTES", 4096)
    assert torch.equal(Quantizer(name, scaling)(given, dim), at_once)


@pytest.mark.parametrize("layout", [lambda t: t, lambda t: t.T, lambda t: t[:, ::2]])
@pytest.mark.parametrize(("name", "scaling"), [("e5m2", "none"), ("e4m3fn", "row"), ("nvfp4", "block")])
def test_the_memory_layout_changes_nothing_and_the_given_matrix_stays(name, scaling, layout):
    given = layout(spread(64, 64, seed=7))
    before = given.clone()
    assert torch.equal(Quantizer(name, scaling)(given), Quantizer(name, scaling)(given.contiguous()))
    assert torch.equal(given, before)


def test_tf32_rounds_like_the_format_over_all_of_float32():
    given = words()
    assert same(round_mantissa(given, 10), formats.get("tf32").quantize(given.numpy()))


def test_tf32_rounds_a_transposed_matrix_as_it_lies():
    given = spread(30, 20, seed=8).T
    rounded = round_mantissa(given, 10)
    assert same(rounded.contiguous(), formats.get("tf32").quantize(given.numpy()))
    assert rounded.stride() == given.stride()


def test_a_quotient_near_a_tie_is_rounded_as_in_float64():
    element = formats.get("e2m1")
    step = torch.tensor([[[3e-4 * (1 + 2.0**-27)]], [[0.7 + 2.0**-29]]], dtype=torch.float64)
    ties = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0], dtype=torch.float64)
    # The float32 numbers around each tie times the step, on both sides and of both signs.
    near = (step * torch.cat([ties, -ties])[:, None]).float()
    offsets = torch.arange(-8, 9, dtype=torch.int32)
    numbers = (near.view(torch.int32)[..., None] + offsets).view(torch.float32).flatten(1)[..., None]
    assert numbers.shape == (2, 14 * 17, 1)
    exact = round_to_elements_(numbers.double() / step, element)
    rounded = round_quotients(numbers, step, element, torch.empty_like(numbers))
    assert torch.equal(rounded.double(), exact)
    # In float32 alone some of these go to the other side.
    assert not torch.equal(round_to_elements_(numbers / step.float(), element).double(), exact)
