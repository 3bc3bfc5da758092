"""The Lab as a person uses it: what the tests of this folder say it with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import BrowserContext, Page, expect

ROOT = Path(__file__).parents[2]
LANES = [
    {"name": "FP32", "recipe": "fp32"},
    {"name": "BF16", "recipe": "bf16-amp"},
    {"name": "high scale", "recipe": "fp16-amp", "scaler": {"init_scale": 2.0**30}},
    {"name": "scaled", "recipe": "fp16-amp"},
]
SHORT = {"model": "mlp", "steps": 30, "batch_size": 16, "lanes": LANES}
LONG = {**SHORT, "steps": 10_000}


@dataclass
class Server:
    """The app's process."""

    address: str
    process: subprocess.Popen
    log: Path

    @property
    def port(self) -> int:
        return urlsplit(self.address).port

    def health(self) -> dict[str, Any]:
        try:
            return json.load(urlopen(self.address + "healthz", timeout=2))
        except OSError:
            return {}

    def wait_until_ready(self) -> None:
        for _ in range(300):
            if self.health().get("worker") == "ready":
                return
            time.sleep(0.1)
        raise AssertionError(f"the worker is {self.health()}")

    def worker(self) -> int:
        """The process id of the worker."""
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            pid, parent, command = line.split(None, 2)
            if int(parent) == self.process.pid and "explorer.sessions.worker" in command:
                return int(pid)
        raise AssertionError("the app has no worker")


def start_server(folder: Path, *options: str) -> Server:
    """The app, ready to train, with its log and its runs in a folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "server.log"
    command = [sys.executable, "app.py", "--port", str(port), "--data-dir", str(folder / "data"), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRADIO_")}
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{port}/", process, log)
    for _ in range(600):
        if process.poll() is not None:
            pytest.fail(f"app.py ended with {process.returncode}:\n{log.read_text()}", pytrace=False)
        if server.health().get("worker") == "ready":
            return server
        time.sleep(0.1)
    pytest.fail(f"app.py was not ready in a minute:\n{log.read_text()}", pytrace=False)


def stop_server(server: Server) -> None:
    """End it as Ctrl-C does."""
    server.process.send_signal(signal.SIGINT)
    server.process.wait(10)


class Lab:
    """One browser context and its page."""

    def __init__(self, context: BrowserContext, server: Server, address: str | None = None) -> None:
        self.context, self.server = context, server
        self.address = address or server.address
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, config: dict[str, Any] | None = None, *, query: str = "") -> Lab:
        """Open the page, with the settings of a config in its address."""
        if config is not None:
            query = "?config=" + quote(json.dumps(config))
        self.page.goto(self.address + query)
        expect(self.page.locator("#lab-run")).to_be_attached(timeout=20_000)
        # The body is marked when Gradio has answered the page's first questions; settings are filled in by then.
        self.page.wait_for_function("document.body.classList.contains('lab-loaded') && window.Plotly")
        if config is not None:
            expect(self.field("Steps")).to_have_value(str(config["steps"]))
        return self

    def field(self, label: str) -> Any:
        return self.page.get_by_label(label, exact=True)

    def run(self) -> str:
        """Press Run and wait until the run has begun (a short one may be over by then); its id."""
        before = self.run_id
        self.page.locator("#lab-run").click()
        self.page.wait_for_function("before => new URL(location).searchParams.get('run') !== before", arg=before)
        self.wait_for_words("step", "finished")
        return self.run_id

    @property
    def run_id(self) -> str | None:
        return self.page.evaluate("new URL(location).searchParams.get('run')")

    @property
    def words(self) -> str:
        """What the line above the plots says."""
        return self.page.locator("[data-progress-words]").inner_text()

    @property
    def step(self) -> int:
        return int(self.words.split()[1])

    def wait_for_words(self, *starts: str, timeout: float = 20_000) -> None:
        """Wait until the line above the plots begins with one of these."""
        self.page.wait_for_function(
            "starts => starts.some((start) =>"
            " document.querySelector('[data-progress-words]').textContent.startsWith(start))",
            arg=starts,
            timeout=timeout,
        )

    def wait_for_step(self, step: int) -> None:
        self.page.wait_for_function(
            "step => Number(document.querySelector('[data-progress-words]').textContent.split(' ')[1]) >= step",
            arg=step,
        )

    def stop(self) -> None:
        self.page.locator("#lab-stop").click()
        self.wait_for_words("stopped")

    def points(self, panel: str) -> list[int]:
        """How many points each lane's line has."""
        return self.page.evaluate(
            "panel => document.querySelector(`[data-panel=${panel}] .plot`).data"
            ".filter((_, index) => index % 3 === 1).map((trace) => trace.x.length)",
            panel,
        )

    def steps_drawn(self, panel: str = "loss") -> list[list[int]]:
        """The steps that each lane's line goes through."""
        return self.page.evaluate(
            "panel => document.querySelector(`[data-panel=${panel}] .plot`).data"
            ".filter((_, index) => index % 3 === 1).map((trace) => [...trace.x])",
            panel,
        )
