"""A real server, a real browser, and nothing of the network but the loopback."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from browser_lab import Lab, Server, start_server, stop_server
from playwright.sync_api import Browser, Playwright, Route, sync_playwright

SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOOPBACK = re.compile(r"^(https?://(127\.0\.0\.1|localhost)(:\d+)?/|data:|blob:)")


def _launch(playwright: Playwright) -> Browser:
    """The system's Chromium, else Playwright's own, else one that is installed now. Never a skip."""
    chromium = playwright.chromium
    if found := next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None):
        return chromium.launch(executable_path=found, args=list(ARGUMENTS))
    if not Path(chromium.executable_path).exists():
        _install()
        found = shutil.which("chromium")
    return chromium.launch(executable_path=found, args=list(ARGUMENTS))


def _install() -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    on_debian = shutil.which("apt-get") and Path("/etc/debian_version").exists()
    if on_debian and (not prefix or shutil.which("sudo")):
        subprocess.run([*prefix, "apt-get", "update"], check=False)
        if subprocess.run([*prefix, "apt-get", "install", "-y", "chromium"], check=False).returncode == 0:
            return
    done = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if done.returncode:
        pytest.fail("There is no Chromium, and none could be installed: these tests need one.", pytrace=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = _launch(playwright)
        yield browser
        browser.close()


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
