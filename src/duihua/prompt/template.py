"""A model's own chat template, rendered in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from duihua.errors import InvalidMessages, ModelLoadFailed
from duihua.prompt.dialect import Dialect

__all__ = ["ChatTemplate", "TemplateMessage", "variables_of"]

TemplateMessage = Mapping[str, Any]

# What a template's own code can run into when messages are not what its author had in mind.
_TEMPLATE_FAILURES: Final = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)

_DICTIONARY_ATTRIBUTES: Final = frozenset(dir(dict))


class ChatTemplate:
    """One Jinja chat template.

    The environment is the one Hugging Face documents for chat templates
    (https://huggingface.co/docs/transformers/main/chat_templating_writing): blocks trimmed, loop controls,
    `tojson` that keeps non-ASCII text and HTML characters, `raise_exception`, `strftime_now`, and a
    `generation` block that renders its body.

    Args:
        source: the template's text.
        special_tokens: `bos_token` and the like, by name.

    Raises:
        ModelLoadFailed: the template does not compile.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str] | None = None) -> None:
        environment = _environment()
        environment.filters["tojson"] = _to_json
        cast("dict[str, object]", environment.globals)["raise_exception"] = _raise_exception
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ModelLoadFailed(
                f"the checkpoint's chat template does not compile: {error}; mend it or give another one"
            ) from error
        self.source = source
        self._dialect = Dialect(source)
        self.is_dated = "strftime_now" in source
        self._special_tokens = dict(special_tokens or {})

    def render(
        self,
        messages: Sequence[TemplateMessage],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        options: Mapping[str, Any] | None = None,
        generation_prompt: bool = True,
        now: datetime | None = None,
    ) -> str:
        """The prompt's text.

        Args:
            messages: as templates expect them; see `duihua.prompt.literals.Guard.message`.
            tools: function schemas in OpenAI's form.
            options: the template's own variables, such as `enable_thinking`.
            generation_prompt: whether the text ends where the model is to answer.
            now: what `strftime_now` reads; a conversation keeps its first message's time.

        Raises:
            InvalidMessages: the template refuses these messages or fails on them.
        """
        moment = now or datetime.now().astimezone()
        try:
            return self._template.render(
                **self._special_tokens
                | dict(options or {})
                | {
                    "messages": self._dialect.messages(messages, tools),
                    "tools": list(tools) or None,
                    "documents": None,
                    "add_generation_prompt": generation_prompt,
                    "strftime_now": moment.strftime,
                }
            )
        except _Refused as error:
            raise InvalidMessages(f"the model's chat template refuses these messages: {error}") from error
        except _TEMPLATE_FAILURES as error:
            raise InvalidMessages(
                f"the model's chat template fails on these messages ({type(error).__name__}: {error})"
            ) from error


class _Refused(jinja2.TemplateError):
    """The template called `raise_exception`."""


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with a short way to the fields of a message.

    Jinja reads `message.role` as an attribute first and, when that fails, as an item; for a plain dictionary and
    a name that no dictionary has as an attribute, the second is the only outcome there is.
    """

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute not in _DICTIONARY_ATTRIBUTES:
            try:
                return obj[attribute]  # pyright: ignore[reportUnknownVariableType]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


class _GenerationBlock(Extension):
    """`{% generation %}...{% endgeneration %}`, which marks answers for training, renders its body."""

    tags = {"generation"}  # noqa: RUF012  the base class's way

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def variables_of(source: str) -> frozenset[str]:
    """The variables that a template reads and does not set, such as `enable_thinking`; those of every turn included."""
    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(source)))
    except jinja2.TemplateError:
        return frozenset()  # it does not compile, which is told where it is loaded


def _environment() -> _Environment:
    return _Environment(trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, LoopControlExtension])


def _to_json(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002  templates call it so
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> None:
    raise _Refused(message)
