"""Games and small entertainments: jokes, riddles, opposites, rock paper scissors."""

import re
from collections.abc import Mapping
from typing import Final

from demo.grammar import pairs
from demo.scene import Scene, Skill
from demo.turns import Turn

_LINE_BREAK: Final = re.compile(r" ?/ ")  # how the grammar writes it in a poem


def again(topic: str) -> Skill:
    """Something one may ask another of."""

    def write(scene: Scene) -> Turn:
        scene.last = topic
        return Turn(scene.line(topic), performed(scene, topic))

    return write


def performed(scene: Scene, topic: str) -> str:
    """The thing itself."""
    if topic == "riddle":
        question, scene.riddle = scene.rng.choice(pairs(scene.lang, "riddle.items"))
        return scene.say(question)
    answer = scene.answer(topic)
    return _LINE_BREAK.sub("\n", answer) if topic == "poem" else answer


def riddle_reply(scene: Scene) -> Turn:
    """A guess at the open riddle, right or wrong, or giving up."""
    topic = scene.rng.choice(("riddle.guess", "riddle.wrong", "riddle.give_up"))
    scene.slots["solution"] = scene.riddle or ""
    answers = "riddle.right" if topic == "riddle.guess" else topic
    if topic != "riddle.wrong":
        scene.riddle = None
    return Turn(scene.line(topic), scene.answer(answers))


def _pair(topic: str) -> Skill:
    """A turn about two words that belong together."""

    def write(scene: Scene) -> Turn:
        left, right = scene.rng.choice(pairs(scene.lang, f"{topic}.items"))
        if topic == "opposite" and scene.rng.random() < 0.5:
            left, right = right, left
        scene.slots |= {"left": left, "right": right}
        return Turn(scene.line(topic), scene.answer(f"{topic}.say"))

    return write


opposite: Final = _pair("opposite")
translate: Final = _pair("translate")


def hand(scene: Scene) -> Turn:
    """A round of rock paper scissors."""
    topic = scene.rng.choice(("rps.rock", "rps.paper", "rps.scissors"))
    return Turn(scene.line(topic), scene.answer(topic))


def invite(scene: Scene) -> Turn:
    """Rock paper scissors is proposed."""
    scene.last = "rps"
    return Turn(scene.line("rps"), scene.answer("rps"))


PLAY: Final[Mapping[str, tuple[Skill, float]]] = {
    "joke": (again("joke"), 2),
    "fact": (again("fact"), 1.5),
    "poem": (again("poem"), 1.2),
    "coin": (again("coin"), 0.6),
    "dice": (again("dice"), 0.6),
    "riddle": (again("riddle"), 2),
    "rps": (invite, 0.7),
    "opposite": (opposite, 1.2),
    "translate": (translate, 1.2),
}
