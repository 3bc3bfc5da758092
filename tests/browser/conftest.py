"""A real server, a real browser, and nothing of the network but the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from browser_lab import Lab, Server, start_server, stop_server
from chromium import LOOPBACK
from playwright.sync_api import Browser, Route


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("app"))
    yield server
    stop_server(server)


@pytest.fixture
def make_lab(browser: Browser, server: Server) -> Iterator:
    """Opens pages; at the end none of them may have erred, or have asked for anything outside."""
    labs: list[Lab] = []

    def make(**options) -> Lab:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        lab = Lab(context, server)

        def guard(route: Route) -> None:
            if LOOPBACK.match(route.request.url):
                route.continue_()
                return
            lab.outside.append(route.request.url)
            route.abort()

        context.route("**/*", guard)
        labs.append(lab)
        return lab

    yield make
    complaints = [complaint for lab in labs for complaint in lab.errors]
    outside = [address for lab in labs for address in lab.outside]
    for lab in labs:
        lab.context.close()
    assert not complaints
    assert not outside


@pytest.fixture
def lab(make_lab) -> Lab:
    return make_lab()


@pytest.fixture(autouse=True)
def _nothing_left_running(server: Server) -> Iterator[None]:
    yield
    server.wait_until_ready()
    assert urlopen(server.address + "healthz").status == 200
