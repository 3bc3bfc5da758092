"""Models and data sets as data: what page, command line and validation know about them without torch."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.errors import look_up


@dataclass(frozen=True, slots=True)
class Dataset:
    """Something to learn from. All of it is on the machine already: nothing is downloaded."""

    name: str
    label: str
    summary: str
    module: str
    """Where its ``batches`` function is, imported when a burst starts."""
    real_valued: bool
    """Whether its inputs are real numbers, which ``input_scale`` can multiply (tokens are not)."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that bursts can train.

    ``builder`` is ``module:function``, imported when a burst starts; the function takes no argument and returns an
    ``nn.Module`` (see :mod:`explorer.workloads.build`). ``traced`` is the parameter whose bits are shown when the
    person names none.
    """

    name: str
    label: str
    summary: str
    data: str
    builder: str
    traced: str
    longest_sequence: int | None
    """Tokens in the longest sequence it takes; None where inputs are not sequences."""


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="digits",
            label="Handwritten digits",
            summary="1,797 real 8 × 8 images from scikit-learn, pixels from 0 to 1.",
            module="explorer.workloads.vision",
            real_valued=True,
        ),
        Dataset(
            name="text",
            label="English text",
            summary="The help topics of Python's standard library, byte by byte.",
            module="explorer.workloads.language",
            real_valued=False,
        ),
    )
}

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="gpt2-tiny",
            label="GPT-2 tiny",
            summary="4 layers of width 128 over bytes, 0.8 M parameters, from Transformers' GPT-2.",
            data="text",
            builder="explorer.workloads.language:gpt2_tiny",
            traced="transformer.h.0.mlp.c_fc.weight",
            longest_sequence=128,
        ),
        Model(
            name="mlp",
            label="MLP",
            summary="64-128-128-10 with ReLU, 26 thousand parameters: a step takes a millisecond or two.",
            data="digits",
            builder="explorer.workloads.vision:mlp",
            traced="2.weight",
            longest_sequence=None,
        ),
        Model(
            name="cnn",
            label="CNN",
            summary="Two 3 × 3 convolutions and a linear layer, 10 thousand parameters.",
            data="digits",
            builder="explorer.workloads.vision:cnn",
            traced="1.weight",
            longest_sequence=None,
        ),
    )
}


def model_names() -> tuple[str, ...]:
    """The names of all models, in the order in which they are offered."""
    return tuple(MODELS)


def get_model(name: str) -> Model:
    """The model of that name.

    Raises
    ------
    InputError
        There is no such model; the sentence lists those there are.
    """
    return look_up("model", name, MODELS)
