"""Long texts, encoded slice by slice."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from duihua.prompt.slices import SLICE, ids_of, length_of, no_check, offsets_of
from prompt import traits

WORDS = (
    "hello",
    "the",
    " ",
    "  ",
    "\n\n",
    "今天天气",
    "é",
    "e\u0301",
    "🙂",
    "👨‍👩‍👧",
    "12345",
    "don't",
    "<|user|>",
    "a" * 50,
    "\r\n",
)


def mixed(seed: int) -> str:
    chosen = random.Random(seed)
    return "".join(chosen.choice(WORDS) + chosen.choice(("", "", " ")) for _ in range(SLICE // 2))


def in_one_word() -> Tokenizer:
    """A tokenizer that parts no words, so that every token may hang together with every other."""
    made = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "aa": 2, "<u>": 3}, merges=[("a", "a")], unk_token="<u>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


TEXTS = {
    "mixed": mixed(1),
    "mixed otherwise": mixed(2),
    "prose": "the weather is nice today, hello world. " * (SLICE // 10),
    "one word": "a" * (3 * SLICE + 7),
    "spaces": " " * (2 * SLICE + 1),
    "a long word amid others": "hello " * 15_000 + "b" * (2 * SLICE) + " hello" * 30_000,
    "control tokens": "<|user|>" * (SLICE // 2),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("tokenizer", [traits.tokenizer(), in_one_word()], ids=["in words", "whole"])
def test_slices_read_as_the_whole_text_does(tokenizer: Tokenizer, text: str) -> None:
    assert len(text) > SLICE
    whole = tokenizer.encode(text, add_special_tokens=False)
    assert ids_of(tokenizer, text, no_check) == whole.ids
    assert offsets_of(tokenizer, text, no_check) == whole.offsets
    assert length_of(tokenizer, text, no_check) == len(whole.ids)


@pytest.mark.parametrize("length", [0, 1, 2047, 2048, 2049, SLICE - 1, SLICE, SLICE + 1])
def test_texts_of_every_length_are_read_alike(length: int) -> None:
    text, tokenizer = TEXTS["prose"][:length], traits.tokenizer()
    assert ids_of(tokenizer, text, no_check) == tokenizer.encode(text, add_special_tokens=False).ids
    assert length_of(tokenizer, text, no_check) == len(ids_of(tokenizer, text, no_check))


def test_whoever_no_longer_waits_ends_it_between_two_slices() -> None:
    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    for function in (ids_of, length_of, offsets_of):
        with pytest.raises(Enough):
            function(traits.tokenizer(), TEXTS["prose"], check)
