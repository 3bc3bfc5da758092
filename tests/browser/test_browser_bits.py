"""The Bits page as a person uses it."""

import re

import pytest
from playwright.sync_api import expect


class Bits:
    """The page, and its parts by what they are called."""

    def __init__(self, lab):
        self.page, self.address = lab.page, lab.address + "bits"

    def open(self, query=""):
        self.page.goto(self.address + query)
        expect(self.row("fp16").locator(".bits-value")).not_to_have_text("")
        return self

    @property
    def number(self):
        return self.page.get_by_label("Number", exact=True)

    @property
    def error(self):
        return self.page.locator("#bits-error")

    def row(self, name):
        return self.page.locator(f".bits-row[data-format={name}]")

    def value(self, name):
        return self.row(name).locator(".bits-value")

    def pattern(self, name):
        return "".join(self.row(name).locator(".bit").all_inner_texts())


@pytest.fixture
def bits(lab):
    return Bits(lab)


def test_typing_shows_the_number_in_every_format_and_asks_the_server_nothing(bits):
    bits.open()
    asked = []
    bits.page.on("request", lambda request: "healthz" in request.url or asked.append(request.url))
    bits.number.fill("0.01024")
    expect(bits.value("fp16")).to_have_text("0.01023865")
    assert bits.pattern("fp16") == "0010000100111110"
    expect(bits.page.locator(".bits-detail")).to_contain_text("0.01023864746093")
    bits.number.fill("0.00001")
    expect(bits.row("fp16").locator(".bits-kind")).to_have_text("subnormal")
    expect(bits.page.locator(".bits-detail")).to_contain_text("2^-25")
    bits.number.fill("0.0001")
    expect(bits.row("fp16").locator(".bits-kind")).to_have_text("normal")
    bits.page.get_by_label("Rounding").select_option("toward-positive")
    expect(bits.value("e2m1")).to_have_text("0.5")
    assert asked == []


def test_a_bit_can_be_toggled_by_mouse_and_by_keyboard(bits):
    bits.open("?v=1")
    switch = bits.row("fp16").get_by_role("switch", name="bit 0, mantissa")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(bits.number).to_have_value("1.0009765625")
    bits.row("bf16").get_by_role("switch", name="bit 15, sign").focus()
    bits.page.keyboard.press("Space")
    expect(bits.value("bf16")).to_have_text("−1")
    bits.page.keyboard.press("ArrowRight")
    expect(bits.row("bf16").get_by_role("switch", name="bit 14, exponent")).to_be_focused()


def test_arrows_move_by_one_ulp_and_shift_by_one_exponent(bits):
    bits.open("?v=1")
    bits.number.focus()
    bits.page.keyboard.press("ArrowUp")
    expect(bits.number).to_have_value("1.0009765625")
    bits.page.keyboard.press("ArrowDown")
    bits.page.keyboard.press("ArrowDown")
    expect(bits.number).to_have_value("0.99951171875")
    bits.page.keyboard.press("Shift+ArrowUp")
    expect(bits.number).to_have_value("1.9990234375")
    bits.row("e2m1").get_by_role("button", name="FP4 E2M1: the value below").click()
    expect(bits.number).to_have_value("1.5")


@pytest.mark.parametrize(
    ("text", "words"), [("12e", "12e"), ("", "takes a decimal"), ("0x1FFFF", "16 bits"), ("<b>1</b>", "<b>1</b>")]
)
def test_bad_input_is_a_sentence_beside_the_field_and_the_last_state_stays(bits, text, words):
    bits.open("?v=448")
    bits.number.fill(text)
    expect(bits.error).to_contain_text(words)
    expect(bits.value("e4m3fn")).to_have_text("448")
    expect(bits.number).to_have_attribute("aria-invalid", "true")
    bits.number.fill("2")
    expect(bits.error).to_be_hidden()


def test_the_address_is_always_a_link_that_restores_the_page(bits):
    bits.open()
    bits.number.fill("1e-8")
    bits.page.get_by_role("button", name="FP64", exact=True).click()
    bits.page.get_by_label("Overflow").select_option("saturate")
    bits.page.locator("[data-scale]").fill("12")
    bits.page.wait_for_function("location.search.includes('k=12')")
    address = bits.page.url
    bits.page.goto("about:blank")
    bits.page.goto(address)
    expect(bits.number).to_have_value("1e-8")
    expect(bits.row("fp64")).to_be_visible()
    expect(bits.page.get_by_label("Overflow")).to_have_value("saturate")
    bits.page.locator("[data-section=scale]").scroll_into_view_if_needed()
    expect(bits.page.locator("[data-scale]")).to_have_value("12")
    expect(bits.page.locator("[data-section=scale]")).to_contain_text("comes back as")


def test_scaling_tells_the_story_of_one_number(bits):
    bits.open("?v=1e-8")
    story = bits.page.locator("[data-section=scale]")
    story.scroll_into_view_if_needed()
    expect(story).to_contain_text("becomes 0")
    story.locator("[data-scale]").fill("16")
    expect(story).to_contain_text("comes back as 9.99717e−9")
    bits.number.fill("1")
    expect(story).to_contain_text("overflow")


def test_code_and_exact_value_can_be_copied(make_lab):
    lab = make_lab(permissions=["clipboard-read", "clipboard-write"])
    bits = Bits(lab).open("?v=0.01024")
    for name, text in (("Copy the code", "0x213E"), ("Copy the exact value", "0.01023864746093750")):
        bits.page.get_by_role("button", name=name).click()
        expect(bits.page.get_by_role("button", name=name)).to_have_attribute("data-said", "copied")
        copied = bits.page.evaluate("navigator.clipboard.readText()")
        assert copied.rstrip("0") == text.rstrip("0")


def test_a_link_that_makes_no_sense_opens_the_page_all_the_same(bits):
    bits.open("?v=what&f=fp99,fp16&k=9999&t=%7B&l=7")
    expect(bits.error).to_contain_text("what")
    expect(bits.value("fp16")).to_have_text("0.09997559")
    bits.number.fill("3")
    expect(bits.value("fp16")).to_have_text("3")


def test_where_casts_disagree_can_be_tried(bits):
    bits.open()
    section = bits.page.locator("[data-section=casts]")
    section.locator("summary").press("Enter")
    row = section.locator("tbody tr").filter(has_text="saturates").first
    row.get_by_role("button").click()
    expect(bits.value("e4m3fn")).to_have_text("NaN")


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_nothing_is_wider_than_the_window(make_lab, size):
    bits = Bits(make_lab(viewport={"width": size[0], "height": size[1]})).open("?f=fp64,fp32,fp16,e2m1")
    for section in bits.page.locator("[data-section]").all():
        section.scroll_into_view_if_needed()
    widths = bits.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]


def test_the_page_does_not_load_plotly(bits):
    asked = []
    bits.page.on("request", lambda request: asked.append(request.url))
    bits.open()
    assert not [address for address in asked if re.search("plotly", address)]
