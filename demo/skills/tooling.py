"""Turns of a dialogue that offers tools."""

from collections.abc import Callable
from typing import Final

from demo.scene import Scene
from demo.tools import Bench, ToolTurn, asking, at_once, draw_bench, failing, in_a_row, one, unfit
from demo.turns import ToolSchema, Turn

Use = Callable[[Scene, Bench], ToolTurn]
# Each way to use tools and how often it comes; two turns go into `asking`.
_USES: Final[dict[Use, float]] = {one: 5.0, in_a_row: 2.2, at_once: 2.2, failing: 2.0, unfit: 2.0}
_ASKING: Final = 0.12


def write_tool_turns(scene: Scene) -> tuple[tuple[ToolSchema, ...], list[list[Turn]]]:
    """The tools on offer, and up to five groups of turns that belong together; none: the tools are just there."""
    chained = "in_a_row" if scene.rng.random() < 0.25 else ""
    bench = draw_bench(scene.rng, scene.lang, held=scene.held, wants=chained)
    groups = [_group(scene, bench) for _ in range(scene.rng.choice((0, 1, 2, 2, 3, 3, 4, 5)))]
    return bench.schemas, groups


def _group(scene: Scene, bench: Bench) -> list[Turn]:
    scene.slots = {}
    if scene.rng.random() < _ASKING:
        return [shown.turn for shown in asking(scene, bench)]
    use = scene.rng.choices(list(_USES), list(_USES.values()))[0]
    return [use(scene, bench).turn]
