"""One linear layer under each converting recipe, recomputed in float64 with rounding at the places that are defined."""

import numpy as np
import pytest
import torch

from explorer import formats, recipes
from explorer.recipes.linear import Operands, RoundedLinear

CONVERTING = [recipe.name for recipe in recipes.RECIPES if recipe.converts]

# Sums of products in float32 against float64: 2^-24 for each addition, with room for the order.
ROUNDING = 1e-5


def scaled(spec, matrix, amax):
    """Over the largest power of two that keeps amax in range, rounded, and back: in float64."""
    scale = np.exp2(np.floor(np.log2(spec.max / np.maximum(amax, 1e-12))))
    return spec.quantize(matrix * scale, overflow="saturate").astype(np.float64) / scale


def rounded(recipe, name, matrix, dim):
    """The operand as the recipe defines it, from the formats' own rounding; ``dim`` is what the product sums over."""
    spec = formats.get(name)
    if recipe.scaling == "block":
        along = matrix if dim == 1 else matrix.T
        blocks = spec.quantize(np.ascontiguousarray(along).astype(np.float32)).astype(np.float64)
        return blocks if dim == 1 else blocks.T
    if recipe.scaling == "none":
        return spec.quantize(matrix, overflow="saturate").astype(np.float64)
    amax = np.abs(matrix).max() if recipe.scaling == "tensor" else np.abs(matrix).max(axis=dim, keepdims=True)
    return scaled(spec, matrix, amax)


def by_definition(recipe, x, weight, bias, gradient):
    """Output and gradients in float64: y = r(x) r(W)ᵀ + b, gₓ = r(g) r(W), g_W = r(g)ᵀ r(x), g_b = Σ g."""
    forward, backward = recipe.compute, recipe.gradient_operand
    out = rounded(recipe, forward, x, 1) @ rounded(recipe, forward, weight, 1).T + bias
    grad_x = rounded(recipe, backward, gradient, 1) @ rounded(recipe, forward, weight, 0)
    grad_weight = rounded(recipe, backward, gradient, 0).T @ rounded(recipe, forward, x, 0)
    return out, grad_x, grad_weight, gradient.sum(0)


def layer_of(recipe, inputs, outputs, generator):
    layer = torch.nn.Linear(inputs, outputs, device="meta")
    layer.weight = torch.nn.Parameter(torch.randn(outputs, inputs, generator=generator) * 0.1)
    layer.bias = torch.nn.Parameter(torch.randn(outputs, generator=generator))
    return RoundedLinear(layer, Operands.of(recipe))


@pytest.mark.parametrize("name", CONVERTING)
@pytest.mark.parametrize("sizes", [(64, 96, 32), (50, 40, 24)])
@pytest.mark.parametrize("gradient_size", [1.0, 1e-4])
def test_all_three_products_are_those_of_the_definition(name, sizes, gradient_size):
    recipe, (rows, inputs, outputs) = recipes.get(name), sizes
    generator = torch.Generator().manual_seed(0)
    layer = layer_of(recipe, inputs, outputs, generator)
    x = torch.randn(rows, inputs, generator=generator).requires_grad_()
    gradient = torch.randn(rows, outputs, generator=generator) * gradient_size
    out = layer(x)
    ours = out, *torch.autograd.grad(out, (x, layer.weight, layer.bias), gradient)
    plain = (t.detach().double().numpy() for t in (x, layer.weight, layer.bias, gradient))
    for mine, theirs in zip(ours, by_definition(recipe, *plain), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=0, atol=ROUNDING * np.abs(theirs).max() + 1e-30)


@pytest.mark.parametrize("name", CONVERTING)
def test_rounding_is_seen_in_each_product(name):
    recipe, generator = recipes.get(name), torch.Generator().manual_seed(0)
    layer = layer_of(recipe, 64, 32, generator)
    x = torch.randn(96, 64, generator=generator).requires_grad_()
    gradient = torch.randn(96, 32, generator=generator)
    out = layer(x)
    plain = torch.nn.functional.linear(x, layer.weight, layer.bias)
    for mine, theirs in zip(
        (out, *torch.autograd.grad(out, (x, layer.weight), gradient)),
        (plain, *torch.autograd.grad(plain, (x, layer.weight), gradient)),
        strict=True,
    ):
        distance = torch.linalg.vector_norm(mine - theirs) / torch.linalg.vector_norm(theirs)
        assert 1e-3 < distance < 0.3


@pytest.mark.parametrize("name", CONVERTING)
def test_any_number_of_leading_dimensions_is_a_batch_of_rows(name):
    generator = torch.Generator().manual_seed(0)
    layer = layer_of(recipes.get(name), 32, 16, generator)
    x = torch.randn(2, 3, 32, generator=generator).requires_grad_()
    flat = x.detach().reshape(6, 32).requires_grad_()
    gradients = [torch.autograd.grad(layer(given).square().sum(), given)[0] for given in (x, flat)]
    assert torch.equal(layer(x).reshape(6, 16), layer(flat))
    assert torch.equal(gradients[0].reshape(6, 32), gradients[1])


@pytest.mark.parametrize("name", CONVERTING)
def test_only_the_gradients_that_are_wanted_are_computed(name):
    layer = layer_of(recipes.get(name), 32, 16, torch.Generator().manual_seed(0))
    x = torch.ones(4, 32)
    layer(x).sum().backward()
    weight_gradient = layer.weight.grad.clone()
    layer.weight.requires_grad_(False)
    layer.bias.requires_grad_(False)
    wanted = x.clone().requires_grad_()
    layer(wanted).sum().backward()
    assert x.grad is None
    assert wanted.grad.shape == x.shape
    assert torch.equal(layer.weight.grad, weight_gradient)


def test_unscaled_casts_lose_the_gradients_that_scaled_ones_keep():
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(64, 32, generator=generator) * 1e-7
    kept = {}
    for name in ("fp8-unscaled", "fp8-tensorwise"):
        layer = layer_of(recipes.get(name), 64, 32, torch.Generator().manual_seed(1))
        x = torch.randn(64, 64, generator=torch.Generator().manual_seed(2)).requires_grad_()
        layer(x).backward(gradient)
        kept[name] = x.grad.count_nonzero().item()
    assert kept == {"fp8-unscaled": 0, "fp8-tensorwise": 64 * 64}
