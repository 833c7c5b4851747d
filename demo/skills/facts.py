"""Facts about the user: told, changed, asked for, and never made up."""

from typing import Final

from demo.scene import Scene, Skill
from demo.slots import FACTS
from demo.turns import Turn

_WEIGHTS: Final = {"name": 4.0, "city": 1.5, "colour": 1.5, "thing": 1.5, "number": 1.5}


def draw_fact(scene: Scene) -> str:
    """The kind of a fact, a name more often than others."""
    return scene.rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]


def tell(fact: str | None = None) -> Skill:
    """The user tells a fact of this kind or of any, for the first time or anew."""

    def write(scene: Scene) -> Turn:
        kind = fact or scene.asked or draw_fact(scene)
        topic = "tell"
        if scene.asked == kind and scene.rng.random() < 0.7:
            topic = "bare"
        elif kind in scene.facts and scene.rng.random() < 0.75:
            topic = "update"
            scene.slots["old"] = scene.facts[kind]
        _hurried(scene, kind)
        user = scene.line(f"{topic}.{kind}")
        scene.learn()
        return Turn(user, scene.answer(f"{'update' if topic == 'update' else 'tell'}.{kind}"))

    return write


def _hurried(scene: Scene, kind: str) -> None:
    """Now and then the value is typed in small letters: it is given back as typed."""
    if scene.rng.random() < 0.1 and kind != "thing":
        scene.slots[kind] = scene.value(kind).lower()


def tell_many(scene: Scene) -> Turn:
    """Two or three facts in one line."""
    user = scene.line("tell.many")
    scene.learn()
    return Turn(user, scene.answer("tell.many"))


def ask(fact: str | None = None) -> Skill:
    """The user asks for a fact of this kind; any: one that was told, or one that was not."""

    def write(scene: Scene) -> Turn:
        kind = fact or _worth_asking(scene)
        user = scene.line(f"ask.{kind}")
        if kind not in scene.facts:
            scene.asked = kind
            return Turn(user, scene.answer(f"untold.{kind}"))
        scene.recall(kind)
        return Turn(user, scene.answer(f"told.{kind}"))

    return write


def _worth_asking(scene: Scene) -> str:
    told = [kind for kind in FACTS if kind in scene.facts]
    return scene.rng.choice(told) if told and scene.rng.random() < 0.65 else draw_fact(scene)


def know(scene: Scene) -> Turn:
    """The user asks for everything the demo knows about them."""
    user = scene.line("know")
    told = [kind for kind in FACTS if kind in scene.facts]
    if not told:
        return Turn(user, scene.answer("know.nothing"))
    scene.rng.shuffle(told)
    scene.recall(*told)
    plain = Scene(scene.rng, scene.lang, slots=scene.slots)  # the mood frames the whole, not each clause
    clauses = [plain.answer(f"know.{kind}") for kind in told]
    return Turn(user, scene.say(plain.answer("know.head") + joined(scene, clauses), _only_values(scene, told)))


def joined(scene: Scene, clauses: list[str]) -> str:
    """Clauses as the rest of a sentence."""
    if scene.lang == "zh":
        return "，".join(clauses) + "。"
    *first, last = clauses
    return f" {', '.join(first)} and {last}." if first else f" {last}."


def _only_values(scene: Scene, told: list[str]) -> str:
    end, comma = (".", ", ") if scene.lang == "en" else ("。", "，")
    return comma.join(scene.facts[kind] for kind in told) + end


def named(topic: str, who: str) -> Skill:
    """A turn whose answer may use a name told before: the user's or the demo's."""

    def write(scene: Scene) -> Turn:
        known = scene.facts.get("name") if who == "name" else scene.me
        user = scene.line(topic)
        if known is None or (topic != "myname" and scene.rng.random() < 0.4):
            return Turn(user, scene.answer(topic))
        scene.slots[who] = known
        return Turn(user, scene.answer(f"{topic}.named"))

    return write


def baptise(scene: Scene) -> Turn:
    """The user gives the demo a name."""
    turn = Turn(scene.line("baptise"), scene.answer("baptise"))
    scene.me = scene.slots["me"]
    return turn
