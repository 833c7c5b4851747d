"""LoRA adapters in `duihua chat`, in a pseudo-terminal, on the bundled demo."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demo.pirate import sounds_like_pirate
from safetensors import safe_open

import duihua
from terminal.adapters import make_adapter
from terminal.person import CTRL_D, Person, environment

DEMO = Path(duihua.__file__).parent / "checkpoint" / "bundled" / "demo"
Sit = Callable[..., Person]


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter on the demo, strong enough to change every answer."""
    layers: dict[str, tuple[int, int]] = {}
    with safe_open(DEMO / "model.safetensors", "pt") as weights:
        names = [name for name in list(weights.keys()) if name.endswith(("q_proj.weight", "v_proj.weight"))]
        for name in names:
            outputs, inputs = weights.get_slice(name).get_shape()
            layers[name.removesuffix(".weight")] = outputs, inputs
    return make_adapter(tmp_path_factory.mktemp("adapters") / "strange", layers=layers, strength=0.6)


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    people: list[Person] = []

    def sit_down(*flags: str) -> Person:
        same = ("--temperature", "0", "--max-tokens", "12", "--engine", "transformers", "--dtype", "float32")
        person = Person(["-m", "duihua", "chat", *flags, *same], environment(tmp_path), lines=200)
        people.append(person)
        return person

    yield sit_down
    for person in people:
        person.__exit__(None, None, None)


def answered(person: Person, line: str) -> str:
    """Say hello in a new conversation; what stands on the screen between that line and the turn's status line.

    Args:
        line: what is expected to stand there once it is typed, prompt included.
    """
    person.say("/clear")
    turns = person.text.count("first token")
    person.say("hello")
    person.sees("first token", times=turns + 1)
    person.sees_line(line)
    return answer_in(person.text.rpartition(f"{line}\n")[2])


def answer_in(shown: str) -> str:
    """The first lines of what is shown, as far as an answer goes."""
    notes = ("first token", "the answer was cut")
    lines = shown.splitlines()
    end = next(index for index, line in enumerate(lines) if any(note in line for note in notes))
    return "\n".join(lines[:end])


def test_the_voice_changes_in_the_middle_of_a_chat_and_back(sit: Sit, strange: Path) -> None:
    person = sit("--adapter", f"strange={strange}")
    person.sees_line(">")
    assert "loaded beside it: strange · /lora use NAME" in person.lines
    plain = answered(person, "> hello")
    person.say("/lora use strange")
    person.sees_line("strange>")
    changed = answered(person, "strange> hello")
    assert changed != plain
    person.say("/compare hello")
    person.sees("none of this is in the conversation's context")
    compared = person.text.rpartition("── the base model\n")[2]
    # The conversation has one exchange: each answers a second hello after it.
    assert answer_in(compared) != answer_in(compared.partition("── strange · in use\n")[2])
    person.say("/lora off")
    person.sees("the base model answers")
    assert answered(person, "> hello") == plain
    person.say("/compare")
    person.sees("none of this is in the conversation's context", times=2)
    again = person.text.rpartition("── the base model · in use\n")[2]
    assert answer_in(again) == plain
    assert answer_in(again.partition("── strange\n")[2]) == changed
    person.say("/lora unload strange")
    person.sees("strange is unloaded")
    person.say("/lora use strange")
    person.sees("no adapter is loaded")
    assert answered(person, "> hello") == plain
    person.type(CTRL_D)
    assert person.exit_code() == 0


def test_an_adapter_is_a_model_to_talk_to(sit: Sit, strange: Path) -> None:
    person = sit(str(strange))
    person.sees_line("strange>")
    assert any(line.startswith("strange · LoRA on demo · ") for line in person.lines)
    changed = answered(person, "strange> hello")
    person.say("/lora off")
    person.sees_line(">")
    assert answered(person, "> hello") != changed
    person.say("/lora use strange")
    person.sees_line("strange>")
    assert answered(person, "strange> hello") == changed


def test_what_is_no_adapter_for_this_model_is_refused_and_the_talk_goes_on(sit: Sit, tmp_path: Path) -> None:
    foreign = make_adapter(tmp_path / "foreign", layers={"model.layers.0.self_attn.q_proj": (7, 5)})
    person = sit()
    person.sees_line(">")
    person.say(f"/lora load {foreign}")
    person.sees("error: ")
    person.say("/lora")
    person.sees("no adapter is loaded")
    person.say("hello")
    person.sees("first token")


def test_the_bundled_pirate_talks_like_one_and_remembers(sit: Sit) -> None:
    person = sit("demo-pirate", "--max-tokens", "60")
    person.sees_line("demo-pirate>")
    assert any(line.startswith("demo-pirate · LoRA on demo · ") for line in person.lines)
    person.say("Hello! My name is Anna.")
    person.sees("first token")
    person.say("What is my name?")
    person.sees("first token", times=2)
    said = answer_in(person.text.rpartition("demo-pirate> What is my name?\n")[2])
    assert "Anna" in said
    assert sounds_like_pirate(said, "en")
    person.say("/lora off")
    person.sees_line(">")
    person.say("What is my name?")
    person.sees("first token", times=3)
    plain = answer_in(person.text.rpartition("\n> What is my name?\n")[2])
    assert "Anna" in plain
    assert not sounds_like_pirate(plain, "en")
