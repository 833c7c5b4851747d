"""Llama 3 and 4: `{"name": ..., "parameters": {...}}`, alone or behind `<|python_tag|>`, several between semicolons."""

from __future__ import annotations

from typing import Final, Literal

from duihua.parsing.calls import Calls
from duihua.parsing.format import ToolFormat
from duihua.parsing.members import CallObject

__all__ = ["LLAMA"]

_TAG: Final = "<|python_tag|>"
_State = Literal["start", "words", "object", "between"]


class _Reader:
    """An object counts where an answer begins with it, or behind the tag, and only with a tool's own name."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._state: _State = "words" if calls.is_begun else "start"
        self._is_tagged = False
        self._object = CallObject(calls, is_bare=True)

    @property
    def expected(self) -> tuple[str, ...]:
        return (_TAG,)

    def text(self, text: str) -> None:
        while text and not self._calls.is_over:
            match self._state:
                case "words":
                    self._calls.say(text)
                    return
                case "object":
                    text = self._in_object(text)
                case "start" | "between":
                    text = self._before_object(text)

    def tag(self, tag: str, shown: str) -> None:  # noqa: ARG002  there is one tag
        if self._state == "object":
            self._calls.fail()
        elif self._state == "start":
            self._calls.cut()
        self._calls.hold(shown)
        self._state, self._is_tagged = "start", True

    def end(self, *, is_whole: bool) -> None:
        if self._state == "object" and is_whole:
            self._calls.fail(is_malformed=self._is_tagged)
        else:
            self._calls.cut()

    def _before_object(self, text: str) -> str:
        blank = " \t\r\n;" if self._state == "between" else " \t\r\n"
        body = text.lstrip(blank)
        if self._state == "start":
            self._calls.hold(text[: len(text) - len(body)])
        if body.startswith("{"):
            self._state, self._object = "object", CallObject(self._calls, is_bare=True)
        elif body:
            self._calls.hold(body)
            self._calls.fail(is_malformed=self._is_tagged)
            self._state = "words"
            return ""
        return body

    def _in_object(self, text: str) -> str:
        is_done = self._object.push(text)
        rest = self._object.rest if is_done else ""
        self._calls.hold(text[: len(text) - len(rest)])
        if self._object.is_broken:
            self._calls.fail(is_malformed=self._is_tagged)
            self._state = "words"
        elif is_done:
            self._state = "between" if self._calls.close() else "words"
            self._is_tagged = False
        return rest


LLAMA: Final = ToolFormat(
    name="llama",
    marks=(('"parameters": ', "ipython"), (_TAG,)),
    tags=(_TAG,),
    reader=_Reader,
    before_name=('{"name": "',),
    before_arguments=('", "parameters": ',),
    closing=("}",),
    source="https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct: tokenizer_config.json; "
    "https://github.com/vllm-project/vllm: tests/tool_parsers/test_llama3_json_tool_parser.py",
)
