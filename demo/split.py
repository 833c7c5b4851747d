"""What training never sees: chosen by hash, so that no list has to be kept."""

from hashlib import blake2b
from typing import Final

_SALT: Final = "duihua"
_IDEAS: Final = 1 / 12


def _share(kind: str, text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    digest = blake2b(f"{_SALT}/{kind}/{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def held_phrasing(text: str) -> bool:
    """Whether this sentence, its slots still open, is of the quarter of the phrasings kept out of training."""
    return _share("phrasing", text.casefold().rstrip(".!?。！？ ")) < 1 / 4


def held_idea(section: str, line: str) -> bool:
    """Whether a line of the grammar is kept out of training in every wording: one in twelve."""
    return _share(f"idea/{section}", line) < _IDEAS


def held_phrasings(section: str, lines: list[str]) -> frozenset[str]:
    """A quarter of the lines of a section, rounded up."""
    order = sorted(lines, key=lambda line: _share(section, line))
    return frozenset(order[: -(-len(lines) // 4)])


def held_value(kind: str, text: str) -> bool:
    """Whether this name, city, colour or thing is of the third kept out of training; letter case does not matter."""
    return _share(kind, text.casefold()) < 1 / 3


def held_pair(a: int, b: int) -> bool:
    """Whether this pair of numbers, in either order, is of the fifth kept out of training."""
    return _share("pair", f"{min(a, b)},{max(a, b)}") < 1 / 5
