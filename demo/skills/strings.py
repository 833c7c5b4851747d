"""Strings taken apart: spelled, their first and their last character."""

from demo.scene import Scene, Skill
from demo.slots import string
from demo.turns import Turn


def spelled(text: str) -> str:
    """The characters of a text one by one, its spaces left out."""
    return " ".join(char for char in text if not char.isspace())


def take_apart(topic: str) -> Skill:
    """A turn of the topics spell, first or last."""

    def write(scene: Scene) -> Turn:
        text = string(scene.rng, scene.lang, held=scene.held)
        return take_apart_this(scene, topic, text)

    return write


def take_apart_this(scene: Scene, topic: str, text: str) -> Turn:
    """The same with a given text."""
    scene.slots |= {"word1": text, "spelled": spelled(text), "first": text[0], "final": text[-1]}
    return Turn(scene.line(topic), scene.answer(topic))
