"""A conversation's messages: pure values, equal when their content is equal."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

from duihua.content import (
    ImageAt,
    Part,
    ReadImage,
    check_places,
    check_text,
    gather,
    read_content,
    scatter,
    write_content,
)
from duihua.errors import InvalidMessages
from duihua.image import Image

__all__ = ["ImageAt", "Message", "ReadImage", "Role", "SampledRun", "ToolCall", "check_order", "parse_messages"]

Role = Literal["system", "user", "assistant", "tool"]
_ROLES = get_args(Role)
_WITH_PICTURES = ("user", "tool")
_KEYS = {"role", "content", "reasoning", "reasoning_content", "tool_calls", "tool_call_id", "name", "pinned"}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call the model asked for."""

    id: str
    name: str
    arguments: str  # JSON text, as the model wrote it


@dataclass(frozen=True, slots=True)
class SampledRun:
    """Ids an engine sampled, kept so that the next prompt repeats them and its prefix stays cached.

    `text` is the whole stretch between two control tokens as it will stand in the next prompt, `opener`
    the control token before it.
    """

    opener: str
    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Message:
    """What one party said.

    `content` is the words alone; `images` says which pictures stand where between them. Only a user's message and a
    tool's result may have pictures; many models see those of users only. `sampled` and `pinned` are about how a message
    is kept, not about what it says: they take no part in equality.

    Raises:
        InvalidMessages: a role that is none, text that is no text, or pictures where none can be.
    """

    role: Role
    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    images: tuple[ImageAt, ...] = ()  # in the order of their places
    pinned: bool = field(default=False, compare=False)
    sampled: tuple[SampledRun, ...] = field(default=(), compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)
    _light: Hashable = field(init=False, compare=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise InvalidMessages(f"role {self.role!r} is unknown: use one of {list(_ROLES)}")
        for name in ("content", "reasoning"):
            check_text(getattr(self, name), name)
        for name in ("tool_call_id", "name"):
            if getattr(self, name) is not None:
                check_text(getattr(self, name), name)
        for call in self.tool_calls:
            _check_call(call)
        if self.images and self.role not in _WITH_PICTURES:
            raise InvalidMessages(f"a message with role {self.role!r} has pictures: only a user's or a tool's may")
        check_places(self.content, self.images)
        said = (self.content, self.images, self.reasoning, self.tool_calls)
        content = (self.role, *said, self.tool_call_id, self.name)
        object.__setattr__(self, "_hash", hash(content))
        if self.images:
            pictures = [(placed.at, placed.image) for placed in self.images]
            marks = tuple((at, image.sha256, image.width, image.height) for at, image in pictures)
            object.__setattr__(self, "_light", (replace(self, images=(), sampled=()), marks))

    def __hash__(self) -> int:
        """Hash of the content, computed once: prompts look messages up in caches at every turn."""
        return self._hash

    @property
    def parts(self) -> tuple[str | Image, ...]:
        """Words and pictures in their order; empty words are left out."""
        return scatter(self.content, self.images)

    @property
    def known_by(self) -> Hashable:
        """What caches know the message by: equal for equal messages, and it holds no picture's bytes."""
        return self._light if self.images else self

    @classmethod
    def of(cls, role: Role, parts: Iterable[Part], **more: Any) -> Message:
        """A message of words and pictures in their order.

        Args:
            parts: a string is words always; a picture is a `duihua.Image`, a file's bytes, a path or a Pillow image,
                read here, for up to a second: keep it off an event loop.
            more: its other fields, by name.

        Raises:
            InvalidMessages: a part that is neither, or see `Message`.
            InvalidImage: a picture that cannot be taken.
        """
        content, images = gather(parts)
        return cls(role, content, images=images, **more)

    @classmethod
    def from_dict(
        cls, value: Mapping[str, Any], *, index: int | None = None, read_image: ReadImage | None = None
    ) -> Message:
        """Read a message in OpenAI's form; role `developer` means `system`.

        Args:
            index: of the message, for errors.
            read_image: makes pictures of the urls of `image_url` parts, and of what else stands between strings; None:
                both are refused.

        Raises:
            InvalidMessages: a wrong role, a wrong type, an unknown key, or a picture where none can be.
            UnsupportedFeature: content parts other than text and pictures.
            RequestError: what `read_image` raises.
        """
        unknown = sorted(set(value) - _KEYS)
        if unknown:
            raise InvalidMessages(f"message has unknown keys {unknown}: it may have {sorted(_KEYS)}", index=index)
        role: object = value.get("role")
        if role == "developer":
            role = "system"
        if role not in _ROLES:
            raise InvalidMessages(f"role {value.get('role')!r} is unknown: use one of {list(_ROLES)}", index=index)
        reasoning = value.get("reasoning") or value.get("reasoning_content") or ""
        content, images = read_content(
            value.get("content"), index=index, read_image=read_image if role in _WITH_PICTURES else None
        )
        return cls(
            role=cast("Role", role),
            content=content,
            images=images,
            reasoning=read_content(reasoning, index=index)[0],
            tool_calls=tuple(_tool_call(call, index=index) for call in value.get("tool_calls") or ()),
            tool_call_id=_optional_text(value.get("tool_call_id"), "tool_call_id", index=index),
            name=_optional_text(value.get("name"), "name", index=index),
            pinned=bool(value.get("pinned", False)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Write the message in OpenAI's form; what is empty is left out, `content` never. Pictures are data URLs."""
        result: dict[str, Any] = {"role": self.role, "content": write_content(self.content, self.images)}
        if self.reasoning:
            result["reasoning"] = self.reasoning
        if self.tool_calls:
            result["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.tool_calls
            ]
        for key in ("tool_call_id", "name"):
            if getattr(self, key) is not None:
                result[key] = getattr(self, key)
        if self.pinned:
            result["pinned"] = True
        return result


def parse_messages(
    values: Iterable[Message | Mapping[str, Any]], *, read_image: ReadImage | None = None
) -> list[Message]:
    """Read messages given as values or in OpenAI's form, and check their order.

    Args:
        read_image: see `Message.from_dict`.

    Raises:
        InvalidMessages, UnsupportedFeature: see `Message.from_dict` and `check_order`.
    """
    messages: list[Message] = []
    for index, value in enumerate(values):
        if isinstance(value, Message):
            messages.append(value)
        elif isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are not all typed
            messages.append(Message.from_dict(value, index=index, read_image=read_image))
        else:
            raise InvalidMessages(f"message {index} is a {type(value).__name__}, not a mapping", index=index)
    check_order(messages)
    return messages


def check_order(messages: Sequence[Message]) -> None:
    """Refuse what no template can make a conversation of.

    Raises:
        InvalidMessages: no message at all, no user message, or a tool result that answers no call.
    """
    if not messages:
        raise InvalidMessages("there are no messages: give at least one user message")
    if not any(message.role == "user" for message in messages):
        raise InvalidMessages("there is no user message: the conversation needs something to answer")
    open_calls: set[str] | None = None  # of the assistant message that tool messages may answer here
    for index, message in enumerate(messages):
        if message.tool_calls and message.role != "assistant":
            raise InvalidMessages(f"message {index} has tool_calls but its role is {message.role!r}", index=index)
        if message.role == "assistant":
            open_calls = {call.id for call in message.tool_calls} or None
        elif message.role != "tool":
            open_calls = None
        elif open_calls is None or message.tool_call_id not in {None, *open_calls}:
            raise InvalidMessages(
                f"message {index} answers tool call {message.tool_call_id!r}, which the assistant message "
                f"before it does not make",
                index=index,
            )


def _check_call(call: ToolCall) -> None:
    for name in ("id", "name", "arguments"):
        check_text(getattr(call, name), f"a tool call's {name}")
    try:
        decoded = json.dumps(json.loads(call.arguments), ensure_ascii=False)
    except RecursionError as error:
        raise InvalidMessages("a tool call's arguments are nested too deeply") from error
    except ValueError:
        return  # not JSON: it stays text
    check_text(decoded, "a tool call's arguments")


def _optional_text(value: object, key: str, *, index: int | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidMessages(f"{key} is a {type(value).__name__}: give a string", index=index)


def _tool_call(value: object, *, index: int | None) -> ToolCall:
    call = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
    function: Any = call.get("function")
    if not isinstance(function, Mapping):
        raise InvalidMessages("a tool call needs 'id' and 'function': {'name', 'arguments'}", index=index)
    fields = cast("Mapping[str, Any]", function)
    arguments = fields.get("arguments", "{}")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    if not isinstance(call.get("id"), str) or not isinstance(fields.get("name"), str):
        raise InvalidMessages("a tool call's 'id' and function 'name' must be strings", index=index)
    return ToolCall(id=call["id"], name=fields["name"], arguments=arguments)
