"""The tools that a dialogue offers: which kinds, and how their schemas are written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from demo.grammar import Lang
from demo.tools.kinds import CHINESE, Kind, Param, load_kinds, slots_of
from demo.tools.links import linked
from demo.tools.procedural import draw_kind, made_up, opaque
from demo.tools.values import Value, draw_options
from demo.turns import Call, ToolSchema
from demo.words import ENGLISH

LONGEST: Final = 900  # characters of all schemas of a bench
_NATURAL: Final = 0.4  # of the kinds that are written down bear one of their names in training,
_AFFIXED: Final = 0.3  # and so many one of them with something more; the names of the others tell nothing
_OTHER: Final[dict[Lang, Lang]] = {"en": "zh", "zh": "en"}
_TYPES: Final = {"int": "integer", "number": "number", "switch": "boolean", "words": "array"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A kind as one dialogue offers it."""

    kind: Kind
    schema: ToolSchema
    names: Mapping[str, str]  # slot -> the parameter's name, as the schema orders them
    options: Mapping[str, tuple[Value, ...]]  # slot of an enum -> what it allows

    def call(self, values: Mapping[str, Value]) -> Call:
        """The call with these values."""
        return Call(self.schema["name"], {name: values[s].json for s, name in self.names.items() if s in values})

    def partial(self, lang: Lang, *, held: bool) -> list[str]:
        """Lines that lack just one required value."""
        lines = self.kind.wording[lang].partial.side(held=held)
        return [line for line in lines if len(self.kind.required - slots_of(line)) == 1 and self.knows(line)]

    def knows(self, line: str) -> bool:
        """Whether every slot of the line is a parameter here."""
        return slots_of(line) <= self.names.keys()


@dataclass(frozen=True, slots=True)
class Bench:
    """One to four tools, in the order in which the system turn lists them."""

    tools: tuple[Tool, ...]

    @property
    def schemas(self) -> tuple[ToolSchema, ...]:
        return tuple(tool.schema for tool in self.tools)

    def serves(self, kind: Kind) -> bool:
        """Whether a tool on offer is of this kind or could stand in for it."""
        return any(kind.id == tool.kind.id or kind.id in tool.kind.covers for tool in self.tools)


def draw_bench(rng: Random, lang: Lang, *, held: bool = False, wants: str = "") -> Bench:
    """Tools that every skill can be shown on.

    Args:
        rng: The dialogue's random numbers.
        lang: What the user speaks; a tool may be written in the other language.
        held: Take names and values that training never sees.
        wants: `in_a_row` for a bench on which a tool can go on with what another one gave.
    """
    chained = wants == "in_a_row"
    count = rng.choices((1, 2, 3, 4), (0 if chained else 15, 30, 35, 20))[0]
    kinds = _kinds(rng, lang, count, held, chained)
    tools: list[Tool] = []
    for kind in kinds:
        tool = offer(kind, rng, lang, held=held)
        names = {one.schema["name"] for one in tools}
        if tool.schema["name"] not in names and _size([*tools, tool]) <= LONGEST:
            tools.append(tool)
    rng.shuffle(tools)
    return Bench(tuple(tools))


def _size(tools: Sequence[Tool]) -> int:
    return sum(len(json.dumps(tool.schema, ensure_ascii=False)) for tool in tools)


def _kinds(rng: Random, lang: Lang, count: int, held: bool, chained: bool) -> list[Kind]:
    """Different kinds, often with one that is near the first or that goes on where the first ends."""
    invented = rng.choices((0.0, 0.5, 1.0), (45, 20, 35))[0]
    first = _first(rng, lang, invented, held, chained)
    kinds = [first]
    if chained:
        kinds.append(rng.choice(_after(first)))
    elif count > 1 and rng.random() < 0.7:
        kinds += _company(rng, lang, first, held)
    for _ in range(40):  # a bench may stay smaller where the kinds clash
        if len(kinds) >= count:
            break
        kind = _any_kind(rng, lang, invented, held)
        if all(kind.id != other.id and not _clash(kind, other) for other in kinds):
            kinds.append(kind)
    return kinds


def _any_kind(rng: Random, lang: Lang, invented: float, held: bool) -> Kind:
    return draw_kind(rng, lang, held=held) if rng.random() < invented else rng.choice(list(load_kinds().values()))


