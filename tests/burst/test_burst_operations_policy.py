"""The differences between autocast on a CPU and on CUDA: the CPU's side run, CUDA's read in PyTorch's own header."""

import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from explorer.burst.autocast_policy import DIFFERENCES

BF16, FP32 = torch.bfloat16, torch.float32


def drawn(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25


def square():
    """A symmetric matrix far from singular, exact in BF16."""
    return torch.eye(4) * 4 + torch.ones(4, 4)


def images(dimensions):
    return drawn(1, 2, *[6] * dimensions)


def unpool(dimensions):
    pool = (F.max_pool2d, F.max_pool3d)[dimensions - 2]
    values, places = pool(images(dimensions), 2, return_indices=True)
    return (F.max_unpool2d, F.max_unpool3d)[dimensions - 2], (values, places, 2)


CALLS = {
    "layer_norm": lambda: (F.layer_norm, (drawn(3, 8), (8,), drawn(8), drawn(8))),
    "rms_norm": lambda: (F.rms_norm, (drawn(3, 8), (8,), drawn(8))),
    "group_norm": lambda: (F.group_norm, (drawn(3, 8), 2, drawn(8), drawn(8))),
    "softmax": lambda: (F.softmax, (drawn(3, 8), -1)),
    "log_softmax": lambda: (F.log_softmax, (drawn(3, 8), -1)),
    "logsumexp": lambda: (torch.logsumexp, (drawn(3, 8), -1)),
    "cumsum": lambda: (torch.cumsum, (drawn(8), 0)),
    "cumprod": lambda: (torch.cumprod, (drawn(8), 0)),
    "norm": lambda: (torch._VF.norm, (drawn(8), 2)),
    "linalg_matrix_norm": lambda: (torch.linalg.matrix_norm, (drawn(4, 4),)),
    "linalg_vector_norm": lambda: (torch.linalg.vector_norm, (drawn(4),)),
    "dist": lambda: (torch.dist, (drawn(8), drawn(8) + 1)),
    "pdist": lambda: (F.pdist, (drawn(4, 3),)),
    "renorm": lambda: (torch.renorm, (drawn(4, 3), 2, 0, 1.0)),
    "cosine_similarity": lambda: (F.cosine_similarity, (drawn(2, 8), drawn(2, 8))),
    "pow": lambda: (torch.pow, (drawn(8), 2)),
    "softplus": lambda: (F.softplus, (drawn(8),)),
    "upsample_nearest1d": lambda: (F.interpolate, (images(1), None, 2.0, "nearest")),
    "upsample_nearest2d": lambda: (F.interpolate, (images(2), None, 2.0, "nearest")),
    "upsample_nearest3d": lambda: (F.interpolate, (images(3), None, 2.0, "nearest")),
    "upsample_linear1d": lambda: (F.interpolate, (images(1), None, 2.0, "linear")),
    "upsample_bilinear2d": lambda: (F.interpolate, (images(2), None, 2.0, "bilinear")),
    "upsample_trilinear3d": lambda: (F.interpolate, (images(3), None, 2.0, "trilinear")),
    "upsample_bicubic2d": lambda: (F.interpolate, (images(2), None, 2.0, "bicubic")),
    "mv": lambda: (torch.mv, (drawn(4, 4), drawn(4))),
    "addmv": lambda: (torch.addmv, (drawn(4), drawn(4, 4), drawn(4))),
    "addr": lambda: (torch.addr, (drawn(4, 4), drawn(4), drawn(4))),
    "addcdiv": lambda: (torch.addcdiv, (drawn(4), drawn(4), drawn(4))),
    "addcmul": lambda: (torch.addcmul, (drawn(4), drawn(4), drawn(4))),
    "atan2": lambda: (torch.atan2, (drawn(4), drawn(4))),
    "bilinear": lambda: (F.bilinear, (drawn(2, 3), drawn(2, 4), drawn(5, 3, 4), drawn(5))),
    "cross": lambda: (torch.cross, (drawn(2, 3), drawn(2, 3), 1)),
    "dot": lambda: (torch.dot, (drawn(4), drawn(4))),
    "vdot": lambda: (torch.vdot, (drawn(4), drawn(4))),
    "index_put": lambda: (torch.index_put, (drawn(4), (torch.tensor([1]),), drawn(1))),
    "scatter_add": lambda: (torch.scatter_add, (drawn(4), 0, torch.tensor([1, 1]), drawn(2))),
    "tensordot": lambda: (torch.tensordot, (drawn(3, 4), drawn(4, 5), 1)),
    "grid_sampler": lambda: (F.grid_sample, (images(2), drawn(1, 3, 3, 2), "bilinear", "zeros", False)),
    "binary_cross_entropy": lambda: (F.binary_cross_entropy, (drawn(4), drawn(4))),
    "index_copy": lambda: (torch.index_copy, (drawn(4), 0, torch.tensor([1]), drawn(1))),
    "avg_pool3d": lambda: (F.avg_pool3d, (images(3), 2)),
    "adaptive_avg_pool3d": lambda: (F.adaptive_avg_pool3d, (images(3), 2)),
    "max_pool3d": lambda: (F.max_pool3d, (images(3), 2)),
    "adaptive_max_pool3d": lambda: (F.adaptive_max_pool3d, (images(3), 2)),
    "max_unpool2d": lambda: unpool(2),
    "max_unpool3d": lambda: unpool(3),
    "fractional_max_pool2d": lambda: (F.fractional_max_pool2d, (images(2), 2, 3)),
    "fractional_max_pool3d": lambda: (F.fractional_max_pool3d, (images(3), 2, 3)),
    "reflection_pad1d": lambda: (F.pad, (images(1), (1, 1), "reflect")),
    "reflection_pad2d": lambda: (F.pad, (images(2), (1,) * 4, "reflect")),
    "replication_pad1d": lambda: (F.pad, (images(1), (1, 1), "replicate")),
    "replication_pad2d": lambda: (F.pad, (images(2), (1,) * 4, "replicate")),
    "replication_pad3d": lambda: (F.pad, (images(3), (1,) * 6, "replicate")),
    "ctc_loss": lambda: (
        torch.ctc_loss,
        (drawn(5, 1, 4).log_softmax(2), torch.tensor([[1, 2]]), torch.tensor([5]), torch.tensor([2])),
    ),
    "quantile": lambda: (torch.quantile, (drawn(8), 0.5)),
    "nanquantile": lambda: (torch.nanquantile, (drawn(8), 0.5)),
    "trace": lambda: (torch.trace, (square(),)),
    "polar": lambda: (torch.polar, (drawn(4), drawn(4))),
    "view_as_complex": lambda: (torch.view_as_complex, (drawn(4, 2),)),
    "stft": lambda: (lambda x: torch.stft(x, 8, return_complex=True, window=torch.ones(8)), (drawn(32),)),
    "cholesky": lambda: (torch.cholesky, (square(),)),
    "cholesky_inverse": lambda: (torch.cholesky_inverse, (square(),)),
    "cholesky_solve": lambda: (torch.cholesky_solve, (drawn(4, 1), square())),
    "inverse": lambda: (torch.inverse, (square(),)),
    "orgqr": lambda: (torch.orgqr, (drawn(4, 3), drawn(3))),
    "ormqr": lambda: (torch.ormqr, (drawn(4, 3), drawn(3), drawn(4, 2))),
    "lu_solve": lambda: (torch.lu_solve, (drawn(4, 1), square(), torch.arange(1, 5, dtype=torch.int32))),
    "triangular_solve": lambda: (torch.triangular_solve, (drawn(4, 1), square())),
    "linalg_householder_product": lambda: (torch.linalg.householder_product, (drawn(4, 3), drawn(3))),
    "linalg_lstsq": lambda: (torch.linalg.lstsq, (square(), drawn(4, 1))),
    "linalg_solve": lambda: (torch.linalg.solve, (square(), drawn(4, 1))),
    "linalg_tensorinv": lambda: (torch.linalg.tensorinv, (square().view(4, 2, 2), 1)),
    "linalg_tensorsolve": lambda: (torch.linalg.tensorsolve, (square().view(2, 2, 2, 2), drawn(2, 2))),
}
"""How to call each function whose only argument is not a matrix."""


def call_of(op):
    if op in CALLS:
        return CALLS[op]()
    for place, prefix in ((torch.fft, "fft_"), (torch.linalg, "linalg_"), (torch, "")):
        if op.startswith(prefix) and hasattr(place, op.removeprefix(prefix)):
            return getattr(place, op.removeprefix(prefix)), (square(),)
    raise LookupError(op)


def result_dtype(op, *dtypes):
    """The dtype of a function's result under CPU autocast in BF16, its floating-point arguments in the dtypes given."""
    function, args = call_of(op)
    given = iter(dtypes + dtypes[-1:] * 8)
    cast = [a.to(next(given)) if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in args]
    with torch.autocast("cpu", BF16):
        out = function(*cast)
    out = out if isinstance(out, torch.Tensor) else out[0]
    # A complex number is of the dtype of its parts; ranks are counts of float32 singular values.
    return out.real.dtype if out.is_complex() else out.dtype


@pytest.mark.parametrize("op", [each.op for each in DIFFERENCES if each.cpu == "given"])
def test_what_is_left_as_given_keeps_its_dtype(op):
    assert result_dtype(op, FP32) is FP32
    try:
        assert result_dtype(op, BF16) is BF16
    except RuntimeError as error:
        # Had it been cast, float32 would have been computed with.
        assert re.search("not implemented for 'BFloat16'|Low precision dtypes not supported", str(error))  # noqa: PT017


@pytest.mark.parametrize("op", [each.op for each in DIFFERENCES if each.cpu == "fp32"])
def test_what_is_cast_to_float32_gives_float32_for_bf16(op):
    expected = torch.int64 if op == "linalg_matrix_rank" else FP32
    assert result_dtype(op, BF16) is expected


def test_what_is_cast_to_the_compute_dtype_gives_it_for_float32():
    (only,) = (each.op for each in DIFFERENCES if each.cpu == "compute")
    assert result_dtype(only, FP32) is BF16


def test_what_is_cast_to_the_widest_takes_a_mixture():
    (only,) = (each.op for each in DIFFERENCES if each.cpu == "widest")
    assert result_dtype(only, BF16, FP32) is FP32
    assert result_dtype(only, FP32, BF16) is FP32
    assert result_dtype(only, BF16) is BF16


@pytest.fixture(scope="module")
def header():
    """CUDA's policy by function, from the macros of the header that PyTorch installs."""
    text = (Path(torch.__file__).parent / "include/ATen/autocast_mode.h").read_text()
    policies = {
        "LOWER_PRECISION_FP": "compute",
        "FP32": "fp32",
        "FP32_SET_OPT_DTYPE": "fp32",
        "DIFFERENT_REDISPATCH_SIGNATURE": "fp32",
        "PROMOTE": "widest",
    }
    found = {}
    for macro, policy in policies.items():
        body = re.search(rf"#define AT_FORALL_{macro}\(_\)(.*?)\n\n", text, re.S).group(1)
        found |= dict.fromkeys(re.findall(r"_\((?:ADD_NS\()?(\w+)", body), policy)
    return found


def test_cudas_side_is_that_of_the_header(header):
    for each in DIFFERENCES:
        assert header.get(each.op, "given") == ("given" if each.cuda == "refused" else each.cuda), each.op


def test_what_is_refused_on_cuda_has_a_kernel_that_refuses():
    refused = [each.op for each in DIFFERENCES if each.cuda == "refused"]
    assert refused == ["binary_cross_entropy"]
    assert torch._C._dispatch_has_kernel_for_dispatch_key("aten::binary_cross_entropy", "AutocastCUDA")


@pytest.mark.parametrize("key", ["AutocastCPU", "AutocastCUDA"])
def test_no_policy_is_there_that_the_dispatcher_does_not_know(key):
    registered = {
        name.removeprefix("aten::").split(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("aten::") and torch._C._dispatch_has_kernel_for_dispatch_key(name, key)
    }
    side = "cpu" if key == "AutocastCPU" else "cuda"
    for each in DIFFERENCES:
        # What is made of other functions has their policy, not one of its own.
        has_policy = getattr(each, side) not in ("given",) and not (side == "cpu" and each.op == "tensordot")
        assert (each.op in registered) == has_policy, each.op


def test_every_function_is_there_once():
    names = [each.op for each in DIFFERENCES]
    assert len(set(names)) == len(names) > 100
