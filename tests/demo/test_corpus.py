"""The corpus as many processes write it."""

from pathlib import Path

import numpy as np
from demo.corpus import Bucket, CorpusWriter
from demo.evaluate import BUNDLED
from tokenizers import Tokenizer

COUNT = 30


def writer() -> CorpusWriter:
    return CorpusWriter(Tokenizer.from_file(str(Path(BUNDLED) / "tokenizer.json")), "test", COUNT, 2)


def rows(*taken: dict[int, Bucket]) -> list[tuple[int, list[int]]]:
    return [(width, row.tolist()) for part in taken for width, bucket in part.items() for row in bucket.ids]


def test_what_is_taken_in_parts_is_what_is_taken_at_once():
    whole, parts = writer(), writer()
    at_once, first, rest = whole.take(1.0), parts.take(0.5), parts.take(1.0)
    assert sorted(rows(first, rest)) == sorted(rows(at_once))
    assert parts.take() == {}
    assert COUNT * 0.8 < len(rows(at_once)) <= COUNT
    assert all(np.any(bucket.learnt, axis=1).all() for bucket in at_once.values())
    for each in (whole, parts):
        each.close()


def test_what_nobody_waits_for_is_given_up():
    given_up = writer()
    given_up.close()
    assert len(rows(given_up.take())) <= COUNT
