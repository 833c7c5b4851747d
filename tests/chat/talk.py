"""A chat over the scripted engine and the tests' tokenizer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from tokenizers import Tokenizer

from duihua.chat.chat import Chat, Stops
from duihua.chat.protocol import ModelInfo
from duihua.checkpoint.adapters import read_adapter
from duihua.engine.protocol import Engine
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import EngineError
from duihua.events import Event
from duihua.parsing.format import ToolFormat
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.template import ChatTemplate, variables_of
from duihua.prompt.vocabulary import Vocabulary
from duihua.prompt.window import Window
from duihua.sampling import OUR_DEFAULTS
from prompt import traits


def ids(text: str) -> list[int]:
    """Ids of a text in which control literals are control tokens."""
    return traits.tokenizer().encode(text, add_special_tokens=False).ids


def engine(
    *answers: str,
    size: int = 4096,
    max_images: int = 0,
    gate: Callable[[], Awaitable[object]] | None = None,
    failure: tuple[int, EngineError] | None = None,
) -> ScriptedEngine:
    recited = [ids(answer) for answer in answers]
    return ScriptedEngine(recited, context_window=size, max_images=max_images, gate=gate, failure=failure)


def chat(
    over: Engine,
    template: str | None = traits.CHATML,
    *,
    stops: Sequence[str] = ("<|im_end|>",),
    reasoning: tuple[str, str] | None = None,
    calls: ToolFormat | None = None,
    encoder: PromptEncoder | None = None,
    tokenizer: Tokenizer | None = None,
) -> Chat:
    tokenizer = tokenizer or traits.tokenizer()
    encoder = encoder or PromptEncoder(tokenizer, None if template is None else ChatTemplate(template))
    return Chat(
        over,
        encoder,
        Vocabulary(tokenizer),
        window=Window(encoder, context_window=over.info.context_window, max_images=over.info.max_images),
        info=ModelInfo(
            name="scripted",
            title="Scripted",
            origin="directory",
            context_window=over.info.context_window,
            can_chat=template is not None,
            template_is_ours=False,
            defaults=OUR_DEFAULTS,
            engine=over.info,
            max_images=over.info.max_images,
            knows_tools=calls is not None and encoder.knows_tools,
            thinking_switch=encoder.thinking_switch,
            variables=variables_of(template or ""),
        ),
        stops=Stops(token_ids=tuple(tokenizer.get_vocab()[stop] for stop in stops), reasoning=reasoning, calls=calls),
        read_adapter=read_adapter,
    )


async def collect(stream: AsyncGenerator[Event]) -> list[Event]:
    return [event async for event in stream]


class Turnstile:
    """Lets so many tokens through, then holds the engine until more are allowed."""

    def __init__(self, tokens: int) -> None:
        self._left = asyncio.Semaphore(tokens)
        self.reached = asyncio.Event()

    async def __call__(self) -> None:
        if self._left.locked():
            self.reached.set()
        await self._left.acquire()
