"""A dialogue under way: what has been said so far, as far as lines and answers depend on it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

from demo.grammar import Lang, Topic, choose, fill, load_grammar, wording
from demo.sloppy import soften
from demo.slots import FACTS, draw, draw_thing
from demo.split import held_phrasing
from demo.turns import Turn

_UNFRAMED: Final = ("system", "mood", "repeat", "spell", "first", "last", "rps", "riddle", "bare")

Voice: TypeAlias = Callable[[str, Random, Lang, Collection[str]], str]


@dataclass(slots=True)
class Scene:
    """Whose facts are known, how the demo is to speak, and which game is on."""

    rng: Random
    lang: Lang
    held: bool = False  # use wordings and values that training never sees
    far: bool = False  # use lines of which training sees no wording at all
    facts: dict[str, str] = field(default_factory=dict[str, str])  # of the user, by their slots
    me: str | None = None  # the demo's name, when it was given one
    mood: str | None = None  # set by the system prompt
    short: bool = False  # the system prompt asks for short answers
    voice: Voice | None = None  # a way to speak that an adapter is to learn
    asked: str | None = None  # the fact that the last answer asked for
    last: str | None = None  # the last thing one may want another of: a joke, a riddle
    riddle: str | None = None  # the solution of the riddle that is open
    slots: dict[str, str] = field(default_factory=dict[str, str])  # of the turn being written

    def topic(self, name: str) -> Topic:
        """A section of the grammar in the language of the turn."""
        return load_grammar(self.lang)[name]

    def value(self, slot: str) -> str:
        """The value of a slot, drawn once per turn; sentences are drawn each time."""
        if slot in ("thing", "a_thing") and slot not in self.slots:
            self.slots["a_thing"], self.slots["thing"] = draw_thing(self.rng, self.lang, held=self.held)
        if slot not in self.slots or slot.startswith("fill"):
            self.slots[slot] = draw(slot, self.rng, self.lang, held=self.held)
        return self.slots[slot]

    def line(self, name: str) -> str:
        """A user's line of a topic as typed, its slots filled."""
        return fill(self._typed(name), self.value, spaced=self.rng.random() < 0.4)

    def _typed(self, name: str) -> str:
        """A wording of one of the topic's lines: as typed in a hurry in training, as written where it is held out."""
        topic = self.topic(name)
        if self.far and topic.far:
            return choose(self.rng.choice(topic.far), self.rng)
        while True:
            line = self.rng.choice(topic.users)
            text = wording(line, self.rng, held=self.held)
            if text is None:
                continue
            if self.held:
                return text
            text = soften(self._framed(name, text), self.rng, self.lang)
            if "[" not in line or not held_phrasing(text):  # haste may turn one wording into another
                return text

    def _framed(self, name: str, line: str) -> str:
        """The line with some small words before or after it, as people put them."""
        if name.startswith(_UNFRAMED) or line.startswith("{"):
            return line
        grammar = load_grammar(self.lang)
        if self.rng.random() < 0.16:
            opener = self.rng.choice(grammar["opener"].users)
            if self.lang == "en":
                lower = self.rng.random() < 0.6 and not line.startswith(("I ", "I'"))
                line = f"{opener} {line[0].lower() if lower else line[0]}{line[1:]}"
            else:
                line = opener + line
        if self.rng.random() < 0.06 and line[-1].isalnum() and not name.startswith(("tell", "update")):
            line += self.rng.choice(grammar["closer"].users)
        return line

    def answer(self, name: str) -> str:
        """An answer of a topic as the system prompt wants it spoken, its slots filled."""
        topic = self.topic(name)
        lines = topic.short if self.short and topic.short else topic.answers
        return self.say(fill(choose(self.rng.choice(lines), self.rng), self.value, spaced=True))

    def say(self, text: str, short: str | None = None) -> str:
        """An answer in the mood of the scene; `short` is said where answers are to be short."""
        if self.short and short is not None:
            text = short
        if self.mood is not None:
            frames = self.topic(f"mood.{self.mood}")
            frame = choose(self.rng.choice(frames.short if self.short else frames.answers), self.rng)
            text = fill(frame, lambda _: text)
        return self.spoken(text)

    def spoken(self, text: str) -> str:
        """An answer in the voice of the scene; the values of its slots stay as they are."""
        if self.voice is None:
            return text
        return self.voice(text, self.rng, self.lang, (*self.slots.values(), *self.facts.values()))

    def learn(self) -> None:
        """Take what the line of this turn says about the user for known."""
        self.facts |= {slot: text for slot, text in self.slots.items() if slot in (*FACTS, "a_thing")}

    def recall(self, *facts: str) -> None:
        """Put known facts in the slots of this turn."""
        for fact in facts:
            for slot in ("thing", "a_thing") if fact == "thing" else (fact,):
                self.slots[slot] = self.facts[slot]


Skill: TypeAlias = Callable[[Scene], Turn]


def use(scene: Scene, skill: Skill) -> Turn:
    """One turn by this skill; what the scene remembers moves on."""
    scene.slots = {}
    asked = scene.asked
    turn = skill(scene)
    if asked is not None and asked == scene.asked:
        scene.asked = None
    return turn


def plain(topic: str) -> Skill:
    """A turn whose answer depends on nothing said before."""
    return lambda scene: Turn(scene.line(topic), scene.answer(topic))
