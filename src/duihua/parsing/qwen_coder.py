"""Qwen3-Coder and Qwen3.5: `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`."""

from __future__ import annotations

from typing import Final, Literal

from duihua.parsing.arguments import ObjectArguments, ParameterArguments
from duihua.parsing.calls import Calls
from duihua.parsing.format import Tag, ToolFormat

__all__ = ["QWEN_CODER"]

_OPEN: Final = "<tool_call>"
_CLOSE: Final = "</tool_call>"
_FUNCTION: Final = "<function="
_FUNCTION_END: Final = "</function>"
_PARAMETER: Final = "<parameter="
_PARAMETER_END: Final = "</parameter>"
_TAGS: Final = (_OPEN, _CLOSE, _FUNCTION, _FUNCTION_END, _PARAMETER, _PARAMETER_END)
_State = Literal["words", "opened", "name", "between", "key", "value", "object", "after object", "closed"]


class _Reader:
    """Functions and parameters are no tokens: they count between the tags of a call only.

    The model leaves out closing tags now and then: a parameter ends where the next one begins, too, and a function
    with its call.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._state: _State = "words"
        self._held = ""  # of a name or a key
        self._arguments = ParameterArguments(calls, "")
        self._object = ObjectArguments(calls)

    @property
    def expected(self) -> tuple[str, ...]:
        return (_OPEN,) if self._state == "words" else _TAGS

    def text(self, text: str) -> None:
        while text and not self._calls.is_over:
            if self._state == "words":
                self._calls.say(text)
                return
            if self._state == "closed" and text.strip():
                self._state = "words"
                continue
            if self._state != "closed":
                self._calls.hold(text)
            text = self._inside(text)

    def tag(self, tag: str, shown: str) -> None:
        if self._state == "words" and tag != _OPEN:
            self._calls.say(shown)
            return
        if self._state == "value" and tag in (_PARAMETER, _PARAMETER_END, _FUNCTION_END, _CLOSE):
            self._arguments.end()
            self._state = "between"
            if tag == _PARAMETER_END:
                self._calls.hold(shown)
                return
        if tag == _OPEN and self._state not in ("words", "closed"):
            self._fail()
        if self._state != "closed" or tag != _CLOSE:
            self._calls.hold(shown)
        self._follow(tag)

    def end(self, *, is_whole: bool) -> None:
        if self._state in ("words", "closed"):
            return
        if is_whole:
            self._fail()
        else:
            self._calls.cut()

    def _follow(self, tag: str) -> None:
        match tag, self._state:
            case "<tool_call>", _:
                self._state = "opened"
            case "<function=", "opened" | "closed":
                self._state, self._held = "name", ""
            case "<parameter=", "between":
                self._state, self._held = "key", ""
            case "</function>", "between" | "after object":
                self._close("closed")
            case "</tool_call>", "between" | "after object":
                self._close("words")
            case "</tool_call>", "closed":
                self._state = "words"
            case _:
                self._fail()

    def _inside(self, text: str) -> str:
        match self._state:
            case "name" | "key":
                name, is_ended, rest = text.partition(">")
                self._held += name
                if is_ended:
                    self._named(self._held.strip())
                return self._unheld(rest)
            case "value":
                self._arguments.push(text)
            case "object":
                return self._in_object(text)
            case "between" if text.lstrip().startswith("{") and self._arguments.is_empty:
                self._state = "object"
                return self._in_object(text.lstrip())
            case _ if text.strip():
                self._fail()
            case _:
                pass
        return ""

    def _unheld(self, rest: str) -> str:
        """What is read again, which is held already."""
        if rest:
            self._calls.unhold(rest)
        return rest

    def _named(self, name: str) -> None:
        if not name:
            self._fail()
        elif self._state == "name":
            self._calls.begin(name)
            self._arguments = ParameterArguments(self._calls, name, has_breaks=True)
            self._object = ObjectArguments(self._calls)
            self._state = "between"
        else:
            self._arguments.begin(name)
            self._state = "value"

    def _in_object(self, text: str) -> str:
        rest = self._object.push(text)
        if rest is None:
            return ""
        self._state = "after object"
        return self._unheld(rest)

    def _close(self, state: _State) -> None:
        if self._state == "between":
            self._arguments.finish()
        self._state = state if self._calls.close() else "words"

    def _fail(self) -> None:
        self._state = "words"
        self._calls.fail()


QWEN_CODER: Final = ToolFormat(
    name="qwen-coder",
    marks=((_FUNCTION, _PARAMETER),),
    tags=_TAGS,
    reader=_Reader,
    opener=_OPEN,
    before_name=(Tag(_OPEN), "\n<function="),
    before_arguments=(">\n",),
    closing=("\n</function>\n", Tag(_CLOSE)),
    source="https://huggingface.co/Qwen/Qwen3-Coder-30B-A3B-Instruct: chat_template.jinja; "
    "https://github.com/vllm-project/vllm: tests/tool_parsers/test_qwen3coder_tool_parser.py",
)
