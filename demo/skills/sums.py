"""Sums and differences up to 99, the larger of two numbers, counting."""

from random import Random

from demo.numerals import spoken
from demo.scene import Scene
from demo.split import held_pair
from demo.turns import Turn


def add(scene: Scene) -> Turn:
    """A sum up to 99 + 99."""
    a, b = draw_pair(scene.rng, held=scene.held)
    return _arithmetic(scene, "add", a, b, a + b)


def subtract(scene: Scene) -> Turn:
    """A difference, now and then below zero."""
    a, b = draw_pair(scene.rng, held=scene.held)
    if a < b and scene.rng.random() < 0.6:
        a, b = b, a
    return _arithmetic(scene, "sub", a, b, a - b)


def bigger(scene: Scene) -> Turn:
    """Which of two numbers is larger."""
    a, b = draw_pair(scene.rng, held=scene.held)
    return _arithmetic(scene, "bigger", a, b if a != b else (b + 1) % 100, max(a, b if a != b else (b + 1) % 100))


def count(scene: Scene) -> Turn:
    """Counting from one."""
    last = scene.rng.randint(2, 20)
    scene.slots |= {
        "n1": str(last),
        "counted": (", " if scene.lang == "en" else "、").join(map(str, range(1, last + 1))),
    }
    return Turn(scene.line("count"), scene.answer("count"))


def draw_pair(rng: Random, *, held: bool = False) -> tuple[int, int]:
    """Two numbers up to 99 of the pairs of training, or of those kept out of it."""
    while held_pair(*(pair := (small_number(rng), small_number(rng)))) != held:
        pass
    return pair


def small_number(rng: Random) -> int:
    """Up to 99, single digits more often than their share."""
    return rng.randint(0, 9) if rng.random() < 0.15 else rng.randint(0, 99)


def _arithmetic(scene: Scene, topic: str, a: int, b: int, c: int) -> Turn:
    in_words = scene.rng.random() < 0.1 and not scene.held
    for slot, number in (("a", a), ("b", b)):
        scene.slots[slot] = spoken(number, scene.lang) if in_words else str(number)
    user = scene.line(topic)
    scene.slots |= {"a": str(a), "b": str(b), "c": str(c)}
    return Turn(user, scene.answer(topic))
