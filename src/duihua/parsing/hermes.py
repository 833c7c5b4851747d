"""Hermes, Qwen2.5 and Qwen3: `<tool_call>`, an object with name and arguments, `</tool_call>`."""

from __future__ import annotations

from typing import Final

from duihua.parsing.calls import Calls
from duihua.parsing.format import Tag, ToolFormat
from duihua.parsing.members import CallObject

__all__ = ["HERMES"]

_OPEN: Final = "<tool_call>"
_CLOSE: Final = "</tool_call>"


class _Reader:
    """A call ends with its object. Another object between the same tags is another call."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._is_inside = False
        self._object: CallObject | None = None

    @property
    def expected(self) -> tuple[str, ...]:
        return (_OPEN, _CLOSE) if self._is_inside else (_OPEN,)

    def text(self, text: str) -> None:
        while text and not self._calls.is_over:
            text = self._inside(text) if self._is_inside else self._outside(text)

    def tag(self, tag: str, shown: str) -> None:
        if self._object is not None:
            self._calls.hold(shown if tag == _CLOSE else "")
            self._calls.fail()
            self._object = None
        elif tag == _CLOSE and not self._is_inside:
            self._calls.say(shown)
        self._is_inside = tag == _OPEN
        if self._is_inside:
            self._calls.hold(shown)
            self._object = CallObject(self._calls)

    def end(self, *, is_whole: bool) -> None:
        if self._object is None:
            return
        if is_whole:
            self._calls.fail()
        else:
            self._calls.cut()

    def _outside(self, text: str) -> str:
        self._calls.say(text)
        return ""

    def _inside(self, text: str) -> str:
        if self._object is None:
            text = text.lstrip()
            if text.startswith("{"):
                self._object = CallObject(self._calls)
            else:
                self._is_inside = self._is_inside and not text
                return text
        is_done = self._object.push(text)
        rest = self._object.rest if is_done else ""
        self._calls.hold(text[: len(text) - len(rest)])
        if self._object.is_broken:
            self._calls.fail()
            self._object, self._is_inside = None, False
        elif is_done:
            self._is_inside = self._calls.close()
            self._object = None
        return rest


HERMES: Final = ToolFormat(
    name="hermes",
    marks=((_OPEN, "arguments"),),
    tags=(_OPEN, _CLOSE),
    reader=_Reader,
    opener=_OPEN,
    before_name=(Tag(_OPEN), '\n{"name": "'),
    before_arguments=('", "arguments": ',),
    closing=("}\n", Tag(_CLOSE)),
    source="https://huggingface.co/Qwen/Qwen2.5-7B-Instruct, https://huggingface.co/Qwen/Qwen3-8B: chat templates; "
    "https://github.com/vllm-project/vllm: tests/tool_parsers/test_hermes_tool_parser.py",
)
