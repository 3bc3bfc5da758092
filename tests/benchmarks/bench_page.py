"""How fast the page is: served against an empty ``gr.Blocks``, and from the click on Run to the first point.

Both servers run at once and are asked in turn. Run it with ``python -m tests.benchmarks.bench_page``.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
EMPTY = (
    "import sys, gradio as gr\nwith gr.Blocks() as demo: pass\ndemo.launch(server_port=int(sys.argv[1]), quiet=True)"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROUNDS = 8


@contextlib.contextmanager
def server(*command: str) -> Iterator[str]:
    """Start a server on a free port and give its address once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen([sys.executable, *command, str(port)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(address)
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def fetched(address: str) -> float:
    """Milliseconds until the whole page is here."""
    started = time.perf_counter()
    httpx.get(address).raise_for_status()
    return (time.perf_counter() - started) * 1e3


def loaded(page: Page, address: str) -> float:
    """Milliseconds until a browser with a warm cache has drawn something of the page."""
    page.goto(address)
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
    return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")


def first_point(page: Page, address: str) -> float:
    """Milliseconds from the click on Run to the first point in the loss panel, the worker being warm."""
    page.goto(address)
    page.wait_for_function("document.body.classList.contains('lab-loaded') && window.Plotly")
    started = time.perf_counter()
    page.locator("#lab-run").click()
    page.wait_for_function(
        "document.querySelector('[data-panel=loss] .plot')?.data?.some((trace) => trace.x.length > 0)"
    )
    elapsed = (time.perf_counter() - started) * 1e3
    page.locator("#lab-stop").click()
    while httpx.get(address + "healthz").json()["worker"] != "ready":
        time.sleep(0.1)
    return elapsed


def main() -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server("app.py", "--data-dir", folder, "--port") as ours,
        server("-c", EMPTY) as empty,
        sync_playwright() as playwright,
    ):
        while httpx.get(ours + "healthz").json()["worker"] != "ready":
            time.sleep(0.1)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for measure in (fetched, lambda address: loaded(page, address)):
            for address in (ours, empty):
                measure(address)
        served = [(fetched(ours), fetched(empty)) for _ in range(3 * ROUNDS)]
        painted = [(loaded(page, ours), loaded(page, empty)) for _ in range(ROUNDS)]
        points = [first_point(page, ours) for _ in range(ROUNDS)]
        browser.close()
    print(f"{'':<34} {'ours ms':>8} {'empty ms':>9} {'ratio':>6}")
    for words, pairs in (("page fetched", served), ("first paint, warm cache", painted)):
        mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{words:<34} {mine:8.1f} {theirs:9.1f} {ratio:6.2f}")
    print(f"{'click on Run to first point':<34} {statistics.median(points):8.1f} {'':>9} (worst {max(points):.0f})")


if __name__ == "__main__":
    main()
