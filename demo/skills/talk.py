"""Small talk, what lies beyond the demo, and the system prompt."""

from functools import cache
from typing import Final

from demo.grammar import Lang, load_grammar, sections
from demo.scene import Scene
from demo.skills.facts import named
from demo.turns import Turn

MOODS: Final = ("cheerful", "sad", "grumpy", "sleepy", "proud")
_SELF: Final = ("kind", "able", "cannot", "load", "thanks", "howareyou")


@cache
def talk_topics(lang: Lang) -> tuple[str, ...]:
    """The topics of small talk whose answers depend on nothing said before."""
    grammar = load_grammar(lang)
    return tuple(s for s in sections(lang, "talk") if grammar[s].users and grammar[s].answers)


def talk(scene: Scene) -> Turn:
    """A turn of small talk."""
    return about(scene, scene.rng.choice(talk_topics(scene.lang)))


def about_itself(scene: Scene) -> Turn:
    """The user asks what the demo is, what it can and cannot do."""
    topic = scene.rng.choice((*_SELF, "intro", "intro", "myname"))
    return named(topic, "me")(scene) if topic in ("intro", "myname") else about(scene, topic)


def about(scene: Scene, topic: str) -> Turn:
    """A turn of this topic; how the demo feels depends on its mood."""
    moody = topic == "howareyou" and scene.mood is not None
    user = scene.line(topic)
    if moody and not scene.short:
        lines = scene.topic(f"feel.{scene.mood}").answers
        return Turn(user, scene.spoken(scene.rng.choice(lines)))
    return Turn(user, scene.answer(topic))


def unknown(scene: Scene) -> Turn:
    """Something the demo knows nothing about."""
    user = scene.line("unknown")
    thing = scene.slots.get("x")
    echoes = thing is not None and len(thing) < 25 and not scene.short and scene.rng.random() < 0.2
    return Turn(user, scene.answer("dontknow.x" if echoes else "dontknow"))


def chatter(scene: Scene) -> Turn:
    """Something of daily life that the demo can only listen to."""
    return Turn(scene.line("chatter"), scene.answer("hear"))


def system_prompt(scene: Scene) -> str | None:
    """A system prompt or none; it may name the demo or the user, set a mood, ask for short answers."""
    scene.slots = {}
    roll = scene.rng.random()
    if roll < 0.52:
        return None
    if roll < 0.66:
        return scene.line("system.plain")
    parts: list[str] = []
    if roll < 0.82 or roll > 0.97:
        parts.append(scene.line("system.name"))
        scene.me = scene.slots["me"]
    elif roll < 0.85:
        parts.append(scene.line("system.user"))
        scene.facts["name"] = scene.slots["name"]
    if 0.78 < roll < 0.82 or 0.85 <= roll < 0.93:
        parts.append(mood_prompt(scene, scene.rng.choice(MOODS)))
    if 0.905 < roll < 0.93 or roll >= 0.93:
        scene.short = True
        parts.append(scene.line("system.short"))
    scene.rng.shuffle(parts)
    return scene.rng.choice((" ", "\n") if scene.lang == "en" else ("", "\n")).join(parts)


def mood_prompt(scene: Scene, mood: str) -> str:
    """A system prompt that sets this mood."""
    scene.mood = mood
    return scene.line(f"mood.{mood}")
