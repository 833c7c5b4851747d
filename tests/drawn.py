"""A tokenizer and dialogues with pictures to try the recipe of demo-vision on; each is made once."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from demo.tokenizer import END, SPECIALS, id_of, train_tokenizer
from demo.turns import Dialogue
from demo.vision.corpus import Corpus, Encoder, corpus_texts, gathered
from demo.vision.geometry import ADDED
from demo.vision.plots import PLACE, write_dialogue
from tokenizers import Tokenizer

__all__ = ["corpus_of", "dialogues", "messages", "tokenizer"]


@cache
def tokenizer() -> Tokenizer:
    """The recipe's, trained on little text."""
    return train_tokenizer(corpus_texts("test", 60), (*SPECIALS, *ADDED))


@cache
def dialogues(count: int) -> tuple[Dialogue, ...]:
    """The recipe's."""
    return tuple(write_dialogue(Random(f"test/{seed}")) for seed in range(count))


def corpus_of(*written: Dialogue) -> Corpus:
    """These dialogues as rows."""
    encoder = Encoder(tokenizer())
    return gathered([encoder.encode(dialogue) for dialogue in written], id_of(tokenizer(), END))


def messages(dialogue: Dialogue) -> list[dict[str, Any]]:
    """What a chat template is given for it, with a place for each picture."""
    found: list[dict[str, Any]] = [{"role": "system", "content": dialogue.system}] if dialogue.system else []
    for turn in dialogue.turns:
        first, *rest = turn.user.split(PLACE)
        parts = [{"type": "text", "text": first}]
        for text in rest:
            parts += [{"type": "image"}, {"type": "text", "text": text}]
        found += [{"role": "user", "content": parts}, {"role": "assistant", "content": turn.answer}]
    return found
