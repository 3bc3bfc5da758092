"""What the page looks like: one screen, a phone, the dark, the keyboard."""

from itertools import pairwise

from browser_lab import SHORT
from playwright.sync_api import expect


def _overflow(lab) -> tuple[int, int]:
    """By how many pixels the page is wider and higher than the window."""
    return tuple(
        lab.page.evaluate(
            "[document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
        )
    )


def test_everything_is_on_one_screen(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    assert _overflow(lab) == (0, 0)
    for panel in ("loss", "scale", "memory", "bits"):
        box = lab.page.locator(f"[data-panel={panel}]").bounding_box()
        assert box["y"] + box["height"] <= 900
        assert box["height"] > 250
    assert lab.page.locator(".happened").bounding_box()["y"] < 800
    # Weight, compute copy and gradient of all four lanes are seen without scrolling.
    body = lab.page.locator(".bits-body").bounding_box()
    row = lab.page.locator(".bits-table tbody").nth(2).locator("tr").last.bounding_box()
    assert row["y"] + row["height"] <= body["y"] + body["height"]


def test_a_phone_shows_the_panels_below_one_another(make_lab):
    lab = make_lab(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    lab.open(SHORT)
    expect(lab.page.locator(".sidebar.open")).to_have_count(0)
    lab.page.locator("[data-run]").tap()
    lab.wait_for_words("finished")
    assert _overflow(lab)[0] == 0
    tops = [
        lab.page.locator(f"[data-panel={panel}]").bounding_box()["y"] for panel in ("loss", "scale", "memory", "bits")
    ]
    assert tops == sorted(tops)
    assert len(set(tops)) == 4
    lab.page.get_by_label("Toggle Sidebar").click()
    expect(lab.page.locator(".sidebar.open")).to_have_count(1)
    lab.page.wait_for_timeout(400)
    assert _overflow(lab)[0] == 0
    lab.page.get_by_label("Toggle Sidebar").click()
    expect(lab.page.locator(".sidebar.open")).to_have_count(0)


def test_the_dark_theme_is_kept_and_reaches_the_plots(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    colours = """[
        getComputedStyle(document.querySelector('.panel')).backgroundColor,
        document.querySelector('.plot').layout.font.color,
    ]"""
    light = lab.page.evaluate(colours)
    lab.page.locator("[data-theme]").click()
    lab.page.wait_for_function("dark => document.querySelector('.plot').layout.font.color !== dark", arg=light[1])
    dark = lab.page.evaluate(colours)
    assert dark[0] != light[0]
    lab.page.reload()
    lab.page.wait_for_function("document.body.classList.contains('dark')")


def test_the_system_s_dark_theme_is_followed(make_lab):
    lab = make_lab(color_scheme="dark").open()
    assert lab.page.evaluate("document.body.classList.contains('dark')")


def test_a_lane_can_be_hidden_in_every_panel(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    lab.page.locator(".lane").nth(1).click()
    shown = lab.page.evaluate("document.querySelector('[data-panel=loss] .plot').data.map((trace) => trace.visible)")
    assert shown[3:6] == [False, False, False]
    assert shown[0]
    assert lab.page.locator(".bits-table td.bits-lane:visible").count() == 15


def test_the_bits_can_be_followed_back(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    last = lab.page.locator("[data-sample-step]").inner_text()
    value = lab.page.locator(".bits-value").first.inner_text()
    lab.page.get_by_label("The sample before").click()
    assert lab.page.locator("[data-sample-step]").inner_text() != last
    assert lab.page.locator(".bits-value").first.inner_text() != value
    lab.page.get_by_role("button", name="live").click()
    assert lab.page.locator("[data-sample-step]").inner_text() == last


def test_a_panel_can_be_enlarged_and_put_back_by_keyboard(lab):
    lab.open()
    button = lab.page.get_by_label("Enlarge the loss plot")
    button.focus()
    lab.page.keyboard.press("Enter")
    expect(lab.page.locator("[data-panel=scale]")).to_be_hidden()
    lab.page.keyboard.press("Escape")
    expect(lab.page.locator("[data-panel=scale]")).to_be_visible()


def test_plots_are_told_in_words(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    assert "FP32: loss" in lab.page.locator("#loss-words").text_content()
    assert "steps skipped" in lab.page.locator("#scale-words").text_content()
    assert "peak" in lab.page.locator("#memory-words").text_content()
    assert "compute" in lab.page.locator("#bits-words").text_content()


def test_smoothing_and_the_axis_change_what_is_drawn(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    lab.page.get_by_role("button", name="log", exact=True).click()
    assert lab.page.evaluate("document.querySelector('.plot').layout.yaxis.type") == "log"
    lab.page.locator("[data-smoothing]").fill("0.9")
    raw, smooth = lab.page.evaluate("document.querySelector('.plot').data.slice(0, 2).map((trace) => [...trace.y])")
    spread = [sum(abs(b - a) for a, b in pairwise(line)) for line in (raw, smooth)]
    assert len(raw) == len(smooth) == 30
    assert spread[1] < spread[0]


def test_the_chip_says_what_the_session_runs_on(lab):
    lab.open()
    lab.page.locator(".chip").click()
    details = lab.page.locator(".chip-details")
    for word in ("Device", "PyTorch", "Memory free", "FP16", "BF16"):
        expect(details).to_contain_text(word)


def test_a_plot_is_saved_as_a_picture(lab):
    lab.open(SHORT).run()
    lab.wait_for_words("finished")
    for words, start in (("Loss, SVG", b"<svg"), ("Memory, PNG", b"\x89PNG")):
        lab.page.locator("summary", has_text="export").click()
        with lab.page.expect_download() as download:
            lab.page.get_by_role("button", name=words).click()
        with open(download.value.path(), "rb") as file:
            assert file.read(len(start)) == start
