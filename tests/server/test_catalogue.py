"""Models and adapters over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai.types import Model

from chat.talk import chat, engine
from checkpoint.adapter_layouts import write_adapter
from server.asgi import CHAT, HELLO, JSON, Reply, Server, ask, serving

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
ADMIN = ("authorization", "Bearer admin-key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of adapters, one of which is broken, beside one that is not in it."""
    for name in ("voice", "my adapters/voice", "my adapters/other", "my adapters/broken"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_adapter(tmp_path / name)
    (tmp_path / "my adapters/broken/adapter_config.json").write_text('{"peft_type": "IA3"}', encoding="utf-8")
    (tmp_path / "my adapters/outside").symlink_to(tmp_path / "voice")
    (tmp_path / "my adapters/file").write_text("", encoding="utf-8")
    return tmp_path / "my adapters"


def administered(folder: Path | None, *answers: str, **more: Any) -> Server:
    return Server(chat(engine(*answers)), admin_keys=["admin-key"], adapter_dir=folder and str(folder), **more)


async def post(server: Server, path: str, **fields: Any) -> Reply:
    return await server.fetch("POST", path, fields, headers=(*JSON, ADMIN))


def one(server: Server, path: str, **fields: Any) -> Reply:
    return asyncio.run(post(server, path, **fields))


def test_the_model_is_listed_as_openai_lists_models() -> None:
    server = serving()
    found = ask(server, "GET", "/v1/models").json()
    assert found["object"] == "list"
    (card,) = found["data"]
    assert Model.model_validate(card, strict=True).id == "scripted"
    assert (card["parent"], card["max_model_len"]) == (None, 4096)
    assert ask(server, "GET", "/v1/models/scripted").json() == card
    assert ask(serving(served_name="a/b"), "GET", "/v1/models/a/b").json()["id"] == "a/b"


def test_a_model_that_is_not_there_is_not_shown() -> None:
    reply = ask(serving(), "GET", "/v1/models/strange")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


def test_an_adapter_is_loaded_listed_asked_and_unloaded(folder: Path) -> None:
    async def whole() -> None:
        over = engine("hello", "hello", "hello")
        server = Server(chat(over), admin_keys=["admin-key"], adapter_dir=str(folder))
        card = (await post(server, LOAD, lora_name="voice")).json()
        assert (card["id"], card["parent"]) == ("voice", "scripted")
        listed = (await server.fetch("GET", "/v1/models")).json()["data"]
        assert [row["id"] for row in listed] == ["scripted", "voice"]
        assert listed[1] == card == (await server.fetch("GET", "/v1/models/voice")).json()
        for model in ("voice", "scripted", None):
            reply = await server.chat(model=model)
            assert reply.json()["model"] == (model or "scripted")
        assert [request.adapter for request in over.requests] == ["voice", None, None]
        assert (await post(server, UNLOAD, lora_name="voice")).json()["deleted"] is True
        assert (await server.chat(model="voice")).status == 404
        assert (await post(server, UNLOAD, lora_name="voice")).status == 404

    asyncio.run(whole())


def test_a_model_that_is_an_adapter_answers_unless_its_base_is_named(folder: Path) -> None:
    async def whole() -> list[str | None]:
        over = engine("hello", "hello", "hello")
        talk = chat(over)
        await talk.load_adapter("voice", folder / "voice")
        talk.info = replace(talk.info, adapter="voice")
        server = Server(talk)
        assert (await server.chat()).json()["model"] == "voice"
        assert (await server.chat(model="scripted")).json()["model"] == "scripted"
        assert (await server.chat(model="voice")).json()["model"] == "voice"
        return [request.adapter for request in over.requests]

    assert asyncio.run(whole()) == ["voice", None, "voice"]


def test_an_adapter_may_go_by_another_name_than_its_folder(folder: Path) -> None:
    assert one(administered(folder), LOAD, lora_name="mine", lora_path="other").json()["id"] == "mine"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../voice",
        "voice/../other",
        "outside",
        "strange",
        "file",
        "a\\b",
        "a\0b",
        "/etc",
        "~",
        "voice/",
        "a" * 5000,
    ],
)
def test_only_folders_right_below_the_directory_are_loaded(folder: Path, name: str) -> None:
    reply = one(administered(folder), LOAD, lora_name="x", lora_path=name or None)
    assert reply.status == 400
    assert reply.error["param"] == "lora_path"
    assert str(folder.parent) not in reply.body.decode()


def test_what_is_no_adapter_is_refused_without_saying_where_it_lies(folder: Path) -> None:
    reply = one(administered(folder), LOAD, lora_name="broken")
    assert (reply.status, reply.error["code"]) == (400, "adapter_rejected")
    assert reply.error["message"].startswith("broken/adapter_config.json has peft_type 'IA3'")
    assert not any(part in reply.error["message"] for part in (str(folder.parent), "my adapters"))


def test_the_model_s_own_name_is_taken(folder: Path) -> None:
    reply = one(administered(folder, served_name="voice"), LOAD, lora_name="voice")
    assert (reply.status, reply.error["param"]) == (400, "lora_name")


@pytest.mark.parametrize("name", [" ", "a b", "a\tb", " voice"])
def test_a_name_is_without_white_space(folder: Path, name: str) -> None:
    assert one(administered(folder), LOAD, lora_name=name, lora_path="voice").status == 400


@pytest.mark.parametrize("fields", [{}, {"lora_name": 5}, {"lora_name": "voice", "strange": 1}, {"lora_name": None}])
def test_a_wrong_body_is_refused(folder: Path, fields: dict[str, Any]) -> None:
    for path in (LOAD, UNLOAD):
        assert one(administered(folder), path, **fields).status == 400


@pytest.mark.parametrize("name", ["load_inplace", "is_3d_lora_weight", "lora_int_id"])
def test_what_vllm_does_and_we_do_not_is_refused_by_name(folder: Path, name: str) -> None:
    for path in (LOAD, UNLOAD):
        reply = one(administered(folder), path, lora_name="voice", **{name: 1})
        assert (reply.status, reply.error["param"], reply.error["code"]) == (400, name, "unsupported_feature")
    assert one(administered(folder), LOAD, lora_name="voice", **{name: False}).status == 200


def test_without_a_directory_nothing_is_loaded() -> None:
    for path in (LOAD, UNLOAD):
        reply = one(administered(None), path, lora_name="voice")
        assert (reply.status, reply.error["code"]) == (404, "not_found")


def test_an_adapter_that_goes_while_a_request_is_read_is_not_found(folder: Path) -> None:
    """The engine is the last to look: what it says is a 404 as well."""
    over = engine("hello")

    async def whole() -> int:
        server = Server(chat(over), admin_keys=["admin-key"], adapter_dir=str(folder))
        await post(server, LOAD, lora_name="voice")
        over.adapters.clear()
        return (await server.fetch("POST", CHAT, {"messages": HELLO, "model": "voice"})).status

    assert asyncio.run(whole()) == 404
