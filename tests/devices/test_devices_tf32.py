"""The flags for TF32, as PyTorch had them and as it has them."""

from types import SimpleNamespace

import pytest
import torch

from explorer.devices.tf32 import allowed, float32_products


def old(matmul=False):
    return SimpleNamespace(cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=matmul)),
                           cudnn=SimpleNamespace(allow_tf32=True))  # fmt: skip


class Refusing(SimpleNamespace):
    """New flags that do not allow the old one beside them."""

    @property
    def allow_tf32(self):
        raise RuntimeError("PyTorch is checking whether allow_tf32 is enabled, but the new API is used")


def new(matmul="none", above="none"):
    return SimpleNamespace(fp32_precision=above, cuda=SimpleNamespace(matmul=Refusing(fp32_precision=matmul)),
                           cudnn=SimpleNamespace(conv=SimpleNamespace(fp32_precision="tf32")))  # fmt: skip


@pytest.mark.parametrize(
    ("backends", "is_allowed"),
    [(old(), False), (old(True), True), (new(), False), (new("tf32"), True), (new("ieee", "tf32"), False),
     (new("none", "tf32"), True)],
)  # fmt: skip
def test_either_flag_is_read(backends, is_allowed):
    assert allowed(backends) is is_allowed


def test_old_flags_are_set_and_put_back():
    backends = old()
    with float32_products("tf32", backends):
        assert backends.cuda.matmul.allow_tf32 is True
    assert backends.cuda.matmul.allow_tf32 is False
    with float32_products("ieee", backends):
        assert backends.cudnn.allow_tf32 is False
    assert backends.cudnn.allow_tf32 is True


def test_new_flags_are_set_and_put_back_after_an_error():
    backends = new()
    seen = []

    def fails():
        with float32_products("tf32", backends):
            seen.append(backends.cuda.matmul.fp32_precision)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert seen == ["tf32"]
    assert backends.cuda.matmul.fp32_precision == "none"
    assert backends.cudnn.conv.fp32_precision == "tf32"


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="bf16"), float32_products("bf16", new()):
        pass


def test_this_pytorch_s_flags_come_back():
    before = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision
    with float32_products("tf32"):
        assert allowed()
    assert (torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision) == before
