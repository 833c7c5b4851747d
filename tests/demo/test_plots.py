"""Dialogues: what is remembered is what was told, and nothing of the exams' material is in them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from demo.grammar import LANGS, Lang, expansions, load_grammar
from demo.held import HELD_MAKES, is_held_make, is_held_script
from demo.names import RESERVED, draw_name
from demo.plots import write_dialogue
from demo.scene import Scene, use
from demo.skills.facts import ask, know, tell
from demo.slots import FACTS, draw, draw_thing, string
from demo.split import held_pair, held_phrasing, held_value
from demo.turns import Dialogue, Turn

DIALOGUES = 1500
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dialogues() -> list[Dialogue]:
    return [write_dialogue(Random(f"test/{seed}")) for seed in range(DIALOGUES)]


def turns(dialogues: list[Dialogue]) -> Iterator[Turn]:
    return (turn for dialogue in dialogues for turn in dialogue.turns)


def test_a_dialogue_is_a_function_of_its_seed():
    assert write_dialogue(Random("a")) == write_dialogue(Random("a"))


def test_no_turn_is_empty_and_no_slot_is_left_open(dialogues: list[Dialogue]):
    for turn in turns(dialogues):
        assert turn.user.strip()
        assert turn.answer.strip()
        assert not re.search(r"\{(name|city|colour|a_thing|answer|solution|left|c)\}", turn.answer), turn


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_told_is_the_fact_answered(lang: Lang, fact: str):
    for seed in range(60):
        scene = Scene(Random(seed), lang, held=seed % 2 == 0)
        use(scene, tell(fact))
        told = scene.facts[fact]
        assert told in use(scene, ask(fact)).answer
        assert told in use(scene, know).answer


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_never_told_is_not_made_up(lang: Lang, fact: str):
    answers = load_grammar(lang)[f"untold.{fact}"].answers
    assert all("{" not in line for line in answers)


@pytest.mark.parametrize("lang", LANGS)
def test_values_are_of_training_or_held_out_never_both(lang: Lang):
    rng = Random(4)
    for _ in range(400):
        for fact in ("name", "city", "colour"):
            assert not held_value(fact, draw(fact, rng, lang))
            assert held_value(fact, draw(fact, rng, lang, held=True))
        assert not held_value("thing", draw_thing(rng, lang)[1])
        assert held_value("thing", draw_thing(rng, lang, held=True)[1])
        assert not held_value("name", string(rng, lang))


def test_about_a_third_of_the_values_and_a_fifth_of_the_pairs_are_held_out():
    assert 0.3 < sum(held_value("city", str(n)) for n in range(9000)) / 9000 < 0.37
    pairs = [held_pair(a, b) for a in range(100) for b in range(100)]
    assert 0.18 < sum(pairs) / len(pairs) < 0.22
    assert all(held_pair(a, b) == held_pair(b, a) for a in range(0, 100, 7) for b in range(100))


def test_names_of_held_makes_are_never_drawn():
    rng = Random(5)
    for _ in range(4000):
        name = draw_name(rng, rng.choice(LANGS))
        assert name.casefold() not in RESERVED
        assert not is_held_make(name), name
        assert not any(is_held_script(ord(c)) for c in name)


@pytest.mark.parametrize("name", ["Anastasia", "欧阳修", "Zhang Wei", "O'Neill", "阿依古丽", "R2-D2", "x7_q"])
def test_a_make_is_known_by_its_shape(name: str):
    assert name in HELD_MAKES
    assert is_held_make(name)
    assert all(is_held_make(HELD_MAKES[name](Random(seed))) for seed in range(200))


@pytest.mark.parametrize("name", ["Anna", "小林", "Jean-Luc", "R2", "don't", "阿林", "王小明", "Tom Baker"])
def test_an_ordinary_name_is_of_no_held_make(name: str):
    assert not is_held_make(name)


def test_no_string_of_a_held_make_is_anywhere_in_training(dialogues: list[Dialogue]):
    text = "\n".join(f"{turn.user}\n{turn.answer}" for turn in turns(dialogues))
    words = set(re.findall(r"[\w'’-]+", text))
    rng = Random(6)
    for make in HELD_MAKES.values():
        names = {make(rng) for _ in range(300)}
        assert not {name for name in names if len(name) > 3} & words


def test_held_pairs_are_never_added_in_training(dialogues: list[Dialogue]):
    sums = re.compile(r"(?<!\d)(\d{1,2}) ?[+加] ?(\d{1,2})(?!\d)")
    found = [
        (int(a), int(b))
        for turn in turns(dialogues)
        for a, b in sums.findall(turn.user)
        if re.search(rf"(?<!\d){int(a) + int(b)}(?!\d)", turn.answer)
    ]
    assert len(found) > 50
    assert not [pair for pair in found if held_pair(*pair)]


@pytest.mark.parametrize("lang", LANGS)
def test_what_is_typed_in_training_is_no_wording_that_is_held_out(lang: Lang):
    scene = Scene(Random(8), lang)
    typed: list[str] = []
    for _ in range(200):
        typed += [
            plain_text(scene.line(topic)) for topic in ("weather", "intro", "joke", "able", "thanks", "howareyou")
        ]
    lines = [line for topic in load_grammar(lang).values() for line in topic.users if "[" in line and "{" not in line]
    out = {plain_text(text) for line in lines for text in expansions(line) if held_phrasing(text)}
    assert len(out) > 5_000
    assert not out & set(typed)


def plain_text(line: str) -> str:
    return line.casefold().strip().rstrip(".!?。！？~ ")


def test_what_is_written_does_not_hang_on_the_order_of_sets():
    """Python draws that anew in each process, and the processes of an exam must write the same cases."""
    program = (
        "from random import Random; from demo.exams import write_cases; from demo.plots import write_dialogue\n"
        "print([write_dialogue(Random(f'order {i}')) for i in range(400)])\n"
        "print([(case.exam, case.steps[-1].user, case.tools) for case in write_cases(Random(1), 8)])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout) > 100_000
