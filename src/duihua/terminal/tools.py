"""`/tools`: which tools there are, whether they may run, and what the last calls were."""

from __future__ import annotations

from collections.abc import Iterator

from duihua.chat.protocol import ModelInfo
from duihua.errors import UnsupportedFeature
from duihua.terminal.calls import call_pieces, last_calls
from duihua.terminal.session import Session

__all__ = ["check_tools_known", "run_tools", "tool_rows"]


def check_tools_known(info: ModelInfo) -> None:
    """Refuse tools of which a model would not hear.

    Raises:
        UnsupportedFeature: its template does not tell it of tools, or its calls cannot be read.
    """
    if not info.knows_tools:
        raise UnsupportedFeature(
            "a tool", f"the chat template of {info.name} does not tell it of tools: use a model whose template does"
        )


async def run_tools(session: Session, argument: str) -> None:
    """List the tools, and show the calls of the last turn that made some, in full."""
    del argument
    say, output = session.say, session.output
    if session.conversation.toolbox is None:
        output.note(say("tools_none" if session.info.knows_tools else "tools_unknown"))
        return
    output.table(list(tool_rows(session)), wrap=False)
    for call, result in last_calls(session.conversation.record):
        output.note("")
        output.marked(call_pieces(call))
        output.note(result.content if result is not None else say("call_open"))


def tool_rows(session: Session) -> Iterator[list[str]]:
    """(name, whether it may run, what it is for) of each tool."""
    say, rules = session.say, session.rules
    allowed = session.consent.always if session.consent is not None else ()
    for tool in session.conversation.toolbox or ():
        rule = "always" if tool.name in allowed else rules.approval_of(tool.name)
        yield [tool.name, say(f"approval_{rule}"), " ".join(tool.description.split())]
