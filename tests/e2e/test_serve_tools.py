"""`duihua serve --serve-tools`: the server runs what the demo calls, for clients that know of no tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from e2e.served import Served

TOOLS = '''
import duihua


@duihua.tool
def get_weather(city: str) -> dict:
    """Look up the weather of a city.

    Args:
        city: Name of the city.
    """
    return {"weather": "snow in " + city}


@duihua.tool
def delete_everything(where: str) -> str:
    """Deletes what is there."""
    raise RuntimeError("nobody allowed this")
'''
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home: Path = tmp_path_factory.mktemp("tools")
    (home / "mine.py").write_text(TOOLS, encoding="utf-8")
    flags = ("--serve-tools", "--tools", "calculator", "--tool-file", str(home / "mine.py"), "--allow-tool", "get_*")
    with Served(home, *flags) as server:
        yield server.listening()


@pytest.fixture
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_a_client_without_tools_gets_the_answer(client: OpenAI, served: Served) -> None:
    reply = client.chat.completions.create(model="demo", messages=ASK, temperature=0)
    choice, extension = reply.choices[0], (reply.model_extra or {})["duihua"]
    (result,) = extension["tool_results"]
    assert (result["name"], result["arguments"]) == ("get_weather", '{"city": "Paris"}')
    assert "snow in Paris" in result["content"]
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)
    assert "snow" in (choice.message.content or "")
    assert "delete_everything" in served.log  # it is said that it is not served
    assert "Paris" not in served.log


def test_the_streaming_helper_sees_one_answer(client: OpenAI) -> None:
    with client.chat.completions.stream(model="demo", messages=ASK, temperature=0) as stream:
        extras = [event.chunk.model_extra or {} for event in stream if event.type == "chunk"]
        final = stream.get_final_completion().choices[0]
    assert [extra["duihua"]["tool_result"]["name"] for extra in extras if "duihua" in extra] == ["get_weather"]
    assert (final.finish_reason, final.message.tool_calls) == ("stop", None)
    whole = client.chat.completions.create(model="demo", messages=ASK, temperature=0).choices[0].message
    assert final.message.content == whole.content


def test_a_client_s_own_tools_are_its_own(client: OpenAI) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    own: Any = {"type": "function", "function": {"name": "get_weather", "description": "Look up the weather of a city.",
                                                 "parameters": parameters}}  # fmt: skip
    choice = client.chat.completions.create(model="demo", messages=ASK, temperature=0, tools=[own]).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    without = client.chat.completions.create(model="demo", messages=ASK, temperature=0, tool_choice="none")
    assert without.choices[0].message.tool_calls is None
    assert "duihua" not in (without.model_extra or {})


def test_tools_run_side_by_side_with_plain_answers(served: Served) -> None:
    assert served.answers()
    assert 'tool_calls_total{kind="run"}' in served.get("/metrics")[2].decode()
