"""The list of runs, which a page lets a person pick one from."""

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from sessions_fakes import config, events

from explorer.burst.events import encode
from explorer.sessions import router


@pytest.fixture
def client(store):
    """The routes alone: listing runs asks nothing of the session that runs them."""
    app = FastAPI()
    app.include_router(router(None, store))
    return TestClient(app)


def test_the_list_is_empty_where_nothing_was_run(client):
    answer = client.get("/runs.json")
    assert answer.json() == []
    assert answer.headers["cache-control"] == "no-cache"


def test_runs_are_listed_newest_first_with_what_tells_them_apart(client, store):
    older, newer = store.create(config(steps=3, lanes=2)), store.create(config("second"))
    recorded = list(events(store.get(older).config, older))
    store.append(older, [encode(event) for event in recorded], recorded)
    first, second = client.get("/runs.json").json()
    assert (first["id"], first["state"], first["lanes"], first["steps"]) == (newer, "queued", ["second"], 0)
    assert (second["id"], second["state"], second["steps"]) == (older, "finished", 3)
    assert second["lanes"] == ["none", "none"]
    assert (second["model"], second["data"]) == ("mlp", "digits")
    assert second["started"] == store.get(older).created


def test_at_most_fifty_runs_are_listed(client, store):
    made = [store.create(config()) for _ in range(53)]
    assert [run["id"] for run in client.get("/runs.json").json()] == made[:2:-1]


def test_a_login_guards_the_list_too(store):
    def nobody():
        raise HTTPException(401, "Log in first.")

    app = FastAPI()
    app.include_router(router(None, store, dependencies=[Depends(nobody)]))
    assert TestClient(app).get("/runs.json").status_code == 401
