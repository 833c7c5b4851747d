"""System prompts: a name, a mood, short answers."""

import re
from random import Random

from demo.exams.case import Case, Check, Reply, as_pattern, has, last_is
from demo.grammar import Lang, expansions, load_grammar
from demo.held import HELD_MAKES
from demo.names import draw_name
from demo.scene import Scene, plain, use
from demo.skills.sums import add
from demo.skills.talk import MOODS, mood_prompt, talk, unknown

SKILL = "obeys a system prompt"
_SHORT = {"en": 6, "zh": 12}  # words, characters


def write(rng: Random, lang: Lang) -> list[Case]:
    """One case of every exam."""
    return [_named(rng, lang), _moody(rng, lang), _short(rng, lang)]


def _named(rng: Random, lang: Lang) -> Case:
    scene = Scene(rng, lang, held=True)
    scene.slots["me"] = rng.choice((lambda: draw_name(rng, lang, held=True), lambda: _strange(rng)))()
    system, name = scene.line("system.name"), scene.slots["me"]
    lines = [*small_lines(rng, lang, 2), scene.line("myname")]
    return Case(SKILL, "bears a name", lang, last_is(lines, has(name)), system)


def _strange(rng: Random) -> str:
    return rng.choice(list(HELD_MAKES.values()))(rng)


def _moody(rng: Random, lang: Lang) -> Case:
    scene, mood = Scene(rng, lang, held=True), rng.choice(MOODS)
    system = mood_prompt(scene, mood)
    lines = small_lines(rng, lang, 3, least=1)
    return Case(SKILL, "keeps a mood", lang, last_is(lines, in_mood(lang, mood)), system, title=mood)


def in_mood(lang: Lang, mood: str) -> Check:
    """The answer is framed as this mood frames it."""
    frames = load_grammar(lang)[f"mood.{mood}"]
    lines = [*frames.answers, *frames.short, *load_grammar(lang)[f"feel.{mood}"].answers]
    pattern = re.compile("|".join(as_pattern(text) for line in lines for text in expansions(line)), re.DOTALL)
    return lambda reply: not reply.calls and pattern.fullmatch(reply.answer) is not None


def _short(rng: Random, lang: Lang) -> Case:
    scene = Scene(rng, lang, held=True)
    lines = small_lines(rng, lang, 3, least=1)
    return Case(SKILL, "keeps it short", lang, last_is(lines, _is_short(lang)), scene.line("system.short"))


def _is_short(lang: Lang) -> Check:
    def check(reply: Reply) -> bool:
        size = len(reply.answer.split()) if lang == "en" else len(reply.answer)
        return 0 < size <= _SHORT[lang] and not reply.calls

    return check


def small_lines(rng: Random, lang: Lang, most: int, *, least: int = 0) -> list[str]:
    """Lines whose answers the system prompt colours."""
    scene = Scene(rng, lang, held=True)
    skills = (talk, talk, unknown, add, plain("greet"), plain("intro"))
    return [use(scene, rng.choice(skills)).user for _ in range(rng.randint(least, max(most, least)))]
