"""A conversation at the keyboard over the scripted engine: `python -m terminal.stage` in a pseudo-terminal.

It is composed as `duihua chat` composes it, less the model.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path

from chat.talk import Turnstile, chat, engine
from chat.test_schemas import HERMES_TEMPLATE
from duihua.chat.conversation import Conversation
from duihua.engine.protocol import Engine
from duihua.engine.supervised import SupervisedEngine
from duihua.errors import EngineDead, EngineError, GenerationFailed
from duihua.parsing.hermes import HERMES
from duihua.sampling import Sampling
from duihua.terminal.consent import Consent
from duihua.terminal.input import Keyboard, private_history
from duihua.terminal.loading import banner
from duihua.terminal.output import Output, screen_of
from duihua.terminal.repl import Repl
from duihua.terminal.session import Session
from duihua.terminal.signals import run_to_end
from duihua.terminal.texts import Say
from duihua.tools.approval import Approver
from duihua.tools.function import tool
from duihua.tools.toolbox import Toolbox
from prompt.dialogues import seeing
from prompt.traits import CHATML


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
async def hang() -> None:
    """Wait for ever."""
    try:
        await asyncio.Event().wait()
    finally:
        print("it was let go")  # noqa: T201  that is the point


_FAILURES: dict[str, EngineError] = {
    "dead": EngineDead("the worker ended"),
    "failed": GenerationFailed("this one is lost"),
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("answers", nargs="*", default=["fine"])
    parser.add_argument("--hold-after", type=int, help="let so many tokens through, in all")
    parser.add_argument("--fail", choices=list(_FAILURES), help="in the first turn, after one token")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--max-images", type=int, default=0)
    parser.add_argument("--tools", action="store_true", help="tools that ask: add and hang")
    parser.add_argument("--reasoning", action="store_true")
    parser.add_argument("--lang", choices=["en", "zh"], default="en")
    parser.add_argument("--plain", action="store_true", help="no colour")
    parser.add_argument("--history", type=Path, required=True)
    return parser.parse_args()


async def run(asked: argparse.Namespace) -> None:
    gate = None if asked.hold_after is None else Turnstile(asked.hold_after)
    failure = None if asked.fail is None else (1, _FAILURES[asked.fail])
    made = partial(engine, *asked.answers, size=asked.size, max_images=asked.max_images)
    engines = [made(gate=gate, failure=failure)]
    if asked.fail:
        engines.append(made())

    async def start() -> Engine:
        return engines.pop(0)

    model = chat(
        await SupervisedEngine.start(start),  # pyright: ignore[reportArgumentType]  any engine will do
        reasoning=("<think>", "</think>") if asked.reasoning else None,
        encoder=seeing("chatml") if asked.max_images else None,
        template=HERMES_TEMPLATE if asked.tools else CHATML,
        calls=HERMES if asked.tools else None,
    )
    screen = screen_of(sys.stdout, color=not asked.plain)
    output, say = Output(screen, screen), Say(asked.lang)
    banner(output, say, model.info, model.adapters)
    consent = Consent(output, say)
    conversation = Conversation(model, sampling=Sampling(max_tokens=asked.max_tokens))
    session = Session(conversation=conversation, output=output, say=say, consent=consent)
    if asked.tools:
        conversation.toolbox = Toolbox(Approver(consent.ask).guarded(tool) for tool in (add, hang))
    await Repl(session, Keyboard(say, private_history(asked.history), color=not asked.plain)).run()


if __name__ == "__main__":
    sys.exit(run_to_end(run(options())))
