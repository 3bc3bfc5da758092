"""Models and data sets as data: what page, command line and validation know about them without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from explorer.errors import look_up

Objective = Literal["next-token", "masked", "classes"]
"""What a model predicts: each next token, the tokens that were masked, or one class for each example."""

Origin = Literal["registry", "hub", "path"]
"""Where a model is from: built here with random weights, or a person's own from the Hugging Face hub or a folder."""

AUTO = "auto"
"""Stands for the traced parameter of a model whose parameters are known only when it is loaded."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Something to learn from. All of it is on the machine already: nothing is downloaded."""

    name: str
    label: str
    summary: str
    module: str
    """Where its ``draws`` function is, imported when a burst starts (see :mod:`explorer.workloads.build`)."""
    real_valued: bool
    """Whether its inputs are real numbers, which ``input_scale`` can multiply (tokens are not)."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that bursts can train.

    ``builder`` is ``module:function``, imported when a burst starts; the function takes no argument and returns an
    ``nn.Module`` (see :mod:`explorer.workloads.build`); a person's own models have none. ``traced`` is the parameter
    whose bits are shown when the person names none; :data:`AUTO` where it is chosen once the model is loaded.
    """

    name: str
    label: str
    summary: str
    data: str
    """The data set that it is trained on unless the person says otherwise."""
    builder: str
    traced: str
    longest_sequence: int | None
    """Tokens in the longest sequence it takes; None where inputs are not sequences."""
    objective: Objective | None = "classes"
    """What it predicts; None where that is known only when it is loaded."""
    parameters: int | None = None
    """How many parameters it has; None where that is known only when it is loaded."""
    image: tuple[int, int] | None = None
    """Channels and side of the square images it takes; None where it takes what the data set gives as it stands."""
    wants_gpu: bool = False
    """Whether a step takes seconds without a GPU."""
    origin: Origin = "registry"
    datasets: tuple[str, ...] = ()
    """Every data set it can be trained on; ``data`` alone where nothing else is said."""

    def __post_init__(self) -> None:
        """Let a model with one data set name it once."""
        if not self.datasets:
            object.__setattr__(self, "datasets", (self.data,))


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="digits",
            label="Handwritten digits",
            summary="1,797 real 8 × 8 images from scikit-learn, pixels from 0 to 1.",
            module="explorer.workloads.digits",
            real_valued=True,
        ),
        Dataset(
            name="text",
            label="English text",
            summary="The help topics of Python's standard library, byte by byte.",
            module="explorer.workloads.text",
            real_valued=False,
        ),
        Dataset(
            name="spirals",
            label="Three spirals",
            summary="3,000 synthetic points of the plane in three arms that wind around each other.",
            module="explorer.workloads.spirals",
            real_valued=True,
        ),
    )
}

_LANGUAGE = "explorer.workloads.language"
_VISION = "explorer.workloads.vision"

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="gpt2-tiny",
            label="GPT-2 tiny",
            summary="4 layers of width 128 over bytes, 0.8 M parameters, from Transformers' GPT-2.",
            data="text",
            builder=f"{_LANGUAGE}:gpt2_tiny",
            traced="transformer.h.0.mlp.c_fc.weight",
            longest_sequence=128,
            objective="next-token",
            parameters=842_496,
        ),
        Model(
            name="llama-tiny",
            label="Llama tiny",
            summary="4 layers of width 128 over bytes, 0.9 M parameters: RMSNorm, SwiGLU, rotary positions.",
            data="text",
            builder=f"{_LANGUAGE}:llama_tiny",
            traced="model.layers.0.mlp.up_proj.weight",
            longest_sequence=128,
            objective="next-token",
            parameters=853_120,
        ),
        Model(
            name="bert-tiny",
            label="BERT tiny",
            summary="4 layers of width 128 over bytes, 0.9 M parameters, which guesses the 15 % that are masked.",
            data="text",
            builder=f"{_LANGUAGE}:bert_tiny",
            traced="bert.encoder.layer.0.intermediate.dense.weight",
            longest_sequence=128,
            objective="masked",
            parameters=859_648,
        ),
        Model(
            name="vit-tiny",
            label="ViT tiny",
            summary="4 layers of width 128 over 2 × 2 patches, 0.8 M parameters, from Transformers' ViT.",
            data="digits",
            builder=f"{_VISION}:vit_tiny",
            traced="vit.layers.0.mlp.fc1.weight",
            longest_sequence=None,
            parameters=797_578,
            image=(1, 8),
        ),
        Model(
            name="mlp",
            label="MLP",
            summary="64-128-128-10 with ReLU, 26 thousand parameters: a step takes a millisecond or two.",
            data="digits",
            builder=f"{_VISION}:mlp",
            traced="2.weight",
            longest_sequence=None,
            parameters=26_122,
        ),
        Model(
            name="cnn",
            label="CNN",
            summary="Two 3 × 3 convolutions and a linear layer, 10 thousand parameters.",
            data="digits",
            builder=f"{_VISION}:cnn",
            traced="1.weight",
            longest_sequence=None,
            parameters=9_930,
        ),
        Model(
            name="spirals-mlp",
            label="MLP on spirals",
            summary="2-64-64-3 with ReLU, 4.5 thousand parameters: the smallest model that has something to learn.",
            data="spirals",
            builder="explorer.workloads.spirals:spirals_mlp",
            traced="2.weight",
            longest_sequence=None,
            parameters=4_547,
        ),
        Model(
            name="gpt2-small",
            label="GPT-2 small",
            summary="12 layers of width 768, 124 M parameters, with GPT-2's vocabulary. For a GPU.",
            data="text",
            builder=f"{_LANGUAGE}:gpt2_small",
            traced="transformer.h.0.mlp.c_fc.weight",
            longest_sequence=1024,
            objective="next-token",
            parameters=124_439_808,
            wants_gpu=True,
        ),
        Model(
            name="llama-small",
            label="Llama small",
            summary="30 layers of width 576, 125 M parameters, the shape of MobileLLM. For a GPU.",
            data="text",
            builder=f"{_LANGUAGE}:llama_small",
            traced="model.layers.0.mlp.up_proj.weight",
            longest_sequence=2048,
            objective="next-token",
            parameters=124_635_456,
            wants_gpu=True,
        ),
        Model(
            name="bert-base",
            label="BERT base",
            summary="12 layers of width 768, 110 M parameters, with BERT's vocabulary. For a GPU.",
            data="text",
            builder=f"{_LANGUAGE}:bert_base",
            traced="bert.encoder.layer.0.intermediate.dense.weight",
            longest_sequence=512,
            objective="masked",
            parameters=109_514_298,
            wants_gpu=True,
        ),
        Model(
            name="vit-small",
            label="ViT small",
            summary="12 layers of width 384 over 224 × 224 images, 22 M parameters. For a GPU.",
            data="digits",
            builder=f"{_VISION}:vit_small",
            traced="vit.layers.0.mlp.fc1.weight",
            longest_sequence=None,
            parameters=21_669_514,
            image=(3, 224),
            wants_gpu=True,
        ),
    )
}


def model_names() -> tuple[str, ...]:
    """The names of all models that are built here, in the order in which they are offered."""
    return tuple(MODELS)


def get_model(name: str) -> Model:
    """The model of that name among those that are built here; :func:`explorer.workloads.accepts` takes others too.

    Raises
    ------
    InputError
        There is no such model; the sentence lists those there are.
    """
    return look_up("model", name, MODELS)
