"""Sends the half-precision products of a model to the functions in ``products`` while a lane is computing.

A ``TorchFunctionMode`` sees each call that a model makes (``F.linear``, ``torch.addmm``, ``q @ k``) once, on its way
forward; the autograd functions it puts in their place bring their backward passes with them. So nothing is paid for
pointwise operations, in backward or in lanes that do not enter it. A ``TorchDispatchMode``, which sees every kernel,
forward, backward and in the optimizer, cost a GPT-2 of 0.8 M parameters 11 % while it did nothing.
"""

import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import Parameter
from torch.overrides import TorchFunctionMode

from explorer.devices import products

FLASH_ATTENTION = 1
"""``torch.nn.attention.SDPBackend.FLASH_ATTENTION`` as ``torch._fused_sdp_choice`` returns it."""

PLAIN = (Tensor, Parameter)
"""Types without kernels of their own."""

NATIVE = object()
"""What a handler returns when PyTorch's own kernel should take the call."""


class HalfKernels(TorchFunctionMode):
    """Context in which half-precision products on the CPU are multiplied in float32 and rounded once.

    Under ``torch.autocast("cpu", dtype)`` the operands are first rounded to that dtype as autocast itself does it, the
    copy of a parameter being made once for a forward pass; without autocast, calls whose operands are half already are
    taken. Everything else (float32, other devices, tensor subclasses, ``out=``) passes through untouched.

    Enter it around the whole step, forward and backward: a layer that gradient checkpointing recomputes in backward
    must take the same kernels again, for checkpointing matches what they save by order alone.

    Parameters
    ----------
    dtypes : iterable of torch.dtype
        Which of ``torch.float16`` and ``torch.bfloat16`` to take; the other is left to PyTorch.
    """

    def __init__(self, dtypes: Iterable[torch.dtype]) -> None:
        super().__init__()
        self.dtypes = frozenset(dtypes)
        self._casts: dict[tuple[int, torch.dtype, bool], tuple[Tensor, int, Tensor]] = {}
        self._depth = 0

    @property
    def cast_cache_bytes(self) -> int:
        """Bytes of half-precision copies of parameters held now, as autocast's own cache would hold them."""
        return sum(cast.nbytes for _, _, cast in self._casts.values())

    def __enter__(self) -> "HalfKernels":
        self._depth += 1
        return super().__enter__()

    def __exit__(self, *exception: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._casts.clear()
        super().__exit__(*exception)

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take one call: to a handler, through a Python function of PyTorch, or on to PyTorch."""
        kwargs = kwargs or {}
        handler = HANDLERS.get(func)
        if handler is not None:
            # Deprecated overloads put numbers before the tensors; they and out= are too rare to be worth a product.
            if "out" not in kwargs and not (args and isinstance(args[0], int | float)):
                result = handler(self, *args, **kwargs)
                if result is not NATIVE:
                    return result
        elif func in SEEN_THROUGH and all(kind in PLAIN for kind in types):
            backward = func is not torch.nn.functional.multi_head_attention_forward
            if backward:
                # Casts that only the graph still needs should die with it, layer by layer, as after autocast's exit.
                self._casts.clear()
            with self:
                result = SEEN_THROUGH[func](*args, **kwargs)
            if backward:
                self._casts.clear()
            return result
        return func(*args, **kwargs)

    def operands(self, *tensors: Tensor | None) -> list[Tensor | None] | None:
        """The tensors in the half format that this call computes in, or None where the call is not ours."""
        autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if autocast else tensors[0].dtype
        if dtype not in self.dtypes:
            return None
        found = []
        for tensor in tensors:
            if tensor is not None:
                if not _plain(tensor):
                    return None
                if tensor.dtype is not dtype:
                    if not autocast or tensor.dtype not in AUTOCAST_TAKES:
                        return None
                    tensor = self._cast(tensor, dtype)
            found.append(tensor)
        return found

    def _cast(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """The tensor in half; for a parameter the one copy of this forward pass (conditions are autocast's own)."""
        cached = (
            tensor.requires_grad
            and tensor.is_leaf
            and tensor.dtype is torch.float32
            and torch.is_autocast_cache_enabled()
            and not tensor._is_view()
        )
        if not cached:
            return tensor.to(dtype)
        # A copy made without gradients must not be served to a forward pass that wants them.
        key = (id(tensor), dtype, torch.is_grad_enabled())
        entry = self._casts.get(key)
        if entry is None or entry[0] is not tensor or entry[1] != tensor._version:
            entry = self._casts[key] = (tensor, tensor._version, tensor.to(dtype))
        return entry[2]


def _plain(tensor: Any) -> bool:
    """Whether this is a dense CPU tensor and no subclass with kernels of its own."""
    return type(tensor) in PLAIN and tensor.device.type == "cpu" and tensor.layout is torch.strided


AUTOCAST_TAKES = (torch.float32, torch.float16, torch.bfloat16)
"""What CPU autocast casts to its dtype: floating point, but not float64."""


def _linear(mode: HalfKernels, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    found = mode.operands(input, weight, bias)
    if found is None or weight.dim() != 2 or (bias is not None and bias.dim() != 1):
        return NATIVE
    return products.Linear.apply(*found)


def _matmul(mode: HalfKernels, a: Tensor, b: Tensor) -> Any:
    found = mode.operands(a, b)
    if found is None or not (a.dim() and b.dim()):
        return NATIVE
    a, b = found
    # A vector is a row on the left and a column on the right; the dimension it was lent is taken away again.
    row, column = a.dim() == 1, b.dim() == 1
    out = products.Matmul.apply(a.unsqueeze(0) if row else a, b.unsqueeze(1) if column else b)
    out = out.squeeze(-1) if column else out
    return out.squeeze(-1 if column else -2) if row else out


def _mm(mode: HalfKernels, input: Tensor, mat2: Tensor) -> Any:
    if not input.dim() == mat2.dim() == 2:
        return NATIVE
    return _matmul(mode, input, mat2)


def _bmm(mode: HalfKernels, input: Tensor, mat2: Tensor) -> Any:
    if not input.dim() == mat2.dim() == 3 or input.shape[0] != mat2.shape[0]:
        return NATIVE
    return _matmul(mode, input, mat2)


def _addmm(mode: HalfKernels, input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    if not mat1.dim() == mat2.dim() == 2:
        return NATIVE
    found = mode.operands(input, mat1, mat2)
    return NATIVE if found is None else products.AddMatmul.apply(*found, beta, alpha)


def _baddbmm(
    mode: HalfKernels, input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Any:
    if not batch1.dim() == batch2.dim() == 3:
        return NATIVE
    found = mode.operands(input, batch1, batch2)
    return NATIVE if found is None else products.AddMatmul.apply(*found, beta, alpha)


def _matmul_method(mode: HalfKernels, self: Tensor, other: Tensor) -> Any:
    return _matmul(mode, self, other)


def _matmul_reflected(mode: HalfKernels, self: Tensor, other: Tensor) -> Any:
    return _matmul(mode, other, self)


def _matmul_function(mode: HalfKernels, input: Tensor, other: Tensor) -> Any:
    return _matmul(mode, input, other)


def _einsum(mode: HalfKernels, equation: Any, *operands: Any) -> Any:
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    # One operand is only permuted and summed, and the form with index lists is left to PyTorch.
    if len(operands) < 2 or not isinstance(equation, str) or not all(isinstance(t, Tensor) for t in operands):
        return NATIVE
    found = mode.operands(*operands)
    return NATIVE if found is None else products.Recomputed.apply(lambda *t: torch.einsum(equation, *t), *found)


def _attention(
    mode: HalfKernels,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    masked = attn_mask is not None and attn_mask.dtype is not torch.bool
    found = mode.operands(query, key, value, attn_mask if masked else None)
    if found is None:
        return NATIVE
    query, key, value, mask = *found[:3], found[3] if masked else attn_mask
    choice = torch._fused_sdp_choice(query, key, value, mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    # What the flash kernel does not take, PyTorch itself computes in float32 and rounds once.
    if choice != FLASH_ATTENTION:
        return NATIVE
    return products.Attention.apply(query, key, value, mask, is_causal, scale)


def _pow(mode: HalfKernels, input: Tensor, exponent: Any) -> Any:
    # bf16 is vectorised natively, and other exponents would gain little from float32. Autocast leaves pow alone.
    ours = torch.float16 in mode.dtypes and _plain(input) and input.dtype is torch.float16
    if not ours or not isinstance(exponent, int | float) or exponent not in (2, 3):
        return NATIVE
    return products.Power.apply(input, exponent)


def _convolution(dimensions: int, transposed: bool) -> Callable:
    """The handler of ``conv1d`` … ``conv_transpose3d``: their arguments in the form of ``torch.convolution``."""

    def each(value: int | Sequence[int]) -> list[int]:
        value = [value] if isinstance(value, int) else list(value)
        return value * dimensions if len(value) == 1 else value

    def convolve(mode: HalfKernels, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: tuple) -> Any:
        found = mode.operands(x, weight, bias)
        if found is None or weight.dim() != dimensions + 2 or x.dim() not in (dimensions + 1, dimensions + 2):
            return NATIVE
        x, weight, bias = found
        stride, padding, dilation, output_padding, groups = geometry
        stride, dilation = each(stride), each(dilation)
        unbatched = x.dim() == dimensions + 1
        x = x.unsqueeze(0) if unbatched else x
        if padding == "same":
            x, padding = products.same_padding(x, weight.shape[2:], stride, dilation)
        padding = each(0 if padding == "valid" else padding)
        out = products.Convolution.apply(
            x, weight, bias, stride, padding, dilation, transposed, each(output_padding), groups
        )
        return out.squeeze(0) if unbatched else out

    def forward(
        mode: HalfKernels,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        return convolve(mode, input, weight, bias, (stride, padding, dilation, 0, groups))

    def backward_shaped(
        mode: HalfKernels,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        return convolve(mode, input, weight, bias, (stride, padding, dilation, output_padding, groups))

    return backward_shaped if transposed else forward


HANDLERS: dict[Callable, Callable] = {
    torch.nn.functional.linear: _linear,
    torch.mm: _mm,
    Tensor.mm: _mm,
    torch.bmm: _bmm,
    Tensor.bmm: _bmm,
    torch.matmul: _matmul_function,
    torch.linalg.matmul: _matmul_function,
    Tensor.matmul: _matmul_method,  # also a @ b
    Tensor.__rmatmul__: _matmul_reflected,
    torch.addmm: _addmm,
    Tensor.addmm: _addmm,
    torch.baddbmm: _baddbmm,
    Tensor.baddbmm: _baddbmm,
    torch.einsum: _einsum,
    torch.pow: _pow,
    Tensor.pow: _pow,
    Tensor.__pow__: _pow,
    torch.nn.functional.scaled_dot_product_attention: _attention,
    torch.conv1d: _convolution(1, transposed=False),
    torch.conv2d: _convolution(2, transposed=False),
    torch.conv3d: _convolution(3, transposed=False),
    torch.conv_transpose1d: _convolution(1, transposed=True),
    torch.conv_transpose2d: _convolution(2, transposed=True),
    torch.conv_transpose3d: _convolution(3, transposed=True),
}


def _see_through(func: types.FunctionType) -> Callable:
    """A copy of a Python function of PyTorch that does not offer itself to the mode, but the calls it makes."""

    def unseen(*_: object) -> bool:
        return False

    names = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
    seen = types.FunctionType(
        func.__code__,
        func.__globals__ | dict.fromkeys(names, unseen),
        func.__name__,
        func.__defaults__,
        func.__closure__,
    )
    seen.__kwdefaults__ = func.__kwdefaults__
    return seen


SEEN_THROUGH: dict[Callable, Callable] = {
    func: _see_through(func)
    for func in (
        Tensor.backward,
        torch.autograd.backward,
        torch.autograd.grad,
        torch.nn.functional.multi_head_attention_forward,
    )
}
"""Python functions inside which the mode stays on: a mode is off while it handles a call, and these make more calls."""
