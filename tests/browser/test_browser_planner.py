"""The Planner page as a person uses it."""

import json
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import expect

SECONDS = 60_000
"""The planner's process starts, in milliseconds."""


class Planner:
    """The page, and its parts by what they are called."""

    def __init__(self, lab):
        self.page, self.address = lab.page, lab.address + "planner"

    def open(self, query=""):
        self.page.goto(self.address + query)
        expect(self.page.locator("[data-chip]").first).to_be_visible()
        return self

    def total(self, recipe):
        return self.page.locator(f".plan-row[data-recipe={recipe}] .plan-total.tabular")

    def field(self, name):
        return self.page.locator(f".planner [data-field={name}]")

    @property
    def error(self):
        return self.page.locator(".plan-error")


@pytest.fixture
def planner(lab):
    return Planner(lab)


def test_a_plan_shows_bars_verdicts_and_formulas_and_its_link_restores_it(planner, make_lab):
    planner.open("?m=gpt2&r=fp32,bf16-amp&s=64")
    expect(planner.total("bf16-amp")).to_be_visible(timeout=SECONDS)
    expect(planner.page.locator("[data-title]")).to_contain_text("124,439,808 parameters")
    assert planner.page.locator(".plan-row").count() == 2
    expect(planner.page.locator(".plan-fits tbody tr").first.locator("[data-verdict=fits]").first).to_be_visible()
    planner.page.locator(".plan-row[data-recipe=fp32] summary").click()
    expect(planner.page.locator(".plan-row[data-recipe=fp32] .plan-formulas")).to_contain_text("497,759,232 B")
    planner.field("optimizer").select_option("sgd")
    expect(planner.page.locator(".plan-row[data-recipe=fp32] .plan-track [data-part=optimizer]")).to_have_count(0)
    expect(planner.total("bf16-amp")).to_be_visible(timeout=SECONDS)
    total = planner.total("fp32").inner_text()
    other = Planner(make_lab()).open(planner.page.url.removeprefix(planner.address))
    expect(other.total("fp32")).to_have_text(total, timeout=SECONDS)
    expect(other.field("optimizer")).to_have_value("sgd")


def test_bad_input_is_a_sentence_and_goes_when_it_is_mended(planner):
    planner.open("?m=mlp&r=fp32&g=0")
    expect(planner.error).to_have_text("gpus: got 0, but takes a whole number from 1 to 65,536.", timeout=SECONDS)
    planner.field("gpus").fill("1")
    expect(planner.total("fp32")).to_be_visible(timeout=SECONDS)
    expect(planner.error).to_have_text("")


def test_a_config_can_be_pasted_and_the_plan_saved(planner, tmp_path):
    planner.open("?m=config&r=fp32")
    box = planner.field("config")
    box.fill("{")
    expect(planner.error).to_contain_text("config: got '{'", timeout=SECONDS)
    box.fill(json.dumps({"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 2, "vocab_size": 300,
                         "bos_token_id": 0, "eos_token_id": 0}))  # fmt: skip
    expect(planner.total("fp32")).to_be_visible(timeout=SECONDS)
    with planner.page.expect_download() as saved:
        planner.page.locator(".planner [data-json]").click()
    saved.value.save_as(tmp_path / "plan.json")
    found = json.loads(Path(tmp_path / "plan.json").read_text())
    assert found["parameters"] == 300 * 64 + 1024 * 64 + 2 * (12 * 64 * 64 + 13 * 64) + 2 * 64
    assert found["recipes"]["fp32"]["gradients"] == 4 * found["parameters"]


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_nothing_is_wider_than_the_window(make_lab, size):
    lab = make_lab(viewport={"width": size[0], "height": size[1]})
    planner = Planner(lab).open("?m=mlp&r=fp32,bf16-pure-stochastic")
    expect(planner.total("bf16-pure-stochastic")).to_be_visible(timeout=SECONDS)
    assert planner.page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_the_endpoint_answers_what_the_command_prints(server):
    found = Client(server.address, verbose=False).predict("mlp", None, ["fp32"], 4, api_name="/plan_memory")
    assert found["parameters"] == 26_122
    assert found["recipes"]["fp32"]["optimizer"] == 209_000
