"""The panels of the grid: chosen in their heads, kept in the address, filled by a real run."""

import json
from urllib.request import urlopen

import pytest
from browser_lab import LANES, SHORT, Lab
from playwright.sync_api import expect

NEW = ("gradients", "updates", "operations", "timeline")


def _choose(lab, old: str, new: str) -> None:
    lab.page.locator(f"[data-panel={old}] .panel-choice").select_option(new)


def _shown(lab) -> list[str]:
    return lab.page.evaluate(
        "[...document.querySelectorAll('.panel')].filter((e) => !e.hidden).map((e) => e.dataset.panel)"
    )


def _filled(lab) -> None:
    """Wait until no panel says that it is empty."""
    expect(lab.page.locator(".panel:not([hidden]) .panel-empty:visible")).to_have_count(0, timeout=15_000)


def _traces(lab, panel: str) -> list[dict]:
    return lab.page.evaluate(
        "panel => document.querySelector(`[data-panel=${panel}] .plot`).data"
        ".map(({ type, name, x }) => ({ type, name, points: x.length }))",
        panel,
    )


def _events(lab) -> list[dict]:
    return [json.loads(line) for line in urlopen(f"{lab.server.address}runs/{lab.run_id}.jsonl")]


@pytest.fixture(scope="module")
def recorded(browser, server):
    """The id of a run with everything in it that these panels show."""
    config = {**SHORT, "lanes": [*LANES[:3], {"name": "blocks", "recipe": "nvfp4"}]}
    context = browser.new_context()
    lab = Lab(context, server).open(config)
    run = lab.run()
    lab.wait_for_words("finished", timeout=60_000)
    context.close()
    return run


def test_a_panel_is_chosen_by_keyboard_and_the_address_keeps_it(lab):
    lab.open()
    choice = lab.page.locator("[data-panel=bits] .panel-choice")
    choice.focus()
    choice.press("ArrowDown")
    expect(lab.page.locator("[data-panel=gradients]")).to_be_visible()
    assert _shown(lab) == ["loss", "scale", "memory", "gradients"]
    assert lab.page.evaluate("document.activeElement.closest('.panel').dataset.panel") == "gradients"
    assert "panels=loss.scale.memory.gradients" in lab.page.url
    lab.page.reload()
    expect(lab.page.locator("[data-panel=gradients]")).to_be_visible()
    assert _shown(lab) == ["loss", "scale", "memory", "gradients"]


def test_two_panels_change_places(lab):
    lab.open()
    _choose(lab, "loss", "bits")
    assert _shown(lab) == ["bits", "scale", "memory", "loss"]
    _choose(lab, "bits", "loss")
    assert _shown(lab) == ["loss", "scale", "memory", "bits"]
    assert "panels" not in lab.page.url


def test_the_choice_outlives_a_run_and_is_part_of_its_link(lab):
    lab.open(SHORT)
    _choose(lab, "memory", "speed")
    run = lab.run()
    lab.wait_for_words("finished")
    assert f"run={run}" in lab.page.url
    assert "panels=loss.scale.speed.bits" in lab.page.url
    _filled(lab)
    assert [trace["points"] for trace in _traces(lab, "speed")] == [4, 4, 4, 4]
    assert "samples/s" in lab.page.locator("#speed-words").text_content()


def test_the_new_panels_show_a_run(lab, recorded):
    lab.open(query=f"?run={recorded}&panels={'.'.join(NEW)}")
    _filled(lab)
    assert [trace["type"] for trace in _traces(lab, "gradients")] == ["heatmap"] * 4
    updates = _traces(lab, "updates")
    assert len(updates) == 8
    assert updates[0]["points"] >= 3
    assert lab.page.locator(".operations-table tbody tr").count() > 5
    assert "weights" in [trace["name"] for trace in _traces(lab, "timeline")]
    overflow = (
        "[document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
    )
    assert lab.page.evaluate(overflow) == [0, 0]
    for name in NEW:
        lab.page.wait_for_function("name => document.getElementById(`${name}-words`).textContent", arg=name)


