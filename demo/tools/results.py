"""What tools give back: plain words, numbers, JSON of several shapes, and errors."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from demo.grammar import Lang, fill
from demo.tools.kinds import CHINESE, Result, slots_of
from demo.tools.values import Value, Values, draw_value, lines_of, read_table

_WRAPPERS: Final = ("result", "data", "response", "output", "value", "info")


def draw_result(result: Result, rng: Random, lang: Lang, given: Values, *, held: bool) -> Value:
    """One value that comes back for these arguments."""
    make, *more = result.draws.split()
    if make == "worth":
        return _as_value(given[more[0]].worth)
    if make == "between":
        low, high = sorted(given[slot].json for slot in more)
        return _as_value(rng.randint(low, high))
    if make == "converted":
        return _as_value(round(given[more[0]].json * rng.uniform(0.1, 9), 2))
    return draw_value(result.draws, rng, lang, held=held)


def _as_value(found: Any) -> Value:
    whole = int(found) if isinstance(found, float) and found.is_integer() else found
    return Value(str(whole), whole)


def write_result(rng: Random, lang: Lang, found: Mapping[Result, Value], echo: Values, texts: Sequence[str]) -> str:
    """The values of one result as a tool writes them; `echo` are arguments it may give back with them."""
    slots = {result.slot: value for result, value in found.items()}
    lines = [text for text in texts if slots_of(text) == slots.keys()]
    if lines and rng.random() < 0.35:
        return fill(rng.choice(lines), lambda slot: slots[slot].text)
    rows = {_key(result, rng, lang): value for result, value in found.items()}
    if rng.random() < 0.3:
        return _plain(rng, rows)
    body: dict[str, Any] = {key: value.json for key, value in rows.items()}
    if echo and rng.random() < 0.35:
        body = {slot: value.json for slot, value in echo.items()} | body
    return _dumped(_wrapped(body, rng), rng)


def _key(result: Result, rng: Random, lang: Lang) -> str:
    """A key of the tool's language, as far as there is one."""
    keys = result.keys or (result.slot,)
    chinese = [key for key in keys if CHINESE.search(key)]
    latin = [key for key in keys if key not in chinese]
    return rng.choice(chinese if chinese and (not latin or (lang == "zh" and rng.random() < 0.3)) else latin)


def _plain(rng: Random, rows: Values) -> str:
    if len(rows) == 1:
        return next(iter(rows.values())).text
    pattern, joint = rng.choice((("{}: {}", ", "), ("{}={}", " "), ("{}: {}", "\n"), ("{1}", ", ")))
    return joint.join(pattern.format(key, value.text) for key, value in rows.items())


def _wrapped(body: dict[str, Any], rng: Random) -> dict[str, Any]:
    roll = rng.random()
    if roll < 0.6:
        return body
    if roll < 0.8:
        return {rng.choice(_WRAPPERS): body}
    if roll < 0.9:
        return {rng.choice(("status", "state")): "ok"} | body
    if len(body) == 1:
        return {rng.choice(_WRAPPERS): next(iter(body.values()))}
    return {"ok": True} | body


def _dumped(body: Any, rng: Random) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":") if rng.random() < 0.2 else None)


def write_done(rng: Random, lang: Lang, echo: Values) -> str:
    """What a tool says that only had something to do."""
    line = rng.choice(lines_of(read_table("lines")[lang]["done"]))
    if line.startswith("{") and echo and rng.random() < 0.3:
        return _dumped(json.loads(line) | {slot: value.json for slot, value in echo.items()}, rng)
    return line


def write_error(rng: Random, lang: Lang, reason: str) -> str:
    """An error with this reason."""
    code = rng.choice((400, 401, 403, 404, 408, 429, 500, 502, 503))
    bodies: tuple[dict[str, Any], ...] = (
        {"error": reason},
        {"error": reason},
        {"status": "error", "message": reason},
        {"ok": False, "reason": reason},
        {"success": False, "error": reason},
        {"error": {"message": reason}},
        {"code": code, "error": reason},
        {"error": True, "detail": reason},
    )
    if rng.random() < 0.55:
        return _dumped(rng.choice(bodies), rng)
    heads = (
        ("Error: ", "ERROR: ", "error: ", "Failed: ") if lang == "en" else ("错误：", "出错了：", "失败：", "Error: ")
    )
    return f"{rng.choice(heads)}{reason}"
