"""Turns that use the tools on a bench, or see that none fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final, Protocol

from demo.grammar import SLOT, Lang, choose, fill, unopened
from demo.sentences import clause
from demo.sloppy import soften
from demo.tools.bench import Bench, Tool, offer
from demo.tools.judge import ToolTurn
from demo.tools.kinds import Kind, Split, load_kinds, slots_of, split_expanded, split_lines
from demo.tools.links import Link, links
from demo.tools.procedural import draw_kind
from demo.tools.results import draw_result, write_done, write_error, write_result
from demo.tools.values import Value, Values, draw_value, lines_of, read_table, switch
from demo.turns import Call, Round, Turn

_JOINTS: Final = ("then", "also")  # lines that make one request of two
_OWN_REASONS: Final = 0.4


class Scene(Protocol):
    """What a turn depends on."""

    rng: Random
    lang: Lang
    held: bool
    slots: dict[str, str]  # what a voice must leave as it is

    def say(self, text: str, short: str | None = None) -> str: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call, what came back, and how that is said."""

    call: Call
    result: str
    answer: str
    short: str
    wanted: tuple[str, ...]
    kept: tuple[str, ...] = ()  # arguments, which a voice must leave as they are, too

    @property
    def round(self) -> Round:
        return Round((self.call,), (self.result,))


@dataclass(frozen=True, slots=True)
class Request:
    """A line of the user for one tool, still with its slots."""

    tool: Tool
    line: str
    values: Values


def one(scene: Scene, bench: Bench) -> ToolTurn:
    """One call, its result, and the result in a sentence."""
    request = _request(scene, scene.rng.choice(bench.tools))
    exchange = _exchange(scene, request.tool, request.values)
    return _turn(scene, _typed(scene, request.line, request.values), (exchange.round,), (exchange,))


def in_a_row(scene: Scene, bench: Bench) -> ToolTurn:
    """Two calls, the second after the result of the first and often with it."""
    chains = [
        (first, second, link)
        for first in bench.tools
        for second in bench.tools
        if first is not second
        for link in links(first.kind, second.kind, scene.lang, held=scene.held)
        if second.knows(link.line)
    ]
    if chains and scene.rng.random() < 0.75:
        return _chained(scene, *scene.rng.choice(chains))
    a, b = _two(scene, bench)
    line, values = _joined(scene, "then", a, b)
    done = (_exchange(scene, a.tool, a.values), _exchange(scene, b.tool, b.values))
    return _turn(scene, _typed(scene, line, values), tuple(each.round for each in done), done)


def _chained(scene: Scene, first: Tool, second: Tool, link: Link) -> ToolTurn:
    a = _request(scene, first)
    got = _exchange(scene, first, a.values, only=link.result.slot)
    value = _carried(got, second, link)
    given = {slot: _draw(scene, second, slot) for slot in SLOT.findall(link.line)}
    line, values = _joined(scene, "then", a, Request(second, link.line, given))
    went = _exchange(scene, second, {**given, link.slot: value})
    return _turn(scene, _typed(scene, line, values), (got.round, went.round), (got, went))


def _carried(got: Exchange, second: Tool, link: Link) -> Value:
    """What the first call gave, as the second takes it."""
    text = got.wanted[0]
    number = second.kind.param(link.slot).draws.split()[0] in ("int", "number")
    return Value(text, (float(text) if "." in text else int(text)) if number else text)


def at_once(scene: Scene, bench: Bench) -> ToolTurn:
    """Two calls of one round."""
    tool = scene.rng.choice(bench.tools)
    twice = tool.kind.wording[scene.lang].twice.side(held=scene.held)
    if twice and scene.rng.random() < 0.6:
        line = scene.rng.choice(twice)
        values = {slot: _draw(scene, tool, slot) for slot in sorted(tool.kind.required)}
        more = {slot: _draw(scene, tool, slot, unlike=values[slot]) for slot in values if f"{slot}2" in slots_of(line)}
        typed = _typed(scene, line, {**values, **{f"{slot}2": value for slot, value in more.items()}})
        done = (_exchange(scene, tool, values), _exchange(scene, tool, {**values, **more}))
    else:
        a, b = _two(scene, bench)
        line, values = _joined(scene, "also", a, b)
        typed = _typed(scene, line, values)
        done = (_exchange(scene, a.tool, a.values), _exchange(scene, b.tool, b.values))
    together = Round(tuple(each.call for each in done), tuple(each.result for each in done))
    return _turn(scene, typed, (together,), done)


