"""From a config to what a burst trains: the model with its initial weights, the batches, and the loss.

Equal seeds give equal weights and equal batches on every device: both are drawn on the CPU.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.errors import InputError
from explorer.workloads.catalogue import AUTO, DATASETS, Model
from explorer.workloads.examples import Draw
from explorer.workloads.intake import Intake, intake_of
from explorer.workloads.own import accepts

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""

Split = Literal["train", "eval"]

EVALUATION_SEED = 0
"""Seeds the batches of held-out data: the same ones for every burst, so that evaluations can be compared."""


def build_model(name: str, seed: int, weight_gain: float = 1.0) -> nn.Module:
    """Make a model with the initial weights of that seed, in float32 on the CPU, in training mode.

    Parameters
    ----------
    name : str
        A name that :func:`explorer.workloads.accepts` takes. A person's own model comes with its weights; the seed
        is for what they lack.
    seed : int
        Seeds the initial weights.
    weight_gain : float
        Multiplies every parameter of two or more dimensions: matrices and kernels, not biases or norms.

    Raises
    ------
    InputError
        There is no such model, or it cannot be loaded.
    """
    model = accepts(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = _loaded(model) if model.origin != "registry" else builder_of(model)()
    if weight_gain != 1:
        with torch.no_grad():
            for parameter in built.parameters():
                if parameter.dim() >= 2:
                    parameter.mul_(weight_gain)
    return built.train()


def traced_parameter(name: str, model: nn.Module) -> str:
    """The parameter whose bits are shown when the person names none.

    Parameters
    ----------
    name : str
        The model's name.
    model : torch.nn.Module
        What :func:`build_model` made of it.

    Returns
    -------
    str
        The registry's choice; for a person's own model the weight of the linear layer in the middle of all, in the
        order of its modules, or of its largest parameter where it has no linear layer.
    """
    chosen = accepts(name).traced
    if chosen != AUTO:
        return chosen
    linear = [
        f"{at}.weight" if at else "weight"
        for at, module in model.named_modules()
        if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
    ]
    if linear:
        return linear[len(linear) // 2]
    return max(model.named_parameters(), key=lambda named: named[1].numel())[0]


@dataclass
class Batches:
    """An endless supply of batches, the same for equal seeds."""

    draw: Draw
    batch_size: int
    input_scale: float
    image: tuple[int, int] | None
    generator: torch.Generator

    def next(self, device: torch.device) -> Batch:
        """The next batch, on the device."""
        inputs, targets = self.draw(self.batch_size, self.generator)
        inputs, targets = inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)
        if self.image is not None:
            inputs = as_images(inputs, *self.image)
        if self.input_scale != 1:
            inputs = inputs * self.input_scale
        return inputs, targets


def build_batches(
    data: str,
    batch_size: int,
    sequence_length: int,
    seed: int,
    input_scale: float = 1.0,
    text: str | None = None,
    split: Split = "train",
    model: str | None = None,
) -> Batches:
    """Open a data set for drawing batches.

    Parameters
    ----------
    data : str
        A name of :data:`explorer.workloads.DATASETS`.
    batch_size : int
        Examples or sequences in a batch.
    sequence_length : int
        Tokens a sequence; data sets of examples do not read it.
    seed : int
        Seeds what is drawn for training. Held-out batches are the same whatever the seed.
    input_scale : float
        Multiplies inputs that are real numbers; tokens take 1 only.
    text : str, optional
        A person's own text in place of the English one.
    split : {"train", "eval"}
        Everything but the last tenth of the data, or that tenth. A supply of held-out batches starts from the same
        batch each time it is opened.
    model : str, optional
        Name of the model that is fed: its tokens, its masks, its image size. Next bytes and flat pixels without it.

    Raises
    ------
    InputError
        The model does not take this data or sequences of this length, or the text is too short for them.
    """
    chosen = None if model is None else accepts(model)
    intake = Intake() if chosen is None else _intake(chosen)
    if chosen is not None and (data not in chosen.datasets or (intake.objective == "classes") == (data == "text")):
        takes = "text" if intake.objective != "classes" else next(name for name in chosen.datasets if name != "text")
        raise InputError("data", data, f"{takes} with the model {chosen.name}")
    longest = intake.longest_sequence
    if longest is not None and sequence_length > longest:
        raise InputError("sequence_length", sequence_length, f"at most {longest} with the model {model}")
    draw = importlib.import_module(DATASETS[data].module).draws(intake, sequence_length, split, text)
    generator = torch.Generator().manual_seed(seed if split == "train" else EVALUATION_SEED)
    return Batches(draw, batch_size, input_scale, intake.image, generator)


def as_images(pixels: Tensor, channels: int, side: int) -> Tensor:
    """Flat grey pixels as images of the size and the channels that a model takes, each pixel grown to a block.

    Values go from -1 to 1, as ViT's own preparation of images leaves them (mean and standard deviation 0.5 in
    Transformers' ``ViTImageProcessor``). With AdamW at a learning rate of 1e-3 and batches of 8, the tiny ViT had come
    to a loss of 2.1 after 60 steps on values from 0 to 1, and to 1.0 on these.

    Parameters
    ----------
    pixels : Tensor
        Float32 of shape (batch, side · side), from 0 to 1.
    channels, side : int
        What the model takes.

    Returns
    -------
    Tensor
        Float32 of shape (batch, channels, side, side); no two pixels are blended, so that it is the same everywhere.
    """
    images = (2 * pixels - 1).unflatten(1, (1, round(pixels.shape[1] ** 0.5), -1))
    if images.shape[-1] != side:
        images = functional.interpolate(images, size=(side, side), mode="nearest")
    return images.expand(-1, channels, -1, -1)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy of the model's predictions in nats, a scalar.

    Works for models that return logits (batch, classes) or Transformers' outputs with ``logits`` (batch, …, classes).
    Targets of -100 (tokens that were not masked) are left out of the mean.
    """
    inputs, targets = batch
    output = model(inputs)
    logits = getattr(output, "logits", output)
    return functional.cross_entropy(logits.flatten(0, -2), targets.flatten())


def builder_of(model: Model) -> Callable[[], nn.Module]:
    """The function that builds a model of the registry, imported now."""
    module, _, function = model.builder.partition(":")
    return getattr(importlib.import_module(module), function)


def _loaded(model: Model) -> nn.Module:
    from explorer.workloads import pretrained

    return pretrained.load(model)


def _intake(model: Model) -> Intake:
    if model.origin == "registry":
        return intake_of(model)
    from explorer.workloads import pretrained

    return pretrained.intake_of(model)
