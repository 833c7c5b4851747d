"""What every engine with a tokenizer must do with a grammar; the checkpoints' tokenizer reads the answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from transformers import PreTrainedTokenizerFast

from checkpoints import CHATML, make_tokenizer
from duihua.engine.protocol import Engine
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.events import Chunk
from duihua.grammar import Grammar
from duihua.request import GenerationRequest
from engine.contract import PROMPT, Stage, answer, collect, ids_of, request

__all__ = ["GrammarContract", "held", "read", "stop"]

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "kind": {"enum": ["cat", "dog"]},
    },
    "required": ["name", "age", "kind"],
}
SUM = 'root ::= number ("+" number){1,3}\nnumber ::= [1-9][0-9]?'
ENDING = [
    (Grammar.json_schema(PERSON), lambda text: sorted(json.loads(text)) == ["age", "kind", "name"]),
    (Grammar.regex("[a-c]{2,4}-\\d"), lambda text: re.fullmatch(r"[a-c]{2,4}-\d", text) is not None),
    (Grammar.choice(["yes", "no", "好的", 'a "b"\\c\n']), lambda text: text in ("yes", "no", "好的", 'a "b"\\c\n')),
    (Grammar.ebnf(SUM), lambda text: re.fullmatch(r"[1-9]\d?(\+[1-9]\d?){1,3}", text) is not None),
]  # fmt: skip


def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer(CHATML)


def stop() -> int:
    return int(tokenizer().convert_tokens_to_ids("<|im_end|>"))  # pyright: ignore[reportArgumentType]


def held(grammar: Grammar, *, prompt: Sequence[int] = PROMPT, **decoding: Any) -> GenerationRequest:
    """A request for an answer in this form that ends with the tokenizer's own stop token."""
    settings: dict[str, Any] = {"max_tokens": 200, "stop_token_ids": (stop(),), **decoding}
    return replace(request(prompt, **settings), grammar=grammar)


def read(chunks: Sequence[Chunk]) -> str:
    """The text, without the stop token."""
    ids = ids_of(chunks)
    assert chunks[-1].finish_reason == "stop"
    assert ids[-1] == stop()
    assert not set(ids[:-1]) & set(tokenizer().all_special_ids), ids
    return str(tokenizer().decode(ids[:-1]))


class GrammarContract:
    """The suite; its stages are of checkpoints with the ChatML tokenizer."""

    @pytest.mark.parametrize(("grammar", "fits"), ENDING, ids=[grammar.kind for grammar, _ in ENDING])
    def test_an_answer_keeps_to_its_grammar_and_ends_where_that_ends(
        self, stage: Stage, grammar: Grammar, fits: Any
    ) -> None:
        async def scenario(engine: Engine) -> None:
            hot: list[dict[str, Any]] = [{"temperature": 1.5, "seed": seed} for seed in range(4)]
            for decoding in ({}, *hot):
                text = read(await collect(engine, held(grammar, **decoding)))
                assert fits(text), text

        stage.play(scenario)

    def test_any_object_is_json(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            brace = tokenizer().convert_tokens_to_ids("}")
            asked = held(Grammar.json_object(), temperature=1.0, seed=1, logit_bias=((int(str(brace)), 12.0),))
            assert isinstance(json.loads(read(await collect(engine, asked))), dict)

        stage.play(scenario)

    def test_grammars_of_one_batch_are_apart_and_leave_free_requests_alone(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            free = [request((20 + i, *PROMPT), max_tokens=20 + i) for i in range(3)]
            bound = [held(grammar, temperature=1.0, seed=7) for grammar, _ in ENDING]
            alone = [await answer(engine, each) for each in (*free, *bound)]
            together = await asyncio.gather(*(answer(engine, each) for each in (*free, *bound)))
            assert together == alone

        stage.play(scenario)

    def test_a_closed_request_takes_its_grammar_with_it(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            endless = held(Grammar.regex("[a-z]+"), max_tokens=400, logit_bias=((stop(), -100.0),))
            running = [engine.generate(endless) for _ in range(stage.slots)]
            for generator in running:
                await anext(generator)
            waiting = asyncio.ensure_future(collect(engine, held(Grammar.choice(["yes"]))))
            for generator in running:
                await generator.aclose()
            assert read(await waiting) == "yes"

        stage.play(scenario)

    def test_what_the_limit_cuts_is_length(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            chunks = await collect(engine, held(Grammar.json_schema(PERSON), max_tokens=5))
            assert chunks[-1].finish_reason == "length"
            assert '{"name": "'.startswith(str(tokenizer().decode(ids_of(chunks)))[:10])

        stage.play(scenario)

    def test_bias_and_penalties_choose_within_the_grammar(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            a, b, c = (int(str(tokenizer().convert_tokens_to_ids(letter))) for letter in "abc")
            asked = held(Grammar.regex("[abc]{6}"), logit_bias=((a, 100.0), (b, -100.0), (c, -100.0)))
            assert read(await collect(engine, asked)) == "aaaaaa"
            tired = held(
                Grammar.regex("[abc]{6}"), logit_bias=tuple((i, 100.0) for i in (a, b, c)), repetition_penalty=100.0
            )
            assert set(read(await collect(engine, tired))[:3]) == {"a", "b", "c"}

        stage.play(scenario)

    def test_a_stop_token_that_is_text_stops_only_where_the_grammar_may_end(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            a = int(str(tokenizer().convert_tokens_to_ids("a")))
            asked = held(Grammar.regex("[abc]{3}"), stop_token_ids=(a,), logit_bias=((a, 100.0),))
            chunks = await collect(engine, asked)
            *said, last = ids_of(chunks)
            assert (chunks[-1].finish_reason, last, a in said) == ("stop", a, False)
            assert len(str(tokenizer().decode(said))) == 3  # in one to three tokens

        stage.play(scenario)

    def test_bad_grammars_are_refused_and_the_engine_lives(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            for bad in (Grammar.ebnf("root ::= missing"), Grammar.ebnf('root ::= ("a"'), Grammar.regex("a{3,1}")):
                with pytest.raises(InvalidParameter):
                    await anext(engine.generate(held(bad)))
            with pytest.raises(InvalidParameter, match="stop_token_ids"):
                await anext(engine.generate(held(Grammar.choice(["yes"]), stop_token_ids=())))
            assert read(await collect(engine, held(Grammar.choice(["yes"])))) == "yes"

        stage.play(scenario)

    def test_min_tokens_is_honoured_as_far_as_the_grammar_goes_or_refused(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            asked = held(Grammar.regex("[ab]{2,9}"), min_tokens=6, logit_bias=((stop(), 50.0),))
            short = held(Grammar.choice(["a"]), min_tokens=6)
            if engine.info.name == "vllm":
                with pytest.raises(UnsupportedFeature, match="min_tokens"):
                    await anext(engine.generate(asked))
                return
            assert 6 <= len(read(await collect(engine, asked))) <= 9
            assert read(await collect(engine, short)) == "a"

        stage.play(scenario)

    def test_a_request_with_a_grammar_survives_msgpack(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            asked = held(Grammar.json_schema(PERSON))
            unpacked = msgspec.msgpack.decode(msgspec.msgpack.encode(asked), type=GenerationRequest)
            assert unpacked == asked
            assert json.loads(read(await collect(engine, unpacked)))

        stage.play(scenario)
