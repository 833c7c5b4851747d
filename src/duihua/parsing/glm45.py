"""GLM-4.5 and later: `<tool_call>name`, then a key and a value for each argument, between tags of their own."""

from __future__ import annotations

from typing import Final, Literal

from duihua.parsing.arguments import ObjectArguments, ParameterArguments
from duihua.parsing.calls import Calls
from duihua.parsing.format import Tag, ToolFormat

__all__ = ["GLM45"]

_OPEN: Final = "<tool_call>"
_CLOSE: Final = "</tool_call>"
_KEY: Final = "<arg_key>"
_KEY_END: Final = "</arg_key>"
_VALUE: Final = "<arg_value>"
_VALUE_END: Final = "</arg_value>"
_TAGS: Final = (_OPEN, _CLOSE, _KEY, _KEY_END, _VALUE, _VALUE_END)
_LONGEST: Final = 200  # characters of a name
_State = Literal["words", "name", "between", "key", "after key", "value", "object", "nameless"]


class _Reader:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._state: _State = "words"
        self._held = ""  # of a name or a key
        self._arguments: ParameterArguments | None = None
        self._object: ObjectArguments | None = None

    @property
    def expected(self) -> tuple[str, ...]:
        return (_OPEN,) if self._state == "words" else _TAGS

    def text(self, text: str) -> None:
        if self._state == "words":
            self._calls.say(text)
            return
        self._calls.hold(text)
        match self._state:
            case "name":
                self._name(text)
            case "between" | "after key" | "nameless":
                self._between(text)
            case "key":
                self._held += text
            case "value":
                self._parameters.push(text)
            case "object":
                self._in_object(text)

    def tag(self, tag: str, shown: str) -> None:
        if self._state == "words" and tag != _OPEN:
            self._calls.say(shown)
            return
        if tag == _OPEN:
            if self._state != "words":
                self._fail()
            self._calls.hold(shown)
            self._state, self._held, self._arguments, self._object = "name", "", None, None
            return
        self._calls.hold(shown)
        if self._state == "name":
            self._named()
        match tag, self._state:
            case "<arg_key>", "between" if self._object is None:
                self._state, self._held = "key", ""
            case "</arg_key>", "key" if self._held.strip():
                self._parameters.begin(self._held.strip())
                self._state = "after key"
            case "<arg_value>", "after key":
                self._state = "value"
            case "</arg_value>", "value":
                self._parameters.end()
                self._state = "between"
            case "</tool_call>", "between":
                self._close()
            case _:
                self._fail()

    def end(self, *, is_whole: bool) -> None:
        if self._state == "words":
            return
        if is_whole:
            self._fail()
        else:
            self._calls.cut()

    @property
    def _parameters(self) -> ParameterArguments:
        assert self._arguments is not None, "the call has no name yet"  # noqa: S101
        return self._arguments

    def _name(self, text: str) -> None:
        self._held += text
        line, is_ended, rest = self._held.lstrip().partition("\n")
        if len(line.split()) > 1 or len(line) > _LONGEST:  # a name is one word
            self._fail()
        elif is_ended:
            self._held = line
            self._named()
            self._between(rest)

    def _named(self) -> None:
        name = self._held.strip()
        if not name or (self._calls.is_trial and name not in self._calls.schemas):
            self._state = "nameless"  # where nothing fits
            return
        self._calls.begin(name)
        self._arguments = ParameterArguments(self._calls, name)
        self._state = "between"

    def _between(self, text: str) -> None:
        text = text.lstrip()
        if not text:
            return
        if text[0] == "{" and self._state == "between" and self._object is None and self._parameters.is_empty:
            self._object, self._state = ObjectArguments(self._calls), "object"
            self._in_object(text)
        else:
            self._fail()

    def _in_object(self, text: str) -> None:
        assert self._object is not None, "there is no object"  # noqa: S101
        rest = self._object.push(text)
        if rest is not None:
            self._state = "between"
            if rest.strip():
                self._fail()

    def _close(self) -> None:
        if self._object is None:
            self._parameters.finish()
        self._state = "words"
        self._calls.close()

    def _fail(self) -> None:
        self._state = "words"
        self._calls.fail()


GLM45: Final = ToolFormat(
    name="glm45",
    marks=((_KEY,),),
    tags=_TAGS,
    reader=_Reader,
    opener=_OPEN,
    before_name=(Tag(_OPEN),),
    before_arguments=("\n",),
    closing=("\n", Tag(_CLOSE)),
    source="https://huggingface.co/zai-org/GLM-4.5, https://huggingface.co/zai-org/GLM-4.7: chat_template.jinja; "
    "https://github.com/vllm-project/vllm: tests/tool_parsers/test_glm4_moe_tool_parser.py, "
    "test_glm47_moe_tool_parser.py",
)
