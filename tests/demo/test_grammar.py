"""The grammar: both languages say the same things, and every line can be said."""

from random import Random

import pytest
from demo.grammar import LANGS, SLOT, Lang, choose, expansions, fill, load_grammar, wording
from demo.slots import FACTS, draw
from demo.split import held_phrasing

FRAGMENTS = ("opener", "closer")
# Slots that a skill fills from what it knows.
GIVEN = {
    "old", "c", "n1", "counted", "word1", "spelled", "first", "final", "left", "right", "solution", "answer", "name",
    "thing", "a_thing",
}  # fmt: skip
PICTURED = ("see.", "sight.")  # sections about pictures: their slots are filled from what is in one


def lines_of(lang: Lang) -> list[tuple[str, str]]:
    topics = load_grammar(lang).items()
    return [(name, line) for name, t in topics for line in (*t.users, *t.far, *t.answers, *t.short)]


def test_both_languages_have_the_same_topics():
    assert load_grammar("en").keys() == load_grammar("zh").keys()


@pytest.mark.parametrize("lang", LANGS)
def test_every_slot_can_be_filled(lang: Lang):
    lines = [line for name, line in lines_of(lang) if not name.startswith(PICTURED)]
    slots = {slot for line in lines for slot in SLOT.findall(line)}
    for slot in slots - GIVEN:
        assert draw(slot, Random(1), lang)


@pytest.mark.parametrize("lang", LANGS)
def test_a_quarter_of_the_wordings_is_held_out(lang: Lang):
    lines = [line for topic in load_grammar(lang).values() for line in topic.users if "[" in line]
    texts = {text for line in lines for text in expansions(line)}
    assert len(texts) > 30_000
    assert 0.24 < sum(map(held_phrasing, texts)) / len(texts) < 0.26


@pytest.mark.parametrize("lang", LANGS)
def test_hardly_any_line_has_one_wording_alone(lang: Lang):
    lines = [line for name, topic in load_grammar(lang).items() if name not in FRAGMENTS for line in topic.users]
    assert sum("[" not in line for line in lines) / len(lines) < 0.2


@pytest.mark.parametrize("lang", LANGS)
def test_about_one_line_in_twelve_is_held_out_in_every_wording(lang: Lang):
    topics = load_grammar(lang).values()
    far, trained = (sum(len(lines) for lines in side) for side in zip(*((t.far, t.users) for t in topics), strict=True))
    assert 0.06 < far / (far + trained) < 0.1


def test_a_wording_is_of_training_or_held_out_never_both():
    for seed in range(300):
        line = "[Say|Tell me|Repeat|Write]: [this|that|it]"
        trained, held = (wording(line, Random(seed), held=side) for side in (False, True))
        assert trained is not None
        assert not held_phrasing(trained)
        assert held is not None
        assert held_phrasing(held)
    assert wording("{a}+{b}", Random(1), held=False) == "{a}+{b}"
    assert wording("{a}+{b}", Random(1), held=True) is None


def test_punctuation_and_case_make_no_other_wording():
    assert all(
        held_phrasing(text) == held_phrasing(f"{text.lower()}?!") for text in ("Hello", "My name is {name}", "你好")
    )


@pytest.mark.parametrize("lang", LANGS)
def test_brackets_balance_and_nothing_is_left_of_them(lang: Lang):
    for name, line in lines_of(lang):
        said = choose(line, Random(3))
        assert not set("[]|") & set(said), (name, line)


@pytest.mark.parametrize("lang", LANGS)
def test_what_a_phrasing_says_about_the_user_is_said_where_it_is_remembered(lang: Lang):
    remembers = ("tell.", "update.", "bare.", "system.user")
    for name, topic in load_grammar(lang).items():
        if not name.startswith(remembers):
            for line in (*topic.users, *topic.far):
                assert not {*FACTS, "a_thing"} & set(SLOT.findall(line)), (name, line)


def test_chinese_lines_are_chinese():
    for name, line in lines_of("zh"):
        words = "".join(c for c in SLOT.sub("", line) if c.isalpha())
        slang = len(words) <= 4  # 3q, xswl
        assert slang or not words.isascii() or name.startswith(("system", "translate", "load")), (name, line)


def test_a_choice_takes_one_of_each_bracket():
    assert {choose("[a|b[c|]]", Random(seed)) for seed in range(40)} == {"a", "b", "bc"}
    assert sorted(expansions("x[a|]y[b|c]")) == ["xayb", "xayc", "xyb", "xyc"]


def test_latin_names_are_spaced_in_chinese():
    assert fill("你叫{name}。", lambda _: "Anna", spaced=True) == "你叫 Anna。"
    assert fill("你叫{name}呀", lambda _: "小林", spaced=True) == "你叫小林呀"
