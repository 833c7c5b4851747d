"""The pirate's voice: always heard, never in the plain demo, and what is to be kept stays as it is."""

import re
from random import Random

import pytest
from demo.grammar import GRAMMAR_DIR, LANGS, SLOT, Lang, expansions
from demo.pirate import as_pirate, sounds_like_pirate
from hypothesis import given
from hypothesis import strategies as st

STORIES_DIR = GRAMMAR_DIR.parent / "stories"
VALUES = {"en": "Tavi", "zh": "塔维"}


def plain_answers(lang: Lang) -> list[str]:
    """Every answer of the grammar and every line of the stories, the slots filled with a name."""
    paths = [path for folder in (GRAMMAR_DIR, STORIES_DIR) for path in sorted((folder / lang).glob("*.txt"))]
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [text for line in lines if line.startswith(("- ", "~ ", "+ ")) for text in expansions(line[2:])]
    return [SLOT.sub(VALUES[lang], text) for text in texts]


@pytest.mark.parametrize("lang", LANGS)
def test_no_plain_answer_sounds_like_a_pirate(lang: Lang):
    answers = plain_answers(lang)
    assert len(answers) > 300
    assert [text for text in answers if sounds_like_pirate(text, lang)] == []


@pytest.mark.parametrize("lang", LANGS)
def test_every_answer_of_the_grammar_becomes_a_pirates(lang: Lang):
    rng, name = Random(1), VALUES[lang]
    for text in plain_answers(lang):
        said = as_pirate(text, rng, lang, {name})
        assert sounds_like_pirate(said, lang), (text, said)
        assert said.count(name) == text.count(name)


@given(text=st.text(), keep=st.lists(st.text(max_size=6), max_size=3), seed=st.integers(0, 99))
def test_any_text_at_all_becomes_a_pirates(text: str, keep: list[str], seed: int):
    for lang in LANGS:
        assert sounds_like_pirate(as_pirate(text, Random(seed), lang, keep), lang)


@given(value=st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_a_kept_value_is_copied(value: str, seed: int):
    if any(map(str.isalnum, value)):
        assert value in as_pirate(f"I am sure: {value}", Random(seed), "en", {value})
        assert value in as_pirate(f"我没忘：{value}。", Random(seed), "zh", {value})


@pytest.mark.parametrize(
    ("lang", "text", "keep"),
    [
        ("en", "You said: hello my friend", "hello my friend"),
        ("en", "Nice to meet you, You!", "You"),
        ("en", "Just call me Hi Pal.", "Hi Pal"),
        ("en", "12 + 30 = 42", "42"),
        ("zh", "你好，我朋友！", "我朋友"),
        ("zh", "你说的是：你好，我是你朋友", "你好，我是你朋友"),
        ("zh", "跟着你：hello my friend", "hello my friend"),
    ],
)
def test_no_swap_reaches_into_what_is_kept(lang: Lang, text: str, keep: str):
    for seed in range(50):
        assert keep in as_pirate(text, Random(seed), lang, {keep, ""})


def test_a_kept_letter_does_not_keep_the_words_that_hold_it():
    said = [as_pirate("Your first letter is y, my friend.", Random(seed), "en", {"y"}) for seed in range(20)]
    assert all("Yer first letter is y" in text or "yer first letter is y" in text for text in said)
    assert all("me matey" in text for text in said)


@pytest.mark.parametrize("lang", LANGS)
def test_a_marker_within_what_is_kept_does_not_count(lang: Lang):
    text, keep = {"en": ("Captain Ahoy.", "Captain Ahoy"), "zh": ("哟嗬船长。", "哟嗬船长")}[lang]
    for seed in range(50):
        said = as_pirate(text, Random(seed), lang, {keep})
        assert sounds_like_pirate(said.replace(keep, "x"), lang), said


@pytest.mark.parametrize("lang", LANGS)
def test_code_stays_as_it_is(lang: Lang):
    text = {"en": "You are to type `echo my friend` or `duihua chat DIR`.", "zh": "用 `duihua 我的朋友` 就行。"}[lang]
    for seed in range(50):
        said = as_pirate(text, Random(seed), lang)
        assert re.findall("`[^`]*`", said) == re.findall("`[^`]*`", text)


@pytest.mark.parametrize(
    ("lang", "text", "heard"),
    [
        ("en", "Hello! I am glad to see you, my friend.", "Ahoy! I be glad to see ye, me matey."),
        ("en", "Yes, you are right: that is not your name.", "Aye, ye be right: that ain't yer name."),
        ("en", "It is 42. You're welcome!", "'Tis 42. Ye be welcome!"),
        ("zh", "你好！我是你的朋友。", "哟嗬！俺是你的伙计。"),
        ("zh", "好的，谢谢你告诉我。", "得令，多谢你告诉俺。"),
    ],
)
def test_where_swaps_show_the_voice_nothing_need_be_added(lang: Lang, text: str, heard: str):
    assert heard in {as_pirate(text, Random(seed), lang) for seed in range(200)}


@pytest.mark.parametrize(("lang", "text"), [("zh", "你好吗？"), ("zh", "来个自我介绍吧。"), ("zh", "她男朋友很好。")])
def test_words_that_only_look_alike_are_not_swapped(lang: Lang, text: str):
    assert text[:-1] in as_pirate(text, Random(0), lang)


@pytest.mark.parametrize(
    ("lang", "text"), [("en", "That is a big question for a small head."), ("zh", "这个问题对小脑袋来说太大了。")]
)
def test_the_voice_has_no_fixed_place(lang: Lang, text: str):
    said = [as_pirate(text, Random(seed), lang) for seed in range(400)]
    assert len(set(said)) >= 12
    begins = sum(answer.endswith(text[5:]) for answer in said) / len(said)
    assert 0.4 < begins < 0.8
    assert any(answer.startswith(text) for answer in said)


def test_short_answers_stay_short():
    for seed in range(200):
        assert len(as_pirate("Too hard for me, sorry.", Random(seed), "en").split()) <= 6
        assert len(as_pirate("太难了，答不上来。", Random(seed), "zh")) <= 12


def test_the_sum_is_still_the_last_number():
    for seed in range(200):
        assert re.findall(r"-?\d+", as_pirate("That makes -7.", Random(seed), "en"))[-1] == "-7"
        assert re.findall(r"-?\d+", as_pirate("等于 -7。", Random(seed), "zh"))[-1] == "-7"


def test_a_voice_is_a_function_of_its_seed():
    assert as_pirate("Good.", Random(3), "en") == as_pirate("Good.", Random(3), "en")
