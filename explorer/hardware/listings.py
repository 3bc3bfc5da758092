"""The advice as code to copy, each listing complete: it runs as it stands. Needs no torch.

Settings are named as in PyTorch 2.13, Transformers 5 (``TrainingArguments``), Accelerate 1 (``Accelerator``, and the
file that ``accelerate config`` writes) and Lightning 2 (``Trainer(precision=…)``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing: ``name`` for the tab, ``language`` (``python`` or ``yaml``), ``code``, and a ``note`` or nothing."""

    name: str
    language: str
    code: str
    note: str = ""

    def as_dict(self) -> dict[str, str]:
        """The fields, ready for JSON."""
        return asdict(self)


DTYPES = {"bf16-amp": "bfloat16", "fp16-amp": "float16"}
"""Autocast's dtype by recipe; the others train in float32, ``tf32`` with TF32 products."""

SETTINGS = {
    "fp32": ("", "no", "32-true"),
    "tf32": ("", "no", "32-true"),
    "bf16-amp": ("bf16=True", "bf16", "bf16-mixed"),
    "fp16-amp": ("fp16=True", "fp16", "16-mixed"),
}
"""By recipe: TrainingArguments' flag, Accelerate's ``mixed_precision``, Lightning's ``precision``."""

TF32_LINES = """\
torch.backends.cuda.matmul.fp32_precision = "tf32"  # float32 products may round their operands to TF32
torch.backends.cudnn.conv.fp32_precision = "tf32"

"""

EXAMPLE = """\
device = "{device}"
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)  # your model
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
batches = [(torch.randn(32, 64), torch.randint(10, (32,))) for _ in range(10)]  # your data
"""

SELECTION = """\
import torch


def pick_precision() -> tuple[str, torch.dtype | None]:
    \"\"\"The device type, and the dtype for autocast; None means float32.\"\"\"
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return "cpu", None  # measure before you take bfloat16 on a CPU
    device = accelerator.type
    if device == "cuda" and torch.version.hip is None:
        # Without the argument, emulation counts: it would say True on a V100 or a T4.
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return device, torch.bfloat16
        return device, torch.float16 if torch.cuda.get_device_capability() >= (7, 0) else None
    if device == "xpu" and not torch.xpu.is_bf16_supported(including_emulation=False):
        return device, torch.float16
    return device, torch.bfloat16


device, dtype = pick_precision()
scaler = torch.amp.GradScaler(device, enabled=dtype is torch.float16)
autocast = torch.autocast(device, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
# For TrainingArguments(**flags): both are always given, so nothing unknown is.
flags = {"bf16": dtype is torch.bfloat16, "fp16": dtype is torch.float16}
print(device, dtype)
"""


def listings(recipe: str, device: str) -> list[Listing]:
    """The listings for a recipe on a type of device.

    Parameters
    ----------
    recipe : str
        A key of :data:`SETTINGS`.
    device : str
        The device's type: ``cpu cuda xpu mps``.

    Raises
    ------
    KeyError
        Another recipe: it needs more than a setting.
    """
    flag, accelerate, lightning = SETTINGS[recipe]
    on_cpu = device == "cpu"
    return [
        Listing("PyTorch", "python", _pytorch(recipe, device)),
        Listing("Transformers", "python", _transformers(recipe, flag, on_cpu), _fp16_on_cpu(recipe, on_cpu)),
        Listing("Accelerate", "python", _accelerate(recipe, accelerate, on_cpu), _fp16_on_cpu(recipe, on_cpu)),
        Listing("accelerate config", "yaml", _accelerate_config(accelerate, on_cpu),
                "Save it as accelerate.yaml and start with: accelerate launch --config_file accelerate.yaml train.py"),
        Listing("Lightning", "python", _lightning(recipe, lightning, device)),
        Listing("Automatic", "python", SELECTION, "Picks by the hardware where the code runs."),
    ]  # fmt: skip


def _fp16_on_cpu(recipe: str, on_cpu: bool) -> str:
    return "FP16 needs a GPU in this library." if on_cpu and recipe == "fp16-amp" else ""


def _pytorch(recipe: str, device: str) -> str:
    head = "import torch\nfrom torch import nn\n\n"
    if recipe == "tf32":
        head += TF32_LINES
    head += EXAMPLE.format(device=device)
    scaled = recipe == "fp16-amp"
    if scaled:
        head += "scaler = torch.amp.GradScaler(device)\n"
    body = [
        "for inputs, targets in batches:",
        "    inputs, targets = inputs.to(device), targets.to(device)",
        "    optimizer.zero_grad()",
    ]
    forward = "loss = nn.functional.cross_entropy(model(inputs), targets)"
    if recipe in DTYPES:
        body += [f"    with torch.autocast(device, dtype=torch.{DTYPES[recipe]}):", f"        {forward}"]
    else:
        body += [f"    {forward}"]
    clip = "    nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
    if scaled:
        body += [
            "    scaler.scale(loss).backward()",
            "    scaler.unscale_(optimizer)  # before clipping: the limit is meant for unscaled gradients",
            clip,
            "    scaler.step(optimizer)  # skipped where a gradient is infinite or NaN",
            "    scaler.update()",
        ]
    else:
        body += ["    loss.backward()", clip, "    optimizer.step()"]
    return head + "\n" + "\n".join(body) + "\nprint(loss.item())\n"


def _transformers(recipe: str, flag: str, on_cpu: bool) -> str:
    settings = ['output_dir="out"', flag, "use_cpu=True" if on_cpu else "", "tf32=True" if recipe == "tf32" else ""]
    given = ", ".join(filter(None, settings))
    return f"from transformers import TrainingArguments\n\narguments = TrainingArguments({given})\n"


def _accelerate(recipe: str, mixed_precision: str, on_cpu: bool) -> str:
    tf32 = "import torch\n" if recipe == "tf32" else ""
    cpu = ", cpu=True" if on_cpu else ""
    flags = TF32_LINES if recipe == "tf32" else ""
    return (
        f"{tf32}from accelerate import Accelerator\n\n{flags}"
        f'accelerator = Accelerator(mixed_precision="{mixed_precision}"{cpu})\n'
        "# model, optimizer, loader = accelerator.prepare(model, optimizer, loader)\n"
        "# and in the loop accelerator.backward(loss) in place of loss.backward()\n"
    )


def _accelerate_config(mixed_precision: str, on_cpu: bool) -> str:
    return (
        "compute_environment: LOCAL_MACHINE\n"
        "distributed_type: 'NO'\n"
        f"mixed_precision: '{mixed_precision}'\n"
        "num_machines: 1\n"
        "num_processes: 1\n"
        f"use_cpu: {'true' if on_cpu else 'false'}\n"
    )


def _lightning(recipe: str, precision: str, device: str) -> str:
    accelerator = {"cpu": "cpu", "mps": "mps"}.get(device, "gpu" if device == "cuda" else "auto")
    head = "import torch\n" if recipe == "tf32" else ""
    flags = 'torch.set_float32_matmul_precision("high")  # float32 products may use TF32\n' if recipe == "tf32" else ""
    return (
        f"{head}import lightning\n\n{flags}"
        f'trainer = lightning.Trainer(accelerator="{accelerator}", devices=1, precision="{precision}")\n'
    )
