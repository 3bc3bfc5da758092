"""The pages' own files on an empty page: a real browser, no Gradio, no worker."""

import contextlib
import socket
import threading

import pytest
import uvicorn
from chromium import LOOPBACK
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from explorer.ui import static_files

EMPTY = '<!doctype html><html lang="en"><head><link rel="icon" href="data:,"><title>modules</title></head><body></body>'


@pytest.fixture(scope="session")
def modules_address():
    """Where the files are served, with the empty page at the root."""
    app = FastAPI(routes=list(static_files.router().routes))
    app.get("/", response_class=HTMLResponse)(lambda: EMPTY)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def _empty_page(browser, address):
    """The empty page, which at the end may not have erred or asked for anything outside."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    complaints = []

    def guard(route):
        if LOOPBACK.match(route.request.url):
            route.continue_()
        else:
            complaints.append(route.request.url)
            route.abort()

    context.route("**/*", guard)
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert not complaints


@pytest.fixture
def page(browser, modules_address):
    """An empty page of the test's own."""
    with _empty_page(browser, modules_address) as page:
        yield page


@pytest.fixture(scope="session")
def calculator(browser, modules_address):
    """One empty page for all tests of functions that leave nothing behind: opening one costs more than most of them."""
    with _empty_page(browser, modules_address) as page:
        yield page
