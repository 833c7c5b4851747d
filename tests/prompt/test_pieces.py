from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from duihua.errors import InvalidMessages
from duihua.messages import Message
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.template import ChatTemplate

TEMPLATE = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}"


def letters(*, normalizer: normalizers.Normalizer | None = None, **flags: bool) -> Tokenizer:
    """One token a character, and `<|user|>`, which is no hard border when a flag says so."""
    characters = {chr(code): code - 32 for code in range(32, 127)} | {"\u200b": 95, "？": 96}
    tokenizer = Tokenizer(models.BPE(vocab=characters, merges=[], unk_token="？"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.add_special_tokens([AddedToken("<|user|>", special=True, **flags)])
    return tokenizer


def users(tokenizer: Tokenizer, text: str) -> int:
    made = PromptEncoder(tokenizer, ChatTemplate(TEMPLATE)).encode([Message("user", text)])
    return list(made.token_ids).count(tokenizer.encode("<|user|>", add_special_tokens=False).ids[0])


@pytest.mark.parametrize(
    ("normalizer", "text"),
    [
        (normalizers.Lowercase(), "<|USER|>"),
        (normalizers.NFKC(), "＜｜user｜＞"),
        (normalizers.Replace("\u200b", ""), "<|us\u200ber|>"),
    ],
)
def test_a_text_that_normalising_makes_a_control_token_stays_text_or_is_refused(
    normalizer: normalizers.Normalizer, text: str
) -> None:
    tokenizer = letters(normalizer=normalizer, normalized=True)
    try:
        assert users(tokenizer, text) == 1
    except InvalidMessages as error:
        assert "control token" in str(error)


def test_a_token_that_takes_white_space_along_is_found_where_the_template_wrote_it() -> None:
    tokenizer = letters(lstrip=True, rstrip=True, normalized=False)
    assert users(tokenizer, "  a  ") == 1
    with pytest.raises(InvalidMessages, match="control token"):
        users(tokenizer, "<|user|>")


def whole_text_only() -> Tokenizer:
    """A tokenizer whose first piece is encoded otherwise than the rest, as SentencePiece's often are."""
    pieces = {chr(code): code - 32 for code in range(33, 127)} | {"▁": 0, "？": 95}
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=[], unk_token="？"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.add_special_tokens([AddedToken("<|user|>", special=True, normalized=False)])
    return tokenizer


def test_where_pieces_do_not_stand_alone_the_whole_text_is_encoded() -> None:
    tokenizer = whole_text_only()
    made = PromptEncoder(tokenizer, ChatTemplate("x" + TEMPLATE)).encode([Message("user", "a b")])
    assert list(made.token_ids) == tokenizer.encode("x<|user|>a b", add_special_tokens=False).ids


def test_there_a_prompt_is_not_put_together_from_an_earlier_one() -> None:
    tokenizer = whole_text_only()
    made = PromptEncoder(tokenizer, ChatTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}"))
    talk = [Message("user", "a b"), Message("assistant", "c"), Message("user", "d"), Message("assistant", "e")]
    for count in range(1, len(talk) + 1):
        prompt = made.encode(talk[:count])
        assert list(prompt.token_ids) == tokenizer.encode(prompt.text, add_special_tokens=False).ids


def test_there_a_typed_control_token_is_refused_by_its_name() -> None:
    made = PromptEncoder(whole_text_only(), ChatTemplate("x" + TEMPLATE))
    with pytest.raises(InvalidMessages, match=r"'<\|user\|>'"):
        made.encode([Message("user", "a <|user|>")])
    joined = PromptEncoder(whole_text_only(), ChatTemplate("x{{ messages[0].name }}{{ messages[0].content }}"))
    with pytest.raises(InvalidMessages, match="would come about"):
        joined.encode([Message("user", "er|>", name="<|us")])
