"""`/tools` lists tools and the last calls, or says why there are none; see also test_consent.py."""

from __future__ import annotations

import asyncio
import io

import pytest

from chat.talk import chat, engine
from chat.test_schemas import HERMES_TEMPLATE
from duihua.chat.conversation import Conversation
from duihua.errors import UnsupportedFeature
from duihua.parsing.hermes import HERMES
from duihua.terminal.consent import Consent
from duihua.terminal.output import Output, screen_of
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from duihua.terminal.tools import check_tools_known, run_tools, tool_rows
from duihua.tools.catalogue import built_in
from duihua.tools.settings import ToolSettings
from duihua.tools.toolbox import Toolbox
from prompt import traits

CALL = '<tool_call>\n{"name": "calculator", "arguments": {"expression": "2*3"}}\n</tool_call>'


def session(*names: str, answers: tuple[str, ...] = (), knows: bool = True) -> tuple[Session, io.StringIO]:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    output, say = Output(screen, screen), Say("en")
    template, calls = (HERMES_TEMPLATE, HERMES) if knows else (traits.CHATML, None)
    conversation = Conversation(chat(engine(*answers), template, calls=calls))
    conversation.toolbox = Toolbox(built_in(names)) if names else None
    rules = ToolSettings(built_in=names, approval={"clock": "ask"})
    return Session(conversation=conversation, output=output, say=say, rules=rules, consent=Consent(output, say)), stream


def test_each_tool_has_its_rule_and_one_that_was_allowed_runs() -> None:
    made, _ = session("calculator", "clock", "read_url")
    assert [row[:2] for row in tool_rows(made)] == [["calculator", "runs"], ["clock", "asks"], ["read_url", "asks"]]
    assert made.consent is not None
    made.consent.always.add("read_url")
    assert [row[1] for row in tool_rows(made)] == ["runs", "asks", "runs"]


def test_the_last_calls_are_there_in_full() -> None:
    made, stream = session("calculator", answers=(CALL, "six"))

    async def run() -> None:
        async for _ in made.conversation.send("hello"):
            pass
        await run_tools(made, "")

    asyncio.run(run())
    assert "calculator\n  expression: 2*3\n6\n" in stream.getvalue()


@pytest.mark.parametrize(("knows", "why"), [(True, "start with --tools"), (False, "does not tell it of tools")])
def test_without_tools_it_says_how_they_are_had(*, knows: bool, why: str) -> None:
    made, stream = session(knows=knows)
    asyncio.run(run_tools(made, ""))
    assert why in stream.getvalue()


def test_a_model_that_would_not_hear_of_them_is_refused() -> None:
    check_tools_known(session()[0].info)
    with pytest.raises(UnsupportedFeature, match="scripted does not tell it of tools"):
        check_tools_known(session(knows=False)[0].info)
