"""The live stream as a page keeps it: given back while hidden, taken up again, and honest when something dies."""

import os
import signal
import time
from itertools import pairwise

from browser_lab import LONG, SHORT
from playwright.sync_api import expect

HIDE = """hidden => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_hidden_tab_closes_its_stream_and_resumes_where_it_was(lab):
    streams: list[str] = []
    lab.page.on("request", lambda request: "/events" in request.url and streams.append(request.url))
    lab.open(LONG).run()
    lab.wait_for_step(20)
    lab.page.evaluate(HIDE, True)
    lab.page.wait_for_timeout(300)
    before = lab.points("loss")[0]
    lab.page.wait_for_timeout(700)
    assert lab.points("loss")[0] == before
    lab.page.evaluate(HIDE, False)
    lab.wait_for_step(before + 20)
    lab.stop()
    assert len(streams) == 2
    assert "after=" in streams[1]
    for steps in lab.steps_drawn():
        assert all(after == before + 1 for before, after in pairwise(steps))


def test_a_killed_worker_is_told_within_two_seconds_and_the_next_run_works(lab):
    lab.open(LONG).run()
    lab.wait_for_step(20)
    os.kill(lab.server.worker(), signal.SIGKILL)
    killed = time.monotonic()
    expect(lab.page.locator(".lab-failure")).to_be_visible(timeout=5000)
    told = time.monotonic() - killed
    print(f"killed to told: {told:.2f} s")
    assert told < 2
    assert lab.page.locator(".lab-failure").inner_text()
    assert lab.points("loss")[0] >= 20
    lab.field("Steps").fill("30")
    lab.field("Steps").press("Tab")
    lab.run()
    lab.wait_for_words("finished 30 steps", timeout=40_000)
    expect(lab.page.locator(".lab-failure")).to_be_hidden()


def test_two_viewers_see_the_same_run(lab, make_lab):
    run = lab.open(SHORT).run()
    other = make_lab().open(query=f"?run={run}")
    for one in (lab, other):
        one.wait_for_words("finished")
        one.page.wait_for_function("document.querySelector('[data-panel=loss] .plot').data[1]?.x.length === 30")
    assert lab.steps_drawn() == other.steps_drawn()


def test_a_run_that_waits_says_so(lab, make_lab):
    lab.open(LONG).run()
    other = make_lab().open(SHORT)
    other.page.locator("#lab-run").click()
    other.wait_for_words("Waiting for its turn: one run comes first")
    lab.stop()
    other.wait_for_words("finished")


def test_the_session_is_restarted_only_after_a_second_thought(lab):
    lab.open(LONG).run()
    lab.wait_for_step(5)
    lab.page.locator(".chip").click()
    lab.page.get_by_role("button", name="restart the session").click()
    lab.page.get_by_role("button", name="keep").click()
    assert lab.words.startswith("step")
    lab.page.get_by_role("button", name="restart the session").click()
    lab.page.get_by_role("button", name="restart", exact=True).click()
    expect(lab.page.locator(".lab-failure")).to_be_visible()
