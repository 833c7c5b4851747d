"""GLM-4: a call is a turn of its own, named after its tool: `<|assistant|>name`, a line break, its arguments.

Its end is the next role's token: `<|observation|>`, where the model waits for results, or `<|assistant|>`, where more
follows.
"""

from __future__ import annotations

from typing import Final, Literal

from duihua.parsing.arguments import ObjectArguments, TextArguments
from duihua.parsing.calls import Calls
from duihua.parsing.format import Tag, ToolFormat
from duihua.parsing.literals import json_object_of

__all__ = ["GLM4"]

_ASSISTANT: Final = "<|assistant|>"
_OBSERVATION: Final = "<|observation|>"
_NATIVE: Final = ("python", "simple_browser", "cogview")
"""Tools that the model was trained with, and whose input it writes as raw text."""
_State = Literal["head", "words", "object", "raw", "raw object"]


class _Reader:
    """Only a tool's own name, alone on the first line of a turn, makes it a call."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._state: _State = "words" if calls.is_begun else "head"
        self._mark = ""  # the role's token, where special tokens show
        self._head = ""
        self._object = ObjectArguments(calls)
        self._raw = TextArguments(calls, "")
        self._whole = ""
        self._key = ""

    @property
    def expected(self) -> tuple[str, ...]:
        return (_ASSISTANT, _OBSERVATION)

    def text(self, text: str) -> None:
        while text and not self._calls.is_over:
            match self._state:
                case "head":
                    text = self._in_head(text)
                case "words":
                    self._calls.say(text)
                    return
                case "object":
                    text = self._in_object(text)
                case "raw":
                    self._calls.hold(text)
                    self._raw.push(text)
                    return
                case "raw object":
                    self._calls.hold(text)
                    self._whole += text
                    return

    def tag(self, tag: str, shown: str) -> None:
        self._end_of_turn()
        self._mark = shown
        if tag != _ASSISTANT:
            self._calls.say(shown)
            self._mark = ""

    def end(self, *, is_whole: bool) -> None:
        if is_whole or self._state in ("head", "words"):
            self._end_of_turn()
        else:
            self._calls.cut()

    def _in_head(self, text: str) -> str:
        self._head += text
        line, is_line, rest = self._head.lstrip().partition("\n")
        name, body = line.strip(), rest.lstrip()
        if not is_line and self._calls.schemas.has_prefix(name):
            return ""
        if is_line and name in self._calls.schemas and not body:
            return ""
        if is_line and name in self._calls.schemas and (body[0] == "{" or name in _NATIVE):
            return self._begin(name, body)
        self._give_up()
        return ""

    def _begin(self, name: str, body: str) -> str:
        self._calls.hold(self._mark + self._head[: len(self._head) - len(body)])
        self._calls.begin(name)
        self._head = self._mark = ""
        if name not in _NATIVE:
            self._state, self._object = "object", ObjectArguments(self._calls)
            return body
        self._key = self._calls.schemas.text_key(name)
        if body[0] == "{":  # code, or the arguments that the tool's schema asks for: its end tells
            self._state, self._whole = "raw object", ""
        else:
            self._state, self._raw = "raw", TextArguments(self._calls, self._key)
        return body

    def _in_object(self, text: str) -> str:
        rest = self._object.push(text)
        self._calls.hold(text if rest is None else text[: len(text) - len(rest)])
        if rest is None:
            return ""
        self._state = "head" if self._calls.close() else "words"
        return rest

    def _end_of_turn(self) -> None:
        match self._state:
            case "head":
                self._give_up()
            case "object":
                self._calls.fail()
            case "raw":
                self._raw.finish()
                self._calls.close()
            case "raw object":
                self._end_of_raw_object()
            case "words":
                pass
        self._state, self._head = "head", ""

    def _end_of_raw_object(self) -> None:
        arguments = json_object_of(self._whole.strip())
        if not self._calls.are_arguments(arguments):
            raw = TextArguments(self._calls, self._key)
            raw.push(self._whole)
            raw.finish()
        else:
            self._calls.write(arguments)
        self._calls.close()

    def _give_up(self) -> None:
        """The turn is no call."""
        self._calls.say(self._mark + self._head)
        self._head = self._mark = ""
        self._state = "words"


GLM4: Final = ToolFormat(
    name="glm4",
    marks=((_OBSERVATION, "tools"), ("可用工具",)),
    tags=(_ASSISTANT, _OBSERVATION),
    reader=_Reader,
    before_name=(),
    before_arguments=("\n",),
    closing=(Tag(_OBSERVATION),),
    source="https://huggingface.co/zai-org/GLM-4-32B-0414: README.md, chat_template.jinja; "
    "https://huggingface.co/zai-org/glm-4-9b-chat: tokenizer_config.json; "
    "https://github.com/modelscope/ms-swift: agent_template/glm4.py",
)
