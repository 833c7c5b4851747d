"""What a model family can do, as data. Model names are compared in this room only."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Family", "ImageForm", "RanksLayout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RanksLayout:
    """How a tokenizer shipped as tiktoken ranks becomes a byte-level BPE."""

    file_name: str  # "qwen.tiktoken"
    pattern: str  # the regular expression that splits text before merging
    special_tokens: tuple[str, ...]  # in the order of their ids, which follow the ranks
    source: str
    nfc: bool = False  # text is brought to Unicode normal form C first


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageForm:
    """How a family's templates write a picture.

    An engine puts the picture's tokens in the place of the placeholder; what stands around it stays.
    """

    placeholder: tuple[str, ...]  # control tokens
    before: str = ""  # control tokens that the template writes around it
    after: str = ""
    has_fixed_size: bool = False  # every picture is brought to the image_size of config.json's vision_config
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of models that share roles, stops and template conventions."""

    name: str  # "glm4"
    title: str  # "GLM-4", for people
    model_types: tuple[str, ...]  # of config.json
    stop_literals: tuple[str, ...]  # control tokens that always end an answer and never show
    template_marks: tuple[str, ...] = ()  # a template of this family has at least one of them
    reasoning: tuple[str, str] | None = None  # tags around thinking
    tool_format: str | None = None  # of calls, where its template has no marks of one; see `duihua.parsing.catalogue`
    image_form: ImageForm | None = None  # None: it sees no pictures
    chat_template: str | None = None  # of our own writing, for checkpoints that ship none
    chat_names: tuple[str, ...] = ()  # marks, in a checkpoint's name, of a chat model without a template
    ranks: RanksLayout | None = None
    source: str = ""  # where the facts above are from: URL and revision

    @property
    def images(self) -> bool:
        """Whether models of this family see pictures."""
        return self.image_form is not None
