"""The HTTP routes beside Gradio's own: the list of runs, a run's stream, events and samples, and the health check."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from explorer.sessions.check_routes import router as check_routes
from explorer.sessions.samples import KINDS, Digests
from explorer.sessions.session import Session
from explorer.sessions.store import RunRecord, Store

NO_BUFFERING = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""Proxies (nginx by the second header) must pass each frame on at once."""

MOST_LISTED = 50


def router(session: Session, store: Store, dependencies: Sequence[Any] = ()) -> APIRouter:
    """The routes, to be mounted with ``demo.launch(app_kwargs={"routes": list(router.routes)})``.

    Parameters
    ----------
    session : Session
        Whose runs are streamed and whose health is told.
    store : Store
        Where runs are read.
    dependencies : sequence, optional
        FastAPI dependencies of the routes under ``/runs``, such as one that asks for a login. ``/healthz`` stays open.
    """
    routes = APIRouter()
    guarded = list(dependencies)
    digests = Digests(store)

    @routes.get("/runs.json", dependencies=guarded)
    def listed() -> JSONResponse:
        """The latest runs, newest first, for a page that lets a person pick one."""
        return JSONResponse(
            [_summary(record) for record in store.list(MOST_LISTED)], headers={"Cache-Control": "no-cache"}
        )

    # Checked before the response begins: an error inside a stream would come after the status 200.
    def recorded(run: str) -> RunRecord:
        record = store.get(run)
        if record is None:
            raise HTTPException(
                404, f"There is no run {run[:40]!r} here. It may have been recorded on another machine."
            )
        return record

    Recorded = Annotated[RunRecord, Depends(recorded)]

    @routes.get("/runs/{run}/events", dependencies=guarded)
    async def events(
        record: Recorded, last_event_id: Annotated[str | None, Header()] = None, after: str | None = None
    ) -> StreamingResponse:
        """The run's frames as server-sent events, from the first one or from where the browser was cut off."""
        # A browser that reconnects repeats the address, so the header is the newer of the two.
        seen = next((number for number in map(_number, (last_event_id, after)) if number is not None), -1)
        return StreamingResponse(
            session.hub.watch(record.id, seen), media_type="text/event-stream", headers=NO_BUFFERING
        )

    # HEAD asks whether there is such a run: an EventSource does not say why it was refused.
    @routes.api_route("/runs/{run}.jsonl", methods=["GET", "HEAD"], dependencies=guarded)
    def lines(record: Recorded, request: Request) -> Response:
        """All recorded events of the run, one JSON object a line; of a run that goes on, those there are."""
        headers = {"Content-Disposition": f'attachment; filename="{record.id}.jsonl"', "Cache-Control": "no-cache"}
        if request.method == "HEAD":
            return Response(media_type="application/x-ndjson", headers=headers)
        body = (line + "\n" for line in store.iterate(record.id))
        return StreamingResponse(_in_blocks(body), media_type="application/x-ndjson", headers=headers)

    @routes.get("/runs/{run}/{kind}.json", dependencies=guarded)
    def samples(record: Recorded, kind: Literal[KINDS], request: Request) -> Response:
        """What the run's frames leave out, as far as it is recorded: :mod:`explorer.sessions.samples`."""
        tag = f'"{record.last_seq}"'
        headers = {"Cache-Control": "no-cache", "ETag": tag}
        # A page that looks again every few seconds is told in a few bytes that nothing has come.
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        read = digests.read(record.id, kind)
        return JSONResponse(read, headers={**headers, "ETag": f'"{read["last"]}"'})

    routes.include_router(check_routes(session, guarded))

    @routes.get("/healthz")
    def health() -> JSONResponse:
        """Whether the server is well, for a load balancer and for a person."""
        return JSONResponse(session.health(), headers={"Cache-Control": "no-cache"})

    return routes


def _summary(record: RunRecord) -> dict[str, Any]:
    """What tells a run from others in a list; ``started`` is in seconds since the epoch."""
    config = record.config
    return {
        "id": record.id,
        "model": config["model"],
        "data": config["data"],
        "lanes": [lane["name"] for lane in config["lanes"]],
        "state": record.state,
        "steps": record.steps_done,
        "started": record.created,
    }


def _number(text: str | None) -> int | None:
    """The number of an event, or None for anything else that a client may have sent."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)


def _in_blocks(lines: Any, size: int = 65_536) -> Any:
    """Lines joined to larger pieces: each piece that is sent costs a thread switch."""
    block: list[str] = []
    length = 0
    for line in lines:
        block.append(line)
        length += len(line)
        if length >= size:
            yield "".join(block)
            block, length = [], 0
    yield "".join(block)
