"""Pictures over the API: the `openai` package against `duihua serve`, on a tiny random GLM-4.1V of both engines.

What such a model says means nothing, but it depends on what it sees.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from PIL import Image as Pillow

from checkpoints import make_checkpoint
from e2e.served import Served
from vision.pictures import encoded


@pytest.fixture(scope="module", params=["transformers", pytest.param("vllm", marks=pytest.mark.slow)])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    home: Path = tmp_path_factory.mktemp(request.param)
    model = make_checkpoint(home / "tiny-glm4v", "glm4v")
    flags = ("--eager",) if request.param == "vllm" else ()
    with Served(home, *flags, model=str(model), engine=request.param) as served:
        port = served.listening(within_s=200).port
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as made:
            yield made


def picture(colour: str) -> str:
    return f"data:image/png;base64,{base64.b64encode(encoded(Pillow.new('RGB', (56, 112), colour))).decode()}"


def shown(*urls: str, words: str = "这是什么？") -> ChatCompletionMessageParam:
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [*pictures, {"type": "text", "text": words}]}  # pyright: ignore[reportReturnType]


def ask(client: OpenAI, *messages: ChatCompletionMessageParam) -> ChatCompletion:
    return client.chat.completions.create(
        model="tiny-glm4v", messages=messages, max_tokens=8, temperature=0, extra_body={"return_token_ids": True}
    )


def ids(reply: ChatCompletion) -> list[int]:
    return reply.choices[0].model_extra["token_ids"]  # pyright: ignore[reportOptionalSubscript]


def test_an_answer_depends_on_the_picture_whole_and_streamed(client: OpenAI) -> None:
    red, blue, again = (ask(client, shown(picture(colour))) for colour in ("red", "blue", "red"))
    assert ids(red) == ids(again) != ids(blue)
    chunks = client.chat.completions.create(
        model="tiny-glm4v", messages=[shown(picture("red"))], max_tokens=8, temperature=0, stream=True
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == red.choices[0].message.content


def test_a_picture_of_an_earlier_turn_is_still_seen(client: OpenAI) -> None:
    answer: ChatCompletionMessageParam = {"role": "assistant", "content": "a flag"}
    later = shown(picture("white"), words="Which was first?")
    first, second = (ids(ask(client, shown(picture(colour)), answer, later)) for colour in ("red", "blue"))
    assert first != second


def test_pictures_are_in_the_usage_and_without_them_there_is_less(client: OpenAI) -> None:
    one, two = (ask(client, shown(*[picture("red")] * count)).usage for count in (1, 2))
    none = ask(client, {"role": "user", "content": "这是什么？"}).usage
    assert one is not None and two is not None and none is not None  # noqa: PT018
    assert two.prompt_tokens - one.prompt_tokens == one.prompt_tokens - none.prompt_tokens > 8


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:image/png;base64,AAAA", "invalid_image"),
        ("data:text/html;base64,AAAA", "invalid_image"),
        ("http://127.0.0.1:1/a.png", "unsupported_feature"),
        ("file:///etc/passwd", "unsupported_feature"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_the_server_answers_on(client: OpenAI, url: str, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, shown(picture("red"), url))
    assert (refused.value.code, refused.value.param) == (code, "messages[0].content[1]")
    assert ask(client, shown(picture("red"))).choices
