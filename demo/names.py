"""Names of every make, so that the model learns to copy and not to know names."""

from random import Random
from typing import Final

from demo.grammar import Lang
from demo.held import is_held_make
from demo.makes import CHINESE_MAKES, LATIN_MAKES
from demo.split import held_value

# The tests of the package and its documents say these names: training never does.
RESERVED: Final = frozenset("anna lindqvist bob alice zhang zhangwei 小林 小明 小红 司马迁 李雷 张伟".split())
_CHINESE_SHARE: Final[dict[Lang, float]] = {"en": 0.15, "zh": 0.68}


def draw_name(rng: Random, lang: Lang, *, held: bool = False) -> str:
    """A name as somebody who writes this language might have, of any make of training.

    Args:
        rng: The dialogue's random numbers.
        lang: Decides how often the name is Chinese.
        held: Take one of the third of the names that training never sees.
    """
    makes = CHINESE_MAKES if rng.random() < _CHINESE_SHARE[lang] else LATIN_MAKES
    while True:
        make, _ = rng.choices(list(makes.values()), [weight for _, weight in makes.values()])[0]
        name = make(rng).strip()
        if name and is_fit(name) and held_value("name", name) == held:
            return name


def is_fit(name: str) -> bool:
    """Whether training may use this name, were it not of the held third."""
    low = name.casefold()
    return low not in RESERVED and RESERVED.isdisjoint(low.split()) and not is_held_make(name)
