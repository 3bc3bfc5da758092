"""Transformers, imported once, quietly, and without torchao.

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
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
