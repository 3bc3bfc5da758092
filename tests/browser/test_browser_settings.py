"""The settings: presets, lanes, links, and what is said where one is not accepted."""

import base64
import json
from urllib.parse import quote

import pytest
from browser_lab import LANES, SHORT
from playwright.sync_api import expect


def test_a_link_fills_the_settings_in(lab):
    lab.open({**SHORT, "learning_rate": 0.02, "clip_norm": None, "lanes": LANES[:2]})
    expect(lab.field("Learning rate")).to_have_value("0.02")
    expect(lab.field("Clip norm")).to_have_value("")
    expect(lab.field("Name of lane 2")).to_have_value("BF16")
    expect(lab.field("Name of lane 3")).to_be_hidden()


def test_a_link_may_be_in_base64url(lab):
    text = base64.urlsafe_b64encode(json.dumps({**SHORT, "steps": 17}).encode()).decode().rstrip("=")
    lab.open(query=f"?config={text}")
    expect(lab.field("Steps")).to_have_value("17")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (json.dumps({**SHORT, "steps": 0}), "steps: got 0, but takes a whole number from 1"),
        ("{", "config: got"),
        ("@@", "config: got"),
        (json.dumps({**SHORT, "model": "<img src=x onerror=document.title=1>"}), "model: got '<img src=x onerror"),
    ],
)
def test_a_bad_link_is_answered_with_a_sentence(lab, config, sentence):
    lab.open(query="?config=" + quote(config))
    expect(lab.page.locator(".lab-alert")).to_contain_text(sentence)
    expect(lab.field("Steps")).to_have_value("60")
    assert lab.page.locator(".lab-alert img").count() == 0


def test_a_preset_fills_all_settings_in(lab):
    lab.open()
    lab.page.locator("#lab-preset input").click()
    lab.page.get_by_role("option", name="The scaler overflows and recovers").click()
    expect(lab.field("Steps")).to_have_value("100")
    expect(lab.field("Name of lane 4")).to_have_value("from 2^40")
    expect(lab.field("Sequence")).to_be_hidden()
    expect(lab.page.locator(".happened-hint")).to_contain_text("far too high initial scale")


def test_lanes_are_added_and_taken_away(lab):
    lab.open({**SHORT, "lanes": LANES[:3]})
    removing = lab.page.locator(".lane-remove:visible")
    expect(removing).to_have_count(3)
    removing.nth(0).click()
    expect(removing).to_have_count(2)
    expect(lab.field("Name of lane 1")).to_have_value("BF16")
    lab.page.get_by_role("button", name="+ add a lane").click()
    expect(removing).to_have_count(3)
    lab.field("Name of lane 3").fill("new")
    lab.run()
    lab.wait_for_words("finished")
    assert lab.page.locator(".lane").all_inner_texts() == ["BF16", "high scale", "new"]


def test_a_bad_value_is_answered_with_a_sentence_and_nothing_starts(lab):
    lab.open(SHORT)
    run = lab.run()
    lab.wait_for_words("finished")
    lab.field("Steps").fill("0")
    lab.field("Steps").press("Tab")
    lab.page.locator("#lab-run").click()
    alert = lab.page.get_by_role("alert").filter(has_text="steps: got 0")
    expect(alert).to_be_visible()
    assert lab.run_id == run
    assert lab.points("loss") == [30, 30, 30, 30]
    # The sentence goes when the settings are right again.
    lab.field("Steps").fill("5")
    lab.field("Steps").press("Tab")
    lab.run()
    expect(alert).to_be_hidden()
    lab.wait_for_words("finished 5 steps")


def test_an_empty_number_is_named(lab):
    lab.open(SHORT)
    lab.field("Batch size").fill("")
    lab.field("Batch size").press("Tab")
    lab.page.locator("#lab-run").click()
    expect(lab.page.locator(".lab-alert")).to_contain_text("batch_size: is empty, but takes a whole number from 1")


def test_a_lane_s_own_settings_and_scaler_reach_the_run(lab):
    own = {
        "name": "own",
        "recipe": "fp16-amp",
        "learning_rate": 0.5,
        "clip_norm": None,
        "scaler": {"init_scale": 1024.0},
    }
    run = lab.open({**SHORT, "steps": 5, "lanes": [own]}).run()
    lab.wait_for_words("finished")
    answer = lab.page.request.get(f"{lab.server.address}runs/{run}.jsonl").text()
    lane = json.loads(answer.splitlines()[0])["config"]["lanes"][0]
    assert (lane["learning_rate"], lane["clip_norm"], lane["scaler"]["init_scale"]) == (0.5, None, 1024)


def test_a_lane_s_name_is_shown_as_the_text_it_is(lab):
    name = "<img src=x onerror=document.title='hit'>"
    lab.open({**SHORT, "steps": 5, "lanes": [{"name": name, "recipe": "fp32"}]}).run()
    lab.wait_for_words("finished")
    expect(lab.page.locator(".lane")).to_have_text(name)
    expect(lab.page.locator(".happened-list strong")).to_have_text(name)
    lab.page.locator("[data-panel=loss] .plot").hover()
    lab.page.wait_for_timeout(200)
    assert lab.page.locator("img[src=x]").count() == 0
    assert "hit" not in lab.page.title()
    ticks = lab.page.locator("[data-panel=memory] .ytick").all_text_contents()
    assert ticks[0].startswith("<img src=x")


def test_the_settings_link_brings_the_settings_back(make_lab):
    lab = make_lab(permissions=["clipboard-read", "clipboard-write"])
    lab.open({**SHORT, "steps": 23})
    lab.page.locator("#lab-share").click()
    expect(lab.page.locator("#lab-share")).to_have_attribute("data-said", "copied")
    link = lab.page.evaluate("navigator.clipboard.readText()")
    lab.page.goto("about:blank")
    lab.page.goto(link)
    expect(lab.field("Steps")).to_have_value("23")
