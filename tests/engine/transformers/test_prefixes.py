from __future__ import annotations

import random

from duihua.engine.transformers.keyvalues import KeyValues, cache_of
from duihua.engine.transformers.prefixes import Kept, Prefixes, common_prefix

ANYBODY = ("", 0)


def kept(ids: list[int], sharing: tuple[str, int] = ANYBODY) -> Kept:
    return Kept(ids, sharing, cache_of(1, len(ids)))


def test_common_prefix_is_that_of_a_plain_loop() -> None:
    chance = random.Random(2)
    for _ in range(500):
        stem = [chance.randrange(3) for _ in range(chance.randrange(20))]
        left = stem + [chance.randrange(3) for _ in range(chance.randrange(6))]
        right = stem + [chance.randrange(3) for _ in range(chance.randrange(6))]
        shared = 0
        while shared < min(len(left), len(right)) and left[shared] == right[shared]:
            shared += 1
        assert common_prefix(left, right) == shared


def test_the_longest_of_the_same_salt_and_adapter_is_found() -> None:
    prefixes = Prefixes()
    short, long, secret = kept([1, 2, 9]), kept([1, 2, 3, 4, 8]), kept([1, 2, 3, 4, 5], ("other", 0))
    for each in (short, long, secret):
        prefixes.keep(each)
    assert prefixes.longest([1, 2, 3, 4, 5], ANYBODY) == (long, 4)
    assert prefixes.longest([1, 2, 3, 4, 5], ("other", 0)) == (secret, 5)
    assert prefixes.longest([7], ANYBODY) == (None, 0)
    assert prefixes.longest([1], ("stranger", 0)) == (None, 0)
    assert prefixes.longest([1], ("", 1)) == (None, 0)


def test_what_is_continued_is_forgotten() -> None:
    prefixes = Prefixes()
    for ids in ([1, 2], [1, 3], [1, 2, 4]):
        prefixes.keep(kept(ids))
    assert len(prefixes) == 2
    assert prefixes.slots == 2 + 3


def test_the_least_recently_used_goes_first() -> None:
    prefixes = Prefixes()
    first, second, third = kept([1, 1]), kept([2, 2]), kept([3, 3])
    for each in (first, second, third):
        prefixes.keep(each)
    prefixes.longest([1, 1, 5], ANYBODY)
    assert prefixes.drop_oldest()
    assert prefixes.longest([2, 2], ANYBODY) == (None, 0)
    assert prefixes.drop_oldest(but=third)
    assert prefixes.longest([1, 1], ANYBODY) == (None, 0)
    assert not prefixes.drop_oldest(but=third)
    prefixes.take(third)
    assert len(prefixes) == 0


def test_a_rigid_cache_serves_whole_or_not_at_all() -> None:
    prefixes = Prefixes()
    rigid = Kept([1, 2, 3], ANYBODY, KeyValues(cache_of(1, 3).cache, room=3, rigid=True))
    prefixes.keep(rigid)
    assert prefixes.longest([1, 2, 9], ANYBODY) == (None, 0)
    assert prefixes.longest([1, 2, 3, 4], ANYBODY) == (rigid, 3)


def test_those_of_an_adapter_that_is_gone_are_forgotten() -> None:
    prefixes = Prefixes()
    for each in (kept([1, 2]), kept([1, 2, 3], ("", 1)), kept([1, 2, 3], ("other", 1))):
        prefixes.keep(each)
    prefixes.forget(1)
    assert len(prefixes) == 1
    assert prefixes.longest([1, 2, 3], ANYBODY)[1] == 2
