"""Half-precision products, multiplied and accumulated in float32 and rounded once, as autograd functions.

The product of two fp16 or bf16 numbers is exact in float32 (11 + 11 and 8 + 8 significand bits fit into 24, and the
exponents of bf16 into those of float32 but for results below its smallest normal number). So casting the operands up,
multiplying and accumulating in float32 and rounding the result to half once, to nearest even, gives what a tensor
core with float32 accumulation gives, up to the order of the additions (Micikevicius et al., "Mixed Precision
Training", ICLR 2018, section 3.3). The same holds for the two products of a backward pass, whose operands are the
half-precision output gradient and a half-precision operand of the forward pass.

Every function here takes operands that are *already* half, all of one dtype, returns that dtype, gives gradients in
that dtype, and saves for backward what PyTorch's own half kernel saves: the half operands, never a float32 copy. The
backward passes cannot be differentiated again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

aten = torch.ops.aten

# Without this guard an active autocast would cast the float32 operands straight back to half.
exactly = torch._C._DisableAutocast


class Linear(torch.autograd.Function):
    """``x @ weight.T + bias`` with ``x`` (…, k), ``weight`` (n, k) and ``bias`` (n,) or None, rounded once."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The half-precision output, shape (…, n)."""
        ctx.save_for_backward(x, weight)
        with exactly():
            out = torch.nn.functional.linear(x.float(), weight.float(), None if bias is None else bias.float())
        return out.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``x``, ``weight`` and ``bias``, each summed in float32 and rounded once."""
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        grad_x = grad_weight = grad_bias = None
        with exactly():
            rows = grad.float().reshape(-1, weight.shape[0])
            if wants_x:
                grad_x = (rows @ weight.float()).to(x.dtype).view(x.shape)
            if wants_weight:
                grad_weight = (rows.T @ x.reshape(-1, x.shape[-1]).float()).to(x.dtype)
            if wants_bias:
                grad_bias = rows.sum(0).to(x.dtype)
        return grad_x, grad_weight, grad_bias


class Matmul(torch.autograd.Function):
    """``a @ b`` for two operands of two or more dimensions whose leading ones broadcast, rounded once."""

    @staticmethod
    def forward(ctx: FunctionCtx, a: Tensor, b: Tensor) -> Tensor:
        """The half-precision product, of ``torch.matmul``'s shape."""
        ctx.save_for_backward(a, b)
        with exactly():
            return torch.matmul(a.float(), b.float()).to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both operands; those of a broadcast operand are summed in float32 before they are rounded."""
        a, b = ctx.saved_tensors
        with exactly():
            return _matmul_gradients(grad.float(), a, b, *ctx.needs_input_grad)


class AddMatmul(torch.autograd.Function):
    """``beta · addend + alpha · (a @ b)`` of ``addmm`` (2-D operands) and ``baddbmm`` (3-D operands), rounded once."""

    @staticmethod
    def forward(ctx: FunctionCtx, addend: Tensor, a: Tensor, b: Tensor, beta: float, alpha: float) -> Tensor:
        """The half-precision result, shape (m, n) or (batch, m, n); ``addend`` broadcasts to it."""
        ctx.save_for_backward(a, b)
        ctx.addend_shape, ctx.beta, ctx.alpha = addend.shape, beta, alpha
        add_matmul = torch.addmm if a.dim() == 2 else torch.baddbmm
        with exactly():
            return add_matmul(addend.float(), a.float(), b.float(), beta=beta, alpha=alpha).to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``addend``, ``a`` and ``b``, scaled in float32 before they are rounded."""
        a, b = ctx.saved_tensors
        wants_addend, wants_a, wants_b = ctx.needs_input_grad[:3]
        grad_addend = None
        with exactly():
            grad = grad.float()
            if wants_addend:
                grad_addend = grad.sum_to_size(ctx.addend_shape)
                grad_addend = (grad_addend if ctx.beta == 1 else grad_addend * ctx.beta).to(a.dtype)
            grad_a, grad_b = _matmul_gradients(grad if ctx.alpha == 1 else grad * ctx.alpha, a, b, wants_a, wants_b)
        return grad_addend, grad_a, grad_b, None, None


def _matmul_gradients(grad: Tensor, a: Tensor, b: Tensor, wants_a: bool, wants_b: bool) -> tuple[Tensor | None, ...]:
    """Gradients, in the operands' dtype, of ``a @ b`` for a float32 output gradient."""
    grad_a = grad_b = None
    if wants_a:
        grad_a = torch.matmul(grad, b.float().mT).sum_to_size(a.shape).to(a.dtype)
    if wants_b and b.dim() == 2:
        # One product over all rows, as in a linear layer, rather than one a batch entry and a sum over them.
        grad_b = (a.float().flatten(0, -2).T @ grad.flatten(0, -2)).to(b.dtype)
    elif wants_b:
        grad_b = torch.matmul(a.float().mT, grad).sum_to_size(b.shape).to(b.dtype)
    return grad_a, grad_b


