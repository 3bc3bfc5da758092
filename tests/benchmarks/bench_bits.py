"""How fast the Bits page is: from a key press to the new picture, with six formats shown and with all of them.

A key press is a real one, sent by the browser's own input pipeline; the picture is there with the first frame after the
page has handled it. The work of the page itself, without the wait for that frame, stands beside it. Run it with
``python -m tests.benchmarks.bench_bits``.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile

from playwright.sync_api import Page, sync_playwright

from explorer import formats
from tests.benchmarks.bench_page import FLAGS, server

KEYS = "0.123456789" * 6
SIX = ["fp32", "fp16", "bf16", "e4m3fn", "e5m2", "e2m1"]
SINGLE = [name for name in formats.names() if name not in formats.block_names()]

WATCH = """() => {
    window.pressed = [];
    const input = document.querySelector('[data-number]');
    let began = 0;
    input.addEventListener('beforeinput', () => { began = performance.now(); }, true);
    // The page's own handler comes first, having been added first.
    input.addEventListener('input', () => {
        const [started, handled] = [began, performance.now()];
        requestAnimationFrame(() => {
            const channel = new MessageChannel();
            // The first task after a frame's callbacks runs when its picture has been made.
            channel.port1.onmessage = () => window.pressed.push([handled - started, performance.now() - started]);
            channel.port2.postMessage(0);
        });
    });
}"""


def pressed(page: Page, address: str, shown: list[str]) -> list[tuple[float, float]]:
    """Milliseconds of the page's own work and until the picture, for each key."""
    page.goto(f"{address}bits?f={','.join(shown)}&v=1")
    page.wait_for_function("document.querySelector('.bits-row .bits-value')?.textContent")
    # The header asks for the device once, when the worker is ready.
    page.wait_for_function("document.querySelector('[data-chip-device]')?.textContent", timeout=60_000)
    page.evaluate(WATCH)
    requests: list[str] = []
    page.on("request", lambda request: "healthz" in request.url or requests.append(request.url))
    page.locator("[data-number]").click()
    for key in KEYS:
        if key == "0":
            page.locator("[data-number]").fill("")
        page.keyboard.press(key)
        page.wait_for_timeout(30)
    if requests:
        raise SystemExit(f"typing asked the server for {requests[0]}")
    return [tuple(pair) for pair in page.evaluate("window.pressed")]


def main() -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server("app.py", "--data-dir", folder, "--port") as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        print(f"{'key press to new picture':<26} {'keys':>5} {'work ms':>8} {'picture ms':>11} {'slowest tenth':>14}")
        for shown in (SIX, SINGLE):
            pairs = pressed(page, address, shown)
            work, picture = zip(*pairs, strict=True)
            slow = statistics.quantiles(picture, n=10)[-1]
            print(f"{len(shown):>2} formats{'':<16} {len(pairs):5} {statistics.median(work):8.2f} "
                  f"{statistics.median(picture):11.2f} {slow:14.2f}")  # fmt: skip
        browser.close()


if __name__ == "__main__":
    main()
