"""How pictures stand in one model's prompts, and how many tokens each becomes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from duihua.checkpoint.checkpoint import Checkpoint
from duihua.checkpoint.files import whole_number
from duihua.checkpoint.processor import load_image_processor
from duihua.errors import InvalidImage, InvalidMessages, UnsupportedFeature
from duihua.families import MODELS_THAT_SEE, ImageForm
from duihua.image import Image
from duihua.request import PlacedImage

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["ImagePlacer", "no_images", "read_image_placer", "wrong_count"]

_Count = Callable[[int, int], int]
_log = logging.getLogger(__name__)
_MERGED: Final = 2  # patches along each side that GLM-4V's convolution makes one token


class ImagePlacer:
    """Finds pictures in a prompt's ids and counts their tokens. Nothing in it changes: threads may share it.

    Attributes:
        form: how the model's template writes a picture.
    """

    def __init__(self, form: ImageForm, tokenizer: Tokenizer, count: _Count) -> None:
        """Prepare for one model.

        Args:
            form: the family's.
            tokenizer: the model's.
            count: (width, height) in pixels to the tokens that the model's image processor makes of such a picture;
                it raises ValueError for one that it does not take.

        Raises:
            KeyError: the tokenizer lacks a control token of the placeholder.
        """
        self.form = form
        self._count = count
        ids = {token.content: token_id for token_id, token in tokenizer.get_added_tokens_decoder().items()}
        self._ids = tuple(ids[literal] for literal in form.placeholder)

    def tokens_of(self, image: Image) -> int:
        """Tokens that the model reads for a picture.

        Raises:
            InvalidImage: the model's image processor does not take one of such a shape.
        """
        try:
            return self._count(image.width, image.height)
        except ValueError as error:
            raise InvalidImage(
                f"the model's image processor does not take {image.width} x {image.height} pixels ({error}): cut it",
                why="shape",
                name=image.name,
            ) from error

    def place(self, token_ids: Sequence[int], images: Sequence[Image]) -> tuple[PlacedImage, ...]:
        """Each picture at its place: the ids that stand for it, in order.

        A placeholder's ids are control tokens, so only the template can have written them.

        Raises:
            InvalidImage: see `tokens_of`.
            InvalidMessages, UnsupportedFeature: there are more pictures than places, or fewer.
        """
        starts = self._starts(token_ids)
        if len(starts) != len(images):
            raise wrong_count(len(starts), len(images))
        size = len(self._ids)
        return tuple(
            PlacedImage(image, start, start + size, self.tokens_of(image))
            for image, start in zip(images, starts, strict=True)
        )

    def _starts(self, token_ids: Sequence[int]) -> list[int]:
        starts: list[int] = []
        start, size = 0, len(self._ids)
        try:
            while True:
                start = token_ids.index(self._ids[0], start)
                if tuple(token_ids[start : start + size]) == self._ids:
                    starts.append(start)
                start += 1
        except ValueError:
            return starts


def read_image_placer(checkpoint: Checkpoint, tokenizer: Tokenizer) -> ImagePlacer | None:
    """That of a checkpoint; None where it sees no pictures. The log says why, where its family does.

    Raises:
        ModelLoadFailed: config.json gives an impossible size.
    """
    form = checkpoint.family.image_form
    if form is None:
        return None
    count = _fixed(checkpoint, form) if form.has_fixed_size else _by_processor(load_image_processor(checkpoint))
    try:
        return None if count is None else ImagePlacer(form, tokenizer, count)
    except KeyError as error:
        _log.warning("the tokenizer of %s has no token %s, so it sees no pictures", checkpoint.path, error)
        return None


def no_images() -> UnsupportedFeature:
    """The error for pictures where none is seen; it names models that see."""
    return UnsupportedFeature(
        "images", f"this model sees none as it was loaded: use one that does, such as {' or '.join(MODELS_THAT_SEE)}"
    )


def wrong_count(places: int, images: int) -> InvalidMessages | UnsupportedFeature:
    """The error for a template that writes so many places for so many pictures."""
    if not places:
        return UnsupportedFeature("images", "the model's chat template writes no place for a picture: give another one")
    return InvalidMessages(
        f"the model's chat template writes {places} places for {images} pictures: say it in messages that it keeps"
    )


def _by_processor(processor: Any | None) -> _Count | None:
    """Counts as the processor cuts: patches, so many of which, squared, become one token."""
    if processor is None:
        return None
    merged = processor.merge_size**2

    def count(width: int, height: int) -> int:
        return int(processor.get_number_of_image_patches(height, width, {})) // merged

    return count


def _fixed(checkpoint: Checkpoint, form: ImageForm) -> _Count:
    """As many for every picture: its patches, four of which become one token, and the marks at its ends.

    Source: https://huggingface.co/zai-org/glm-4v-9b: visual.py, EVA2CLIPModel; modeling_chatglm.py.
    """
    path = checkpoint.path / "config.json"
    vision: dict[str, Any] = checkpoint.config.get("vision_config", {})
    size, patch = (whole_number(vision.get(key), path=path, key=key) for key in ("image_size", "patch_size"))
    tokens = (size // patch // _MERGED) ** 2 + len(form.placeholder) - 1
    return lambda *_: tokens
