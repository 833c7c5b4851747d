"""What every engine that sees must do. A test class inherits `PictureContract` and gives it a `stage`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from PIL import Image as Pillow

from duihua.engine.protocol import Engine
from duihua.errors import ContextOverflow, InvalidImage, InvalidParameter, UnsupportedFeature
from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage
from engine.contract import LONG, PROMPT, Scenario, answer, collect, ids_of, request

__all__ = ["ODD_SIZES", "PictureContract", "SeeingStage", "drawn", "seeing"]

_chance = random.Random(6)
ODD_SIZES: Final = [
    *((1, 1), (3, 2), (2, 150), (150, 2), (27, 29), (56, 56), (57, 55), (640, 480), (481, 641), (1200, 30), (31, 900)),
    *((_chance.randrange(5, 700), _chance.randrange(5, 700)) for _ in range(19)),
]


class SeeingStage(Protocol):
    """Where scenarios are played, on a model that sees.

    Attributes:
        cache_block: tokens that are cached as a whole; 1 where any prefix serves.
        marks: the ids before a picture, those that stand for it, and those after.
        adapters: two of its model, "first" and "second"; the engine has room for both.
    """

    cache_block: int
    marks: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    adapters: Mapping[str, Path]

    def play(self, scenario: Scenario) -> None:
        """Run a scenario; the engine may be shared with others, in float32."""
        ...

    def tokens_of(self, image: Image) -> int:
        """Tokens of a picture, by another way than the engine's."""
        ...


@cache
def drawn(width: int, height: int, seed: int = 0) -> Image:
    """A picture of patches whose colours depend on the seed."""
    colours = random.Random(f"{width} {height} {seed}").randbytes(5 * 4 * 3)
    file = BytesIO()
    Pillow.frombytes("RGB", (5, 4), colours).resize((width, height)).save(file, "PNG")
    return Image(file.getvalue(), width, height, name=f"{width} x {height}")


def seeing(
    stage: SeeingStage, *parts: Sequence[int] | Image, tokens: int | None = None, **asked: Any
) -> GenerationRequest:
    """A request whose prompt is made of ids and pictures; `tokens`: what it says of each, where that is not true."""
    ids: list[int] = []
    images: list[PlacedImage] = []
    before, mark, after = stage.marks
    for part in parts:
        if isinstance(part, Image):
            ids += before
            images.append(PlacedImage(part, len(ids), len(ids) + len(mark), tokens or stage.tokens_of(part)))
            ids += (*mark, *after)
        else:
            ids += part
    return replace(request(ids, **asked), images=tuple(images))


RED, BLUE = drawn(84, 56, 1), drawn(84, 56, 2)  # of one size, and no processor has to resize them
WIDE = drawn(168, 84, 3)


