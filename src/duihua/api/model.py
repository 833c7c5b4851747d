"""`duihua.load`: a model in Python, with and without async."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack, cast

from duihua.api.arguments import adapter_name, one_answer, sampling_of, turn_options, whole_answer, with_form
from duihua.api.compose import OnProgress, open_chat
from duihua.api.history import History, extended, read_history
from duihua.api.loop import Loop
from duihua.api.reply import Reply, ReplyFold
from duihua.api.said import PictureReader, Said, check_words, may_hold_pictures, user_message
from duihua.chat.chat import Chat
from duihua.chat.conversation import Conversation
from duihua.chat.protocol import Explanation, ModelInfo, TurnOptions
from duihua.checkpoint.adapters import Adapter
from duihua.config import ModelSettings
from duihua.engine.settings import EngineSettings
from duihua.errors import InvalidParameter
from duihua.events import Event
from duihua.image import Image
from duihua.messages import Message, parse_messages
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling

__all__ = ["Model", "ModelConversation", "load"]

Tools = Sequence[Mapping[str, Any]]
"""Schemas of functions that the model may call, in OpenAI's form."""
_Asked = tuple[History | None, list[Message], list[Message]]
"""A history as it was given, its messages, and the user's, if there is one."""


class _LoadOptions(TypedDict, total=False):
    engine: str
    device: str
    dtype: str
    context_window: int | None
    tokenizer: str | None
    revision: str | None
    cache_dir: str | None
    trust_remote_code: bool
    allow_pickle: bool
    aliases: Mapping[str, str]
    base: str | None
    adapters: Mapping[str, str]


def load(
    model: str | None = None,
    *,
    engine_settings: EngineSettings = EngineSettings(),
    on_progress: OnProgress | None = None,
    **options: Unpack[_LoadOptions],
) -> Model:
    """Load a model: a directory, an alias, a bundled name or a hub id; None is the bundled demo.

    Args:
        engine_settings: how it is run: `duihua.EngineSettings(tensor_parallel_size=2)`.
        on_progress: told the stage and the fraction of it that is done.
        options: engine, device ("cpu", "cuda:0", "mps"), dtype, context_window (tokens), tokenizer (a directory),
            revision, cache_dir, trust_remote_code, allow_pickle, aliases, adapters (LoRA: a name for each directory),
            base (where the model is an adapter, instead of the one that it records).

    Raises:
        ConfigError, ModelError: see `open_chat`.
    """
    loop = Loop()
    try:
        chat = loop.run(open_chat(ModelSettings(model=model, **options), engine_settings, on_progress=on_progress))
    except BaseException:
        loop.close()
        raise
    return Model(chat, loop)


