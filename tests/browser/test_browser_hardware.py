"""The Hardware page as a person uses it: a real check of this machine."""

import json
import re

import jsonschema
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import expect

from explorer.hardware import schema

MINUTE = 60_000


class Hardware:
    """The page, and what one does there."""

    def __init__(self, lab):
        self.lab, self.page = lab, lab.page

    def open(self, query=""):
        self.page.goto(self.lab.address + "hardware" + query)
        expect(self.part("[data-seconds]")).to_be_visible()
        return self

    def part(self, selector):
        return self.page.locator(f".hardware {selector}")

    def start(self, seconds="10"):
        self.part("[data-seconds]").select_option(seconds)
        self.part("[data-start]").click()
        expect(self.part("[data-stop]")).to_be_visible()

    def wait_over(self):
        expect(self.part("[data-start]")).to_be_visible(timeout=2 * MINUTE)


@pytest.fixture
def hardware(lab):
    return Hardware(lab)


@pytest.fixture(scope="module")
def checked(browser, server):
    """A finished check and its id."""
    from browser_lab import Lab

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    hardware = Hardware(Lab(context, server)).open()
    hardware.start()
    expect(hardware.part("[data-words]")).to_contain_text("left", timeout=MINUTE)
    hardware.wait_over()
    check = re.search(r"check=(\w+)", hardware.page.url)[1]
    context.close()
    return check


def test_a_finished_check_shows_everything_under_its_link(hardware, checked):
    hardware.open(f"?check={checked}")
    expect(hardware.part("[data-said-words]")).to_contain_text("Measured")
    expect(hardware.part(".hw-recipe")).not_to_be_empty()
    expect(hardware.part("[data-rate=fp32]")).to_contain_text("FLOP/s")
    expect(hardware.part("[data-copy]")).to_contain_text("GB/s")
    expect(hardware.part("[data-recipe=bf16-amp]")).to_be_visible()
    expect(hardware.part("[data-section=devices]")).to_contain_text("PyTorch")
    expect(hardware.part("tr[data-formats~=tf32]")).to_contain_text("emulated")
    expect(hardware.part("[data-section=datasheet]")).to_contain_text("2:4 sparsity")
    expect(hardware.part("[data-empty]")).to_be_hidden()
    expect(hardware.part("[data-error]")).to_be_hidden()


def test_the_latest_check_is_shown_to_who_asks_for_none(hardware, checked):
    hardware.open()
    hardware.page.wait_for_function("location.search.includes('check=')")
    expect(hardware.part(".hw-recipe")).not_to_be_empty()


def test_the_code_can_be_copied(make_lab, checked):
    lab = make_lab(permissions=["clipboard-read", "clipboard-write"])
    hardware = Hardware(lab).open(f"?check={checked}")
    hardware.part("[data-tab=Transformers]").click()
    hardware.part("[data-copy-code]").click()
    expect(hardware.part("[data-copy-code]")).to_have_attribute("data-said", "copied")
    assert "TrainingArguments(" in hardware.page.evaluate("navigator.clipboard.readText()")


def test_the_result_is_saved_as_json_and_as_a_picture(hardware, checked):
    hardware.open(f"?check={checked}")
    for button, begin in (("Result, JSON", b"{"), ("Result card, PNG", b"\x89PNG")):
        hardware.part("[data-export] summary").click()
        with hardware.page.expect_download() as download:
            hardware.page.get_by_role("button", name=button).click()
        with open(download.value.path(), "rb") as file:
            content = file.read()
        assert content.startswith(begin)
        if begin == b"{":
            jsonschema.Draft202012Validator(schema()).validate(json.loads(content))


def test_two_results_are_compared(hardware, checked):
    hardware.open(f"?check={checked}")
    found = hardware.page.evaluate("check => fetch(`checks/${check}.json`).then((answer) => answer.json())", checked)
    faster = found["result"]
    for row in faster["matmul"]:
        row["gflops"] *= 2
    hardware.part("[data-side=first] [data-take]").click()
    hardware.page.get_by_label("The second result as JSON").fill(json.dumps(faster))
    row = hardware.part("[data-row=product-fp32]")
    expect(row).to_contain_text("2.00 × as fast")
    hardware.page.get_by_label("The second result as JSON").fill("nonsense")
    expect(hardware.part("[data-side=second] .hw-error")).to_contain_text("got nonsense")
    expect(row).to_be_visible()


def test_a_check_can_be_stopped_and_keeps_what_it_has(hardware):
    hardware.open()
    hardware.start("300")
    expect(hardware.part("[data-rate=fp32]")).to_be_visible(timeout=MINUTE)
    hardware.part("[data-stop]").click()
    hardware.wait_over()
    expect(hardware.part("[data-said-words]")).to_contain_text("Stopped. What was measured until then is shown.")
    expect(hardware.part("[data-rate=fp32]")).to_be_visible()


def test_a_check_that_goes_on_is_seen_by_who_opens_its_link(make_lab):
    first, second = Hardware(make_lab()).open(), Hardware(make_lab())
    first.start("300")
    first.page.wait_for_function("location.search.includes('check=')")
    second.page.goto(first.page.url)
    expect(second.part("[data-stop]")).to_be_visible()
    second.part("[data-stop]").click()
    first.wait_over()
    second.wait_over()


def test_a_link_to_no_check_says_so(make_lab):
    lab = make_lab()
    hardware = Hardware(lab).open("?check=nobody")
    expect(hardware.part("[data-error]")).to_contain_text("There is no check 'nobody' here")
    # The browser notes every answer 404 on its console.
    lab.errors.clear()


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_nothing_is_wider_than_the_window(make_lab, checked, size):
    hardware = Hardware(make_lab(viewport={"width": size[0], "height": size[1]})).open(f"?check={checked}")
    expect(hardware.part(".hw-recipe")).not_to_be_empty()
    hardware.part("[data-section=datasheet] summary").click()
    widths = hardware.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]


def test_the_endpoint_gives_what_the_command_line_prints(lab):
    client = Client(lab.address, verbose=False)
    found = client.predict(seconds=1, device="cpu", api_name="/check_hardware")
    jsonschema.Draft202012Validator(schema()).validate(found)
    assert found["complete"]
    with pytest.raises(AppError, match="seconds: got 0"):
        client.predict(seconds=0, device="cpu", api_name="/check_hardware")