class PictureContract:
    """The suite."""

    def test_an_answer_depends_on_the_picture_and_on_nothing_else(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            assert engine.info.max_images >= 2
            asked = seeing(stage, PROMPT, RED, PROMPT[:9])
            first = await answer(engine, asked)
            assert await answer(engine, seeing(stage, PROMPT, BLUE, PROMPT[:9])) != first
            assert await answer(engine, replace(asked, cache_salt="afresh")) == first
            assert await answer(engine, asked) == first

        stage.play(scenario)

    def test_the_order_of_two_pictures_matters(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            there = await answer(engine, seeing(stage, RED, PROMPT, BLUE, PROMPT[:5]))
            back = await answer(engine, seeing(stage, BLUE, PROMPT, RED, PROMPT[:5]))
            assert there != back

        stage.play(scenario)

    def test_a_prompt_is_as_long_as_its_pictures_are_counted(self, stage: SeeingStage) -> None:
        """Thirty sizes: with the number that is counted the engine goes on, with another it tells the right one."""

        async def scenario(engine: Engine) -> None:
            for width, height in ODD_SIZES:
                image = drawn(width, height)
                tokens = stage.tokens_of(image)
                assert len(await answer(engine, seeing(stage, PROMPT, image, max_tokens=1))) == 1, (width, height)
                with pytest.raises(InvalidParameter, match=f"has {tokens} in this model"):
                    await answer(engine, seeing(stage, PROMPT, image, tokens=tokens + 1))

        stage.play(scenario)

    def test_the_window_counts_a_picture_as_long_as_the_model_reads_it(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            window, room = engine.info.context_window, 3
            ids = window - seeing(stage, RED).prompt_tokens - room
            chunks = await collect(engine, seeing(stage, RED, [20] * ids, max_tokens=100))
            assert (len(ids_of(chunks)), chunks[-1].finish_reason) == (room, "length")
            with pytest.raises(ContextOverflow) as refusal:
                await answer(engine, seeing(stage, RED, [20] * (ids + room)))
            assert (refusal.value.prompt_tokens, refusal.value.limit) == (window, window - 1)

        stage.play(scenario)

    def test_a_later_turn_reuses_the_picture_and_another_picture_does_not(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            turn = seeing(stage, LONG[:140], RED, LONG[:130], salt="turns")
            said = await answer(engine, turn)
            later = replace(turn, token_ids=(*turn.token_ids, *said, 21, 22, 23))
            again = await collect(engine, later)
            computed_once = turn.prompt_tokens + len(said) - 1
            assert (again[0].cached_tokens or 0) >= computed_once // stage.cache_block * stage.cache_block
            afresh = await collect(engine, replace(later, cache_salt="afresh"))
            assert afresh[0].cached_tokens == 0
            assert ids_of(afresh) == ids_of(again)
            (placed,) = later.images
            other = await collect(engine, replace(later, images=(replace(placed, image=BLUE),)))
            assert 0 < (other[0].cached_tokens or 0) <= placed.start
            assert ids_of(other) != ids_of(again)

        stage.play(scenario)

    def test_pictures_and_text_at_once_answer_as_each_does_alone(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            asked = [
                request(PROMPT, max_tokens=24),
                seeing(stage, PROMPT, RED, PROMPT[:4], max_tokens=24),
                seeing(stage, LONG[:70], WIDE, PROMPT[:4], BLUE, LONG[:9], max_tokens=24),
                request(LONG, max_tokens=24),
                seeing(stage, PROMPT, WIDE, LONG[:50], temperature=0.9, seed=4, max_tokens=24),
                seeing(stage, PROMPT, BLUE, PROMPT[:4], repetition_penalty=1.3, max_tokens=24),
            ]
            alone = [await answer(engine, each) for each in asked]
            assert await asyncio.gather(*(answer(engine, each) for each in asked)) == alone

        stage.play(scenario)

    def test_leaving_at_any_time_harms_nobody_who_shows_the_same_picture(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            for turns in (0, 1, 2, 5, 40):
                asked = seeing(stage, PROMPT, drawn(112, 84, 10 + turns), LONG[:200])
                leaving = asyncio.ensure_future(answer(engine, asked))
                for _ in range(turns):  # of the event loop: into making ready, into the prefill
                    await asyncio.sleep(0)
                leaving.cancel()
                with suppress(asyncio.CancelledError):
                    await leaving
                assert len(await answer(engine, asked)) == 12

        stage.play(scenario)

    def test_what_cannot_be_run_is_refused_by_name(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            most, (_, mark, _) = engine.info.max_images, stage.marks
            asked = seeing(stage, PROMPT, RED, PROMPT)
            (placed,) = asked.images
            refused: list[tuple[GenerationRequest, type[Exception], str]] = [
                (seeing(stage, PROMPT, *[RED] * (most + 1)), InvalidParameter, f"may hold {most} .--max-images"),
                (seeing(stage, PROMPT, RED, prompt_logprobs=1), UnsupportedFeature, "prompt_logprobs"),
                (seeing(stage, PROMPT, RED, mark), InvalidParameter, "are there 2 times"),
                (replace(asked, images=(placed, placed)), InvalidParameter, "must be in order"),
                (replace(asked, images=(replace(placed, stop=9999),)), InvalidParameter, "within"),
                (replace(asked, images=(replace(placed, stop=placed.start),)), InvalidParameter, "stand for each"),
                (seeing(stage, drawn(1, 900), tokens=9), InvalidImage, "takes no picture of 1 x 900 pixels"),
            ]
            for wrong, kind, message in refused:
                with pytest.raises(kind, match=message):
                    await answer(engine, wrong)
            assert len(await answer(engine, asked)) == 12

        stage.play(scenario)

    def test_an_adapter_of_the_language_tower_changes_what_is_said_of_a_picture(self, stage: SeeingStage) -> None:
        async def scenario(engine: Engine) -> None:
            asked = seeing(stage, PROMPT, RED, PROMPT[:4])
            before = await answer(engine, asked)
            for name, path in stage.adapters.items():
                await engine.load_adapter(name, path)
            voices = [await answer(engine, replace(asked, adapter=name)) for name in stage.adapters]
            together = await asyncio.gather(
                *(answer(engine, replace(asked, adapter=n)) for n in (None, *stage.adapters))
            )
            for name in stage.adapters:
                await engine.unload_adapter(name)
            assert together == [before, *voices]
            assert len({tuple(voice) for voice in together}) == 3

        stage.play(scenario)
