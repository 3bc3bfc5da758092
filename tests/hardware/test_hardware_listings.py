"""Every listing runs as it stands where its library is installed; what needs a GPU is constructed."""

import contextlib
import dataclasses
import importlib.util
import inspect
import io
from types import SimpleNamespace

import pytest
import torch

from explorer.hardware.listings import DTYPES, SELECTION, SETTINGS, listings

DEVICES = ("cpu", "cuda", "xpu", "mps")
ACCELERATE = importlib.util.find_spec("accelerate") is not None
LIGHTNING = importlib.util.find_spec("lightning") is not None


def code(recipe, device, name):
    return next(listing.code for listing in listings(recipe, device) if listing.name == name)


def run(source, **names):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(source, "listing", "exec"), names)
    return names, said.getvalue()


@pytest.fixture
def keeps_flags():
    before = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision
    yield
    torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision = before


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("recipe", SETTINGS)
def test_every_python_listing_compiles(recipe, device):
    for listing in listings(recipe, device):
        if listing.language == "python":
            compile(listing.code, listing.name, "exec")


@pytest.mark.parametrize("recipe", SETTINGS)
def test_the_pytorch_loop_trains(recipe, keeps_flags):
    torch.manual_seed(0)
    names, said = run(code(recipe, "cpu", "PyTorch"))
    assert float(said) > 0
    assert names["optimizer"].state
    assert next(names["model"].parameters()).dtype is torch.float32
    assert ("scaler" in names) == (recipe == "fp16-amp")
    if recipe == "tf32":
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"


@pytest.mark.parametrize("recipe", DTYPES)
def test_the_loop_computes_in_the_recipe_s_format(recipe):
    source = code(recipe, "cpu", "PyTorch").replace("model(inputs)", "seen(model(inputs))")
    dtypes = set()
    run(source, seen=lambda output: dtypes.add(output.dtype) or output)
    assert dtypes == {getattr(torch, DTYPES[recipe])}


def test_the_loop_unscales_before_it_clips():
    source = code("fp16-amp", "cpu", "PyTorch")
    order = [source.index(call) for call in ("scale(loss)", "unscale_", "clip_grad_norm_", "scaler.step", "update()")]
    assert order == sorted(order)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("recipe", SETTINGS)
def test_training_arguments_has_every_setting(recipe, device):
    from transformers import TrainingArguments

    given = {}
    source = code(recipe, device, "Transformers").replace("from transformers import TrainingArguments", "")
    run(source, TrainingArguments=lambda **settings: given.update(settings))
    assert set(given) <= {field.name for field in dataclasses.fields(TrainingArguments)}
    assert given.get("bf16", False) == (recipe == "bf16-amp")
    assert given.get("fp16", False) == (recipe == "fp16-amp")
    assert given.get("use_cpu", False) == (device == "cpu")


@pytest.mark.skipif(not ACCELERATE, reason="accelerate is not installed")
@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp"])
def test_training_arguments_are_accepted(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, _ = run(code(recipe, "cpu", "Transformers"))
    assert names["arguments"].bf16 == (recipe == "bf16-amp")


@pytest.mark.skipif(not ACCELERATE, reason="accelerate is not installed")
@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp"])
def test_accelerate_takes_its_setting(recipe):
    from accelerate.state import AcceleratorState

    # What the process first asked for holds until it ends; here one process asks twice.
    AcceleratorState._reset_state(reset_partial_state=True)
    names, _ = run(code(recipe, "cpu", "Accelerate"))
    assert names["accelerator"].mixed_precision == SETTINGS[recipe][1]


@pytest.mark.parametrize("recipe", SETTINGS)
def test_the_accelerate_config_is_what_accelerate_config_writes(recipe):
    pairs = dict(line.split(": ") for line in code(recipe, "cpu", "accelerate config").splitlines())
    assert pairs["mixed_precision"] == f"'{SETTINGS[recipe][1]}'"
    assert pairs["use_cpu"] == "true"
    if ACCELERATE:
        from accelerate.commands.config.config_args import ClusterConfig

        assert set(pairs) <= {field.name for field in dataclasses.fields(ClusterConfig)}


@pytest.mark.skipif(not LIGHTNING, reason="lightning is not installed")
@pytest.mark.parametrize("recipe", ["fp32", "bf16-amp"])
def test_lightning_takes_its_precision(recipe):
    names, _ = run(code(recipe, "cpu", "Lightning"))
    assert names["trainer"].precision == SETTINGS[recipe][2]


@pytest.mark.parametrize("device", DEVICES)
def test_lightning_s_listing_names_an_accelerator(device):
    made = {}
    source = code("bf16-amp", device, "Lightning").replace("import lightning", "")
    run(source, lightning=SimpleNamespace(Trainer=lambda **settings: made.update(settings)))
    expected = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}.get(device, "auto")
    assert made == {"accelerator": expected, "devices": 1, "precision": "bf16-mixed"}


def test_the_automatic_selection_runs_here():
    names, said = run(SELECTION)
    assert names["device"] in said
    # Given to TrainingArguments they name two settings that it has, on every machine.
    assert set(names["flags"]) == {"bf16", "fp16"}
    assert not all(names["flags"].values())


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((6, 1), None), ((7, 0), torch.float16), ((7, 5), torch.float16), ((8, 0), torch.bfloat16)],
)
def test_the_automatic_selection_is_not_misled_by_emulation(monkeypatch, capability, dtype):
    names, _ = run(SELECTION)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or capability >= (8, 0)
    )
    assert names["pick_precision"]() == ("cuda", dtype)


def test_the_flags_exist_in_this_pytorch():
    assert "including_emulation" in inspect.signature(torch.cuda.is_bf16_supported).parameters
    assert hasattr(torch.backends.cuda.matmul, "fp32_precision")
    assert hasattr(torch.backends.cudnn.conv, "fp32_precision")


def test_fp16_on_a_cpu_is_not_promised():
    notes = {listing.name: listing.note for listing in listings("fp16-amp", "cpu")}
    assert "needs a GPU" in notes["Transformers"]
    assert notes["PyTorch"] == ""
