"""Dialogues with pictures as rows to learn from: ids, places, patches; many processes write them meanwhile."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from random import Random
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from demo.corpus import parts_of
from demo.tokenizer import ASSISTANT, END, PREAMBLE, SYSTEM, USER, id_of
from demo.turns import Dialogue
from demo.vision.drawing import draw
from demo.vision.geometry import BEGIN, FINISH, GRIDS, IMAGE, MERGE, PATCHES, TOKENS, WINDOW
from demo.vision.marks import NOTHING, VALUES, Marks, marks_of
from demo.vision.patches import PATCH_BYTES, Grid, Patches, patches_of
from demo.vision.picture import Picture
from demo.vision.plots import PLACE, Shown, write_dialogue

WIDTHS: Final = (128, 256, 512, WINDOW)  # tokens; a dialogue is padded to the next
ROOMS: Final = (0, 1, 2, 4, 8, 16)  # pictures; a dialogue is padded to the next with blank ones
SHARD: Final = 1000  # dialogues that are written together

Shape: TypeAlias = tuple[int, int]  # tokens and pictures of a row
Rows: TypeAlias = dict[str, Tensor]
Corpus: TypeAlias = dict[Shape, Rows]
Draw: TypeAlias = Callable[[Picture], tuple[Patches, Grid]]


def drawn(picture: Picture) -> tuple[Patches, Grid]:
    """A picture as the model gets it."""
    return patches_of(draw(picture))


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture in a row."""

    first: int  # its first token
    patches: Patches
    grid: Grid
    marks: Marks


@dataclass(slots=True)
class Row:
    """A dialogue in ids, with its pictures where their tokens stand."""

    ids: list[int] = field(default_factory=list[int])
    learnt: list[bool] = field(default_factory=list[bool])
    pictures: list[Seen] = field(default_factory=list[Seen])

    def cut(self, size: int) -> None:
        """Leave off what stands behind so many tokens; no picture is cut in two."""
        del self.ids[size:], self.learnt[size:]
        self.pictures = [one for one in self.pictures if one.first < size]


class Encoder:
    """Renders dialogues as the chat template and the processor do, straight to ids."""

    def __init__(self, tokenizer: Tokenizer, draw: Draw = drawn) -> None:
        self._tokenizer = tokenizer
        self._draw = draw
        controls = (*PREAMBLE, SYSTEM, USER, ASSISTANT, IMAGE, BEGIN, FINISH)
        self._control = {text: id_of(tokenizer, text) for text in controls}

    def encode(self, dialogue: Dialogue) -> Row:
        """The row, cut to the window at the end of a turn."""
        row = Row([self._control[text] for text in PREAMBLE], [False] * len(PREAMBLE))
        pictures = (picture for turn in dialogue.turns if isinstance(turn, Shown) for picture in turn.pictures)
        ends: list[int] = []  # where a turn of the user begins
        for part in parts_of(dialogue):
            if part.role == USER:
                ends.append(len(row.ids))
            # The control token after an answer is the demo's own: it ends the answer.
            self._add(row, [self._control[part.role]], learnt=row.learnt[-1])
            for at, text in enumerate(part.text.split(PLACE) if part.role == USER else [part.text]):
                if at:
                    self._add_picture(row, next(pictures))
                self._add(row, self._tokenizer.encode(text).ids, learnt=part.learnt)
        ends.append(len(row.ids))
        self._add(row, [self._control[USER]], learnt=True)
        row.cut(max((end for end in ends if end < WINDOW), default=0) + 1)
        return row

    def _add(self, row: Row, ids: Sequence[int], *, learnt: bool) -> None:
        row.ids += ids
        row.learnt += [learnt] * len(ids)

    def _add_picture(self, row: Row, picture: Picture) -> None:
        patches, grid = self._draw(picture)
        tokens = len(patches) // MERGE**2
        row.pictures.append(Seen(len(row.ids) + 1, patches, grid, marks_of(picture, grid)))
        control = self._control
        self._add(row, [control[BEGIN], *[control[IMAGE]] * tokens, control[FINISH]], learnt=False)


def places_of(length: int, pictures: Sequence[tuple[int, Grid]]) -> NDArray[np.int64]:
    """What M-RoPE turns by: time, height and width (3, length) of each token.

    Text counts on by one in all three; the tokens of a picture share a time and have a row and a column; after it
    text goes on behind its longer side (`Glm4vModel.get_rope_index`).

    Args:
        length: tokens.
        pictures: the first token and the patches down and across of each, in order.
    """
    places, shift = np.tile(np.arange(length), (3, 1)), 0
    for first, (down, across) in pictures:
        rows, columns = down // MERGE, across // MERGE
        start, size = first + shift, rows * columns
        places[0, first : first + size] = start
        places[1, first : first + size] = start + np.repeat(np.arange(rows), columns)
        places[2, first : first + size] = start + np.tile(np.arange(columns), rows)
        shift += max(rows, columns) - size
        places[:, first + size :] = np.arange(first + size, length) + shift
    return places


