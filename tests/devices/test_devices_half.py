"""The context of the half kernels: under autocast, over whole models and steps, and how it is chosen."""

import contextlib
import json
import os
import platform
import subprocess
import sys
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from explorer.devices import FormatSupport, HalfKernels, HalfSupport, kernels, measure, measured

HALVES = [torch.float16, torch.bfloat16]
each_half = pytest.mark.parametrize("dtype", HALVES, ids=["fp16", "bf16"])
NATIVE_PRODUCTS = {
    f"{name}Backward0"
    for name in ("Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Convolution", "ScaledDotProductFlashAttentionForCpu")
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=64,
        n_positions=32,
        n_embd=32,
        n_layer=2,
        n_head=2,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
        loss_type="ForCausalLM",
    )
    tokens = torch.randint(64, (4, 32))
    return GPT2LMHeadModel(config), lambda model: model(input_ids=tokens, labels=tokens).loss


def cnn():
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(72, 10),
    )
    images, labels = torch.randn(16, 1, 8, 8), torch.randint(10, (16,))
    return model, lambda model: F.cross_entropy(model(images), labels)


def attention():
    model = nn.MultiheadAttention(16, 2, batch_first=True)
    x = torch.randn(3, 5, 16)
    return model, lambda model: model(x, x, x)[0].float().square().mean()


MODELS = pytest.mark.parametrize("build", [gpt2, cnn, attention])


def graph(tensor):
    """Names of all nodes of a tensor's graph."""
    names, waiting, seen = set(), [tensor.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        names.add(node.name())
        waiting += [following for following, _ in node.next_functions]
    return names


def loss_and_gradients(model, loss_of, context, dtype):
    model.zero_grad()
    with context, torch.autocast("cpu", dtype):
        loss = loss_of(model)
    with context:
        loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


@MODELS
@each_half
def test_a_model_trains_as_under_native_autocast(build, dtype):
    model, loss_of = build()
    native_loss, native = loss_and_gradients(model, loss_of, contextlib.nullcontext(), dtype)
    loss, gradients = loss_and_gradients(model, loss_of, HalfKernels(HALVES), dtype)
    assert loss.dtype is native_loss.dtype
    # Native kernels may round in between (the probabilities of attention) and add in another order.
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(loss, native_loss, rtol=unit, atol=unit)
    # Biases of keys have a gradient of zero in exact arithmetic, so errors count against the model's gradient.
    whole = torch.cat([g.flatten() for g in native.values()]).norm()
    for name, gradient in gradients.items():
        assert gradient.dtype is native[name].dtype
        assert (gradient - native[name]).norm() <= 4 * unit * (native[name].norm() + 0.1 * whole), name


@MODELS
@each_half
def test_no_product_of_a_model_is_left_to_native_kernels(build, dtype):
    model, loss_of = build()
    with HalfKernels(HALVES), torch.autocast("cpu", dtype):
        names = graph(loss_of(model))
    assert not names & NATIVE_PRODUCTS


def test_a_model_wholly_in_half_needs_no_autocast():
    model, loss_of = gpt2()
    model.bfloat16()
    with HalfKernels(HALVES):
        loss = loss_of(model)
        assert not graph(loss) & NATIVE_PRODUCTS
        loss.backward()
    assert {p.grad.dtype for p in model.parameters()} == {torch.bfloat16}


@each_half
@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: F.linear(x, w, w[0]),
        lambda x, w: x @ w,
        lambda x, w: torch.addmm(w[0], x, w),
        lambda x, w: torch.bmm(x[None], w[None]),
        lambda x, w: torch.baddbmm(w[None], x[None], w[None]),
        lambda x, w: F.conv1d(x[None], w[..., None]),
        lambda x, w: F.scaled_dot_product_attention(x[None, None], w[None, None], w[None, None]),
        lambda x, w: torch.einsum("ij,kj->ik", x, w),
    ],
    ids=["linear", "matmul", "addmm", "bmm", "baddbmm", "conv1d", "attention", "einsum"],
)
def test_autocast_gives_native_dtypes_and_rounds_the_operands_first(call, dtype):
    x, w = torch.randn(8, 8, requires_grad=True), torch.randn(8, 8, requires_grad=True)

    def run(context, *operands):
        with context:
            out = call(*operands)
            out.float().square().sum().backward()
        gradients = [t.grad for t in operands]
        for t in operands:
            t.grad = None
        return [out.detach(), *gradients]

    both = contextlib.ExitStack()
    both.enter_context(HalfKernels(HALVES))
    both.enter_context(torch.autocast("cpu", dtype))
    ours = run(both, x, w)
    native = run(torch.autocast("cpu", dtype), x, w)
    assert [t.dtype for t in ours] == [t.dtype for t in native] == [dtype, torch.float32, torch.float32]
    rounded = [t.detach().to(dtype).requires_grad_() for t in (x, w)]
    by_hand = run(HalfKernels(HALVES), *rounded)
    assert torch.equal(ours[0], by_hand[0])
    assert torch.equal(ours[1], ours[1].to(dtype).float()), "the gradient was not rounded to half"


