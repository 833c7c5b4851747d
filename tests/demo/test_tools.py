"""Dialogues with tools: every kind can be asked for, called, read back and missed."""

import json
import re
from random import Random
from typing import Any

import pytest
from demo.grammar import LANGS, Lang, unopened
from demo.scene import Scene
from demo.split import held_value
from demo.tools import Bench, ToolTurn, asking, at_once, draw_bench, failing, in_a_row, judge, one, read_call, unfit
from demo.tools.bench import LONGEST, Tool, offer
from demo.tools.kinds import CHINESE, Kind, load_kinds
from demo.tools.procedural import draw_kind
from demo.tools.values import draw_value
from demo.turns import Call, Turn

SKILLS = (one, in_a_row, at_once, failing, unfit)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
}  # fmt: skip
KINDS = tuple(load_kinds())


def scene_of(seed: object, lang: Lang, held: bool = False) -> Scene:
    return Scene(Random(str(seed)), lang, held=held)


def drawn(seed: object, lang: Lang, held: bool = False) -> tuple[Bench, list[ToolTurn]]:
    scene = scene_of(seed, lang, held)
    bench = draw_bench(scene.rng, lang, held=held)
    return bench, [*(skill(scene, bench) for skill in SKILLS), *asking(scene, bench)]


def calls_of(turn: Turn) -> list[Call]:
    return [call for made in turn.rounds for call in made.calls]


def check_call(call: Call, bench: Bench) -> None:
    (schema,) = (schema for schema in bench.schemas if schema["name"] == call.name)
    parameters = schema["parameters"]
    assert set(parameters["required"]) <= call.arguments.keys() <= parameters["properties"].keys()
    assert list(call.arguments) == [name for name in parameters["properties"] if name in call.arguments]
    for name, value in call.arguments.items():
        check_value(value, parameters["properties"][name])


