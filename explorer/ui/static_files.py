"""The pages' own files over HTTP: modules, and Plotly out of the installed package, compressed once.

Addresses carry a version in the query, so that a browser may keep what it has got for as long as it likes.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

FOLDER = Path(__file__).parent / "static"
PLOTLY = "plotly.min.js"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
CHECKED = "no-cache"
"""A module asks for its neighbours without a version; their tag tells at once whether they changed."""


def plotly_address() -> str:
    """Where the page loads Plotly from, relative to its base."""
    return f"static-files/{PLOTLY}?v={version('plotly')}"


def module_address(name: str) -> str:
    """Where the page loads one of its modules from, relative to its base."""
    return f"static-files/{name}"


def text(name: str) -> str:
    """The text of a file in ``static``, for what is part of the page itself."""
    return (FOLDER / name).read_text(encoding="utf-8")


def _plotly_file() -> Path:
    # Found without importing plotly, which takes longer than everything else here.
    return Path(find_spec("plotly").origin).parent / "package_data" / PLOTLY


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> tuple[bytes, bytes, str]:
    """A file, the same compressed, and a tag of its content."""
    plain = path.read_bytes()
    # Level 6: level 9 takes three times as long and saves 2 kB of 1.4 MB.
    return plain, gzip.compress(plain, 6), f'"{hashlib.sha256(plain).hexdigest()[:16]}"'


def warm() -> None:
    """Compress Plotly now, so that the first page does not wait for it (0.2 s)."""
    path = _plotly_file()
    _read(path, path.stat().st_mtime_ns)


def router() -> APIRouter:
    """The routes under ``static-files``."""
    routes = APIRouter()
    files: dict[str, Callable[[], Path]] = {PLOTLY: _plotly_file}
    files |= {
        path.relative_to(FOLDER).as_posix(): (lambda path=path: path)
        for path in FOLDER.rglob("*")
        if path.suffix in TYPES
    }

    @routes.get("/static-files/{name:path}")
    def file(name: str, request: Request) -> Response:
        """One of the files; nothing outside the list made at the start can be named."""
        if name not in files:
            raise HTTPException(404, f"There is no file {name[:40]!r}.")
        path = files[name]()
        plain, compressed, tag = _read(path, path.stat().st_mtime_ns)
        headers = {"Cache-Control": FOREVER if request.query_params.get("v") else CHECKED, "ETag": tag,
                   "Vary": "Accept-Encoding"}  # fmt: skip
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        body = plain
        if "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = compressed, "gzip"
        return Response(body, media_type=TYPES[path.suffix], headers=headers)

    return routes
