"""A config in a page's address: ``?config=`` with JSON, URL-encoded or in base64url."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from explorer.burst.config import BurstConfig, parse_config
from explorer.errors import InputError


def encode_config(config: BurstConfig) -> str:
    """The config as base64url of its JSON, which no chat program or mail breaks."""
    text = json.dumps(config.as_json(), separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_config(text: str) -> BurstConfig:
    """Read what ``?config=`` held.

    Parameters
    ----------
    text : str
        JSON, or base64url of JSON; the query string's own encoding is undone already.

    Raises
    ------
    InputError
        It is neither, or not an accepted config.
    """
    return parse_config(text if text.lstrip().startswith("{") else _from_base64(text))


def _from_base64(text: str) -> Any:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        raise InputError("config", text, "JSON, or base64url of JSON") from None
