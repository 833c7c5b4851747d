"""Dialogues as ids with the places that are learnt, sorted by length."""

import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from random import Random
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from demo.plots import write_dialogue
from demo.tokenizer import ASSISTANT, END, OBSERVATION, PREAMBLE, SYSTEM, USER, WINDOW, id_of
from demo.turns import Dialogue, ToolSchema, Turn

WIDTHS: Final = (96, 192, 320, 512, 1024, WINDOW)  # row lengths; a dialogue is padded to the next

Rows = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Dialogues of about one length, padded at the end."""

    ids: Rows  # (dialogues, width)
    learnt: NDArray[np.bool_]  # (dialogues, width): the ids of answers and their ends


def corpus_texts(seed: int, count: int) -> Iterator[str]:
    """Texts to train the tokenizer on."""
    for index in range(count):
        for part in parts_of(write_dialogue(Random(f"{seed}/text/{index}"))):
            yield part.text


@dataclass(frozen=True, slots=True)
class Part:
    """What stands between two control tokens of a rendered dialogue."""

    role: str  # the control token that opens it
    text: str
    learnt: bool  # whether the demo wrote it; so is the control token after it


def parts_of(dialogue: Dialogue) -> Iterator[Part]:
    """A dialogue as the chat template renders it, part by part."""
    if dialogue.tools:
        yield Part(SYSTEM, _tools_text(dialogue.tools), learnt=False)
    if dialogue.system is not None:
        yield Part(SYSTEM, f"\n{dialogue.system}", learnt=False)
    for turn in dialogue.turns:
        yield from _parts_of_turn(turn)


def _parts_of_turn(turn: Turn) -> Iterator[Part]:
    yield Part(USER, f"\n{turn.user}", learnt=False)
    for made in turn.rounds:
        for call in made.calls:
            yield Part(ASSISTANT, str(call), learnt=True)
        for result in made.results:
            yield Part(OBSERVATION, f"\n{result}", learnt=False)
    yield Part(ASSISTANT, f"\n{turn.answer}", learnt=True)


def _tools_text(tools: Sequence[ToolSchema]) -> str:
    """The list of tools as chat_template.jinja writes it."""
    text = "\n# 可用工具"
    for tool in tools:
        schema = json.dumps(tool, indent=4, ensure_ascii=False)
        text += f"\n\n## {tool['name']}\n\n{schema}\n要调用这个函数时，请用 JSON 写出它的参数。"
    return text


class DialogueEncoder:
    """Renders dialogues as the chat template does, straight to ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        roles = (*PREAMBLE, SYSTEM, USER, ASSISTANT, OBSERVATION)
        self._special = {text: id_of(tokenizer, text) for text in roles}

    def encode(self, dialogue: Dialogue) -> tuple[list[int], list[bool]]:
        """Ids and the places to learn, cut to the window at the end of a turn."""
        parts = list(parts_of(dialogue))
        pieces = self._tokenizer.encode_batch([part.text for part in parts])
        ids, learnt = [self._special[text] for text in PREAMBLE], [False, False]
        ends: list[int] = []  # where a turn of the user begins
        for part, piece in zip(parts, pieces, strict=True):
            if part.role == USER:
                ends.append(len(ids))
            ids += [self._special[part.role], *piece.ids]
            # The control token after an answer is the demo's own: it ends the answer or calls once more.
            learnt += [learnt[-1], *[part.learnt] * len(piece.ids)]
        ends.append(len(ids))
        ids.append(self._special[USER])
        learnt.append(learnt[-1])
        end = max((end for end in ends if end < WINDOW), default=0) + 1
        return ids[:end], learnt[:end]


Writer: TypeAlias = Callable[[Random], Dialogue]
_Job: TypeAlias = tuple[str, Writer, str, int, int]
_Shard: TypeAlias = dict[int, tuple[Rows, NDArray[np.bool_]]]
_SHARD: Final = 2_000  # dialogues


def _shard(job: _Job) -> _Shard:
    text, write, seed, first, count = job
    tokenizer = Tokenizer.from_str(text)
    encoder = DialogueEncoder(tokenizer)
    pad = id_of(tokenizer, END)
    rows: dict[int, tuple[list[Any], list[Any]]] = {width: ([], []) for width in WIDTHS}
    for index in range(first, first + count):
        ids, learnt = encoder.encode(write(Random(f"{seed}/{index}")))
        if not any(learnt):
            continue
        width = next(width for width in WIDTHS if len(ids) <= width)
        missing = width - len(ids)
        rows[width][0].append(np.array(ids + [pad] * missing, np.uint16))
        rows[width][1].append(np.array(learnt + [False] * missing, np.bool_))
    return {w: (np.stack(i), np.stack(m)) for w, (i, m) in rows.items() if i}


class CorpusWriter:
    """Many processes that write dialogues; what they have written can be taken while they go on.

    Args:
        tokenizer: Gives the ids.
        seed: The same seed gives the same dialogues.
        count: Dialogues in all.
        workers: Processes.
        write: Writes one dialogue.
    """

    def __init__(
        self, tokenizer: Tokenizer, seed: str, count: int, workers: int, write: Writer = write_dialogue
    ) -> None:
        text, size = tokenizer.to_str(), min(_SHARD, -(-count // workers))
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        jobs: list[_Job] = [(text, write, seed, first, min(size, count - first)) for first in range(0, count, size)]
        self._waiting = deque(self._pool.submit(_shard, job) for job in jobs)

    def close(self) -> None:
        """Give up what is not being written yet."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def take(self, least: float = 0.0) -> dict[int, Bucket]:
        """Buckets by width of what is written and was not taken yet, in order.

        Args:
            least: Wait for this share of what is left.
        """
        needed = math.ceil(least * len(self._waiting))
        shards: list[_Shard] = []
        while self._waiting and (len(shards) < needed or self._waiting[0].done()):
            shards.append(self._waiting.popleft().result())
        return {
            width: Bucket(
                np.concatenate([shard[width][0] for shard in shards if width in shard]),
                np.concatenate([shard[width][1] for shard in shards if width in shard]),
            )
            for width in WIDTHS
            if any(width in shard for shard in shards)
        }
