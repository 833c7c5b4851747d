"""The grammar: both languages say the same things, and every line can be said."""

from random import Random

import pytest
from demo.grammar import LANGS, SLOT, Lang, choose, expansions, fill, load_grammar
from demo.slots import FACTS, draw

# Slots that a skill fills from what it knows.
GIVEN = {
    "old", "c", "n1", "counted", "word1", "spelled", "first", "final", "left", "right", "solution", "answer", "name",
    "thing", "a_thing",
}  # fmt: skip


def lines_of(lang: Lang) -> list[tuple[str, str]]:
    topics = load_grammar(lang).items()
    return [(name, line) for name, t in topics for line in (*t.users, *t.held, *t.answers, *t.short)]


def test_both_languages_have_the_same_topics():
    assert load_grammar("en").keys() == load_grammar("zh").keys()


@pytest.mark.parametrize("lang", LANGS)
def test_every_slot_can_be_filled(lang: Lang):
    slots = {slot for _, line in lines_of(lang) for slot in SLOT.findall(line)}
    for slot in slots - GIVEN:
        assert draw(slot, Random(1), lang)


@pytest.mark.parametrize("lang", LANGS)
def test_a_quarter_of_every_topics_phrasings_is_held_out(lang: Lang):
    for name, topic in load_grammar(lang).items():
        if name not in ("opener", "closer"):
            assert len(topic.held) >= (len(topic.users) + len(topic.held)) / 4, name


@pytest.mark.parametrize("lang", LANGS)
def test_a_held_out_phrasing_is_never_trained_in_any_topic(lang: Lang):
    topics = [topic for name, topic in load_grammar(lang).items() if name not in ("opener", "closer")]
    trained = {text for topic in topics for line in topic.users for text in expansions(line)}
    held = {text for topic in topics for line in topic.held for text in expansions(line)}
    assert len(held) > 500
    assert not trained & held


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
            for line in (*topic.users, *topic.held):
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
