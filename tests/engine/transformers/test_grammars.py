from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from checkpoints import CHATML, make_tokenizer
from duihua.engine.transformers.grammars import Grammars, Matcher, bytes_of
from duihua.engine.transformers.sampler import unpacked
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.grammar import Grammar
from duihua.prompt.vocabulary import Vocabulary

_T = TypeVar("_T")
STOP = 322
SIZE = 340  # with padding rows


def byte_level() -> Vocabulary:
    return Vocabulary(make_tokenizer(CHATML).backend_tokenizer)


def with_byte_fallback() -> Vocabulary:
    """Words with a mark for the space before them, bytes for the rest, as SentencePiece's vocabularies."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)} | {"▁a": 256, "a": 257, "b": 258, "▁": 259}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[("▁", "a")], byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens(["</s>"])
    return Vocabulary(made)


def held(work: Callable[[Grammars], Awaitable[_T]], vocabulary: Callable[[], Vocabulary] | None = byte_level) -> _T:
    async def scenario() -> _T:
        grammars = Grammars(vocabulary, SIZE)
        try:
            return await work(grammars)
        finally:
            grammars.close()

    return asyncio.run(scenario())


def next_of(matcher: Matcher, *, may_end: bool = True) -> set[int]:
    mask = torch.zeros(1, -(-SIZE // 32), dtype=torch.int32)
    matcher.fill(mask, 0, may_end=may_end)
    return set(unpacked(mask, SIZE)[0].nonzero()[:, 0].tolist())


def start(
    grammar: Grammar, stops: Sequence[int] = (STOP,), vocabulary: Callable[[], Vocabulary] = byte_level
) -> Matcher:
    return held(lambda grammars: grammars.matcher(grammar, stops), vocabulary)


def test_control_tokens_and_padding_never_come_and_stops_only_at_the_end() -> None:
    matcher = start(Grammar.regex(".{1,3}"))
    assert next_of(matcher) <= set(range(320))
    matcher.accept(66)
    assert {token for token in next_of(matcher) if token >= 320} == {STOP}


def test_a_stop_is_kept_out_while_it_must_unless_nothing_else_may_come() -> None:
    for stop in (STOP, 31):  # the highest bit of a word too
        matcher = start(Grammar.regex("[ab]{1,2}"), (stop,))
        matcher.accept(64)
        assert stop in next_of(matcher)
        assert next_of(matcher, may_end=False) == next_of(matcher) - {stop}
        matcher.accept(64)
        assert next_of(matcher, may_end=False) == {stop}


def test_tokens_of_a_vocabulary_with_byte_fallback_are_what_they_add_to_a_text() -> None:
    vocabulary = with_byte_fallback()
    assert [bytes_of(vocabulary, i) for i in (0xE5, 256, 257, 259, 260, 300)] == [b"\xe5", b" a", b"a", b" ", b"", b""]
    matcher = start(Grammar.choice(["a b"]), (260,), with_byte_fallback)
    assert next_of(matcher) == {257, 0x61}
    matcher.accept(257)
    assert next_of(matcher) == {259, 0x20}


def test_what_is_compiled_is_kept_within_bounds() -> None:
    async def scenario(grammars: Grammars) -> None:
        for number in range(70):
            await grammars.matcher(Grammar.choice([f"text {number}"]), (STOP,))
        assert grammars.kept == 64

    held(scenario)


@pytest.mark.parametrize("rules", ["root ::= missing", 'root ::= "a" root', 'root ::= ("a"'])
def test_a_grammar_in_which_nothing_can_be_said_is_refused(rules: str) -> None:
    grammar = Grammar.ebnf(rules)
    if rules.endswith("root"):  # has no end, but a beginning: the limit ends it
        assert next_of(start(grammar))
        return
    with pytest.raises(InvalidParameter):
        start(grammar)


def test_a_model_without_a_tokenizer_takes_none() -> None:
    with pytest.raises(UnsupportedFeature):
        held(lambda grammars: grammars.matcher(Grammar.choice(["a"]), (STOP,)), None)
