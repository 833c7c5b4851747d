from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import duihua
from duihua.errors import InvalidMessages
from duihua.messages import Message, SampledRun, ToolCall
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.template import ChatTemplate
from prompt import traits
from prompt.dialogues import CONTROL_IDS, ENDED, GOES_ON, NOW, conversations, encoder, spans_text, texts, words


def whole_cut_after_the_content(name: str, messages: list[Message]) -> str:
    """The conversation as the template writes it, less what it writes behind the last answer's words."""
    template, content = ChatTemplate(traits.ALL[name]), messages[-1].content

    def ended(*dicts: dict[str, str]) -> str:
        return template.render(dicts, generation_prompt=False, now=NOW)

    closing = ended({"role": "user", "content": "a"}, {"role": "assistant", "content": "Z"}).rpartition("Z")[2]
    whole = ended(*({"role": m.role, "content": m.content, "reasoning_content": m.reasoning} for m in messages))
    assert whole.endswith(closing)
    cut = whole[: len(whole) - len(closing)]
    if name == "trim" and content.strip():
        return cut + content[len(content.rstrip()) :]
    return cut[:-6] + content if name == "length" and len(content) > 6 else cut


@pytest.mark.parametrize("name", traits.ALL)
@settings(max_examples=60, deadline=None)
@given(messages=conversations(words).filter(lambda messages: messages[-1].role == "assistant"), asked=st.booleans())
def test_an_answer_that_goes_on_reads_as_in_the_whole_conversation(
    name: str, messages: list[Message], asked: bool
) -> None:
    expected = whole_cut_after_the_content(name, messages)
    try:
        prompt = encoder(traits.ALL[name]).encode(messages, replace(GOES_ON, generation_prompt=asked))
    except InvalidMessages as error:
        assert "control token" in str(error)
        return
    assert prompt.text == expected
    assert list(prompt.token_ids) == traits.tokenizer().encode(expected, add_special_tokens=False).ids
    assert prompt.spans[-1].end == len(prompt.token_ids)
    assert prompt.spans[-1].owner == len(messages) - 1


@pytest.mark.parametrize("name", traits.ALL)
@settings(max_examples=40, deadline=None)
@given(messages=conversations(), answer=texts)
def test_no_control_id_comes_from_an_answer_that_goes_on(name: str, messages: list[Message], answer: str) -> None:
    messages = [*messages, Message("user", "a")]
    made = encoder(traits.ALL[name])
    try:
        prompt = made.encode([*messages, Message("assistant", answer)], GOES_ON)
        expected = made.encode([*messages, Message("assistant", "x" if answer.strip() else answer)], GOES_ON)
    except InvalidMessages as error:
        assert "control token" in str(error)
        return
    assert [i for i in prompt.token_ids if i in CONTROL_IDS] == [i for i in expected.token_ids if i in CONTROL_IDS]


def test_the_bundled_demo_goes_on_inside_an_answer() -> None:
    folder = Path(duihua.__file__).parent / "checkpoint" / "bundled" / "demo"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made = PromptEncoder(tokenizer, ChatTemplate((folder / "chat_template.jinja").read_text("utf-8")))
    for content in ("", "你好，我叫", "Hello, my ", "a <|user|>\n"):
        messages = [Message("user", "你是谁？"), Message("assistant", content)]
        whole, cut = made.encode(messages, ENDED), made.encode(messages, GOES_ON)
        assert cut.token_ids == whole.token_ids
        assert cut.spans == whole.spans


def test_what_the_model_goes_on_with_belongs_to_its_message() -> None:
    messages = [Message("user", "a"), Message("assistant", "b ", reasoning="c")]
    assert spans_text(traits.THINKING, messages, GOES_ON) == [
        (0, "<|im_start|>user\na<|im_end|>\n"),
        (1, "<|im_start|>assistant\n<think>\nc\n</think>\n\nb "),
    ]
    assert spans_text(traits.TOJSON, messages, GOES_ON)[-1] == (1, '<|im_start|>assistant\n"b ')
    assert spans_text(traits.TRIM, messages, GOES_ON)[-1] == (1, "<|im_start|>assistant\nb ")
    cut = [Message("user", "a" * 9), Message("assistant", "b" * 9)]
    assert spans_text(traits.LENGTH, cut, GOES_ON) == [
        (0, "<|im_start|>user\naaaaaa<|im_end|>\n"),
        (1, "<|im_start|>assistant\nbbbbbbbbb"),
    ]


def test_a_template_that_repeats_an_answer_shows_it_whole_elsewhere() -> None:
    template = "({{ messages[-1].content }})" + traits.CHATML
    prompt = encoder(template).encode([Message("user", "a"), Message("assistant", "b")], GOES_ON)
    assert prompt.text == "(b)<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb"


def test_the_model_goes_on_after_the_ids_it_sampled() -> None:
    letters = tuple(traits.tokenizer().get_vocab()[letter] for letter in "hello")
    answer = Message("assistant", "hello", sampled=(SampledRun("<|assistant|>", "\nhello", (198, *letters)),))
    prompt = encoder(traits.GLM).encode([Message("user", "a"), answer], GOES_ON)
    assert prompt.token_ids[-6:] == (198, *letters)


def test_only_the_text_of_an_answer_can_be_gone_on_with() -> None:
    call = Message("assistant", "b", tool_calls=(ToolCall("1", "f", "{}"),))
    for last in (Message("user", "b"), call, Message("system", "b")):
        with pytest.raises(InvalidMessages, match="continue_final") as caught:
            encoder(traits.CHATML).encode([Message("user", "a"), last], GOES_ON)
        assert caught.value.index == 1


def test_a_template_that_does_not_write_an_answer_cannot_go_on_with_it() -> None:
    silent = traits.CHATML.replace("m.content", "m.content if m.role == 'user' else 'said'")
    with pytest.raises(InvalidMessages, match="cannot be gone on with"):
        encoder(silent).encode([Message("user", "a"), Message("assistant", "b")], GOES_ON)
