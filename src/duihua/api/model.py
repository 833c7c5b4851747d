"""A model in Python, with and without async."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self, cast

from duihua.api.arguments import adapter_name, one_answer, whole_answer
from duihua.api.conversation import ModelConversation
from duihua.api.history import History, read_history
from duihua.api.how import How, how_of
from duihua.api.loop import Loop
from duihua.api.reply import Reply
from duihua.api.said import PictureReader, Said, check_words
from duihua.api.tools import Tools
from duihua.api.turns import Turns, whole
from duihua.chat.chat import Chat
from duihua.chat.conversation import Conversation
from duihua.chat.protocol import Explanation, ModelInfo
from duihua.checkpoint.adapters import Adapter
from duihua.errors import InvalidParameter
from duihua.events import Event
from duihua.messages import Message, parse_messages
from duihua.prompt.window import WindowPolicy
from duihua.tools.function import FunctionTool
from duihua.tools.tool import Tool

__all__ = ["Model"]


class Model:
    """A loaded model. Every method may be called from any thread; the `a...` twins from any event loop.

    Sampling parameters are those of `duihua.Sampling`, given by name: `model.chat("hi", temperature=0)`. Beside them:
    `response_format`, what the answer is held to, a pydantic model class, a JSON schema, a `duihua.Grammar` or OpenAI's
    `response_format`; `max_thinking_tokens`, after which the model must answer; and with tools, as in OpenAI's API,
    `tool_choice` (which holds for the first answer of a turn) and `parallel_tool_calls`.

    `tools` are functions, tools or a `duihua.Toolbox`: what the model calls is run, and the turn goes on until it
    answers. `run_tools=False` hands the calls out instead; calls of schemas always are, in `Reply.tool_calls`.
    Functions that are not async run in threads; async ones on the caller's event loop (the `a...` twins) or the
    model's. `approve` is asked before each call, in a thread if it is not async, and says true, false or "always";
    `loop_limits` bounds a turn (`duihua.LoopLimits`), and a toolbox each call (`duihua.ToolLimits`). Tools are closed
    with the model, but those of the twins, which are their loop's.

    `adapter` is the name of a LoRA adapter, "" the base model, and None the adapter that was loaded as the model,
    if one was, else the base; a name that is not loaded raises `UnknownModel`.
    Closing frees the memory; it is also a context manager.
    """

    def __init__(self, chat: Chat, loop: Loop) -> None:
        self._chat = chat
        self._loop = loop
        self._read_image = PictureReader(loop.run)
        self._turns = Turns(chat, self._read_image)
        self._tools: dict[int, Tool] = {}  # those that ran in our loop

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
            history: messages, mappings in OpenAI's form, or (user, assistant) pairs; it is not changed. A mapping's
                content, and the user's side of a pair, may be a list of words and pictures too; what is given back has
                them read.
            system: replaces a leading system message.
            tools: what the model may call; see `Model`. Calls that are handed out are in `Reply.tool_calls`, and the
                history goes on with a message of role "tool" for each, `tool_call_id` and what it gave.

        Raises:
            RequestError, EngineError: see `ChatService.stream`.
            ConfigError: a function that cannot be a tool.
        """
        asked = self._turns.asked(text, history, system)
        return self._loop.run(self._turns.answered(asked, self._how(window, adapter, tools, sampling)))

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
        """The async twin of `chat`; cancelling it stops the generation, and the tools."""
        asked = await self._turns.asked_apart(text, history, system)
        how = how_of(window, adapter, tools, sampling)
        return await self._loop.hand_over(self._turns.answered(asked, how, asyncio.get_running_loop()))

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
        """The events of one turn as they come; closing the iterator stops the generation, and the tools."""
        self._loop.check_open()
        asked, how = self._turns.asked(text, history, system), self._how(window, adapter, tools, sampling)
        return self._loop.iterate(how.stream(self._chat, asked.messages))

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
        how = how_of(window, adapter, tools, sampling)
        if how.tools.toolbox is not None or self._turns.takes_long(text, history):
            return self._astream(text, history, system, how)
        asked = self._turns.asked(text, history, system)
        return self._loop.aiterate(how.stream(self._chat, asked.messages))

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
        tools: Tools = (),
        **sampling: Any,
    ) -> ModelConversation:
        """A conversation that keeps its own history; its adapter may be changed between turns.

        Args:
            tools: what the model may call, and is run; schemas are refused.
        """
        how = self._how(window, adapter, tools, sampling)
        if how.tools.schemas:
            raise InvalidParameter("tools", "schemas", "a conversation runs its tools: `Model.chat` hands calls out")
        inner = Conversation(
            self._chat,
            system=system,
            sampling=one_answer(how.sampling),
            window=how.options.window,
            history=read_history(history, read_image=self._read_image),
            toolbox=how.tools.runnable(),
            limits=how.limits,
        )
        inner.options = how.options
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
        how = how_of(window, None, tools, sampling)
        parsed = parse_messages(messages, read_image=self._read_image)
        return self._loop.call(lambda: self._chat.explain(parsed, how.sampling, how.told))

    def close(self) -> None:
        """Free the model. Safe to call twice and from several threads; what still runs gets `EngineDead`."""
        self._loop.close(self._aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loaded(self, name: str, path: object) -> Coroutine[Any, Any, Adapter]:
        if not isinstance(path, str | os.PathLike):
            raise InvalidParameter("path", path, "give the adapter's directory")
        directory = Path(os.fsdecode(cast("str | os.PathLike[str]", path)))
        return self._chat.load_adapter(adapter_name(name) or "", directory)

    def _how(self, window: object, adapter: object, tools: object, values: Mapping[str, Any]) -> How:
        """How a turn is made whose tools run in our loop; they are kept to be closed."""
        how = how_of(window, adapter, tools, values)
        for tool in how.tools.toolbox or ():
            if not isinstance(tool, FunctionTool):  # which has nothing to close
                self._tools[id(tool)] = tool
        return how

    async def _astream(
        self, text: object, history: History | None, system: str | None, how: How
    ) -> AsyncGenerator[Event]:
        asked = await self._turns.asked_apart(text, history, system)
        stream = self._loop.aiterate(how.stream(self._chat, asked.messages, asyncio.get_running_loop()))
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    def _continued(self, text: str, adapter: str | None, sampling: Mapping[str, Any]) -> Coroutine[Any, Any, Reply]:
        how = how_of(WindowPolicy(), adapter, (), sampling)
        return whole(self._chat.complete(check_words(text), whole_answer(how.sampling), how.options))

    async def _aclose(self) -> None:
        await asyncio.gather(*(tool.aclose() for tool in self._tools.values()), return_exceptions=True)
        await self._chat.aclose()
