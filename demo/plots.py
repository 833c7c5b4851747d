"""The plots of dialogues: a chat, facts far back or never told, games, tools, stories, a very long talk."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from demo.grammar import Lang
from demo.scene import Scene, Skill, Voice, plain, use
from demo.skills.facts import ask, baptise, know, named, tell, tell_many
from demo.skills.play import PLAY, hand, riddle_reply
from demo.skills.strings import take_apart
from demo.skills.sums import add, bigger, count, subtract
from demo.skills.tale import another, tell_story
from demo.skills.talk import about_itself, chatter, system_prompt, talk, unknown
from demo.skills.tooling import write_tool_turns
from demo.slots import FACTS
from demo.turns import Dialogue, ToolSchema, Turn

_OTHER: Final[dict[Lang, Lang]] = {"en": "zh", "zh": "en"}
Skills = Mapping[str, tuple[Skill, float]]


def play(scene: Scene) -> Turn:
    """A game or an entertainment."""
    return scene.rng.choices([s for s, _ in PLAY.values()], [w for _, w in PLAY.values()])[0](scene)


# What stands between telling and asking, with its weight; none of these says a fact about the user.
FILLERS: Final[Skills] = {
    "talk": (talk, 8),
    "itself": (about_itself, 3),
    "unknown": (unknown, 6),
    "chatter": (chatter, 4),
    "play": (play, 4),
    "add": (add, 2.8),
    "sub": (subtract, 2.8),
    "bigger": (bigger, 0.6),
    "count": (count, 0.3),
    "hardsum": (plain("hardsum"), 0.9),
    "repeat": (plain("repeat"), 2),
    "spell": (take_apart("spell"), 2),
    "first": (take_apart("first"), 1),
    "last": (take_apart("last"), 0.5),
    "other": (plain("other"), 1),
    "baptise": (baptise, 0.5),
}
_GREETINGS: Final[Skills] = {"greet": (named("greet", "name"), 1.5), "bye": (named("bye", "name"), 0.7)}
_FACTS: Final[Skills] = {"tell": (tell(), 3.5), "many": (tell_many, 1.2), "ask": (ask(), 5), "know": (know, 1)}
ALL: Final = {**FILLERS, **_GREETINGS, **_FACTS}
# Even where nothing is ever told people ask for it, greet and leave.
UNTOLD: Final = {**FILLERS, **_GREETINGS, "ask": _FACTS["ask"], "know": (know, 0.5)}


def write_turn(scene: Scene, skills: Skills) -> Turn:
    """One turn by one of the skills, drawn by weight; an open game goes on first."""
    if scene.riddle is not None and scene.rng.random() < 0.7:
        return use(scene, riddle_reply)
    if scene.last == "rps" and scene.rng.random() < 0.7:
        return use(scene, hand)
    if scene.last not in (None, "rps") and scene.rng.random() < 0.12:
        return use(scene, another)
    names = list(skills)
    name = scene.rng.choices(names, [skills[n][1] for n in names])[0]
    if scene.rng.random() < 0.5:
        scene.last = None
    return use(scene, skills[name][0])


def _switching(scene: Scene, changes: float, skills: Skills) -> Turn:
    """A turn that may change the language first, with this chance."""
    if scene.rng.random() < changes:
        scene.lang = _OTHER[scene.lang]
        scene.riddle = scene.last = None
    return write_turn(scene, skills)


def _some(scene: Scene, changes: float, skills: Skills, most: int) -> list[Turn]:
    return [_switching(scene, changes, skills) for _ in range(scene.rng.randint(0, most))]


def _chat(scene: Scene, changes: float) -> list[Turn]:
    turns: list[Turn] = []
    if scene.rng.random() < 0.35:
        turns.append(use(scene, tell("name")))
    elif scene.rng.random() < 0.4:
        turns.append(use(scene, _GREETINGS["greet"][0]))
    return [*turns, _switching(scene, changes, ALL), *_some(scene, changes, ALL, 7)]


def _untold(scene: Scene, changes: float) -> list[Turn]:
    return [_switching(scene, changes, UNTOLD), *_some(scene, changes, UNTOLD, 8)]


def _far(scene: Scene, changes: float) -> list[Turn]:
    """One fact, told, perhaps changed, and asked for up to nine turns later."""
    rng, fact = scene.rng, rng_fact(scene)
    turns = [_switching(scene, changes, FILLERS) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    turns.append(use(scene, tell(fact)))
    for _ in range(rng.choice((1, 1, 1, 2))):
        turns += _some(scene, changes, FILLERS, 9)
        if rng.random() < 0.25:
            turns.append(use(scene, tell(fact)))
        turns.append(use(scene, ask(fact)))
    return turns


def rng_fact(scene: Scene) -> str:
    """The kind of a fact, a name as often as all others together."""
    return "name" if scene.rng.random() < 0.4 else scene.rng.choice(FACTS[1:])


def _apart(scene: Scene, changes: float) -> list[Turn]:
    """Several facts told in one line or one by one, then asked for in any order."""
    rng = scene.rng
    kinds = rng.sample(FACTS, rng.choice((2, 3, 3, 4, 5)))
    turns = [use(scene, tell_many)] if rng.random() < 0.4 else []
    for kind in kinds:
        if kind not in scene.facts or rng.random() < 0.1:
            turns += [use(scene, tell(kind)), *_some(scene, changes, FILLERS, rng.choice((0, 0, 1, 2)))]
    for kind in rng.sample(FACTS, rng.randint(2, 5)):
        turns += [*_some(scene, changes, FILLERS, rng.choice((0, 0, 0, 1, 3))), use(scene, ask(kind))]
        if rng.random() < 0.12:
            turns.append(use(scene, tell(rng.choice(kinds))))
    if rng.random() < 0.35:
        turns.append(use(scene, know))
    return turns


def _story(scene: Scene, changes: float) -> list[Turn]:
    """A story or two, with talk around them."""
    turns = [use(scene, tell("name"))] if scene.rng.random() < 0.3 else []
    turns += _some(scene, changes, ALL, 2)
    for _ in range(scene.rng.choice((1, 1, 2))):
        turns += [use(scene, tell_story), *_some(scene, changes, ALL, 2)]
    return turns


def _long(scene: Scene, changes: float) -> list[Turn]:
    """A talk of hundreds of tokens between telling and asking; the corpus cuts it to the window."""
    rng, fact = scene.rng, rng_fact(scene)
    turns = [use(scene, tell(fact))] if rng.random() < 0.8 else []
    goal = rng.randint(800, 4500) if scene.lang == "en" else rng.randint(500, 1700)
    next_ask = rng.uniform(0.2, 1.0) * goal
    size = 0
    while size < goal:
        skills = FILLERS if size < next_ask else ALL if scene.facts else UNTOLD
        turn = use(scene, unknown) if rng.random() < 0.15 else _switching(scene, changes, skills)
        if size >= next_ask and rng.random() < 0.5:
            turn = use(scene, ask(fact))
        turns.append(turn)
        size += len(turn.user) + len(turn.answer) + 10
    turns.append(use(scene, ask(fact)))
    return turns


_PLOTS: Final[Mapping[Callable[[Scene, float], list[Turn]], float]] = {
    _chat: 40,
    _far: 22,
    _untold: 8,
    _apart: 14,
    _story: 6,
    _long: 6,
}
_TOOLS: Final = 0.42  # of all dialogues offer tools


def write_dialogue(rng: Random, voice: Voice | None = None) -> Dialogue:
    """One dialogue of a random plot, answered in this voice."""
    scene = Scene(rng, rng.choice(("en", "zh")), voice=voice)
    system = system_prompt(scene)
    if rng.random() < _TOOLS:
        tools, turns = _with_tools(scene)
        return Dialogue(system, tuple(turns), tools)
    changes = 0.25 if rng.random() < 0.12 else 0.0
    steps = rng.choices(list(_PLOTS), list(_PLOTS.values()))[0]
    return Dialogue(system, tuple(steps(scene, changes)))


def _with_tools(scene: Scene) -> tuple[tuple[ToolSchema, ...], list[Turn]]:
    """Turns that need a tool among turns that need none."""
    tools, written = write_tool_turns(scene)
    turns: list[Turn] = []
    for together in written:
        turns += _some(scene, 0.0, ALL, 1) if scene.rng.random() < 0.4 else []
        turns += together
    return tools, turns or [_switching(scene, 0.0, ALL)]