class Model:
    """A loaded model. Every method may be called from any thread; the `a...` twins from any event loop.

    Sampling parameters are those of `duihua.Sampling`, given by name: `model.chat("hi", temperature=0)`. Beside them:
    `response_format`, what the answer is held to, a pydantic model class, a JSON schema, a `duihua.Grammar` or OpenAI's
    `response_format`; `max_thinking_tokens`, after which the model must answer; and with tools, as in OpenAI's API,
    `tool_choice` and `parallel_tool_calls`.
    `adapter` is the name of a LoRA adapter, "" the base model, and None the adapter that was loaded as the model,
    if one was, else the base; a name that is not loaded raises `UnknownModel`.
    Closing frees the memory; it is also a context manager.
    """

    def __init__(self, chat: Chat, loop: Loop) -> None:
        self._chat = chat
        self._loop = loop
        self._read_image = PictureReader(loop.run)

    @property
    def info(self) -> ModelInfo:
        """What is being talked to."""
        return self._chat.info

    def chat(
        self,
        text: Said | None,
        *,
        history: History | None = None,
        system: str | None = None,
        window: WindowPolicy = WindowPolicy(),
        adapter: str | None = None,
        tools: Tools = (),
        **sampling: Any,
    ) -> tuple[Reply, list[Any]]:
        """One turn: the reply, and the history with it added.

        Args:
            text: words, or words and pictures in their order: `["这是什么？", Path("cat.png")]`. A picture is a
                `duihua.Image`, a file's bytes, a path, a Pillow image, or a content part in OpenAI's form, whose url
                may be a data URL, a path, or an address on the web. None where the history ends with results of
                calls: they are answered.
            history: messages, mappings in OpenAI's form, or (user, assistant) pairs; it is not changed.
            system: replaces a leading system message.
            tools: what the model may call. It calls in `Reply.tool_calls`, and whoever asked runs them: the history
                goes on with a message of role "tool" for each, `tool_call_id` and what it gave.

        Raises:
            RequestError, EngineError: see `ChatService.stream`.
        """
        asked = self._asked(text, _listed(history), system)
        return self._loop.run(self._turn(asked, turn_options(window, adapter, tools, sampling), sampling))

    async def achat(
        self,
        text: Said | None,
        *,
        history: History | None = None,
        system: str | None = None,
        window: WindowPolicy = WindowPolicy(),
        adapter: str | None = None,
        tools: Tools = (),
        **sampling: Any,
    ) -> tuple[Reply, list[Any]]:
        """The async twin of `chat`; cancelling it stops the generation."""
        asked = await self._asked_apart(text, _listed(history), system)
        return await self._loop.hand_over(self._turn(asked, turn_options(window, adapter, tools, sampling), sampling))

    def stream(
        self,
        text: Said | None,
        *,
        history: History | None = None,
        system: str | None = None,
        window: WindowPolicy = WindowPolicy(),
        adapter: str | None = None,
        tools: Tools = (),
        **sampling: Any,
    ) -> Iterator[Event]:
        """The events of one turn as they come; closing the iterator stops the generation."""
        self._loop.check_open()
        _, before, user = self._asked(text, _listed(history), system)
        options = turn_options(window, adapter, tools, sampling)
        return self._loop.iterate(self._chat.stream([*before, *user], sampling_of(sampling), options))

    def astream(
        self,
        text: Said | None,
        *,
        history: History | None = None,
        system: str | None = None,
        window: WindowPolicy = WindowPolicy(),
        adapter: str | None = None,
        tools: Tools = (),
        **sampling: Any,
    ) -> AsyncGenerator[Event]:
        """The async twin of `stream`."""
        self._loop.check_open()
        given, asked, options = _listed(history), sampling_of(sampling), turn_options(window, adapter, tools, sampling)
        if may_hold_pictures(text, given):
            return self._astream(text, given, system, asked, options)
        _, before, user = self._asked(text, given, system)
        return self._loop.aiterate(self._chat.stream([*before, *user], asked, options))

    def complete(self, text: str, *, adapter: str | None = None, **sampling: Any) -> Reply:
        """Continue raw text, in which control literals are control tokens; no template is used."""
        return self._loop.run(self._continued(text, adapter, sampling))

    async def acomplete(self, text: str, *, adapter: str | None = None, **sampling: Any) -> Reply:
        """The async twin of `complete`."""
        return await self._loop.hand_over(self._continued(text, adapter, sampling))

    def conversation(
        self,
        *,
        system: str | None = None,
        history: History | None = None,
        window: WindowPolicy = WindowPolicy(),
        adapter: str | None = None,
        **sampling: Any,
    ) -> ModelConversation:
        """A conversation that keeps its own history; its adapter may be changed between turns."""
        options = turn_options(window, adapter, (), sampling)
        inner = Conversation(
            self._chat,
            system=system,
            sampling=one_answer(sampling_of(sampling)),
            window=options.window,
            history=read_history(history, read_image=self._read_image),
        )
        inner.options = options
        return ModelConversation(inner, self._loop, self._read_image)

    @property
    def adapters(self) -> dict[str, Adapter]:
        """The LoRA adapters that are loaded, by name, as of now."""
        return dict(self._chat.adapters)

    def load_adapter(self, name: str, path: str | os.PathLike[str]) -> Adapter:
        """Load a LoRA adapter, a directory or a bundled name, for turns that name it; they may be running.

        A name that is taken gets the new one.

        Raises:
            AdapterRejected: it is broken, was made for another model, or the engine cannot run it; says which.
            InvalidParameter: a name that cannot be.
            EngineError: the engine failed, or the model was closed.
        """
        return self._loop.run(self._loaded(name, path))

    async def aload_adapter(self, name: str, path: str | os.PathLike[str]) -> Adapter:
        """The async twin of `load_adapter`."""
        return await self._loop.hand_over(self._loaded(name, path))

    def unload_adapter(self, name: str) -> None:
        """Forget an adapter; turns that run with it go on. Where it was the model itself, the base is that now.

        Raises:
            UnknownModel: no adapter has that name.
        """
        self._loop.run(self._chat.unload_adapter(name))

    async def aunload_adapter(self, name: str) -> None:
        """The async twin of `unload_adapter`."""
        await self._loop.hand_over(self._chat.unload_adapter(name))

    def count(self, messages: Sequence[Message | Mapping[str, Any]]) -> int:
        """Tokens of the prompt these messages make, pictures and the generation prompt included."""
        self._loop.check_open()
        parsed = parse_messages(messages, read_image=self._read_image)
        return self._loop.call(lambda: self._chat.count(parsed))

    def explain(
        self,
        messages: Sequence[Message | Mapping[str, Any]],
        *,
        window: WindowPolicy = WindowPolicy(),
        tools: Tools = (),
        **sampling: Any,
    ) -> Explanation:
        """What the model would see of these messages: who owns which tokens, and what would be dropped."""
        self._loop.check_open()
        asked, options = sampling_of(sampling), turn_options(window, None, tools, sampling)
        parsed = parse_messages(messages, read_image=self._read_image)
        return self._loop.call(lambda: self._chat.explain(parsed, asked, options))

    def close(self) -> None:
        """Free the model. Safe to call twice and from several threads; what still runs gets `EngineDead`."""
        self._loop.close(self._chat.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loaded(self, name: str, path: object) -> Coroutine[Any, Any, Adapter]:
        if not isinstance(path, str | os.PathLike):
            raise InvalidParameter("path", path, "give the adapter's directory")
        directory = Path(os.fsdecode(cast("str | os.PathLike[str]", path)))
        return self._chat.load_adapter(adapter_name(name) or "", directory)

    def _asked(self, text: object, history: History | None, system: str | None) -> _Asked:
        """Check what was given, and read its pictures, here."""
        before = read_history(history, system=system, read_image=self._read_image)
        goes_on = text is None and bool(before) and before[-1].role == "tool"
        return history, before, [] if goes_on else [user_message(text, self._read_image)]

    async def _asked_apart(self, text: object, history: History | None, system: str | None) -> _Asked:
        """The same where pictures are read in a thread: that takes too long for the caller's event loop."""
        if may_hold_pictures(text, history):
            return await asyncio.to_thread(self._asked, text, history, system)
        return self._asked(text, history, system)

    async def _astream(
        self, text: object, history: History | None, system: str | None, sampling: Sampling, options: TurnOptions
    ) -> AsyncGenerator[Event]:
        _, before, user = await self._asked_apart(text, history, system)
        stream = self._loop.aiterate(self._chat.stream([*before, *user], sampling, options))
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    def _turn(
        self, asked: _Asked, options: TurnOptions, sampling: Mapping[str, Any]
    ) -> Coroutine[Any, Any, tuple[Reply, list[Any]]]:
        """Check the rest of what was given, here; the turn itself runs in the loop."""
        given, before, user = asked
        events = self._chat.stream([*before, *user], whole_answer(sampling_of(sampling)), options)

        async def turn() -> tuple[Reply, list[Any]]:
            reply = await self._whole(events)
            return reply, extended(given, before, user, reply.message)

        return turn()

    def _continued(self, text: str, adapter: str | None, sampling: Mapping[str, Any]) -> Coroutine[Any, Any, Reply]:
        options = turn_options(WindowPolicy(), adapter, (), sampling)
        return self._whole(self._chat.complete(check_words(text), whole_answer(sampling_of(sampling)), options))

    @staticmethod
    async def _whole(stream: AsyncGenerator[Event]) -> Reply:
        fold = ReplyFold()
        async with aclosing(stream) as events:
            async for event in events:
                fold.add(event)
        return fold.replies()[0]


class ModelConversation:
    """A conversation in plain Python; see `duihua.chat.conversation.Conversation` for its rules."""

    def __init__(self, conversation: Conversation, loop: Loop, read_image: PictureReader) -> None:
        self._conversation = conversation
        self._loop = loop
        self._read_image = read_image

    def send(self, text: Said, **sampling: Any) -> Reply:
        """Say something, pictures too (see `Model.chat`), and wait for the reply; sampling holds for this turn."""
        whole_answer(sampling_of(sampling))
        fold = ReplyFold()
        for event in self.stream(text, **sampling):
            fold.add(event)
        return fold.replies()[0]

    def stream(self, text: Said, **sampling: Any) -> Iterator[Event]:
        """Say something and watch the reply come; closing the iterator stops it and keeps what was said."""
        self._loop.check_open()
        user = user_message(text, self._read_image)
        options = with_form(self._conversation.options, sampling)
        return self._loop.iterate(self._send(user.parts, one_answer(sampling_of(sampling)), options))

    @property
    def history(self) -> tuple[Message, ...]:
        """What the model will see next, before the window cuts it."""
        return self._conversation.context

    @property
    def system(self) -> str | None:
        """The system prompt; may be set between turns."""
        return self._conversation.system

    @system.setter
    def system(self, value: str | None) -> None:
        self._conversation.system = value

    @property
    def adapter(self) -> str | None:
        """The LoRA adapter of the next turn, as `Model` understands it; may be set between turns."""
        return self._conversation.options.adapter

    @adapter.setter
    def adapter(self, value: str | None) -> None:
        self._conversation.options = replace(self._conversation.options, adapter=adapter_name(value))

    def clear(self) -> None:
        """Forget every turn; the system prompt stays."""
        self._conversation.clear()

    async def _send(
        self, said: Sequence[str | Image], sampling: Sampling, options: TurnOptions
    ) -> AsyncGenerator[Event]:
        usual, usual_options = self._conversation.sampling, self._conversation.options
        self._conversation.sampling, self._conversation.options = sampling.over(usual), options
        try:
            async with aclosing(self._conversation.send(said)) as events:
                async for event in events:
                    yield event
        finally:
            started = self._conversation.options.started  # which the first turn settles for all
            self._conversation.sampling = usual
            self._conversation.options = replace(usual_options, started=started)


def _listed(history: History | None) -> History | None:
    """What may be read twice."""
    return cast("History", list(history)) if isinstance(history, Iterator) else history
