from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from chat.talk import chat, collect, engine
from checkpoint.adapter_layouts import write_adapter
from duihua.chat.protocol import TurnOptions
from duihua.messages import Message

ASK = [Message("user", "hello")]


@pytest.mark.parametrize(
    ("named_as_model", "asked", "used"),
    [
        (None, None, None),
        (None, "", None),
        (None, "pirate", "pirate"),
        ("poet", None, "poet"),
        ("poet", "", None),
        ("poet", "pirate", "pirate"),
    ],
)
def test_a_turn_uses_the_adapter_it_names_or_that_of_the_model_or_none(
    tmp_path: Path, named_as_model: str | None, asked: str | None, used: str | None
) -> None:
    over = engine("fine")
    service = chat(over)
    service.info = replace(service.info, adapter=named_as_model)

    async def turn() -> None:
        for name in ("poet", "pirate"):
            await service.load_adapter(name, write_adapter(tmp_path / name))
        await collect(service.stream(ASK, options=TurnOptions(adapter=asked)))

    asyncio.run(turn())
    assert over.requests[0].adapter == used == service.info.adapter_of(asked)


def test_a_model_forgets_the_adapter_it_was_named_by(tmp_path: Path) -> None:
    over = engine("fine")
    service = chat(over)
    service.info = replace(service.info, adapter="poet")

    async def turns() -> None:
        for name in ("poet", "pirate"):
            await service.load_adapter(name, write_adapter(tmp_path / name))
        await service.unload_adapter("pirate")
        assert service.info.adapter == "poet"
        await service.unload_adapter("poet")
        await collect(service.stream(ASK))

    asyncio.run(turns())
    assert service.info.adapter is None
    assert over.requests[0].adapter is None
    assert service.adapters == {}