class Convolution(torch.autograd.Function):
    """A convolution or transposed convolution of 1 to 3 spatial dimensions, rounded once.

    ``x`` is (batch, channels, …), ``weight`` and ``bias`` as ``torch.convolution`` takes them, and ``geometry`` its
    further arguments: stride, padding, dilation, transposed, output_padding, groups.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> Tensor:
        """The half-precision output."""
        ctx.save_for_backward(x, weight)
        ctx.bias_shape, ctx.geometry = None if bias is None else list(bias.shape), geometry
        with exactly():
            out = torch.convolution(x.float(), weight.float(), None if bias is None else bias.float(), *geometry)
        return out.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``x``, ``weight`` and ``bias``, each summed in float32 and rounded once."""
        x, weight = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        with exactly():
            gradients = aten.convolution_backward(
                grad.float(), x.float(), weight.float(), ctx.bias_shape, *ctx.geometry, wanted
            )
        rounded = (g.to(x.dtype) if wants else None for g, wants in zip(gradients, wanted, strict=True))
        return *rounded, *(None for _ in ctx.geometry)


class Attention(torch.autograd.Function):
    """Scaled-dot-product attention on PyTorch's flash kernel for the CPU, run in float32 and rounded once.

    ``query``, ``key`` and ``value`` are (batch, heads, sequence, head size); ``mask`` is boolean (True attends), of
    the operands' dtype (added to the scores) or None and gets no gradient. As natively, the log-sum-exp of each row is
    float32, and backward takes the half-precision output. What tensor-core kernels do differently is that they round
    the attention probabilities to half before the second product; here nothing is rounded in between.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        is_causal: bool,
        scale: float | None,
    ) -> Tensor:
        """The half-precision output, of ``query``'s shape."""
        with exactly():
            out, logsumexp = aten._scaled_dot_product_flash_attention_for_cpu(
                query.float(), key.float(), value.float(), 0.0, is_causal, attn_mask=_additive(mask), scale=scale
            )
        out = out.to(query.dtype)
        ctx.save_for_backward(query, key, value, mask, out, logsumexp)
        ctx.is_causal, ctx.scale = is_causal, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``query``, ``key`` and ``value``, each rounded once."""
        query, key, value, mask, out, logsumexp = ctx.saved_tensors
        with exactly():
            gradients = aten._scaled_dot_product_flash_attention_for_cpu_backward(
                grad.float(),
                query.float(),
                key.float(),
                value.float(),
                out.float(),
                logsumexp,
                0.0,
                ctx.is_causal,
                attn_mask=_additive(mask),
                scale=ctx.scale,
            )
        return *(g.to(query.dtype) for g in gradients), None, None, None


def _additive(mask: Tensor | None) -> Tensor | None:
    """The attention mask as float32 scores to add: 0 attends, -inf does not."""
    if mask is None or mask.dtype is not torch.bool:
        return None if mask is None else mask.float()
    return torch.zeros(mask.shape, dtype=torch.float32).masked_fill_(~mask, -torch.inf)


class Power(torch.autograd.Function):
    """``x ** exponent``, taken in float32 and rounded once; backward rounds after each operation, as PyTorch does.

    Not a product, but PyTorch's fp16 ``pow`` is computed a number at a time: in the GELU of GPT-2 it took four times
    as long as in float32, a sixth of the whole training step. The bits are those of PyTorch's own.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, exponent: float) -> Tensor:
        """The half-precision power, of ``x``'s shape."""
        ctx.save_for_backward(x)
        ctx.exponent = exponent
        with exactly():
            return torch.pow(x.float(), exponent).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        """Gradient of ``x``."""
        (x,) = ctx.saved_tensors
        with exactly():
            slope = torch.pow(x.float(), ctx.exponent - 1).to(x.dtype).mul_(ctx.exponent)
        return slope.mul_(grad), None


class Recomputed(torch.autograd.Function):
    """Any function of half-precision tensors, evaluated in float32 and rounded once; backward evaluates it again.

    For products too rare to deserve a backward pass of their own (``einsum``). ``function`` takes ``operands`` cast to
    float32 and returns one tensor.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, function: Callable[..., Tensor], *operands: Tensor) -> Tensor:
        """The half-precision result."""
        ctx.save_for_backward(*operands)
        ctx.function = function
        with exactly():
            return function(*(t.float() for t in operands)).to(operands[0].dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the operands, each rounded once."""
        wanted = ctx.needs_input_grad[1:]
        operands = [t.detach().float().requires_grad_(w) for t, w in zip(ctx.saved_tensors, wanted, strict=True)]
        with exactly(), torch.enable_grad():
            out = ctx.function(*operands)
            gradients = iter(torch.autograd.grad(out, [t for t in operands if t.requires_grad], grad.float()))
        return None, *(next(gradients).to(grad.dtype) if wants else None for wants in wanted)


def same_padding(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[Tensor, list[int]]:
    """``padding="same"`` as numbers: the input, padded where the padding is uneven, and the padding on both sides.

    An odd total puts the larger part after the data, as PyTorch does.

    Raises
    ------
    RuntimeError
        With a stride other than 1, which PyTorch does not take either.
    """
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(t % 2 for t in total):
        # torch.nn.functional.pad lists the last dimension first.
        x = torch.nn.functional.pad(x, [side for t in reversed(total) for side in (0, t % 2)])
    return x, [t // 2 for t in total]