def table(rows: Sequence[Row], width: int, room: int, pad: int) -> Rows:
    """Rows of one shape as tensors.

    ids (rows, width) int16, learnt (rows, width) bool, places (rows, 3, width) int16; sight (rows, width) int16: which
    of the row's picture tokens stands there, -1: none; patches (rows, room, 64, 588) uint8, marks (rows, room, 16, 3)
    uint8 and grids (rows, room) uint8, numbers in `GRIDS`.
    """
    count = len(rows)
    found: dict[str, NDArray[Any]] = {
        "ids": np.full((count, width), pad, np.int16),
        "learnt": np.zeros((count, width), np.bool_),
        "places": np.zeros((count, 3, width), np.int16),
        "sight": np.full((count, width), -1, np.int16),
        "patches": np.zeros((count, room, PATCHES, PATCH_BYTES), np.uint8),
        "marks": np.full((count, room, TOKENS, len(VALUES)), NOTHING, np.uint8),
        "grids": np.zeros((count, room), np.uint8),
    }
    for at, row in enumerate(rows):
        size = len(row.ids)
        found["ids"][at, :size], found["learnt"][at, :size] = row.ids, row.learnt
        found["places"][at, :, :size] = places_of(size, [(seen.first, seen.grid) for seen in row.pictures])
        for number, seen in enumerate(row.pictures):
            tokens = len(seen.patches) // MERGE**2
            found["sight"][at, seen.first : seen.first + tokens] = np.arange(tokens) + number * TOKENS
            found["patches"][at, number, : len(seen.patches)] = seen.patches
            found["marks"][at, number] = seen.marks
            found["grids"][at, number] = GRIDS.index(seen.grid)
    return {name: torch.from_numpy(array) for name, array in found.items()}


def gathered(rows: Sequence[Row], pad: int) -> Corpus:
    """The rows by their shape, in order."""
    shapes: dict[Shape, list[Row]] = {}
    for row in rows:
        if any(row.learnt) and len(row.pictures) <= ROOMS[-1]:
            width = next(width for width in WIDTHS if len(row.ids) <= width)
            room = next(room for room in ROOMS if len(row.pictures) <= room)
            shapes.setdefault((width, room), []).append(row)
    return {shape: table(same, *shape, pad) for shape, same in sorted(shapes.items())}


def corpus_texts(seed: str, count: int) -> Iterator[str]:
    """Texts to train the tokenizer on."""
    for index in range(count):
        for part in parts_of(write_dialogue(Random(f"{seed}/text/{index}"))):
            yield part.text.replace(PLACE, "")


Writer: TypeAlias = Callable[[Random], Dialogue]
_Job: TypeAlias = tuple[str, Writer, str, int, int, Path]


def _write(job: _Job) -> Path:
    text, write, seed, first, count, path = job
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_str(text)
    encoder = Encoder(tokenizer)
    rows = [encoder.encode(write(Random(f"{seed}/{index}"))) for index in range(first, first + count)]
    torch.save(gathered(rows, id_of(tokenizer, END)), path)
    return path


class CorpusWriter:
    """Processes that write dialogues and draw; what they have written can be taken while they go on.

    Pictures are many megabytes: they come in files, which are not copied from process to process, and are read by a
    thread, so that whoever learns from them does not wait.

    Args:
        tokenizer: gives the ids.
        seed: the same seed gives the same dialogues.
        count: dialogues in all.
        workers: processes.
        write: writes one dialogue.
    """

    def __init__(
        self, tokenizer: Tokenizer, seed: str, count: int, workers: int, write: Writer = write_dialogue
    ) -> None:
        self._folder = TemporaryDirectory(prefix="demo-vision-")
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        text, size, folder = tokenizer.to_str(), min(SHARD, -(-count // workers)), Path(self._folder.name)
        jobs: list[_Job] = [
            (text, write, seed, first, min(size, count - first), folder / f"{first}.pt")
            for first in range(0, count, size)
        ]
        self._left = len(jobs)
        self._ready: SimpleQueue[Corpus | BaseException] = SimpleQueue()
        self._written = [self._pool.submit(_write, job) for job in jobs]
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Give up what is not written yet."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.join()
        self._folder.cleanup()

    def take(self, least: float = 0.0) -> list[Corpus]:
        """Rows by shape of what is written and was not taken yet, in order, in as many parts as there are files.

        Args:
            least: wait for this share of what is left.
        """
        needed, shards = math.ceil(least * self._left), list[Corpus]()
        while self._left and (len(shards) < needed or not self._ready.empty()):
            shard = self._ready.get()
            if isinstance(shard, BaseException):
                raise shard
            shards.append(shard)
            self._left -= 1
        return shards

    def _read(self) -> None:
        for future in self._written:
            try:
                path = future.result()
            except BaseException as error:  # noqa: BLE001  it travels to whoever takes
                self._ready.put(error)
                return
            self._ready.put(torch.load(path))
            path.unlink()


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, in order."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
