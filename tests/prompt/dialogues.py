"""Conversations of every kind, and the encoders and options that the tests of this room read them with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from hypothesis import strategies as st

from duihua.image import Image
from duihua.messages import Message
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.images import ImagePlacer
from duihua.prompt.layout import RenderOptions
from duihua.prompt.template import ChatTemplate
from prompt import traits

NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
ASKED: Final = RenderOptions(now=NOW)
ENDED: Final = RenderOptions(now=NOW, generation_prompt=False)
GOES_ON: Final = RenderOptions(now=NOW, continue_final=True)
CONTROL_IDS: Final = frozenset(traits.tokenizer().get_added_tokens_decoder())

words = st.text(alphabet=st.sampled_from("ab \n你好<|>/think.é🙂"), max_size=12).filter(
    lambda text: not any(literal in text for literal in traits.LITERALS)
)
literals = st.sampled_from([*traits.LITERALS, "<|user", "er|>", "<", "|>", "\ue000", "\uf8ff", "\U000f0001"])
texts = st.lists(words | literals, max_size=4).map("".join)


def encoder(template: str) -> PromptEncoder:
    return PromptEncoder(traits.tokenizer(), ChatTemplate(template))


def seeing(name: str) -> PromptEncoder:
    """An encoder of a model that sees: a picture has as many tokens as its width and height together."""
    template, form = traits.SEEING[name]
    placer = ImagePlacer(form, traits.tokenizer(), lambda width, height: width + height)
    return PromptEncoder(traits.tokenizer(), ChatTemplate(template), images=placer)


pictures = st.builds(
    lambda number, width, height: Image(bytes([number]), width, height),
    st.integers(0, 3), st.integers(1, 9), st.integers(1, 9),
)  # fmt: skip


@st.composite
def pictured(draw: st.DrawFn, contents: st.SearchStrategy[str] = texts) -> list[Message]:
    """A conversation with pictures at any place of its users' messages."""
    messages = draw(conversations(contents))
    parts = st.lists(contents | pictures, max_size=4)
    return [Message.of("user", draw(parts)) if message.role == "user" else message for message in messages]


@st.composite
def conversations(draw: st.DrawFn, contents: st.SearchStrategy[str] = texts) -> list[Message]:
    messages = [Message("system", draw(contents))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 4))):
        messages.append(Message("user", draw(contents)))
        reasoning = draw(contents) if draw(st.booleans()) else ""
        messages.append(Message("assistant", draw(contents), reasoning=reasoning))
    return messages if draw(st.booleans()) else messages[:-1]


def spans_text(template: str, messages: list[Message], options: RenderOptions = ASKED) -> list[tuple[object, str]]:
    prompt = encoder(template).encode(messages, options)
    decode = traits.tokenizer().decode
    return [
        (span.owner, decode(prompt.token_ids[span.start : span.end], skip_special_tokens=False))
        for span in prompt.spans
    ]
