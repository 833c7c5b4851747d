"""Facts about the user: recalled, updated, kept apart, and not made up."""

from random import Random

from demo.exams.case import Case, Step, has, last_is, says
from demo.exams.manners import FAR
from demo.grammar import Lang
from demo.held import HELD_MAKES
from demo.plots import FILLERS, write_turn
from demo.scene import Scene, use
from demo.skills.facts import ask, tell, tell_many
from demo.slots import FACTS

SKILL = "remembers"
APART = "keeps three facts apart"


def write(rng: Random, lang: Lang) -> list[Case]:
    """One case of every exam."""
    return [
        *(_recalled(rng, lang, fact) for fact in FACTS),
        _strange(rng, lang),
        _updated(rng, lang),
        _untold(rng, lang),
        _other_told(rng, lang),
        _apart(rng, lang),
        _far(rng, lang),
    ]


def _far(rng: Random, lang: Lang) -> Case:
    """Told and asked in lines of which training sees no wording."""
    scene, fact = Scene(rng, lang, held=True, far=True), rng.choice(FACTS)
    lines = [_told(scene, fact), *fillers(rng, lang, 3), _asked(scene, fact)]
    return Case(FAR, "recalls", lang, last_is(lines, has(scene.facts[fact])))


def fillers(rng: Random, lang: Lang, most: int = 8) -> list[str]:
    """Up to this many lines that say nothing about the user, half of them held-out phrasings."""
    scene = Scene(rng, lang)
    lines: list[str] = []
    for _ in range(rng.randint(0, most)):
        scene.held = rng.random() < 0.5
        lines.append(write_turn(scene, FILLERS).user)
    return lines


def _scene(rng: Random, lang: Lang) -> Scene:
    return Scene(rng, lang, held=True)


def _told(scene: Scene, fact: str) -> str:
    """A line that tells this fact alone, in a held-out phrasing."""
    while True:
        scene.facts.pop(fact, None)
        known = dict(scene.facts)
        line = use(scene, tell(fact)).user
        if {k: v for k, v in scene.facts.items() if k not in (fact, "a_thing")} == {
            k: v for k, v in known.items() if k not in (fact, "a_thing")
        }:
            return line
        scene.facts = known


def _asked(scene: Scene, fact: str) -> str:
    return use(scene, ask(fact)).user


def _recalled(rng: Random, lang: Lang, fact: str) -> Case:
    scene = _scene(rng, lang)
    lines = [_told(scene, fact), *fillers(rng, lang), _asked(scene, fact)]
    return Case(SKILL, f"recalls a {fact}", lang, last_is(lines, has(scene.facts[fact])))


def _strange(rng: Random, lang: Lang) -> Case:
    scene, make = _scene(rng, lang), rng.choice(list(HELD_MAKES))
    scene.facts["name"] = HELD_MAKES[make](rng)
    told = f"My name is {scene.facts['name']}" if lang == "en" else f"我叫{scene.facts['name']}"
    lines = [told, *fillers(rng, lang), _asked(scene, "name")]
    return Case(SKILL, "recalls a name of an unseen make", lang, last_is(lines, has(scene.facts["name"])), title=make)


def _updated(rng: Random, lang: Lang) -> Case:
    scene, fact = _scene(rng, lang), rng.choice(FACTS)
    lines = [_told(scene, fact), *fillers(rng, lang, 3)]
    old = scene.facts[fact]
    scene.slots = {"old": old}
    lines.append(scene.line(f"update.{fact}"))
    scene.learn()
    lines += [*fillers(rng, lang, 4), _asked(scene, fact)]
    return Case(SKILL, "takes a correction", lang, last_is(lines, has(scene.facts[fact])))


def _untold(rng: Random, lang: Lang) -> Case:
    fact = rng.choice(FACTS)
    lines = [*fillers(rng, lang), _asked(_scene(rng, lang), fact)]
    return Case(SKILL, "says it was not told", lang, last_is(lines, says(lang, f"untold.{fact}")))


def _other_told(rng: Random, lang: Lang) -> Case:
    """Another fact was told than the one asked for."""
    scene, (told, asked) = _scene(rng, lang), rng.sample(FACTS, 2)
    lines = [_told(scene, told), *fillers(rng, lang, 5), _asked(scene, asked)]
    return Case(SKILL, "says it was told something else", lang, last_is(lines, says(lang, f"untold.{asked}")))


def _apart(rng: Random, lang: Lang) -> Case:
    scene = _scene(rng, lang)
    lines = _three_at_once(scene) if rng.random() < 0.4 else [_told(scene, kind) for kind in rng.sample(FACTS, 3)]
    steps = [Step(line) for line in (*lines, *fillers(rng, lang, 4))]
    kinds = [kind for kind in FACTS if kind in scene.facts]
    steps += [Step(_asked(scene, kind), has(scene.facts[kind])) for kind in rng.sample(kinds, 3)]
    return Case(APART, "three facts asked one by one", lang, tuple(steps))


def _three_at_once(scene: Scene) -> list[str]:
    while True:
        scene.facts = {}
        line = use(scene, tell_many).user
        if sum(kind in scene.facts for kind in FACTS) == 3:
            return [line]
