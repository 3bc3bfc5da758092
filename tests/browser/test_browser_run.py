"""A run from the click on Run to its end, and the ways to come back to it."""

import json
from itertools import pairwise
from urllib.request import urlopen

from browser_lab import LONG, SHORT
from playwright.sync_api import expect


def test_a_first_visitor_sees_a_run_begin_with_one_click(lab):
    lab.open()
    lab.run()
    lab.wait_for_step(1)
    assert lab.points("loss")[0] >= 1
    lab.stop()


def test_run_fills_the_four_panels_and_ends(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished 30 steps")
    assert lab.points("loss") == [30, 30, 30, 30]
    assert lab.points("scale") == [30, 30, 30, 30]
    bars = lab.page.evaluate("document.querySelector('[data-panel=memory] .plot').data[0].x.length")
    assert bars == 4
    rows = lab.page.locator(".bits-table .bits-value").all_inner_texts()
    assert len(rows) == 20
    assert all(rows)
    assert lab.page.locator(".panel-empty:visible").count() == 0
    sentences = lab.page.locator(".happened-list li").all_inner_texts()
    assert len(sentences) == 4
    assert "skipped" in sentences[2]


def test_what_is_drawn_is_what_was_recorded(lab):
    run = lab.open(SHORT).run()
    lab.wait_for_words("finished")
    events = [json.loads(line) for line in urlopen(f"{lab.server.address}runs/{run}.jsonl")]
    recorded = [event["loss"] for event in events if event["type"] == "step" and event["lane"] == 0]
    drawn = lab.page.evaluate("[...document.querySelector('[data-panel=loss] .plot').data[1].y]")
    assert len(drawn) == len(recorded)
    assert all(abs(a - b) <= 1e-5 * abs(b) for a, b in zip(drawn, recorded, strict=True))


def test_skipped_steps_are_marked_on_both_plots(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    for panel in ("loss", "scale"):
        marks = lab.page.evaluate(
            "panel => document.querySelector(`[data-panel=${panel}] .plot`).data[8].marker.symbol", panel
        )
        assert "triangle-down" in marks


def test_stop_ends_the_run_and_keeps_what_was_drawn(lab):
    lab.open(LONG).run()
    lab.wait_for_step(20)
    lab.stop()
    assert lab.points("loss")[0] >= 20
    expect(lab.page.locator("#lab-stop")).to_be_disabled()
    expect(lab.page.locator(".lab-failure")).to_be_visible()


def test_a_reload_in_the_middle_loses_and_doubles_nothing(lab):
    lab.open(LONG).run()
    lab.wait_for_step(30)
    lab.page.reload()
    lab.page.wait_for_function("window.Plotly")
    lab.wait_for_words("step")
    lab.wait_for_step(90)
    lab.stop()
    for steps in lab.steps_drawn():
        assert steps[0] == 0
        assert all(after == before + 1 for before, after in pairwise(steps))


def test_a_link_shows_a_run_that_goes_on_and_one_that_has_ended(lab, make_lab):
    run = lab.open({**LONG, "steps": 9_000}).run()
    lab.wait_for_step(20)
    late = make_lab().open(query=f"?run={run}")
    late.wait_for_words("step")
    assert late.steps_drawn()[0][0] == 0
    expect(late.field("Steps")).to_have_value("9000")
    lab.stop()
    late.wait_for_words("stopped")
    after = make_lab().open(query=f"?run={run}")
    after.wait_for_words("stopped")
    after.page.wait_for_function("document.querySelector('[data-panel=loss] .plot').data.length > 0")
    assert after.points("loss") == lab.points("loss")


def test_a_run_that_is_not_known_is_told_apart_from_a_lost_connection(lab):
    lab.open(query="?run=nosuchrun")
    expect(lab.page.locator(".lab-failure")).to_contain_text("does not know the run")
    # The browser writes an answer of 404 to its console by itself.
    lab.errors = [error for error in lab.errors if "404" not in error]


def test_the_second_run_starts_from_an_empty_plot(lab):
    lab.open(SHORT)
    first = lab.run()
    lab.wait_for_words("finished")
    lab.field("Steps").fill("12")
    lab.field("Steps").press("Tab")
    second = lab.run()
    lab.wait_for_words("finished 12 steps")
    assert first != second
    assert lab.points("loss") == [12, 12, 12, 12]


def test_the_first_point_is_there_within_a_second_of_the_click(lab):
    lab.open(SHORT)
    lab.page.evaluate(
        """() => {
            window.clicked = 0;
            document.getElementById('lab-run').addEventListener('click', () => (window.clicked = performance.now()));
            const look = () => {
                const data = document.querySelector('[data-panel=loss] .plot').data ?? [];
                if (data[1]?.x.length) window.waited = performance.now() - window.clicked;
                else requestAnimationFrame(look);
            };
            look();
        }"""
    )
    lab.run()
    lab.wait_for_words("finished")
    waited = lab.page.evaluate("window.waited")
    print(f"click to first point: {waited:.0f} ms")
    assert waited < 1000
