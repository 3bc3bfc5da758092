"""The emulated half products against float64, forward and backward.

A float32 sum of n products, in whatever order, is off by at most n · 2⁻²⁴ times the sum of the products' magnitudes
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1; the products themselves are exact). Rounding is
monotone, so a result rounded once lies between the roundings of both ends of that interval around the exact value.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from explorer.devices import HalfKernels

HALVES = [torch.float16, torch.bfloat16]
pytestmark = pytest.mark.parametrize("dtype", HALVES, ids=["fp16", "bf16"])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def drawn(dtype, *shape):
    return torch.randn(shape).to(dtype).requires_grad_()


def emulated(function, *operands, grad=None):
    """Output and gradients under the emulated kernels, and the output gradient used."""
    with HalfKernels(HALVES):
        out = function(*operands)
        grad = torch.randn(out.shape).to(out.dtype) if grad is None else grad
        gradients = torch.autograd.grad(out, [t for t in operands if t.requires_grad], grad)
    return out.detach(), gradients, grad


def exact(function, *operands, grad):
    """Output and gradients in float64, and of the same sums over magnitudes."""

    def both(transform):
        doubles = [transform(t.detach().double()).requires_grad_(t.requires_grad) for t in operands]
        out = function(*doubles)
        return [
            out.detach(),
            *torch.autograd.grad(out, [t for t in doubles if t.requires_grad], transform(grad.double())),
        ]

    return both(lambda t: t), both(torch.abs)


def assert_rounded_once(actual, expected, magnitude, terms):
    error = terms * 2.0**-24 * magnitude
    lowest, highest = (expected - error).to(actual.dtype), (expected + error).to(actual.dtype)
    outside = ~((lowest <= actual) & (actual <= highest))
    assert not outside.any(), f"{int(outside.sum())} of {actual.numel()} values are not the exact value rounded once"


def check(function, *operands, terms):
    """``terms`` is the length of the longest sum, forward or backward."""
    out, gradients, grad = emulated(function, *operands)
    expected, magnitudes = exact(function, *operands, grad=grad)
    for actual, value, magnitude in zip([out, *gradients], expected, magnitudes, strict=True):
        assert actual.dtype is operands[0].dtype
        assert actual.shape == value.shape
        assert_rounded_once(actual, value, magnitude, terms)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("rows", [(), (7,), (3, 5), (2, 3, 5)], ids=str)
def test_a_linear_layer_is_rounded_once(dtype, rows, bias):
    operands = [drawn(dtype, *rows, 96), drawn(dtype, 48, 96), *([drawn(dtype, 48)] if bias else [])]
    check(F.linear, *operands, terms=100)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((33, 65), (65, 17)),
        ((65,), (65,)),
        ((65,), (65, 17)),
        ((33, 65), (65,)),
        ((2, 3, 33, 65), (65,)),
        ((65,), (2, 3, 65, 17)),
        ((4, 33, 65), (65, 17)),
        ((33, 65), (4, 65, 17)),
        ((4, 33, 65), (4, 65, 17)),
        ((2, 1, 33, 65), (3, 65, 17)),
        ((2, 1, 33, 65), (1, 3, 65, 17)),
    ],
    ids=str,
)
def test_matmul_broadcasts_and_is_rounded_once(dtype, a, b):
    check(torch.matmul, drawn(dtype, *a), drawn(dtype, *b), terms=300)


@pytest.mark.parametrize(
    "function",
    [torch.mm, torch.Tensor.mm, lambda a, b: a @ b, lambda a, b: a.T.contiguous().T @ b, torch.linalg.matmul],
    ids=["mm", "method", "operator", "transposed", "linalg"],
)
def test_every_spelling_of_a_product_is_rounded_once(dtype, function):
    check(function, drawn(dtype, 33, 65), drawn(dtype, 65, 17), terms=66)


def test_bmm_is_rounded_once(dtype):
    check(torch.bmm, drawn(dtype, 4, 33, 65), drawn(dtype, 4, 65, 17), terms=66)


@pytest.mark.parametrize("equation", ["ij,jk->ik", "bij,bkj->bik", "bhid,bhjd->bhij", "...i,ji->...j"])
def test_einsum_is_rounded_once(dtype, equation):
    shapes = {"ij,jk->ik": ((9, 33), (33, 5)), "bij,bkj->bik": ((2, 9, 33), (2, 5, 33))}
    a, b = shapes.get(equation, ((2, 3, 9, 33), (2, 3, 5, 33)) if equation[0] == "b" else ((2, 9, 33), (5, 33)))
    check(lambda a, b: torch.einsum(equation, a, b), drawn(dtype, *a), drawn(dtype, *b), terms=66)


@pytest.mark.parametrize(("beta", "alpha"), [(1, 1), (0.5, 3)])
@pytest.mark.parametrize("addend", [(17,), (33, 17), (1, 17), (33, 1)], ids=str)
def test_addmm_is_rounded_once(dtype, addend, beta, alpha):
    # Scaling by beta and alpha is rounded to float32 too, which the extra terms stand for.
    check(
        lambda c, a, b: torch.addmm(c, a, b, beta=beta, alpha=alpha),
        drawn(dtype, *addend),
        drawn(dtype, 33, 65),
        drawn(dtype, 65, 17),
        terms=70,
    )


@pytest.mark.parametrize("addend", [(4, 33, 17), (33, 17), (17,)], ids=str)
def test_baddbmm_is_rounded_once(dtype, addend):
    operands = drawn(dtype, *addend), drawn(dtype, 4, 33, 65), drawn(dtype, 4, 65, 17)
    check(lambda c, a, b: torch.baddbmm(c, a, b, beta=0.5, alpha=2), *operands, terms=140)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(
    ("dimensions", "options"),
    [
        (1, {}),
        (1, {"padding": "same"}),
        (2, {"stride": 2, "padding": 1}),
        (2, {"padding": "same", "dilation": 2}),
        (2, {"groups": 2, "padding": (1, 0)}),
        (3, {"padding": "valid"}),
    ],
    ids=str,
)
def test_convolutions_are_rounded_once(dtype, dimensions, options, bias):
    convolution = (F.conv1d, F.conv2d, F.conv3d)[dimensions - 1]
    x = drawn(dtype, 2, 4, *[9] * dimensions)
    # An even kernel in one direction makes "same" padding uneven.
    weight = drawn(dtype, 6, 4 // options.get("groups", 1), 4, *[3] * (dimensions - 1))
    operands = [x, weight, *([drawn(dtype, 6)] if bias else [])]
    check(lambda *t: convolution(*t, **options), *operands, terms=1000)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_transposed_convolutions_are_rounded_once(dtype, dimensions):
    convolution = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[dimensions - 1]
    operands = drawn(dtype, 2, 4, *[5] * dimensions), drawn(dtype, 4, 6, *[3] * dimensions), drawn(dtype, 6)
    check(lambda *t: convolution(*t, stride=2, padding=1, output_padding=1), *operands, terms=1000)


def test_a_convolution_takes_an_unbatched_input(dtype):
    check(F.conv2d, drawn(dtype, 4, 9, 9), drawn(dtype, 6, 4, 3, 3), terms=100)


@pytest.mark.parametrize("masked", ["no mask", "causal", "boolean mask", "additive mask"])
def test_attention_is_rounded_once(dtype, masked):
    query, key, value = (drawn(dtype, 2, 3, 40, 16) for _ in range(3))
    mask = None
    if masked == "boolean mask":
        mask = (torch.rand(2, 1, 40, 40) < 0.7) | torch.eye(40, dtype=torch.bool)
    elif masked == "additive mask":
        mask = torch.randn(2, 1, 40, 40).to(dtype)
    attention = F.scaled_dot_product_attention
    causal = masked == "causal"
    out, gradients, grad = emulated(lambda *t: attention(*t, attn_mask=mask, is_causal=causal), query, key, value)

    q, k, v, g = (t.detach().double() for t in (query, key, value, grad))
    scores = q @ k.mT / math.sqrt(16)
    if causal:
        scores = scores.masked_fill(torch.ones(40, 40).triu(1).bool(), -math.inf)
    elif mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is torch.bool else scores + mask.double()
    weights = scores.softmax(-1)
    # Backward takes the stored, rounded output, as every flash kernel does.
    by_row = (g * out.double()).sum(-1, keepdim=True)
    slope = weights * (g @ v.mT - by_row) / math.sqrt(16)
    slope_magnitude = weights * (g.abs() @ v.abs().mT + (g * out.double()).abs().sum(-1, keepdim=True)) / math.sqrt(16)
    expected = [weights @ v, slope @ k, slope.mT @ q, weights.mT @ g]
    magnitudes = [
        weights @ v.abs(),
        slope_magnitude @ k.abs(),
        slope_magnitude.mT @ q.abs(),
        weights.mT @ g.abs(),
    ]
    for actual, value_, magnitude in zip([out, *gradients], expected, magnitudes, strict=True):
        # 16 + 40 terms of the two products, and as many again for the errors of scores of size 8 under exp.
        assert_rounded_once(actual, value_, magnitude, terms=56 + 8 * 56)


@pytest.mark.parametrize("options", [{"dropout_p": 0.5}, {"enable_gqa": True}], ids=str)
def test_attention_that_the_flash_kernel_does_not_take_stays_pytorchs(dtype, options):
    heads = 2 if "enable_gqa" in options else 4
    query, key, value = drawn(dtype, 1, 4, 8, 16), drawn(dtype, 1, heads, 8, 16), drawn(dtype, 1, heads, 8, 16)

    def run():
        torch.manual_seed(1)
        out = F.scaled_dot_product_attention(query, key, value, **options)
        return out, *torch.autograd.grad(out.sum(), (query, key, value))

    native = run()
    with HalfKernels(HALVES):
        ours = run()
    for a, b in zip(ours, native, strict=True):
        assert a.dtype is dtype
        torch.testing.assert_close(a, b, rtol=8 * torch.finfo(dtype).eps, atol=8 * torch.finfo(dtype).eps)


def test_attention_with_a_mask_that_wants_a_gradient_gets_one(dtype):
    query, key, value = (drawn(dtype, 1, 2, 8, 16) for _ in range(3))
    mask = torch.zeros(8, 8, dtype=dtype, requires_grad=True)
    with HalfKernels(HALVES):
        F.scaled_dot_product_attention(query, key, value, attn_mask=mask).sum().backward()
    assert mask.grad is not None


def test_values_beyond_the_largest_become_infinite(dtype):
    largest = torch.finfo(dtype).max
    x = torch.tensor([[largest, largest]], dtype=dtype)
    with HalfKernels(HALVES):
        out = x @ torch.tensor([[2.0], [0.0]], dtype=dtype)
    assert out.item() == math.inf
    if dtype is torch.float16:
        # The sum exceeds fp16's range on the way and comes back: float32 accumulation does not notice.
        with HalfKernels(HALVES):
            back = x @ torch.tensor([[2.0], [-1.0]], dtype=dtype)
        assert back.item() == largest


def test_subnormals_are_kept(dtype):
    smallest = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    x = torch.full((1, 4), smallest, dtype=dtype, requires_grad=True)
    with HalfKernels(HALVES):
        out = F.linear(x, torch.eye(4, dtype=dtype))
        out.backward(torch.full((1, 4), smallest, dtype=dtype))
    assert (out == x).all()
    assert out[0, 0].item() == smallest
    assert (x.grad == smallest).all()


@pytest.mark.parametrize("exponent", [2, 3, 3.0])
def test_powers_have_the_bits_of_pytorchs_own(dtype, exponent):
    x = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype).requires_grad_()
    grad = torch.randn(x.shape).to(dtype)

    def run():
        out = x**exponent
        return out.detach(), *torch.autograd.grad(out, x, grad)

    native = run()
    with HalfKernels(HALVES):
        ours = run()
    for a, b in zip(ours, native, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
