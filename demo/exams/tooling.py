"""Tools: the right one with the right arguments, results and errors read back, none where none fits."""

from random import Random
from typing import Final

from demo.exams.case import Case, Check, Reply, Step, says
from demo.grammar import Lang
from demo.plots import FILLERS, write_turn
from demo.scene import Scene
from demo.skills.talk import talk_topics
from demo.tools import ToolTurn, asking, at_once, draw_bench, failing, in_a_row, judge, one, read_call, unfit

SKILL: Final = "uses tools"
CHAINS: Final = "uses two tools"
_LONGEST: Final = 160  # tokens of an answer or of its calls
_USES: Final = {
    "calls one and reads the result": (SKILL, one),
    "copes with an error": (SKILL, failing),
    "says that none fits": (SKILL, unfit),
    "calls two in a row": (CHAINS, in_a_row),
    "calls two at once": (CHAINS, at_once),
}


def write(rng: Random, lang: Lang) -> list[Case]:
    """One case of every exam, each with tools of its own."""
    return [*(_used(rng, lang, exam) for exam in _USES), _asked(rng, lang), _needless(rng, lang)]


def _used(rng: Random, lang: Lang, exam: str) -> Case:
    scene = Scene(rng, lang, held=True)
    bench = draw_bench(rng, lang, held=True, wants="in_a_row" if "row" in exam else "")
    skill, use = _USES[exam]
    before = [write_turn(Scene(rng, lang), FILLERS).user] if rng.random() < 0.3 else []
    steps = (*map(Step, before), shown_step(use(scene, bench)))
    return Case(skill, exam, lang, steps, tools=bench.schemas, longest=_LONGEST)


def _asked(rng: Random, lang: Lang) -> Case:
    bench = draw_bench(rng, lang, held=True)
    steps = tuple(map(shown_step, asking(Scene(rng, lang, held=True), bench)))
    return Case(SKILL, "asks for what is missing", lang, steps, tools=bench.schemas, longest=_LONGEST)


def _needless(rng: Random, lang: Lang) -> Case:
    """Small talk while tools are there, in phrasings of training."""
    topic = rng.choice(talk_topics(lang))
    step = Step(Scene(rng, lang).line(topic), says(lang, topic))
    tools = draw_bench(rng, lang, held=True).schemas
    return Case(SKILL, "calls nothing in small talk", lang, (step,), tools=tools, longest=_LONGEST)


def shown_step(shown: ToolTurn) -> Step:
    """A step whose calls and answer must be those of this turn."""
    return Step(shown.turn.user, _as_shown(shown), tuple(made.results for made in shown.turn.rounds))


def _as_shown(shown: ToolTurn) -> Check:
    def check(reply: Reply) -> bool:
        rounds = [[read_call(text) for text in calls] for calls in reply.calls]
        if any(call is None for calls in rounds for call in calls):
            return False
        return judge(shown, [[call for call in calls if call is not None] for calls in rounds], reply.answer)

    return check
