"""Stories: a cast is drawn once, then the rules of one plot are written out with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from demo.grammar import Lang, choose, fill

STORIES_DIR: Final = Path(__file__).with_suffix("")
BOUNDS: Final[dict[Lang, tuple[int, int]]] = {"en": (75, 136), "zh": (130, 300)}  # words; characters
_TRIES: Final = 120
_JOINTS_EN: Final = frozenset("and or but who whom that which where when while , ; : ! ? .".split())
_JOINTS_ZH: Final = re.compile("[和与跟或，、：；！？。]")
_MEASURED: Final = re.compile(
    "一([只个盏条本把匹头位棵朵颗块张幅座辆艘架台顶件双口封片滴粒枚串团间扇支面瓶罐根名群])(.+)"
)

Cast = dict[str, str]  # slot -> what stands there all through the story


@dataclass(frozen=True, slots=True)
class Rules:
    """The sections of one file of stories."""

    lines: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # written anew each time
    rows: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # `slot = text; ...`: drawn once


@cache
def load_rules(lang: Lang) -> tuple[Rules, Mapping[str, Rules]]:
    """The rules all plots share, and those of each plot by name."""
    found = {path.stem: _read(path) for path in sorted((STORIES_DIR / lang).glob("*.txt"))}
    return found.pop("common"), found


def _read(path: Path) -> Rules:
    rules, section = Rules(), ""
    for line in path.read_text(encoding="utf-8").splitlines():
        mark, _, text = line.partition(" ")
        match mark:
            case "==":
                section = text
            case "-":
                rules.lines.setdefault(section, []).append(text)
            case "+":
                rules.rows.setdefault(section, []).append(text)
            case "" | "#":
                pass
            case _:
                raise ValueError(f"{path.name}: a line without a mark: {line!r}")
    return rules


def write_story(rng: Random, lang: Lang, *, subject: str | None = None, hero: str | None = None) -> str:
    """A story of 75 to 136 words, or 130 to 300 Chinese characters: 400 tokens at most, or hardly more.

    About a long subject it may be longer.

    Args:
        rng: The story's random numbers.
        lang: The language to tell it in.
        subject: What the user wants it to be about, as typed, with or without an article.
        hero: The name of the person it is about.
    """
    low, high = BOUNDS[lang]
    text = shortest = ""
    for _ in range(_TRIES):
        text = _attempt(rng, lang, subject, hero)
        if size(text, lang) < low or (hero is not None and text.count(hero) < 3):
            continue
        if size(text, lang) <= high:
            return text
        shortest = min(shortest or text, text, key=lambda one: size(one, lang))
    return shortest or text


def size(text: str, lang: Lang) -> int:
    """Words of an English story, characters of a Chinese one."""
    return len(text.split()) if lang == "en" else len(text.replace("\n", ""))


def _attempt(rng: Random, lang: Lang, subject: str | None, hero: str | None) -> str:
    common, plots = load_rules(lang)
    plot = plots[rng.choice(sorted(plots))]
    teller = _Teller(rng, lang, common, plot, _cast(rng, lang, common, subject, hero))
    for rows in plot.rows.values():
        for pair in rng.choice(rows).split("; "):
            slot, _, text = pair.partition(" = ")
            teller.cast[slot] = teller.write(text)
    story = teller.rule("skeleton")
    core = teller.cast.get("core", "")
    if core not in story[-len(story) // 4 :].casefold():
        story = f"{story} {teller.rule(teller.cast['coda'])}"
    gap = " " if lang == "en" else ""
    parts = [re.sub(" +", " ", part.strip()) for part in story.split("//")]
    text = ("\n" if rng.random() < 0.8 else gap).join(parts)
    return text if lang == "en" else re.sub("(?<=[。？！”]) ", "", text)


@dataclass(slots=True)
class _Teller:
    """Writes rules out; a line of a rule is used once in a story."""

    rng: Random
    lang: Lang
    common: Rules
    plot: Rules
    cast: Cast
    used: set[str] = field(default_factory=set[str])

    def rule(self, name: str) -> str:
        lines = self.plot.lines.get(name) or self.common.lines[name]
        line = self.rng.choice([line for line in lines if line not in self.used] or lines)
        self.used.add(line)
        text = self.write(line)
        if name == "premise" and self.cast.get("coda") == "closing":
            text = f"{text} {self.rule('aside')}"
        return text

    def write(self, template: str) -> str:
        # `A fox called {name}` means the name; beside the subject a kind would only repeat it.
        is_naming = "kind}" in template or "{subject}" in template
        return fill(
            choose(template, self.rng),
            lambda slot: self.cast["name"] if is_naming and slot in ("name", "Name") else self._value(slot),
            spaced=self.lang == "zh",
        )

    def _value(self, slot: str) -> str:
        if slot.startswith("maybe_"):
            return self.rule(slot.removeprefix("maybe_")) if self.rng.random() < 0.5 else ""
        if slot[0].isupper():
            text = self._value(slot[0].lower() + slot[1:])
            if slot == "He" and text == "they" and self.rng.random() < 0.7:
                text = self.cast["name"]
            return text[0].upper() + text[1:]
        if slot in ("pal", "pal_first"):  # said in full the first time, whichever line comes first
            slot = "pal" if "pal" in self.used else "pal_first"
            self.used.add("pal")
        if slot == "name" and self.rng.random() < self._share_of_kind():
            return self.cast["the_kind"]
        if slot == "start" and "bare" in self.cast:
            return self.rule("start_bare")
        if slot == "the_thing" and self.lang == "zh" and self.rng.random() < 0.5:
            return self.cast["thing"]
        return self.cast[slot] if slot in self.cast else self.rule(slot)

    def _share_of_kind(self) -> float:
        """How often the hero is called by its kind instead of its name."""
        if self.cast.get("coda") == "closing_hero":
            return 0.35
        return 0.12 if len(self.cast["the_kind"]) <= (18 if self.lang == "en" else 4) else 0.0


def _cast(rng: Random, lang: Lang, common: Rules, subject: str | None, hero: str | None) -> Cast:
    """Who and what stands in the story all through."""

    def draw(name: str) -> str:
        return rng.choice(common.lines[name])

    kind, place, pal_kind = draw("people" if hero else "kinds"), draw("places"), draw("pals")
    names, pals = ("names", "names")
    is_she = "girl" in kind or ("boy" not in kind and rng.random() < 0.5)
    if lang == "en":
        names, pals = ("names_she", "names_he") if is_she else ("names_he", "names_she")
    name = hero or rng.choice(draw(names).split())
    pal = rng.choice([other for other in draw(pals).split() if other != name])
    cast = {"name": name, "kind": kind, "pal": pal, "third": draw("thirds"), "place": place}
    cast |= _thing(lang, draw("things"))
    if lang == "en":
        cast |= {"at": place, "place": place.partition(" ")[2]}
    if subject:
        cast |= _part(rng, lang, subject, draw("frames"), may_be_hero=hero is None)
    while pal_kind.split()[-1] in cast["kind"]:
        pal_kind = draw("pals")
    cast |= {"pal_kind": pal_kind, "pal_first": f"{pal} the {pal_kind}" if lang == "en" else f"{pal_kind}{pal}"}
    cast["the_kind"] = hero or _split(lang, cast["kind"])[0]
    return cast | _pronouns(lang, cast["kind"], name, known=hero is None, is_she=is_she)


def _part(rng: Random, lang: Lang, subject: str, frame: str, *, may_be_hero: bool) -> Cast:
    """What the subject is in the story: its hero, its thing, or what its thing tells of."""
    cast = {"subject": subject, "core": subject.casefold(), "coda": "closing"}
    measured = lang == "en" or _MEASURED.fullmatch(subject) is not None
    if _is_simple(lang, subject):
        core = _split(lang, subject)[1].casefold()
        if may_be_hero and rng.random() < 0.5:
            bare = {} if measured else {"bare": subject}
            return cast | {"kind": subject, "core": core, "coda": "closing_hero"} | bare
        if measured:
            return cast | {"core": core, "coda": "closing_thing"} | _thing(lang, subject)
    first, later = frame.split(" => ")
    near = later[2:] if lang == "zh" else later
    return cast | {"a_thing": fill(first, lambda _: subject, spaced=lang == "zh"), "the_thing": later, "thing": near}


def _is_simple(lang: Lang, subject: str) -> bool:
    """Whether the subject is one thing that a story can go on to call `the ...`."""
    if lang == "zh":
        return not _JOINTS_ZH.search(subject) and len(subject) <= 10
    words = re.findall(r"[,;:!?.]|[^\s,;:!?.]+", subject.casefold())
    return len(words) in range(2, 7) and words[0] in ("a", "an") and _JOINTS_EN.isdisjoint(words)


def _thing(lang: Lang, thing: str) -> Cast:
    the, bare = _split(lang, thing)
    if lang == "zh":
        the = f"那{thing[1:]}"
    return {"a_thing": thing, "the_thing": the, "thing": bare}


def _split(lang: Lang, phrase: str) -> tuple[str, str]:
    """How a phrase goes on once it is known (`the old lamp`), and its noun (`old lamp`)."""
    if lang == "en":
        bare = phrase.partition(" ")[2]
        return f"the {bare}", bare
    match = _MEASURED.fullmatch(phrase)
    bare = phrase if match is None else match[2]
    return bare, bare


def _pronouns(lang: Lang, kind: str, name: str, *, known: bool, is_she: bool) -> Cast:
    """The hero's pronouns, `they` for a person the demo does not know, and the friend's, which differ."""
    if lang == "zh":
        return {"ta": ("他" if "男" in kind else "她" if "女" in kind else "它") if known else name}
    male = {"he": "he", "him": "him", "his": "his", "he_was": "he was", "himself": "himself"}
    female = {"he": "she", "him": "her", "his": "her", "he_was": "she was", "himself": "herself"}
    both = {"he": "they", "him": "them", "his": "their", "he_was": "they were", "himself": "themselves"}
    own, pal = (female, male) if is_she else (male, female)
    return (own if known else both) | {f"p{slot}": text for slot, text in pal.items()}
