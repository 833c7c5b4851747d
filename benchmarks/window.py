"""Time to first token past the context window: our cut, deep and rare, against dropping one exchange at each turn.

Both sides go through the same chat on the same engine and feed sampled ids back; the other side is given the newest
exchanges that fit. Their conversations have the same questions and share no cached prefix.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from bars import report
from geometries import make_checkpoint, make_text
from model_flags import add_model_flags, engine_settings, model_settings, own_encoder, resolved
from paper import also_written, machine

from duihua.api.compose import open_chat
from duihua.chat.chat import Chat
from duihua.chat.fold import Reply
from duihua.chat.protocol import TurnOptions
from duihua.events import TurnStarted
from duihua.messages import Message
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.layout import RenderOptions
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling

_WORDS: Final = (5, 9, 13, 17, 7, 11, 15)  # of a question; two to five tokens each
_NEXT: Final = Message("user", "x")  # what is said after an exchange that is history


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question and how soon its answer began."""

    first_ms: float
    prompt_tokens: int
    cached_tokens: int
    first_kept: int  # number of the first exchange in the prompt
    is_past: bool  # the whole conversation is more than the window holds


class Ruler:
    """Counts tokens as the window does."""

    def __init__(self, encoder: PromptEncoder, limit: int) -> None:
        self.limit = limit  # most tokens of a prompt
        self.fixed = encoder.measure([_NEXT]).tokens_of("template")
        self._encoder = encoder

    def exchange(self, messages: Sequence[Message]) -> int:
        """Tokens of an exchange that is history, or of a question that is being answered."""
        prompt = self._encoder.measure((*messages, _NEXT), RenderOptions(generation_prompt=False))
        return sum(prompt.tokens_of(i) for i in range(len(messages)))


class Talk:
    """A conversation that outgrows the window."""

    def __init__(self, chat: Chat, ruler: Ruler, sampling: Sampling) -> None:
        self.costs: list[int] = []  # tokens of each exchange
        self._chat, self._ruler, self._sampling = chat, ruler, sampling
        self._exchanges: list[tuple[Message, Message]] = []

    def choose(self, asked: int) -> tuple[int, WindowPolicy]:
        """The first exchange that is given to the chat, whose own window does the rest.

        Args:
            asked: tokens of the question.
        """
        del asked
        return 0, WindowPolicy()

    async def turn(self, question: str) -> Turn:
        """Ask, and read the answer to its end."""
        user, reply = Message("user", question), Reply()
        asked = self._ruler.exchange([user])
        whole = self._ruler.fixed + sum(self.costs) + asked
        first, policy = self.choose(asked)
        messages = [message for exchange in self._exchanges[first:] for message in exchange]
        options = TurnOptions(window=policy, cache_salt=type(self).__name__)
        start, first_s, started = time.perf_counter(), 0.0, None
        async with aclosing(self._chat.stream([*messages, user], self._sampling, options)) as events:
            async for event in events:
                if isinstance(event, TurnStarted):
                    first_s, started = time.perf_counter() - start, event
                reply.add(event)
        assert started is not None
        self._exchanges.append((user, reply.message()))
        self.costs.append(self._ruler.exchange(self._exchanges[-1]))
        return Turn(
            first_ms=first_s * 1e3,
            prompt_tokens=started.prompt_tokens,
            cached_tokens=started.cached_tokens,
            first_kept=first + started.window.dropped_exchanges,
            is_past=whole > self._ruler.limit,
        )


class Sliding(Talk):
    """The other side: at each turn the newest exchanges that fit."""

    def choose(self, asked: int) -> tuple[int, WindowPolicy]:
        """See `Talk.choose`; nothing is left to the chat's window."""
        room = self._ruler.limit - self._ruler.fixed - asked
        first = len(self.costs)
        while first and sum(self.costs[first - 1 :]) <= room:
            first -= 1
        return first, WindowPolicy(overflow="error")


