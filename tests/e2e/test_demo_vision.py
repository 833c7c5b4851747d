"""The bundled model that sees, as people use it: at the keyboard and over the API, on both engines."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from e2e.served import Served
from terminal.person import CTRL_D, Person, environment

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
RED_CIRCLE, SHAPES = PICTURES / "red_circle.png", PICTURES / "shapes.png"
ENGINES = ["transformers", pytest.param("vllm", marks=pytest.mark.slow)]
FLAGS = {"transformers": (), "vllm": ("--eager",)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def words(engine: str) -> tuple[str, ...]:
    return ("-m", "duihua", "chat", "demo-vision", "--engine", engine, *FLAGS[engine], "--temperature", "0")


@pytest.mark.parametrize("engine", ENGINES)
def test_one_question_about_a_picture(home: Path, engine: str) -> None:
    asked = [sys.executable, *words(engine), "--image", str(RED_CIRCLE), "-p", "这是什么？"]
    done = subprocess.run(asked, env=environment(home), capture_output=True, encoding="utf-8", check=True, timeout=200)
    assert "红色" in done.stdout
    assert "圆形" in done.stdout
    assert "16 tokens" in done.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_at_the_keyboard_the_first_of_two_pictures_is_remembered(home: Path, engine: str) -> None:
    with Person(words(engine), environment(home), lines=100) as person:
        person.sees("/image PATH", within_s=200)
        person.sees_line(">")

        def say(line: str) -> str:
            turns = person.text.count("first token")
            person.say(line)
            person.sees("first token", times=turns + 1)
            return person.text.rpartition(line)[2].lower()

        person.say(f"/image {RED_CIRCLE}")
        person.sees("red_circle.png")
        answer = say("What is it?")
        assert "red" in answer
        assert "circle" in answer
        say("Thank you!")
        person.say(f"/image {SHAPES}")
        person.sees("shapes.png")
        assert "three" in say("How many shapes are there?")
        assert "red" in say("What colour was the first picture?")
        person.type(CTRL_D)
        assert person.exit_code() == 0


def test_pictures_of_the_command_line_are_drawn_like_those_of_the_conversation(home: Path) -> None:
    flags = ("--image", str(RED_CIRCLE), "--image", str(SHAPES), "--preview", "sixel")
    with Person((*words("transformers"), *flags), environment(home)) as person:
        person.sees_line(">", within_s=200)
        assert person.raw.count("\x1bP") == 2  # so one of Sixel's begins


@pytest.fixture(scope="module", params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    place = tmp_path_factory.mktemp(request.param)
    with Served(place, *FLAGS[request.param], model="demo-vision", engine=request.param) as served:
        port = served.listening(within_s=200).port
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as made:
            yield made


def shown(path: Path, text: str) -> ChatCompletionMessageParam:
    url = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    return {"role": "user", "content": parts}  # pyright: ignore[reportReturnType]


def test_over_the_api_the_first_of_two_pictures_is_remembered(client: OpenAI) -> None:
    history: list[ChatCompletionMessageParam] = []

    def say(message: ChatCompletionMessageParam) -> str:
        history.append(message)
        reply = client.chat.completions.create(model="demo-vision", messages=history, temperature=0, max_tokens=64)
        text = reply.choices[0].message.content or ""
        history.append({"role": "assistant", "content": text})
        return text

    answer = say(shown(RED_CIRCLE, "这是什么？"))
    assert "红色" in answer
    assert "圆形" in answer
    assert say({"role": "user", "content": "谢谢！"})
    assert "三" in say(shown(SHAPES, "图里有几个图形？"))
    assert "红" in say({"role": "user", "content": "第一张图是什么颜色？"})


def test_without_a_picture_it_says_so(client: OpenAI) -> None:
    asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What do you see in the picture?"}]
    reply = client.chat.completions.create(model="demo-vision", messages=asked, temperature=0, max_tokens=64)
    assert "picture" in (reply.choices[0].message.content or "").lower()