def test_gradients_are_told_layer_by_layer(lab, recorded):
    lab.open(query=f"?run={recorded}&panels=gradients")
    _filled(lab)
    lab.page.locator("[data-view=layers]").click()
    rows = lab.page.locator(".layer-table tbody tr")
    events = _events(lab)
    layers = next(event["gradients"]["layers"] for event in events if "gradients" in event)
    assert rows.locator("th").all_inner_texts() == list(layers)
    assert rows.first.locator(".layer-bar").count() == 4
    # A scale of 2^30 overflows in the first step.
    high = [event for event in events if event.get("lane") == 2 and "gradients" in event]
    bad = next(name for name, (_, _, nonfinite) in high[0]["gradients"]["layers"].items() if nonfinite)
    expect(lab.page.locator("[data-panel=gradients] .panel-note")).to_have_text(f"first not finite: {bad}, step 0")
    expect(lab.page.locator(".layer-first")).to_have_count(1)


def test_operations_are_searched_and_a_lane_chosen(lab, recorded):
    lab.open(query=f"?run={recorded}&panels=operations")
    _filled(lab)
    lab.page.locator("[data-panel=operations] [data-lane-choice]").select_option(label="BF16")
    search = lab.page.get_by_label("Search the operations")
    search.fill("_to_copy bf16")
    texts = lab.page.locator(".operations-table tbody tr").all_inner_texts()
    assert texts
    assert all("_to_copy" in text and "bf16" in text for text in texts)
    search.fill("nothing of the kind")
    expect(lab.page.locator("[data-panel=operations] .table-body")).to_contain_text(
        "No operation has all of these words"
    )


def test_an_element_is_shown_with_its_scale(lab, recorded):
    lab.open(query=f"?run={recorded}")
    _filled(lab)
    last = [event for event in _events(lab) if event.get("lane") == 3 and "bits" in event][-1]
    compute = next(entry for entry in last["bits"] if entry["role"] == "compute")
    assert compute["scale_format"] == "e4m3fn"
    group = lab.page.locator(".bits-table tbody").nth(1)
    expect(group.locator(".bits-more", has_text="amax")).to_be_visible()
    expect(group.locator("tr", has_text="× E4M3").locator(".bit")).to_have_count(8)


def test_evaluations_and_seeds_are_drawn(lab):
    lanes = [LANES[0], LANES[1]]
    lab.open({**SHORT, "steps": 12, "eval_every": 4, "seeds": 2, "lanes": lanes}).run()
    lab.wait_for_words("finished", timeout=40_000)
    lab.page.wait_for_function("document.querySelector('[data-panel=loss] .plot').data.length === 12")
    losses = {
        (event["lane"], event["step"], event["seed"]): event["loss"]
        for event in _events(lab)
        if event["type"] == "step"
    }
    # Plots are drawn a moment after the words above them.
    last = "document.querySelector('[data-panel=loss] .plot').data[1].y.at(-1)"
    mean = (losses[0, 11, 0] + losses[0, 11, 1]) / 2
    lab.page.wait_for_function(f"mean => Math.abs({last} - mean) < 1e-4 * mean", arg=mean)
    assert lab.page.evaluate(last) == pytest.approx(mean, rel=1e-4)
    assert "2 seeds" in lab.page.locator("[data-panel=loss] .panel-note").inner_text()
    lab.page.locator("[data-evaluated]").click()
    lab.page.wait_for_function("document.querySelector('[data-panel=loss] .plot').data.length === 8")


def test_a_fault_is_chosen_for_a_lane_and_reaches_the_run(lab):
    lab.open({**SHORT, "steps": 6, "lanes": [LANES[3]]})
    lab.page.locator(".lane-more .label-wrap:visible").first.click()
    lab.field("Break it on purpose").locator("visible=true").click()
    lab.page.get_by_role("option", name="One infinite gradient").click()
    lab.field("At step").locator("visible=true").fill("3")
    lab.field("At step").locator("visible=true").press("Tab")
    lab.run()
    lab.wait_for_words("finished")
    events = _events(lab)
    assert events[0]["config"]["lanes"][0]["faults"][0]["kind"] == "infinite-gradient"
    assert [event["step"] for event in events if event.get("skipped") is True] == [3]


def test_a_phone_shows_the_new_panels(make_lab, recorded):
    lab = make_lab(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    lab.open(query=f"?run={recorded}&panels={'.'.join(NEW)}")
    _filled(lab)
    assert lab.page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    tops = [lab.page.locator(f"[data-panel={panel}]").bounding_box()["y"] for panel in NEW]
    assert tops == sorted(tops)
    assert len(set(tops)) == 4
