"""The HTTP routes of hardware checks: the list, one with its result so far, and the schema of a result."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse

from explorer.hardware.result import schema
from explorer.sessions.session import Session

ASK_AGAIN = {"Cache-Control": "no-cache"}


def router(session: Session, dependencies: Sequence[Any] = ()) -> APIRouter:
    """The routes; ``dependencies`` as for :func:`explorer.sessions.routes.router`."""
    routes = APIRouter()
    guarded = list(dependencies)

    @routes.get("/checks.json", dependencies=guarded)
    def listed() -> JSONResponse:
        """The latest checks, newest first."""
        return JSONResponse(session.checks.list(), headers=ASK_AGAIN)

    @routes.get("/checks/schema.json")
    def described() -> JSONResponse:
        """The JSON Schema of a result."""
        return JSONResponse(schema(), headers=ASK_AGAIN)

    @routes.get("/checks/{check}.json", dependencies=guarded)
    def one(check: str) -> JSONResponse:
        """A check: its state, its progress and its result so far."""
        found = session.checks.get(check)
        if found is None:
            raise HTTPException(
                404, f"There is no check {check[:40]!r} here. It may have been recorded on another machine."
            )
        return JSONResponse(found, headers=ASK_AGAIN)

    return routes
