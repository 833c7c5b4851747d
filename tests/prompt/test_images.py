"""Pictures in prompts: where they stand, what they cost, and that nobody but the template can write one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from PIL import Image as Pillow
from tokenizers import Tokenizer, models
from transformers import AutoImageProcessor

from checkpoints import SEEING, make_checkpoint
from duihua.checkpoint import Checkpoint, locate, read
from duihua.checkpoint.tokenizer import load_tokenizer
from duihua.errors import InvalidImage, InvalidMessages, ModelLoadFailed, UnsupportedFeature
from duihua.families.glm import GLM4V
from duihua.image import Image
from duihua.messages import Message, SampledRun
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.images import ImagePlacer, read_image_placer
from duihua.prompt.prompt import Prompt
from duihua.prompt.template import ChatTemplate
from duihua.sampling import Sampling
from prompt import traits
from prompt.dialogues import ASKED, ENDED, GOES_ON, NOW, encoder, pictured, seeing, words

CAT, DOG = Image(b"cat", 4, 3, name="cat.png"), Image(b"dog", 80, 60)
KEEPING = [name for name in traits.SEEING if name not in ("trim", "lines", "shortened")]


def reference(name: str, messages: list[Message], **options: Any) -> str:
    """What Hugging Face's way gives: content in parts, rendered once."""
    dicts: list[dict[str, Any]] = []
    for message in messages:
        content: Any = message.content
        if message.images:
            content = [
                {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in message.parts
            ]
        row = {"role": message.role, "content": content}
        dicts.append(row | ({"reasoning_content": message.reasoning} if message.reasoning else {}))
    return ChatTemplate(traits.SEEING[name][0]).render(dicts, now=NOW, **options)


def images_of(messages: list[Message]) -> list[Image]:
    return [placed.image for message in messages for placed in message.images]


def placeholder(name: str) -> tuple[int | None, ...]:
    return tuple(map(traits.tokenizer().token_to_id, traits.SEEING[name][1].placeholder))


def owner_of(prompt: Prompt, position: int) -> object:
    return next(span.owner for span in prompt.spans if span.start <= position < span.end)


def preamble_of(prompt: Prompt) -> int:
    return prompt.spans[0].end if prompt.spans[0].owner == "template" else 0


@pytest.mark.parametrize("name", traits.SEEING)
@settings(max_examples=40, deadline=None)
@given(messages=pictured(words))
def test_ids_are_those_of_the_whole_text(name: str, messages: list[Message]) -> None:
    try:
        prompt = seeing(name).encode(messages, ASKED)
    except InvalidMessages as error:
        assert "control token" in str(error)
        return
    text = reference(name, messages)
    assert prompt.text == text
    assert list(prompt.token_ids) == traits.tokenizer().encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", traits.SEEING)
@settings(max_examples=60, deadline=None)
@given(messages=pictured())
def test_each_picture_stands_in_its_message_and_is_counted_there(name: str, messages: list[Message]) -> None:
    try:
        prompt = seeing(name).encode(messages, ASKED)
    except InvalidMessages as error:
        assert "control token" in str(error)
        return
    assert [placed.image for placed in prompt.images] == images_of(messages)
    owners = [index for index, message in enumerate(messages) for _ in message.images]
    assert [owner_of(prompt, placed.start) for placed in prompt.images] == owners
    assert [owner_of(prompt, placed.stop - 1) for placed in prompt.images] == owners
    for placed in prompt.images:
        assert prompt.token_ids[placed.start : placed.stop] == placeholder(name)
        assert placed.tokens == placed.image.width + placed.image.height
    more = sum(placed.tokens - len(placeholder(name)) for placed in prompt.images)
    assert prompt.length == len(prompt.token_ids) + more == sum(map(prompt.tokens_in, prompt.spans))
    assert [span.start for span in prompt.spans] == [0, *(span.end for span in prompt.spans[:-1])]
    assert prompt.spans[-1].end == len(prompt.token_ids)


@pytest.mark.parametrize("name", traits.SEEING)
@settings(max_examples=25, deadline=None)
@given(messages=pictured())
def test_a_conversation_that_grows_is_encoded_as_if_it_were_new(name: str, messages: list[Message]) -> None:
    grown = seeing(name)
    for end in range(1, len(messages) + 1):
        try:
            prompt = grown.encode(messages[:end], ASKED)
        except InvalidMessages:
            return
        assert prompt == seeing(name).measure(messages[:end], ASKED)


@pytest.mark.parametrize("name", KEEPING)
def test_what_leads_a_picture_is_as_much_the_template_s_as_what_leads_words(name: str) -> None:
    made = seeing(name)
    for parts in (["a"], [CAT], [CAT, "a"], ["a", CAT], [CAT, CAT]):
        prompt = made.encode([Message.of("user", parts), Message("assistant", "b"), Message("user", "c")], ASKED)
        spans = dict.fromkeys(span.owner for span in prompt.spans)
        assert [owner for owner in spans if owner != "template"] == [0, 1, 2]
        assert preamble_of(prompt) == preamble_of(made.encode([Message("user", "a")], ASKED))
        assert prompt.tokens_of(1) == made.encode([Message("user", "a"), Message("assistant", "b")]).tokens_of(1)


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
@pytest.mark.parametrize("name", traits.SEEING)
def test_a_placeholder_that_somebody_types_stays_text(name: str, role: Any) -> None:
    typed = "".join(traits.SEEING[name][1].placeholder)
    talk = [Message.of("user", [CAT, "a"]), Message("assistant", "b"), Message.of("user", ["c", DOG])]
    if role == "user":
        talk[2] = Message.of("user", [f"c{typed}", DOG, typed])
    else:
        talk.insert(0 if role == "system" else 1, Message(role, f"d{typed}e"))
    try:
        prompt = seeing(name).encode(talk, ASKED)
    except InvalidMessages as error:
        assert name == "shortened"
        assert "control token" in str(error)
        return
    assert [placed.image for placed in prompt.images] == [CAT, DOG]
    ids = placeholder(name)
    found = [i for i in range(len(prompt.token_ids)) if prompt.token_ids[i : i + len(ids)] == ids]
    assert found == [placed.start for placed in prompt.images]


def test_words_on_both_sides_of_a_picture_make_no_placeholder_together() -> None:
    with pytest.raises(InvalidMessages, match="2 places for 1 pictures"):
        seeing("pictures first").encode([Message.of("user", ["<|image", CAT, "_pad|>"])], ASKED)


@pytest.mark.parametrize("name", KEEPING)
def test_an_answer_goes_on_below_pictures(name: str) -> None:
    talk = [Message.of("user", [CAT, "a"]), Message("assistant", "It is")]
    prompt = seeing(name).encode(talk, GOES_ON)
    assert prompt.text.endswith("It is")
    assert reference(name, talk, generation_prompt=False).startswith(prompt.text)
    assert [placed.image for placed in prompt.images] == [CAT]


def test_sampled_ids_are_used_again_beside_pictures() -> None:
    talk = [Message.of("user", [CAT, "a"]), Message("assistant", "hello"), Message.of("user", [DOG])]
    h, rest = (traits.tokenizer().encode(text, add_special_tokens=False).ids for text in ("assistant\nh", "ello"))
    run = SampledRun("<|im_start|>", "assistant\nhello", (*h, *rest))
    plain = seeing("chatml").encode(talk, ASKED)
    talk[1] = Message("assistant", "hello", sampled=(run,))
    prompt = seeing("chatml").encode(talk, ASKED)
    assert prompt.token_ids != plain.token_ids
    assert prompt.text == plain.text
    assert [placed.image for placed in prompt.images] == [CAT, DOG]


def test_caches_keep_no_pictures() -> None:
    made, image = seeing("chatml"), Image(b"large", 4, 3)
    before = sys.getrefcount(image)
    for text in ("a", "b"):
        made.encode([Message.of("user", [image, text]), Message("assistant", "c"), Message("user", text)], ASKED)
    assert sys.getrefcount(image) == before


def test_a_model_without_eyes_refuses_pictures_and_names_one_that_sees() -> None:
    with pytest.raises(UnsupportedFeature, match="use one that does, such as zai-org/GLM"):
        encoder(traits.CHATML).encode([Message.of("user", [CAT])], ASKED)


@pytest.mark.parametrize(
    ("shape", "error", "why"),
    [
        ("{{ m.content }}", UnsupportedFeature, "writes no place for a picture"),
        ("{% if loop.last %}<|image_pad|>{% endif %}", InvalidMessages, "1 places for 2 pictures"),
        ("<|image_pad|><|image_pad|>", InvalidMessages, "6 places for 2 pictures"),
    ],
)
def test_a_template_that_writes_other_pictures_is_refused(shape: str, error: type[Exception], why: str) -> None:
    template, form = traits.SEEING["chatml"]
    source = traits.CHATML.replace("{{ m.content }}", shape)
    made = PromptEncoder(
        traits.tokenizer(), ChatTemplate(source), images=ImagePlacer(form, traits.tokenizer(), lambda *_: 1)
    )
    assert template != source
    talk = [Message.of("user", [CAT, "<|user|>"]), Message("assistant", "a"), Message.of("user", ["b", DOG])]
    with pytest.raises(error, match=why):
        made.encode(talk, ASKED)


def test_a_picture_that_the_model_s_processor_does_not_take_is_refused_by_its_name() -> None:
    def refuse(width: int, height: int) -> int:
        raise ValueError(f"aspect ratio {width / height}")

    template, form = traits.SEEING["chatml"]
    placer = ImagePlacer(form, traits.tokenizer(), refuse)
    made = PromptEncoder(traits.tokenizer(), ChatTemplate(template), images=placer)
    with pytest.raises(InvalidImage, match=r"cat\.png: .* does not take 4 x 3 pixels") as caught:
        made.encode([Message.of("user", [CAT])], ENDED)
    assert (caught.value.why, caught.value.name) == ("shape", "cat.png")


@pytest.mark.parametrize("kind", SEEING)
def test_a_checkpoint_s_own_processor_counts_a_picture_s_tokens(kind: str, tmp_path: Path) -> None:
    checkpoint = read(locate(str(make_checkpoint(tmp_path / kind, kind))))
    placer = read_image_placer(checkpoint, load_tokenizer(checkpoint))
    processor = AutoImageProcessor.from_pretrained(checkpoint.path, backend="pil")
    assert placer is not None
    for width, height in [(56, 56), (100, 80), (31, 199), (333, 77), (1, 7)]:
        grid = processor(images=[Pillow.new("RGB", (width, height))], return_tensors="np")["image_grid_thw"]
        assert placer.tokens_of(Image(b"", width, height)) == grid.prod() // processor.merge_size**2
    with pytest.raises(InvalidImage, match="does not take 30000 x 3 pixels"):
        placer.tokens_of(Image(b"", 30_000, 3))


def glm_4v(**vision: Any) -> Checkpoint:
    return Checkpoint(
        path=Path("glm-4v-9b"),
        name="glm-4v-9b",
        origin="directory",
        config={"vision_config": {"image_size": 1120, "patch_size": 14, **vision}},
        family=GLM4V,
        chat_template=GLM4V.chat_template,
        template_is_ours=True,
        defaults=Sampling(),
        context_window=8192,
    )


def test_the_first_glm_4v_sees_every_picture_at_one_size() -> None:
    placer = read_image_placer(glm_4v(), traits.tokenizer())
    assert placer is not None
    made = PromptEncoder(traits.tokenizer(), ChatTemplate(str(GLM4V.chat_template)), images=placer)
    prompt = made.encode([Message.of("user", ["a", CAT, "b"])])
    assert prompt.text == "[gMASK]<sop><|user|>\na<|begin_of_image|><|endoftext|><|end_of_image|>b<|assistant|>"
    assert [(placed.stop - placed.start, placed.tokens) for placed in prompt.images] == [(3, 40 * 40 + 2)]
    with pytest.raises(ModelLoadFailed, match="image_size"):
        read_image_placer(glm_4v(image_size="large"), traits.tokenizer())


def test_a_model_whose_tokenizer_has_no_placeholder_sees_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert read_image_placer(glm_4v(), Tokenizer(models.BPE())) is None
    assert "has no token '<|begin_of_image|>'" in caplog.text


def test_whether_a_template_writes_the_pictures_of_results_is_known() -> None:
    assert seeing("chatml").sees_results
    template, form = traits.SEEING["chatml"]
    blind = template.replace("m.content is string", "m.content is string or m.role == 'tool'")
    assert blind != template
    placer = ImagePlacer(form, traits.tokenizer(), lambda width, height: width + height)
    assert not PromptEncoder(traits.tokenizer(), ChatTemplate(blind), images=placer).sees_results
    assert not PromptEncoder(traits.tokenizer(), ChatTemplate(template)).sees_results