def failing(scene: Scene, bench: Bench) -> ToolTurn:
    """The result is an error; the answer gives its reason."""
    request = _request(scene, scene.rng.choice(bench.tools))
    reason = _reason(scene, request.values)
    result = write_error(scene.rng, scene.lang, reason)
    answer, short = (fill(_line(scene, part), lambda _: reason, spaced=True) for part in ("failed", "failed_short"))
    exchange = Exchange(request.tool.call(request.values), result, answer, short, (reason,))
    return _turn(scene, _typed(scene, request.line, request.values), (exchange.round,), (exchange,))


def asking(scene: Scene, bench: Bench) -> tuple[ToolTurn, ToolTurn]:
    """A value is missing: the demo asks, the user says it, then comes the call."""
    tools = [(tool, tool.partial(scene.lang, held=scene.held)) for tool in bench.tools]
    tool, lines = scene.rng.choice([(tool, lines) for tool, lines in tools if lines])
    line = scene.rng.choice(lines)
    values = {slot: _draw(scene, tool, slot) for slot in sorted(slots_of(line))}
    (missing,) = tool.kind.required - values.keys()
    param, value = tool.kind.param(missing), _draw(scene, tool, missing)
    question = scene.rng.choice(param.questions[scene.lang])
    mark = "?" if scene.lang == "en" else "？"
    first = ToolTurn(Turn(_typed(scene, line, values), scene.say(question, question)), (mark,))
    reply = scene.rng.choice(param.replies[scene.lang])
    exchange = _exchange(scene, tool, {**values, missing: value})
    return first, _turn(scene, _typed(scene, reply, {"x": value}), (exchange.round,), (exchange,))


def unfit(scene: Scene, bench: Bench) -> ToolTurn:
    """A request for a kind of tool that is not there: no call."""
    kind = _absent(scene, bench)
    request = _request(scene, offer(kind, scene.rng, scene.lang, held=scene.held))
    thing = kind.wording[scene.lang].thing
    answer, short = (fill(_line(scene, part), lambda _: thing, spaced=True) for part in ("unfit", "unfit_short"))
    wanted = "tool" if scene.lang == "en" else "工具"
    return ToolTurn(Turn(_typed(scene, request.line, request.values), scene.say(answer, short)), (wanted,))


def _absent(scene: Scene, bench: Bench) -> Kind:
    kinds, rng = load_kinds(), scene.rng
    invented = [tool.kind for tool in bench.tools if tool.kind.id not in kinds]
    near = [kinds[id_] for tool in bench.tools for id_ in tool.kind.near]
    for _ in range(200):
        if invented and rng.random() < 0.6:
            beside = rng.choice(invented) if rng.random() < 0.5 else None
            kind = draw_kind(rng, scene.lang, held=scene.held, beside=beside)
        else:
            kind = rng.choice(near if near and rng.random() < 0.5 else list(kinds.values()))
        if not kind.is_own and not bench.serves(kind):
            return kind
    raise ValueError("every kind is on the bench")


def _request(scene: Scene, tool: Tool) -> Request:
    lines = [line for line in tool.kind.wording[scene.lang].asks.side(held=scene.held) if tool.knows(line)]
    line = scene.rng.choice(lines)
    return Request(tool, line, {slot: _draw(scene, tool, slot) for slot in sorted(slots_of(line))})


def _draw(scene: Scene, tool: Tool, slot: str, unlike: Value | None = None) -> Value:
    draws = tool.kind.param(slot).draws
    while True:
        if slot in tool.options:
            value = scene.rng.choice(tool.options[slot])
        elif draws == "switch":
            value = switch(scene.rng, scene.lang)
        else:
            value = draw_value(draws, scene.rng, scene.lang, held=scene.held)
        if unlike is None or value.text != unlike.text:
            return value


def _two(scene: Scene, bench: Bench) -> tuple[Request, Request]:
    """Two requests, mostly for different tools."""
    tools = scene.rng.sample(bench.tools * 2 if len(bench.tools) == 1 else bench.tools, 2)
    first = _request(scene, tools[0])
    while True:
        second = _request(scene, tools[1])
        if second.tool.call(second.values) != first.tool.call(first.values) or not second.values:
            return first, second


def _joined(scene: Scene, how: str, a: Request, b: Request) -> tuple[str, Values]:
    """Two requests in one line; the slots of the second are told apart by a mark."""
    pattern = _line(scene, how)
    first, second = (unopened(request.line, scene.lang) for request in (a, b))
    first = first.rstrip(".?!。？！")
    second = SLOT.sub(lambda match: f"{{b_{match[1]}}}", second)
    if not pattern.startswith("<a>"):
        first = _lowered(first)
    line = pattern.replace("<a>", first).replace("<b>", _lowered(second))
    return line, {**a.values, **{f"b_{slot}": value for slot, value in b.values.items()}}


