"""The Lab as a person uses it: what the tests of this folder say it with."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from playwright.sync_api import BrowserContext, Page, expect

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


class Lab:
    """One browser context and its page."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.context, self.server = context, server
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, config: dict[str, Any] | None = None, *, query: str = "") -> Lab:
        """Open the page, with the settings of a config in its address."""
        if config is not None:
            query = "?config=" + quote(json.dumps(config))
        self.page.goto(self.server.address + query)
        expect(self.page.locator("#lab-run")).to_be_attached()
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
