"""Where autocast on a CPU does otherwise than autocast on CUDA: what a run on one says little about on the other.

CUDA's lists are the macros of ``ATen/autocast_mode.h`` (they are in every installation of PyTorch); the CPU's are in
``aten/src/ATen/autocast_mode.cpp`` and shown by the dispatcher, which knows what has a kernel under ``AutocastCPU``.
Both are described in "Autocast Op Reference" (https://docs.pytorch.org/docs/stable/amp.html). Read from PyTorch 2.13;
the tests run every function below under CPU autocast and hold CUDA's side against the header.

Left out are functions that come to the same in the end, because they consist of others (``einsum`` of ``bmm``, say) or
because type promotion does on CUDA what a policy does on the CPU (``cat``), and what no model calls by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Policy = Literal["compute", "fp32", "widest", "given", "refused"]
"""What happens to floating-point arguments: cast to autocast's dtype; cast to float32; cast to the widest among them;
left as given; or the call is an error."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A function that autocast treats otherwise on a CPU than on CUDA; ``op`` is its name in ATen."""

    op: str
    cpu: Policy
    cuda: Policy


_GROUPS: tuple[tuple[Policy, Policy, str], ...] = (
    # Everything that models normalise with, and what grows with the number of elements.
    ("given", "fp32", "layer_norm rms_norm group_norm softmax log_softmax logsumexp sum cumsum cumprod norm"),
    ("given", "fp32", "linalg_vector_norm linalg_matrix_norm nuclear_norm dist pdist renorm cosine_similarity"),
    ("given", "fp32", "exp expm1 log log1p log2 log10 pow reciprocal rsqrt softplus"),
    ("given", "fp32", "acos asin tan sinh cosh erfinv"),
    ("given", "fp32", "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d"),
    ("given", "fp32", "upsample_trilinear3d upsample_bicubic2d"),
    ("given", "compute", "mv addmv addr"),
    ("given", "widest", "addcdiv addcmul atan2 bilinear cross dot vdot index_put scatter_add"),
    ("compute", "widest", "tensordot"),
    ("fp32", "widest", "grid_sampler"),
    ("fp32", "refused", "binary_cross_entropy"),
    ("widest", "given", "index_copy"),
    ("fp32", "given", "avg_pool3d adaptive_avg_pool3d max_pool3d adaptive_max_pool3d max_unpool2d max_unpool3d"),
    ("fp32", "given", "fractional_max_pool2d fractional_max_pool3d reflection_pad1d reflection_pad2d"),
    ("fp32", "given", "replication_pad1d replication_pad2d replication_pad3d"),
    ("fp32", "given", "ctc_loss quantile nanquantile trace polar view_as_complex stft"),
    ("fp32", "given", "fft_fft fft_fft2 fft_fftn fft_ifft fft_ifft2 fft_ifftn fft_rfft fft_rfft2 fft_rfftn"),
    ("fp32", "given", "fft_irfft fft_irfft2 fft_irfftn fft_hfft fft_ihfft"),
    ("fp32", "given", "cholesky cholesky_inverse cholesky_solve inverse pinverse qr svd geqrf orgqr ormqr lu_solve"),
    ("fp32", "given", "triangular_solve linalg_cholesky linalg_cond linalg_eig linalg_eigh linalg_eigvals"),
    (
        "fp32",
        "given",
        "linalg_eigvalsh linalg_householder_product linalg_inv linalg_lstsq linalg_matrix_rank linalg_qr",
    ),
    ("fp32", "given", "linalg_solve linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve"),
)

DIFFERENCES: tuple[Difference, ...] = tuple(
    Difference(op, cpu, cuda) for cpu, cuda, ops in _GROUPS for op in ops.split()
)
"""All of them, those that models use most first."""