@each_half
def test_what_is_saved_for_backward_is_half_and_dies_with_the_step(dtype):
    model, loss_of = gpt2()
    saved = []

    def pack(tensor):
        saved.append((tensor.dtype, tensor.nbytes, StorageWeakRef(tensor.untyped_storage())))
        return tensor

    def float32_bytes(context):
        saved.clear()
        with context, torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t), torch.autocast("cpu", dtype):
            loss = loss_of(model)
        return loss, sum(nbytes for kind, nbytes, _ in saved if kind is torch.float32)

    _, native = float32_bytes(contextlib.nullcontext())
    mode = HalfKernels(HALVES)
    loss, ours = float32_bytes(mode)
    assert ours <= native
    made = [ref for kind, _, ref in saved if kind is dtype]
    assert not all(ref.expired() for ref in made)
    loss.backward()
    del loss
    assert all(ref.expired() for ref in made)
    assert mode.cast_cache_bytes == 0


class CountCasts(TorchDispatchMode):
    def __init__(self, weight):
        super().__init__()
        self.address, self.casts = weight.data_ptr(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and args[0].data_ptr() == self.address and "dtype" in kwargs:
            self.casts += kwargs["dtype"] in HALVES
        return func(*args, **kwargs)


@each_half
def test_a_weight_is_cast_once_for_a_forward_pass_and_again_after_an_update(dtype):
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    mode = HalfKernels(HALVES)
    with mode, CountCasts(layer.weight) as counter:
        for step in (1, 2):
            with torch.autocast("cpu", dtype):
                out = layer(layer(x))
            assert mode.cast_cache_bytes == 2 * (64 + 8)
            assert counter.casts == step
            out.float().sum().backward()
            assert mode.cast_cache_bytes == 0
            optimizer.step()
            optimizer.zero_grad()
        with torch.autocast("cpu", dtype):
            fresh = layer(x)
    expected = F.linear(x.to(dtype).float(), layer.weight.to(dtype).float(), layer.bias.to(dtype).float()).to(dtype)
    assert torch.allclose(fresh, expected, rtol=torch.finfo(dtype).eps, atol=0)


def test_a_call_that_pytorch_makes_in_python_keeps_the_casts_of_the_forward_pass():
    layer, attend, x = nn.Linear(16, 16), nn.MultiheadAttention(16, 2), torch.randn(5, 16)
    with HalfKernels(HALVES), torch.autocast("cpu", torch.bfloat16), CountCasts(layer.weight) as counter:
        x = layer(x)
        layer(attend(x, x, x)[0])
    assert counter.casts == 1


def test_a_cast_made_without_gradients_does_not_rob_training_of_them():
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)
    with HalfKernels(HALVES), torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            layer(x)
        layer(x).float().sum().backward()
    assert layer.weight.grad is not None


def test_the_optimizer_between_two_passes_is_seen_without_a_backward():
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)
    with HalfKernels(HALVES), torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        before = layer(x)
        layer.weight.mul_(2)
        after = layer(x)
    assert not torch.equal(before, after)


@pytest.mark.parametrize("reentrant", [True, False])
def test_recomputed_layers_use_the_same_kernels(reentrant):
    layer, x = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8)), torch.randn(4, 8, requires_grad=True)

    def gradients(forward):
        layer.zero_grad()
        with HalfKernels(HALVES):
            with torch.autocast("cpu", torch.bfloat16):
                out = forward(x)
            out.float().square().sum().backward()
        return [p.grad.clone() for p in layer.parameters()]

    plain = gradients(layer)
    recomputed = gradients(lambda t: checkpoint(layer, t, use_reentrant=reentrant))
    assert all(torch.equal(a, b) for a, b in zip(plain, recomputed, strict=True))