def check_value(value: Any, row: dict[str, Any]) -> None:
    assert isinstance(value, TYPES[row["type"]])
    assert (row["type"] == "boolean") == isinstance(value, bool)
    assert value in row.get("enum", [value])
    if row["type"] == "array":
        assert all(isinstance(item, str) for item in value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lang", LANGS)
def test_every_kind_serves_every_skill(kind: str, lang: Lang):
    for held in (False, True):
        scene = scene_of(kind, lang, held)
        bench = Bench((offer(load_kinds()[kind], scene.rng, lang, held=held),))
        for skill in SKILLS:
            assert skill(scene, bench).turn.answer
        for call in calls_of(one(scene, bench).turn):
            check_call(call, bench)
        if bench.tools[0].partial(lang, held=held):
            question, reply = asking(scene, bench)
            assert not question.turn.rounds
            assert len(calls_of(reply.turn)) == 1


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("held", [False, True])
def test_calls_satisfy_their_schemas_and_answers_hold_what_is_wanted(lang: Lang, held: bool):
    for seed in range(120):
        bench, turns = drawn(seed, lang, held)
        for shown in turns:
            for call in calls_of(shown.turn):
                check_call(call, bench)
                assert read_call(str(call)) == call
            assert all(text in shown.turn.answer for text in shown.wanted)
            rounds = [made.calls for made in shown.turn.rounds]
            assert judge(shown, rounds, shown.turn.answer)
            assert not judge(shown, [*rounds, (Call("other", {}),)], shown.turn.answer)


@pytest.mark.parametrize("lang", LANGS)
def test_schemas_are_valid_and_short(lang: Lang):
    for seed in range(200):
        schemas = drawn(seed, lang)[0].schemas
        assert 1 <= len(schemas) <= 4
        assert len({schema["name"] for schema in schemas}) == len(schemas)
        assert sum(len(json.dumps(schema, ensure_ascii=False)) for schema in schemas) <= LONGEST
        for schema in schemas:
            assert NAME.fullmatch(schema["name"])
            assert schema["description"]
            assert schema["parameters"]["type"] == "object"
            assert {row["type"] for row in schema["parameters"]["properties"].values()} <= TYPES.keys()


@pytest.mark.parametrize("lang", LANGS)
def test_strings_and_numbers_are_copied_from_the_user(lang: Lang):
    for seed in range(150):
        bench, _ = drawn(seed, lang)
        scene = scene_of(seed, lang)
        turn = one(scene, bench).turn
        (call,) = calls_of(turn)
        (tool,) = (tool for tool in bench.tools if tool.schema["name"] == call.name)
        assert all(text in turn.user for text in spoken(tool, call))


def spoken(tool: Tool, call: Call) -> list[str]:
    """The arguments that stand in the user's line as they are."""
    properties = tool.schema["parameters"]["properties"]
    plain = {name: value for name, value in call.arguments.items() if "enum" not in properties[name]}
    items = [item for value in plain.values() for item in (value if isinstance(value, list) else [value])]
    return [str(item) for item in items if not isinstance(item, bool)]


@pytest.mark.parametrize("lang", LANGS)
def test_what_is_missing_from_the_bench_is_missing(lang: Lang):
    for seed in range(100):
        scene = scene_of(seed, lang)
        bench = draw_bench(scene.rng, lang)
        shown = unfit(scene, bench)
        assert not shown.turn.rounds
        assert len({tool.kind.id for tool in bench.tools}) == len(bench.tools)


def test_a_tool_that_covers_a_kind_serves_it():
    python, sums = load_kinds()["python"], load_kinds()["calculator"]
    bench = Bench((offer(python, Random(1), "en", held=False),))
    assert bench.serves(python)
    assert bench.serves(sums)
    assert not bench.serves(load_kinds()["weather"])


@pytest.mark.parametrize("kind", KINDS)
def test_held_lines_and_names_are_never_trained(kind: str):
    found = load_kinds()[kind]
    splits = [found.names]
    for lang in LANGS:
        wording = found.wording[lang]
        splits += [wording.asks, wording.partial, wording.twice, wording.chains]
        assert len(wording.asks.trained) + len(wording.asks.held) >= 12
    assert all(set(split.trained).isdisjoint(split.held) for split in splits)
    assert found.names.held
    assert len(found.names.trained) >= 3


@pytest.mark.parametrize("draws", ["text", "title", "phone", "pool dish", "int 1 90", "pool currency", "time", "sum"])
def test_held_values_are_never_trained(draws: str):
    make = draws.split()[0]
    for held in (False, True):
        rng = Random(3)
        assert all(
            held_value(f"tool {make}", draw_value(draws, rng, lang, held=held).text) == held
            for lang in LANGS for _ in range(30)
        )  # fmt: skip


@pytest.mark.parametrize("lang", LANGS)
def test_made_up_kinds_of_training_and_of_the_exams_have_no_name_in_common(lang: Lang):
    def names(held: bool) -> set[str]:
        rng = Random(5)
        return {name for _ in range(800) for name in draw_kind(rng, lang, held=held).names.trained}

    assert names(held=False).isdisjoint(names(held=True))


@pytest.mark.parametrize("lang", LANGS)
def test_what_a_made_up_kind_is_about_is_no_list_to_learn(lang: Lang):
    rng = Random(6)
    things = [draw_kind(rng, lang, held=False).wording[lang].thing for _ in range(2000)]
    assert len(set(things)) > 1000


def test_in_training_most_tools_bear_names_that_are_not_their_own_and_in_the_exams_none():
    kind = load_kinds()["coin"]
    own = {*kind.names.trained, *kind.names.held}

    def share(held: bool) -> float:
        names = [offer(kind, Random(seed), "en", held=held).schema["name"] for seed in range(400)]
        return sum(name in own for name in names) / len(names)

    assert share(held=False) < 0.5 < share(held=True)


@pytest.mark.parametrize("lang", LANGS)
def test_no_small_words_stand_inside_a_request_of_two(lang: Lang):
    lines = [unopened(line, lang) for line in load_kinds()["coin"].wording[lang].asks.trained]
    assert len(set(lines)) < len(load_kinds()["coin"].wording[lang].asks.trained)
    assert not any(line.startswith(("Listen,", "OK then,", "跟你说，", "那个，")) for line in lines)


def test_a_third_of_the_benches_are_made_up():
    benches = [draw_bench(Random(seed), "en") for seed in range(400)]
    known = load_kinds()
    made_up = [bench for bench in benches if any(tool.kind.id not in known for tool in bench.tools)]
    assert len(made_up) >= 0.35 * len(benches)


@pytest.mark.parametrize("lang", LANGS)
def test_a_second_call_often_takes_what_the_first_gave(lang: Lang):
    carried = 0
    for seed in range(200):
        scene = scene_of(seed, lang)
        first, second = in_a_row(scene, draw_bench(scene.rng, lang, wants="in_a_row")).turn.rounds
        values = [value for value in second.calls[0].arguments.values() if not isinstance(value, bool)]
        carried += any(len(str(value)) > 2 and str(value) in first.results[0] for value in values)
    assert carried >= 60


def test_a_voice_leaves_names_and_numbers_as_they_are():
    kept: list[str] = []
    scene = scene_of(7, "en")
    scene.voice = lambda text, _rng, _lang, words: kept.extend(words) or text
    shown = one(scene, draw_bench(scene.rng, "en"))
    assert {*shown.wanted, *map(str, calls_of(shown.turn)[0].arguments.values())} <= set(kept)


def test_two_calls_of_a_round_may_come_in_any_order():
    shown = next(t for seed in range(50) if len((t := drawn(seed, "en")[1][2]).turn.rounds[0].calls) == 2)
    first, second = shown.turn.rounds[0].calls
    assert judge(shown, [(second, first)], shown.turn.answer)
    assert not judge(shown, [(first,), (second,)], shown.turn.answer)


def test_a_call_that_is_no_json_is_no_call():
    assert read_call("weather\n{city: Oslo}") is None
    assert read_call("weather") is None


def test_english_parameters_stand_in_english_schemas():
    kind: Kind = load_kinds()["weather"]
    assert any(CHINESE.search(name) for name in kind.params[0].names)
    for seed in range(60):
        tool = offer(kind, Random(seed), "en", held=False)
        if not CHINESE.search(tool.schema["description"]):
            assert not any(CHINESE.search(name) for name in tool.names.values())


@pytest.mark.parametrize("lang", LANGS)
def test_a_word_whose_translation_training_does_not_tell_is_described_as_it_is_asked_for(lang: Lang):
    for seed in range(60):
        rng = Random(f"untold {seed}")
        kind = draw_kind(rng, lang, held=True)
        described = offer(kind, rng, lang, held=True).schema["description"]
        if kind.is_untold:
            assert bool(CHINESE.search(described)) == (lang == "zh")
