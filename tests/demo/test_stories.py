"""Stories: whole, of the right length, about whom and what was asked, and never the same twice."""

import re
from itertools import combinations
from random import Random

import pytest
from demo.grammar import LANGS, Lang, load_grammar
from demo.names import is_fit
from demo.stories import BOUNDS, load_rules, size, write_story

SUBJECTS: dict[Lang, tuple[str, ...]] = {
    "en": (
        "dragon",
        "an old lamp",
        "dragons",
        "my cat",
        "a rabbit and the moon",
        "the sea",
        "a blorp",
        "Mars",
        "an ox",
    ),
    "zh": ("会飞的鱼", "一盏旧灯", "龙", "小兔子和月亮", "一只猫", "我的猫", "布噜布噜", "一位老爷爷", "Mars"),
}
SEEDS = range(300)
BEFORE_VOWEL = re.compile(r"\ba (?=[aeiou])(?!one|uni|use|eu)|\ban (?![aeiouh])", re.IGNORECASE)


def sentences(story: str) -> list[str]:
    return re.split(r"(?<=[.!?。！？])[\"”]?\s*", story)


def grams(story: str, lang: Lang) -> set[tuple[str, ...]]:
    units = story.split() if lang == "en" else list(story)
    return {tuple(units[i : i + 8]) for i in range(len(units) - 7)}


@pytest.mark.parametrize("lang", LANGS)
def test_a_story_has_the_length_that_the_model_learns(lang: Lang):
    low, high = BOUNDS[lang]
    for seed in SEEDS:
        assert low <= size(write_story(Random(seed), lang), lang) <= high


@pytest.mark.parametrize("lang", LANGS)
def test_a_story_is_cleanly_written(lang: Lang):
    for seed in SEEDS:
        rng = Random(f"clean {seed}")
        story = write_story(rng, lang, subject=rng.choice([None, *SUBJECTS[lang]]), hero=rng.choice([None, "Sofia"]))
        assert not re.search(r"[{}\[\]|;=]|//|  |\n\n|^\s|\s$| [,.!?]|，，|。。|[，。] ", story), story
        assert not re.search(r"\b(\w+) \1\b", story.replace("had had", "had")) or lang == "zh", story
        assert not BEFORE_VOWEL.search(story), story
        assert not re.search(r"[a-z][.!?] [a-z]", story) or lang == "zh", story
        assert story.count('"') % 2 == 0, story
        assert story.count("“") == story.count("”"), story
        assert 1 <= len(story.split("\n")) <= 4, story


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("hero", [None, "Sofia", "阿里"])
def test_a_subject_comes_early_and_stays(lang: Lang, hero: str | None):
    low, high = BOUNDS[lang]
    for seed in range(60):
        for subject in SUBJECTS[lang]:
            story = write_story(Random(seed), lang, subject=subject, hero=hero)
            assert subject.casefold() in " ".join(sentences(story)[:2]).casefold(), story
            core = subject.casefold().removeprefix("an ").removeprefix("a ").removeprefix("一盏").removeprefix("一只")
            assert core.removeprefix("一位") in story[len(story) * 2 // 3 :].casefold(), story
            assert low <= size(story, lang) <= high * 1.2


@pytest.mark.parametrize("lang", LANGS)
def test_a_person_named_is_the_hero(lang: Lang):
    for seed in range(100):
        story = write_story(Random(seed), lang, hero="Sofia")
        assert "Sofia" in sentences(story)[0]
        assert story.count("Sofia") >= 3
        assert not re.search(r"\bthey was\b", story, re.IGNORECASE)


@pytest.mark.parametrize("lang", LANGS)
def test_no_two_stories_are_alike(lang: Lang):
    stories = [write_story(Random(seed), lang) for seed in SEEDS]
    assert len(set(stories)) == len(stories)
    parts = [grams(story, lang) for story in stories[:120]]
    shares = [len(one & two) / min(len(one), len(two)) for one, two in combinations(parts, 2)]
    assert sum(shares) / len(shares) < 0.1


@pytest.mark.parametrize("lang", LANGS)
def test_a_story_is_a_function_of_its_seed(lang: Lang):
    assert write_story(Random("a"), lang, subject="x") == write_story(Random("a"), lang, subject="x")


@pytest.mark.parametrize("lang", LANGS)
def test_there_is_enough_to_tell(lang: Lang):
    common, plots = load_rules(lang)
    assert len(plots) >= 10
    assert len(common.lines["kinds"]) >= 30
    assert len(common.lines["places"]) >= 20
    for name, rules in plots.items():
        thin = {section for section, lines in rules.lines.items() if len(lines) < 4 and section != "skeleton"}
        assert not thin, (name, thin)


@pytest.mark.parametrize("lang", LANGS)
def test_no_figure_has_a_name_that_is_kept_out_of_training(lang: Lang):
    common, _ = load_rules(lang)
    for section in ("names", "names_she", "names_he"):
        assert all(is_fit(name) for line in common.lines.get(section, []) for name in line.split())


@pytest.mark.parametrize("lang", LANGS)
def test_stories_are_asked_for_in_many_ways(lang: Lang):
    topics = load_grammar(lang)
    fewest = {"story": 40, "story.about": 40, "story.me": 16, "story.more": 16}
    for section, count in fewest.items():
        assert len(topics[section].users) + len(topics[section].far) >= count
    assert all("{subject}" in line for line in (*topics["story.about"].users, *topics["story.about"].far))
    assert len(topics["story.head"].answers) >= 10
