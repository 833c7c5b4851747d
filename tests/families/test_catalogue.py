import pytest

from duihua.families import FAMILIES, Family, recognise

CHATML = "<|im_start|>{{ messages }}<|im_end|>"
GLM = "[gMASK]<sop>{{ messages }}<|assistant|>"


@pytest.mark.parametrize(
    ("config", "template", "name"),
    [
        ({"model_type": "chatglm", "padded_vocab_size": 151552}, None, "glm4"),
        ({"model_type": "chatglm", "padded_vocab_size": 151552, "vision_config": {}}, None, "glm4v"),
        ({"model_type": "glm"}, GLM, "glm4"),
        ({"model_type": "glm4"}, GLM, "glm4"),
        ({"model_type": "glm4v"}, GLM, "glm4.1v"),
        ({"model_type": "glm4_moe"}, GLM, "glm4_moe"),
        ({"model_type": "glm4v_moe"}, GLM, "glm4v_moe"),
        ({"model_type": "qwen"}, None, "qwen"),
        ({"model_type": "qwen2"}, CHATML, "qwen2"),
        ({"model_type": "qwen2_moe"}, CHATML, "qwen2"),
        ({"model_type": "qwen2_5_vl"}, CHATML, "qwen2_vl"),
        ({"model_type": "qwen3"}, CHATML, "qwen3"),
        ({"model_type": "qwen3_moe"}, CHATML, "qwen3"),
        ({"model_type": "qwen3_vl"}, CHATML, "qwen3_vl"),
    ],
)
def test_the_model_type_names_the_family(config: dict[str, object], template: str | None, name: str) -> None:
    assert recognise(config, template).name == name


@pytest.mark.parametrize("vocabulary", [65024, 130528])
def test_the_older_chatglms_are_not_taken_for_glm4(vocabulary: int) -> None:
    assert recognise({"model_type": "chatglm", "padded_vocab_size": vocabulary}, None).name == "generic"


def test_a_template_of_another_house_overrules_the_model_type() -> None:
    # DeepSeek-R1-Distill-Qwen: Qwen2's architecture, DeepSeek's roles.
    family = recognise(
        {"model_type": "qwen2"}, "<｜User｜>{{ m }}<｜Assistant｜><think>{{ m }}</think><｜end▁of▁sentence｜>"
    )
    assert family.name == "generic"
    assert family.stop_literals == ("<｜end▁of▁sentence｜>",)
    assert family.reasoning == ("<think>", "</think>")


def test_an_unknown_type_is_read_from_its_template() -> None:
    assert recognise({"model_type": "llama"}, CHATML).stop_literals == ("<|im_end|>", "<|im_start|>", "<|endoftext|>")


def test_a_template_that_knows_thinking_gives_a_family_its_tags() -> None:
    assert recognise({"model_type": "glm4"}, GLM).reasoning is None
    assert recognise({"model_type": "glm4"}, GLM + "{{ c.split('</think>') }}").reasoning == ("<think>", "</think>")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_stops_at_its_own_marks_and_says_where_that_is_from(family: Family) -> None:
    glm = family.stop_literals == ("<|user|>", "<|observation|>", "<|endoftext|>")
    chatml = family.stop_literals == ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
    assert glm or chatml
    assert family.source.startswith("https://")
    assert family.chat_template is None or any(mark in family.chat_template for mark in family.template_marks)


def test_no_model_type_has_two_families() -> None:
    types = [model_type for family in FAMILIES for model_type in family.model_types]
    assert len(types) == len(set(types))


def test_the_families_that_see_say_how_a_picture_is_written_and_where_that_is_from() -> None:
    assert {family.name for family in FAMILIES if family.images} == {
        "glm4v", "glm4.1v", "glm4v_moe", "qwen2_vl", "qwen3_vl",
    }  # fmt: skip
    for form in [family.image_form for family in FAMILIES if family.image_form is not None]:
        assert form.source.startswith("https://")
        assert form.placeholder
        assert bool(form.before) == bool(form.after)