def test_the_kernels_stay_on_inside_every_way_to_a_gradient():
    x = torch.randn(8, 8, requires_grad=True)
    ways = [
        lambda out: out.backward(),
        lambda out: torch.autograd.backward(out),
        lambda out: torch.autograd.grad(out, x),
    ]
    for way in ways:
        seen = []

        def hook(grad, seen=seen):
            with torch.enable_grad():
                half = grad.bfloat16().requires_grad_()
                seen.append((half @ half).grad_fn.name())

        with HalfKernels(HALVES):
            out = x.sum()
            out.register_hook(lambda grad, hook=hook: hook(grad.expand(8, 8)))
            way(out)
        assert seen == ["MatmulBackward"]


def test_other_computation_passes_through_untouched():
    x = torch.randn(8, 8, requires_grad=True)
    with HalfKernels(HALVES):
        assert torch.equal(x @ x, (x.detach() @ x.detach()))
        assert (x @ x).grad_fn.name() == "MmBackward0"
        assert (x.double() @ x.double()).dtype is torch.float64
        with torch.autocast("cpu", torch.bfloat16):
            assert (x.double() @ x.double()).dtype is torch.float64
            with torch.autocast("cpu", enabled=False):
                assert (x @ x).dtype is torch.float32
        out = torch.empty(8, 8, dtype=torch.bfloat16)
        half = x.detach().bfloat16()
        assert torch.mm(half, half, out=out) is out
        with pytest.raises(RuntimeError, match="same dtype"):
            torch.mm(half, x)
    assert not torch.overrides._get_current_function_mode_stack()


def test_only_the_named_formats_are_taken():
    x = torch.randn(8, 8, requires_grad=True)
    with HalfKernels([torch.float16]):
        assert (x.bfloat16() @ x.bfloat16()).grad_fn.name() == "MmBackward0"
        assert (x.half() @ x.half()).grad_fn.name() == "MatmulBackward"


def test_wrong_shapes_raise_pytorchs_errors():
    half = torch.zeros(3, 4, dtype=torch.bfloat16)
    with HalfKernels(HALVES):
        with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied|must match"):
            half @ half
        with pytest.raises(RuntimeError):
            torch.mm(half[None], half.T)
        with pytest.raises(RuntimeError):
            torch.bmm(half[None], half.T.expand(2, 4, 3))
        with pytest.raises(TypeError):
            F.linear(half)


@pytest.mark.parametrize(
    ("device", "dtypes", "options"),
    [
        ("cuda", torch.float16, {"force": "emulated"}),
        ("cpu", torch.float32, {"force": "emulated"}),
        ("cpu", torch.bfloat16, {"force": "native"}),
        ("cpu", torch.bfloat16, {"support": measure(force="native")}),
        (
            "cpu",
            torch.bfloat16,
            {"support": HalfSupport(FormatSupport("fp16", "emulated"), FormatSupport("bf16", "native"))},
        ),
    ],
)
def test_where_nothing_is_emulated_the_context_is_null(device, dtypes, options):
    assert isinstance(kernels(device, dtypes, **options), contextlib.nullcontext)


def test_the_context_takes_what_was_measured_as_slow():
    support = HalfSupport(FormatSupport("fp16", "emulated"), FormatSupport("bf16", "native"))
    with kernels("cpu", support=support) as mode:
        assert mode.dtypes == {torch.float16}
    with kernels("cpu", HALVES, force="emulated") as mode:
        assert mode.dtypes == set(HALVES)


def test_measuring_takes_under_a_second_and_leaves_the_random_state():
    state = torch.get_rng_state()
    taken = []
    # The fastest of three: other processes on the machine are not what is measured here.
    for _ in range(3):
        start = time.perf_counter()
        support = measure()
        taken.append(time.perf_counter() - start)
    assert min(taken) < 1
    assert torch.equal(torch.get_rng_state(), state)
    for entry in (support.fp16, support.bf16):
        assert entry.native_gflops > 0
        assert entry.emulated_gflops > 0
        assert entry.how == ("emulated" if entry.ratio < 0.8 else "native")
    assert measured() is measured("cpu") is measured(torch.device("cpu"))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the variables are those of x86 kernels")
def test_a_cpu_without_half_instructions_is_given_the_emulated_kernels():
    code = (
        "import json, time, torch; from explorer.devices import measure; start = time.perf_counter();"
        "measure(); between = time.perf_counter(); found = measure().as_dict(); end = time.perf_counter();"
        "print(json.dumps([min(between - start, end - between), found]))"
    )
    without = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    result = subprocess.run([sys.executable, "-c", code], env=without, capture_output=True, text=True, check=True)
    seconds, found = json.loads(result.stdout)
    assert {entry["how"] for entry in found.values()} == {"emulated"}
    assert seconds < 1
