"""Transformers and the hub's client, used quietly, and Transformers without torchao.

Where torchao is installed (the FP8 recipes use it), Transformers imports all of it for quantizers that no burst uses:
seconds of start-up, and warnings on standard error about kernels this machine lacks.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from types import ModuleType
from unittest import mock


def load_transformers() -> ModuleType:
    """The ``transformers`` package, with its answer to whether torchao is there settled as no.

    ``transformers.utils.is_torchao_available`` looks for the package with ``importlib.util.find_spec`` once and
    remembers what it found; here it asks while torchao cannot be seen.
    """
    find_spec = importlib.util.find_spec

    def hidden(name: str, package: str | None = None) -> object:
        return None if name == "torchao" else find_spec(name, package)

    with mock.patch.object(importlib.util, "find_spec", hidden):
        import transformers
        from transformers.utils import is_torchao_available

        is_torchao_available()
    return transformers


@contextlib.contextmanager
def quiet_transformers() -> Iterator[ModuleType]:
    """``transformers`` without its progress bars and reports on standard error: what matters comes as an exception."""
    transformers = load_transformers()
    logging = transformers.utils.logging
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with _errors_only(logging):
        try:
            yield transformers
        finally:
            if bars:
                logging.enable_progress_bar()


@contextlib.contextmanager
def quiet_hub() -> Iterator[None]:
    """``huggingface_hub`` without its progress bars and its warnings about each attempt."""
    from huggingface_hub import utils

    shown = not utils.are_progress_bars_disabled()
    if shown:
        utils.disable_progress_bars()
    with _errors_only(utils.logging):
        try:
            yield
        finally:
            if shown:
                utils.enable_progress_bars()


@contextlib.contextmanager
def _errors_only(logging: ModuleType) -> Iterator[None]:
    """Log errors alone; both packages have a ``logging`` module of the same shape."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
