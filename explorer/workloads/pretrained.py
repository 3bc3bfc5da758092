"""Loads a person's own model with Transformers' Auto classes: safetensors only, and never code that comes with it.

A model from the hub is first copied into the Hugging Face cache (only its JSON files, safetensors and vocabulary: no
pickles, no Python files) and then read from there like any other folder, without the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explorer.errors import InputError, shown
from explorer.workloads.catalogue import Model, Objective
from explorer.workloads.imports import quiet_hub, quiet_transformers
from explorer.workloads.intake import BYTES, MASK_BYTE, Intake, as_bytes
from explorer.workloads.own import positions, read_config, refuse
from explorer.workloads.vision import CLASSES

WANTED = ("*.json", "*.safetensors", "*.txt", "*.model")
UNWANTED = ("*/*", "consolidated*")
"""Which files of a repository are copied: those at its top. ``consolidated`` files are the weights a second time."""

LARGEST_DOWNLOAD_BYTES = 20 * 10**9
"""More than any model that trains on one GPU of today in float32 with AdamW (16 bytes a parameter, 2 in its file)."""

IMAGE_SIDE, IMAGE_CHANNELS = 224, 3
"""What image models take that do not say (ImageNet's usual crop)."""

LONGEST_CAUSE = 200
"""Characters of another library's error that are repeated in a sentence."""

VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
    "tekken.json",
)
"""Files of which a folder with a tokenizer has at least one. Without any of them Transformers makes an empty one."""

HEADS: dict[Objective, str] = {
    "masked": "AutoModelForMaskedLM",
    "next-token": "AutoModelForCausalLM",
    "classes": "AutoModelForImageClassification",
}


def load(model: Model) -> nn.Module:
    """The model with its own weights in float32 on the CPU, without dropout.

    A head that the weights lack (a bare encoder has none for masked tokens) is drawn from torch's random state.

    Raises
    ------
    InputError
        It cannot be had, or it is none that a burst can train; a sentence that says why.
    """
    folder = folder_of(model)
    with quiet_transformers() as transformers:
        config = _config(transformers, model.name, folder)
        objective = _objective(transformers, model.name, config)
        _without_dropout(config)
        images = objective == "classes"
        if images and config.num_labels < CLASSES:
            config.num_labels = CLASSES
        with _explained(model.name):
            built, report = getattr(transformers, HEADS[objective]).from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=images,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    wanted = dict(built.named_parameters())
    missing = sum(wanted[key].numel() for key in report["missing_keys"] if key in wanted)
    if 2 * missing > sum(parameter.numel() for parameter in wanted.values()):
        raise refuse(model.name, f"holds weights that are not those of a {type(built).__name__}")
    return built


def intake_of(model: Model) -> Intake:
    """What a person's own model takes: its tokenizer's tokens, or bytes where it has none, or images of its size.

    Raises
    ------
    InputError
        As in :func:`load`; or it has neither a tokenizer nor room for bytes, or none with a token for masks.
    """
    folder = folder_of(model)
    with quiet_transformers() as transformers:
        config = _config(transformers, model.name, folder)
        objective = _objective(transformers, model.name, config)
        if objective == "classes":
            side = getattr(config, "image_size", None) or IMAGE_SIDE
            side = side if isinstance(side, int) else max(side)
            return Intake(objective, image=(getattr(config, "num_channels", None) or IMAGE_CHANNELS, side))
        tokenizer = _tokenizer(transformers, model.name, folder)
    longest = positions(config.get_text_config().to_dict())
    vocabulary = config.get_text_config().vocab_size
    if tokenizer is None:
        if vocabulary < BYTES:
            why = f"has no tokenizer, and a vocabulary of {vocabulary} tokens, too few for the {BYTES} bytes"
            raise refuse(model.name, why)
        return Intake(objective, as_bytes, MASK_BYTE, longest)
    if objective == "masked" and tokenizer.mask_token_id is None:
        raise refuse(model.name, "predicts masked tokens, but its tokenizer has no mask token")

    def encode(text: str) -> Tensor:
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        tokens = torch.tensor(ids, dtype=torch.long)
        if len(tokens) and tokens.max() >= vocabulary:
            raise refuse(model.name, f"has a tokenizer of more tokens than its vocabulary of {vocabulary:,}")
        return tokens

    mask_token = MASK_BYTE if tokenizer.mask_token_id is None else tokenizer.mask_token_id
    return Intake(objective, encode, mask_token, min(longest or tokenizer.model_max_length, tokenizer.model_max_length))