def _first(rng: Random, lang: Lang, invented: float, held: bool, chained: bool) -> Kind:
    """A kind that may be asked for in part, and that gives something where another is to follow."""
    while True:
        kind = _any_kind(rng, lang, invented, held)
        if kind.wording[lang].partial.side(held=held) and (not chained or _after(kind)):
            return kind


def _after(first: Kind) -> list[Kind]:
    """The kinds that can go on with what this one gives."""
    kinds = load_kinds().values()
    return [kind for kind in kinds if kind.id != first.id and not _clash(kind, first) and linked(first, kind)]


def _company(rng: Random, lang: Lang, first: Kind, held: bool) -> list[Kind]:
    kinds = load_kinds()
    if first.id not in kinds:
        return [draw_kind(rng, lang, held=held, beside=first)] if rng.random() < 0.6 else []
    near = [kinds[id_] for id_ in first.near if not _clash(kinds[id_], first)]
    return [rng.choice(near)] if near else []


def _clash(a: Kind, b: Kind) -> bool:
    """Whether a request for one of them would fit the other, too."""
    return a.id in b.covers or b.id in a.covers


def offer(kind: Kind, rng: Random, lang: Lang, *, held: bool) -> Tool:
    """The kind with one of its names, descriptions and sets of parameters."""
    own = lang if rng.random() < 0.75 or kind.is_untold else _OTHER[lang]
    params = [param for param in kind.params if param.required or rng.random() < 0.5]
    if rng.random() < 0.3:
        rng.shuffle(params)
    names = _param_names(params, rng, own)
    options = {
        param.slot: draw_options(param.draws.split()[1], rng, lang, own, held=held)
        for param in params
        if param.draws.startswith("enum ")
    }
    about = rng.random() < 0.4
    properties = {names[p.slot]: _property(p, options, rng.choice(p.about[own]) if about else "") for p in params}
    schema = {
        "name": _styled(_name(kind, rng, held), rng),
        "description": rng.choice(kind.wording[own].describes),
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": [names[param.slot] for param in params if param.required],
        },
    }
    return Tool(kind, schema, names, options)


def _name(kind: Kind, rng: Random, held: bool) -> str:
    """One of the kind's names; in training often another, so that names are copied and descriptions read."""
    name = rng.choice(kind.names.side(held=held))
    if held or kind.id not in load_kinds() or (roll := rng.random()) < _NATURAL:
        return name
    if roll < _NATURAL + _AFFIXED:
        word = made_up(rng) if rng.random() < 0.3 else rng.choice(ENGLISH.nouns)
        forms = ("{0}_{1}", "{1}_{0}", "{0}__{1}", "{0}_{2}", "{2}_{0}")
        return rng.choice(forms).format(word, name, name.split("_")[0])
    verb, noun, other = rng.choice(ENGLISH.verbs), rng.choice(ENGLISH.nouns), rng.choice(ENGLISH.nouns)
    return rng.choice((opaque(rng, held=held), made_up(rng), f"{verb}_{noun}", f"{noun}_{other}", f"{noun}_or_{other}"))


def _styled(name: str, rng: Random) -> str:
    """The name as it is, or in camel case."""
    if rng.random() > 0.12:
        return name
    first, *more = name.split("_")
    return first + "".join(part.capitalize() for part in more)


def _param_names(params: Sequence[Param], rng: Random, own: Lang) -> dict[str, str]:
    chinese = own == "zh" and rng.random() < 0.3
    names: dict[str, str] = {}
    for param in params:
        pool = [name for name in param.names if bool(CHINESE.search(name)) == chinese] or list(param.names)
        names[param.slot] = rng.choice([name for name in pool if name not in names.values()] or [param.slot])
    return names


def _property(param: Param, options: Mapping[str, tuple[Value, ...]], about: str) -> dict[str, Any]:
    make = _TYPES.get(param.draws.split()[0], "string")
    found: dict[str, Any] = {"type": make}
    if make == "array":
        found["items"] = {"type": "string"}
    if param.slot in options:
        found["enum"] = [value.json for value in options[param.slot]]
    if about:
        found["description"] = about
    return found
