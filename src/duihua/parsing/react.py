"""The first Qwen: Thought, Action, Action Input, Observation, each on a line of its own, in plain letters."""

from __future__ import annotations

from typing import Final, Literal

from duihua.parsing.arguments import ObjectArguments, TextArguments
from duihua.parsing.calls import Calls
from duihua.parsing.format import ToolFormat

__all__ = ["REACT"]

_THOUGHT: Final = "\nThought:"
_ACTION: Final = "\nAction:"
_INPUT: Final = "\nAction Input:"
_OBSERVATION: Final = "\nObservation:"
_ANSWER: Final = "\nFinal Answer:"
_State = Literal["words", "thought", "name", "input", "object", "after object"]


class _Reader:
    """An answer has one call at most: it ends where the model would go on to make up what the tool says."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._state: _State = "words"
        self._is_at_start = True  # of the answer, which is read as if it followed a line break
        self._is_at_word = False  # behind a tag, where a space is no part of what follows
        self._breaks = ""
        self._name = ""
        self._raw = TextArguments(calls, "")
        self._object = ObjectArguments(calls)

    @property
    def expected(self) -> tuple[str, ...]:
        return (_THOUGHT, _ACTION, _INPUT, _OBSERVATION, _ANSWER)

    def text(self, text: str) -> None:
        if self._is_at_start:
            self._is_at_start = False
            text = text.removeprefix("\n")
        if self._state not in ("words", "thought"):
            self._calls.hold(text)
        match self._state:
            case "words" | "thought":
                self._pass(text)
            case "name":
                self._name += text
            case "input":
                self._begin_input(text)
            case "object":
                self._in_object(text)
            case "after object" if text.strip():
                self._fail()
            case "after object":
                pass

    def tag(self, tag: str, shown: str) -> None:
        if self._is_at_start:
            self._is_at_start = False
            shown = shown.removeprefix("\n")
        match tag, self._state:
            case "\nThought:", "words":
                self._turn_to("thought")
            case "\nFinal Answer:", "words" | "thought":
                self._turn_to("words")
            case "\nAction:", "words" | "thought":
                self._breaks = ""
                self._calls.hold(shown)
                self._state, self._name = "name", ""
            case "\nAction Input:", "name":
                self._calls.hold(shown)
                self._named(self._name.strip())
            case "\nObservation:", "input" | "object" | "after object":
                self._calls.hold(shown)
                self._close()
            case _, "words" | "thought":
                self._pass(shown)
            case _:
                self._calls.hold(shown)
                self._fail()

    def end(self, *, is_whole: bool) -> None:
        if self._state in ("words", "thought"):
            return
        if not is_whole:
            self._calls.cut()
        elif self._state == "name":
            self._fail()
        else:
            self._close()

    def _turn_to(self, state: _State) -> None:
        self._state, self._is_at_word, self._breaks = state, True, ""

    def _pass(self, text: str) -> None:
        text = text.lstrip(" ") if self._is_at_word else text
        if not text:
            return
        self._is_at_word = False
        if self._state == "words":
            self._calls.say(text)
            return
        text = self._breaks + text
        thought = text.rstrip("\n")
        self._breaks = text[len(thought) :]
        self._calls.think(thought)

    def _named(self, name: str) -> None:
        if name not in self._calls.schemas:
            self._fail()
            return
        self._calls.begin(name)
        self._state = "input"
        self._raw = TextArguments(self._calls, self._calls.schemas.text_key(name))
        self._object = ObjectArguments(self._calls)

    def _begin_input(self, text: str) -> None:
        body = text.lstrip()
        if body.startswith("{") and self._raw.is_empty:
            self._state = "object"
            self._in_object(body)
        else:
            self._raw.push(text)

    def _in_object(self, text: str) -> None:
        rest = self._object.push(text)
        if rest is not None:
            self._state = "after object"
            if rest.strip():
                self._fail()

    def _close(self) -> None:
        if self._state == "input":
            self._raw.finish()
        self._state = "words"
        self._calls.is_over = self._calls.close()

    def _fail(self) -> None:
        self._state = "words"
        self._calls.fail()


REACT: Final = ToolFormat(
    name="react",
    marks=(("Action Input:", "Observation:"),),
    tags=(_THOUGHT, _ACTION, _INPUT, _OBSERVATION, _ANSWER),
    reader=_Reader,
    before_name=("Action: ",),
    before_arguments=("\nAction Input: ",),
    closing=("\nObservation:",),
    lead="\n",
    source="https://github.com/QwenLM/Qwen: openai_api.py, parse_messages and parse_response; examples/react_prompt.md",
)
