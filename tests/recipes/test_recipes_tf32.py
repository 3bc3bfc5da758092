"""TF32 emulated: every product's operands rounded to 10 mantissa bits, forward and backward, and nothing else."""

import pytest
import torch
from torch.nn import functional

from explorer import formats, recipes
from explorer.recipes.precision import Precision
from explorer.recipes.tf32 import TF32Products

CPU = torch.device("cpu")


def tf32(tensor):
    """Rounded by the formats' own rounding, then exact in float64."""
    return torch.from_numpy(formats.get("tf32").quantize(tensor.detach().numpy())).double()


def drawn(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def close(ours, exact):
    torch.testing.assert_close(ours.double(), exact, rtol=0, atol=1e-5 * exact.abs().max().item())


def in_tf32(function, operands, gradient):
    with TF32Products():
        out = function(*operands)
        return out.detach(), *torch.autograd.grad(out, operands, gradient)


def test_a_linear_layer_rounds_operands_forward_and_backward_and_not_the_bias():
    x, weight, bias, gradient = drawn(6, 20), drawn(9, 20, seed=1), drawn(9, seed=2), drawn(6, 9, seed=3).detach()
    out, grad_x, grad_weight, grad_bias = in_tf32(functional.linear, (x, weight, bias), gradient)
    close(out, tf32(x) @ tf32(weight).T + bias.detach().double())
    close(grad_x, tf32(gradient) @ tf32(weight))
    close(grad_weight, tf32(gradient).T @ tf32(x))
    close(grad_bias, gradient.double().sum(0))


@pytest.mark.parametrize("shapes", [((5, 7), (7, 3)), ((2, 5, 7), (2, 7, 3)), ((2, 4, 5, 7), (7, 3))])
def test_matrix_products_round_both_operands(shapes):
    a, b = drawn(*shapes[0]), drawn(*shapes[1], seed=1)
    gradient = drawn(*torch.matmul(a, b).shape, seed=2).detach()
    out, grad_a, _ = in_tf32(torch.matmul, (a, b), gradient)
    close(out, tf32(a) @ tf32(b))
    close(grad_a, tf32(gradient) @ tf32(b).mT)


def test_a_convolution_rounds_operands_and_sums_the_bias_gradient_unrounded():
    x, weight, bias = drawn(2, 3, 6, 6), drawn(4, 3, 3, 3, seed=1), drawn(4, seed=2)
    gradient = drawn(2, 4, 6, 6, seed=3).detach()

    def convolve(x, weight, bias):
        return functional.conv2d(x, weight, bias, padding=1)

    out, grad_x, grad_weight, grad_bias = in_tf32(convolve, (x, weight, bias), gradient)
    wide = [t.requires_grad_() for t in (tf32(x), tf32(weight), bias.detach().double())]
    exact = convolve(*wide)
    exact_x, exact_weight = torch.autograd.grad(exact, wide[:2], tf32(gradient))
    for ours, theirs in ((out, exact), (grad_x, exact_x), (grad_weight, exact_weight)):
        close(ours, theirs.detach())
    close(grad_bias, gradient.double().sum((0, 2, 3)))


def test_attention_rounds_the_operands_of_both_its_products():
    query, key, value = (drawn(1, 2, 5, 8, seed=seed) for seed in range(3))
    with TF32Products():
        out = functional.scaled_dot_product_attention(query, key, value)
    # PyTorch's math backend scales query and key by the fourth root, each before it is rounded.
    root = 8**-0.25
    scores = tf32(query * root) @ tf32(key * root).mT
    close(out.detach(), tf32(scores.softmax(-1).float()) @ tf32(value))
    assert not torch.equal(out, functional.scaled_dot_product_attention(query, key, value))


def test_what_is_no_product_and_no_float32_passes_through():
    x = drawn(6, 20).detach()
    wide = x.double()
    with TF32Products():
        assert torch.equal(x * 1.1 + x, x * 1.1 + x)
        assert torch.equal(wide @ wide.T, wide @ wide.T)
        inside = wide @ wide.T, x.exp()
    assert torch.equal(inside[0], wide @ wide.T)
    assert torch.equal(inside[1], x.exp())


def test_the_context_leaves_nothing_behind_and_can_be_entered_again():
    x = drawn(6, 20).detach()
    outside = x @ x.T
    flash = torch.backends.cuda.flash_sdp_enabled()
    precision = Precision(recipes.get("tf32"), CPU)
    for _ in range(2):
        with precision.step():
            assert not torch.equal(x @ x.T, outside)
        assert torch.equal(x @ x.T, outside)
    assert torch.backends.cuda.flash_sdp_enabled() == flash