async def talk_past_the_window(chat: Chat, ruler: Ruler, arguments: argparse.Namespace) -> dict[str, list[Turn]]:
    """Both conversations, some turns of the one and then of the other; gives the turns past the window."""
    sampling = Sampling(temperature=0.0, top_p=1.0, max_tokens=arguments.answer_tokens, ignore_eos=True)
    talks = {"cut": Talk(chat, ruler, sampling), "slide": Sliding(chat, ruler, sampling)}
    past: dict[str, list[Turn]] = {name: [] for name in talks}
    asked = 0
    while any(len(turns) < arguments.turns for turns in past.values()):
        for name, talk in talks.items():
            numbers = range(asked, asked + arguments.block)
            turns = [await talk.turn(_question(number, arguments.longer)) for number in numbers]
            past[name] += [turn for turn in turns if turn.is_past]
            print(f"{name:6} turn {asked:4}, ms: {' '.join(f'{turn.first_ms:.1f}' for turn in turns)}")
        asked += arguments.block
    sizes = [cost for talk in talks.values() for cost in talk.costs]
    print(f"{asked} turns, exchanges of {min(sizes)} to {max(sizes)} tokens, prompts of {ruler.limit} at most")
    return {name: turns[: arguments.turns] for name, turns in past.items()}


def _question(number: int, longer: int) -> str:
    return make_text(f"turn {number}", _WORDS[number % len(_WORDS)] * longer)


def show(name: str, turns: Sequence[Turn]) -> None:
    """Print one side's row of the table."""
    first = sorted(turn.first_ms for turn in turns)
    computed = statistics.mean(turn.prompt_tokens - turn.cached_tokens for turn in turns)
    kept = statistics.mean(turn.prompt_tokens for turn in turns)
    moves = sum(before.first_kept != after.first_kept for before, after in pairwise(turns))
    p90 = first[min(len(first) - 1, round(0.9 * len(first)))]
    print(
        f"{name:6} {len(turns):5} {statistics.median(first):9.1f} {statistics.mean(first):9.1f} {p90:9.1f}"
        f" {f'({first[0]:.1f}-{first[-1]:.1f})':>17} {kept:8.0f} {computed:9.0f} {moves:6}"
    )


def judge(past: dict[str, list[Turn]], ruler: Ruler) -> dict[str, float]:
    """Print the table; gives the values of the bars."""
    print(
        f"{'side':6} {'turns':>5} {'median ms':>9} {'mean ms':>9} {'p90 ms':>9} {'(least-most)':>17} {'prompt':>8}"
        f" {'computed':>9} {'moves':>6}"
    )
    for name, turns in past.items():
        show(name, turns)
    cut, slide = ([turn.first_ms for turn in past[name]] for name in ("cut", "slide"))
    room = ruler.limit - ruler.fixed
    return {
        "window.ttft_past_window": statistics.median(cut) / statistics.median(slide),
        "window.ttft_mean": statistics.mean(cut) / statistics.mean(slide),
        "window.kept_share": statistics.mean((turn.prompt_tokens - ruler.fixed) / room for turn in past["cut"]),
    }


async def run(arguments: argparse.Namespace, path: Path, log: Path) -> dict[str, float]:
    """Start the engine, hold both conversations, and judge."""
    model = model_settings(arguments, path, arguments.engine)
    # Enough that a block of the one side's turns leaves the other side's prefix in the cache.
    capacity = (arguments.block + 4) * arguments.context_window
    chat = await open_chat(model, engine_settings(arguments, kv_capacity=capacity, max_sequences=2, log=log))
    try:
        print(f"{arguments.geometry}, random weights, {arguments.context_window} tokens: {chat.info.engine}")
        print(machine())
        if arguments.engine == "vllm":
            print(", ".join(f"{key}={value}" for key, value in resolved().items()))
        reserved = Sampling(max_tokens=arguments.answer_tokens)
        ruler = Ruler(own_encoder(model), chat.explain([_NEXT], reserved).window.limit)
        return judge(await talk_past_the_window(chat, ruler, arguments), ruler)
    finally:
        await chat.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("vllm", "transformers"), default="vllm")
    parser.add_argument("--turns", type=int, default=60, help="past the window, of each side")
    parser.add_argument("--block", type=int, default=5, help="turns of one side before the other's")
    parser.add_argument("--answer-tokens", type=int, default=96)
    parser.add_argument("--longer", type=int, default=1, metavar="TIMES", help="words of a question, times as many")
    add_model_flags(parser, geometry="27M", context_window=4096)
    arguments = parser.parse_args()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        path = make_checkpoint(Path(directory) / "model", arguments.geometry)
        values = asyncio.run(run(arguments, path, (arguments.logs or Path(directory)) / "vllm.log"))
        print()
        report("window", values)


if __name__ == "__main__":
    main()