def folder_of(model: Model) -> Path:
    """Where the model's files are; a model from the hub is copied into the cache first.

    Raises
    ------
    InputError
        The hub cannot be reached and the model is not in the cache, there is no such model there, or it takes leave
        that was not given.
    """
    _, _, rest = model.name.partition(":")
    return _download(model.name, rest) if model.origin == "hub" else Path(rest).expanduser()


def _download(name: str, repository: str) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    files = {"allow_patterns": list(WANTED), "ignore_patterns": list(UNWANTED)}
    try:
        with quiet_hub(), contextlib.suppress(errors.DryRunError):  # no answer: what is in the cache will do
            listed = huggingface_hub.snapshot_download(repository, dry_run=True, **files)
            missing_bytes = sum(file.file_size for file in listed if file.will_download)
            if missing_bytes > LARGEST_DOWNLOAD_BYTES:
                most = f"more than the {LARGEST_DOWNLOAD_BYTES / 1e9:.0f} GB that are fetched at most"
                raise refuse(name, f"is {missing_bytes / 1e9:.0f} GB to download, {most}")
        with quiet_hub():
            return Path(huggingface_hub.snapshot_download(repository, **files))
    except InputError:
        raise
    except errors.GatedRepoError:
        raise refuse(name, "is gated: ask for access on its page, and log in with hf auth login") from None
    except errors.RepositoryNotFoundError:
        raise refuse(name, "is not on the Hugging Face hub, or is private") from None
    except errors.LocalEntryNotFoundError:
        why = "cannot be fetched, for the Hugging Face hub cannot be reached, and it is not in this machine's cache"
        raise refuse(name, why) from None
    except Exception as error:
        # A full disk, a proxy, a connection that broke: whatever it is, the person can act on it.
        raise refuse(name, f"could not be fetched from the Hugging Face hub: {_cause(error)}") from None


def _config(transformers: Any, name: str, folder: Path) -> Any:
    written = read_config(name, folder)
    kind = written.get("model_type")
    if kind not in transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES:
        if "auto_map" in written:
            raise refuse(name, "needs Python code that comes with it, which is never run here")
        version = transformers.__version__
        raise refuse(name, f"is of the model_type {shown(kind)}, which Transformers {version} does not know")
    with _explained(name):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if getattr(config, "is_encoder_decoder", False):
        raise refuse(name, "is an encoder with a decoder, which bursts do not train")
    if hasattr(config, "use_cache"):
        config.use_cache = False
    return config


def _objective(transformers: Any, name: str, config: Any) -> Objective:
    """What to train a model on: what its head is for, or, without one of these heads, the first that its kind has.

    Encoders have a head for masked tokens; BERT's kind has one for next tokens too, which it was not trained with.
    """
    auto = transformers.models.auto.modeling_auto
    heads: dict[Objective, dict[str, str]] = {
        "masked": auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        "next-token": auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "classes": auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    }
    named = (getattr(config, "architectures", None) or [""])[0]
    for objective, classes in heads.items():
        if named and named == classes.get(config.model_type):
            return objective
    for objective, classes in heads.items():
        if config.model_type in classes:
            return objective
    kind = named or config.model_type
    raise refuse(name, f"is a {kind}: neither a language model nor an image classifier of Transformers")


def _tokenizer(transformers: Any, name: str, folder: Path) -> Any:
    """The tokenizer in the folder, or None where there is none."""
    if not any((folder / file).is_file() for file in VOCABULARIES):
        return None
    with _explained(name):
        return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _without_dropout(config: Any) -> None:
    """Set every rate of dropout in a config to 0, so that lanes differ by their number formats alone."""
    for part in (config, config.get_text_config()):
        for field, value in part.to_dict().items():
            if "drop" in field and isinstance(value, float):
                setattr(part, field, 0.0)


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what Transformers raises about a person's files into a sentence; lack of memory stays what it is."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        # Whatever is wrong with the files. The CPU's allocator has no exception type of its own.
        if "DefaultCPUAllocator" in str(error):
            raise
        if "trust_remote_code" in str(error):
            raise refuse(name, "needs Python code that comes with it, which is never run here") from None
        if "ignore_mismatched_sizes" in str(error):
            raise refuse(name, "has weights of other shapes than its config.json says") from None
        raise refuse(name, f"could not be read: {_cause(error)}") from None


def _cause(error: BaseException) -> str:
    """What an error says, on one line, cut to a readable length and without the full stop at its end."""
    words = " ".join(str(error).split())
    if not words or isinstance(error, KeyError):
        words = f"{type(error).__name__} {words}".strip()
    return words.rstrip(".!: ") if len(words) <= LONGEST_CAUSE else words[: LONGEST_CAUSE - 1] + "…"
