"""What the Planner page computes by itself: links, requests, verdicts, where lines stand."""

import itertools

from explorer import recipes
from explorer.planner.cards import TIGHT_SHARE, cards, verdict
from explorer.planner.request import ATTENTIONS, OPTIMIZERS, SHARDINGS, model_names, parse_request

KNOWN = {"models": list(model_names()), "recipes": list(recipes.names()), "optimizers": list(OPTIMIZERS),
         "shardings": list(SHARDINGS), "attentions": list(ATTENTIONS)}  # fmt: skip
SCRIPT = """async ([body, given]) => {
    const load = (name) => import(new URL(`static-files/planner/${name}.js`, document.baseURI));
    const [state, bars, fits] = await Promise.all(['state', 'bars', 'fits'].map(load));
    return new Function('m', 'given', body)({state, bars, fits}, given);
}"""


def run(page, body, **given):
    return page.evaluate(SCRIPT, [body, {"known": KNOWN, **given}])


def test_every_preset_is_a_request_that_the_planner_takes(calculator):
    asked = run(
        calculator,
        "return m.state.PRESETS.map(([, preset]) => m.state.request({...m.state.DEFAULTS, ...preset}, 'fp32'))",
    )
    assert len(asked) >= 5
    for each in asked:
        assert parse_request(each).recipes == ("fp32",)


def test_every_preset_s_link_restores_it(calculator):
    pairs = run(
        calculator,
        """return m.state.PRESETS.map(([, preset]) => {
            const state = {...m.state.DEFAULTS, ...preset};
            return [state, m.state.readLink(new URLSearchParams(m.state.writeLink(state)), given.known)];
        })""",
    )
    for state, restored in pairs:
        assert restored == state


def test_a_pasted_config_is_in_the_link_and_nowhere_else(calculator):
    text = '{"model_type": "gpt2", "n_layer": 2}'
    link = run(
        calculator,
        "return m.state.writeLink({...m.state.DEFAULTS, model: 'config', config: given.text, hub: 'left/over'})",
        text=text,
    )
    assert "left" not in link
    restored = run(
        calculator, "return m.state.readLink(new URLSearchParams(given.link), given.known).config", link=link
    )
    assert restored == text


def test_nonsense_in_a_link_is_left_at_its_default(calculator):
    state = run(
        calculator,
        "return m.state.readLink(new URLSearchParams('?m=evil&o=x&sh=y&a=z&r=nope,fp32&c=7'), given.known)",
    )
    default = run(calculator, "return m.state.DEFAULTS")
    assert state == {**default, "recipes": ["fp32"]}


def test_numbers_are_read_as_people_write_them(calculator):
    texts = ["8", " 2,048 ", "", "-1", "eight", "1.5"]
    assert run(calculator, "return given.texts.map(m.state.number)", texts=texts) == [8, 2048, None, -1, "eight", "1.5"]


def test_the_page_s_verdicts_are_the_library_s(calculator):
    memory = 80 * 2**30
    totals = [0, int(TIGHT_SHARE * memory), int(TIGHT_SHARE * memory) + 1, memory, memory + 1]
    said = run(
        calculator,
        "return given.totals.map((total) => m.fits.verdict(total, given.memory, given.tight))",
        totals=totals, memory=memory, tight=TIGHT_SHARE,
    )  # fmt: skip
    assert said == [verdict(total, memory).replace("does not fit", "does not") for total in totals]


def test_lines_of_cards_keep_their_labels_apart(calculator):
    found = run(calculator, "return m.bars.lines(given.cards, 200 * 2 ** 30)", cards=cards())
    assert [line["memory"] for line in found] == [card["memory"] for card in cards() if card["memory"] <= 200 * 2**30]
    labelled = [line["at"] for line in found if line["labelled"]]
    assert all(after - before >= 0.05 for before, after in itertools.pairwise(labelled))
    assert len(labelled) >= 4


def test_a_bar_reaches_as_far_as_its_parts_or_its_peak(calculator):
    parts = {"weights": 3, "gradients": 4, "total": 5}
    assert run(calculator, "return m.bars.reach(given.parts)", parts=parts) == 7
    assert run(calculator, "return m.bars.reach(given.parts)", parts={**parts, "total": 9}) == 9