def _lowered(line: str) -> str:
    return line if line.startswith(("I ", "I'")) else line[0].lower() + line[1:]


def _exchange(scene: Scene, tool: Tool, values: Values, only: str | None = None) -> Exchange:
    """The call with these values and what it leads to; `only` is the one result that must come."""
    rng, lang, wording = scene.rng, scene.lang, tool.kind.wording[scene.lang]
    slots = {result.slot: result for result in tool.kind.results}
    line = rng.choice(_answers(tool.kind, lang, frozenset(slots.keys() | values.keys()), only))
    given = [slot for slot in slots if slot in slots_of(line)]
    found = {slot: draw_result(slots[slot], rng, lang, values, held=scene.held) for slot in given}
    said = {**values, **found}
    echo = {name: values[slot] for slot, name in tool.names.items() if slot in slots_of(line) and slot in values}
    if found:
        ordered = {slots[slot]: value for slot, value in found.items()}
        result = write_result(rng, lang, ordered, echo, wording.texts)
        wanted = tuple(value.text for value in ordered.values())
    else:
        result = write_done(rng, lang, echo)
        wanted = tuple(values[param.slot].text for param in tool.kind.params if param.slot in slots_of(line))[:1]
    short = fill(_line(scene, "found_short" if found else "done_short"), lambda _: ", ".join(wanted), spaced=True)
    answer = fill(line, lambda slot: said[slot].text, spaced=True)
    return Exchange(tool.call(values), result, answer, short, wanted, tuple(value.text for value in values.values()))


def _answers(kind: Kind, lang: Lang, known: frozenset[str], only: str | None) -> list[str]:
    """The answers whose every slot is known; with `only`, those that give this one result."""
    lines = [line for line in kind.wording[lang].answers if slots_of(line) <= known]
    if only is None:
        return lines
    given = {result.slot for result in kind.results}
    fit = [line for line in lines if slots_of(line) & given == frozenset({only})]
    return fit or [line.replace("{x}", f"{{{only}}}") for line in lines_of(read_table("lines")[lang]["found"])]


def _turn(scene: Scene, user: str, rounds: tuple[Round, ...], done: Sequence[Exchange]) -> ToolTurn:
    """The turn whose answer says what every exchange led to."""
    wanted = tuple(text for each in done for text in each.wanted)
    kept = [text for each in done for text in (*each.wanted, *each.kept)]
    scene.slots.update({f"kept {index}": text for index, text in enumerate(kept)})
    answer, short = (
        _strung(parts, scene.lang) for parts in ([each.answer for each in done], [each.short for each in done])
    )
    return ToolTurn(Turn(user, scene.say(answer, short), rounds), wanted)


def _strung(parts: list[str], lang: Lang) -> str:
    """Sentences one after the other, each ended."""
    stop, joint = (".", " ") if lang == "en" else ("。", "")
    *before, last = parts
    return joint.join([*(part + stop if part[-1].isalnum() else part for part in before), last])


def _typed(scene: Scene, line: str, values: Values) -> str:
    line = choose(line, scene.rng)
    if not scene.held:
        line = soften(line, scene.rng, scene.lang)
    return fill(line, lambda slot: values[slot].text, spaced=scene.rng.random() < 0.4)


@cache
def _lines(lang: Lang, part: str) -> Split:
    lines = lines_of(read_table("lines")[lang][part])
    if part in _JOINTS:
        return split_expanded(lines)
    return split_lines(f"tool lines/{lang}/{part}", lines)


def _line(scene: Scene, part: str) -> str:
    """A line of the demo's own, or of the user where lines are held out."""
    lines = _lines(scene.lang, part)
    pool = lines.side(held=scene.held) if part in (*_JOINTS, "reasons") else lines.trained + lines.held
    return scene.rng.choice(pool)


def _reason(scene: Scene, values: Values) -> str:
    """Why a call failed; in training often in words that no other call failed with."""
    if not scene.held and scene.rng.random() < _OWN_REASONS:
        return clause(scene.rng, scene.lang)[:40].strip()
    texts = [value.text for value in values.values()] or ["?"]
    slots = {"x": scene.rng.choice(texts), "n": str(scene.rng.randint(2, 599))}
    return fill(_line(scene, "reasons"), slots.__getitem__)
