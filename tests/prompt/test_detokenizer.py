from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from duihua.prompt.detokenizer import Detokenizer, Piece
from duihua.prompt.vocabulary import Vocabulary

CORPUS = [
    "你好，世界。Hello, world! hello there",
    "对话 👩\u200d👩\u200d👧 e\u0301 ñ नमस्ते",
    "  two  spaces\n\n\ttab",
] * 3
SPECIAL = ["<|endoftext|>", "<|user|>"]
TAGS = [AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)]
REPLACEMENT = "\ufffd"

texts = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("你好世界对话 👩\u200d👧e\u0301ñ\n")), max_size=40
)


def finished(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(TAGS)
    return tokenizer


@cache
def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return finished(tokenizer)


@cache
def byte_level_behind_another_step() -> Tokenizer:
    tokenizer = Tokenizer.from_str(byte_level().to_str())
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    return tokenizer


@cache
def byte_fallback() -> Tokenizer:
    """As Llama's: a prefix space that decoding strips, and bytes for characters it has never seen."""
    characters = sorted(set("▁".join(CORPUS).replace(" ", "▁")))
    merges = [("▁", "h"), ("▁h", "e"), ("l", "l"), ("你", "好"), ("▁", "▁")]
    tokens = (
        [f"<0x{byte:02X}>" for byte in range(256)] + [REPLACEMENT, *characters] + ["".join(pair) for pair in merges]
    )
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return finished(tokenizer)


@cache
def metaspace(scheme: str) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    trainer = trainers.UnigramTrainer(vocab_size=90, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return finished(tokenizer)


Make = Callable[[], Tokenizer]
METASPACES = [pytest.param(partial(metaspace, scheme), id=scheme) for scheme in ("always", "first", "never")]
OTHERS = [byte_fallback, *METASPACES, byte_level_behind_another_step]


def detokenizer(tokenizer: Tokenizer, *, skip: bool = False, spaces: bool = False) -> Detokenizer:
    return Detokenizer(Vocabulary(tokenizer), skip_special_tokens=skip, spaces_between_special_tokens=spaces)


def pieces_of(decoder: Detokenizer, ids: Iterable[int]) -> list[Piece]:
    return [piece for token_id in ids for piece in decoder.push(token_id)] + list(decoder.flush())


def text_of(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@cache
def byte_ids() -> list[int]:
    """The token of each byte alone."""
    vocabulary = Vocabulary(byte_level())
    tokens = {vocabulary.token_bytes[i]: i for i in range(vocabulary.size)}
    return [tokens[bytes([byte])] for byte in range(256)]


def random_ids(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 3
    return st.lists(st.one_of(st.integers(0, highest), st.integers(highest - 8, highest)), max_size=30)


def text_ids(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    literals = [*SPECIAL, *(tag.content for tag in TAGS)]
    parts = st.lists(st.one_of(texts, st.sampled_from(literals)), max_size=5).map("".join)
    return parts.map(lambda text: tokenizer.encode(text, add_special_tokens=False).ids)


def token_ids(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    return st.one_of(text_ids(tokenizer), random_ids(tokenizer))


@given(st.data())
def test_bytes_put_together_equal_whole_decoding_at_every_length(data: st.DataObject):
    tokenizer = byte_level()
    ids = data.draw(token_ids(tokenizer))
    decoder = detokenizer(tokenizer)
    shown = ""
    for length, token_id in enumerate(ids, start=1):
        shown += text_of(decoder.push(token_id))
        whole = tokenizer.decode(ids[:length], skip_special_tokens=False)
        assert shown in (whole, whole.removesuffix(REPLACEMENT))  # at most one incomplete character is held
    assert shown + text_of(decoder.flush()) == tokenizer.decode(ids, skip_special_tokens=False)


@given(texts.map(lambda text: text.replace(REPLACEMENT, "")))
def test_no_half_character_of_a_text_is_ever_shown(text: str):
    decoder = detokenizer(byte_level())
    pieces = [piece for byte in text.encode() for piece in decoder.push(byte_ids()[byte])]
    assert all(REPLACEMENT not in piece.text for piece in pieces)
    assert text_of(pieces) == text
    assert decoder.flush() == ()


def test_a_character_comes_out_whole_with_its_last_byte():
    decoder = detokenizer(byte_level())
    given_out = [decoder.push(byte_ids()[byte]) for byte in "🙂".encode()]
    assert given_out == [(), (), (), (Piece("🙂"),)]


@pytest.mark.parametrize("make", OTHERS)
@given(data=st.data())
def test_any_other_tokenizer_equals_whole_decoding_too(make: Make, data: st.DataObject):
    tokenizer = make()
    ids = data.draw(text_ids(tokenizer))
    whole = tokenizer.decode(ids, skip_special_tokens=False)
    assert text_of(pieces_of(detokenizer(tokenizer), ids)) == whole


@pytest.mark.parametrize("make", METASPACES)
@given(data=st.data())
def test_metaspace_equals_whole_decoding_for_ids_that_no_text_gives(make: Make, data: st.DataObject):
    tokenizer = make()
    ids = data.draw(random_ids(tokenizer))
    whole = tokenizer.decode(ids, skip_special_tokens=False)
    assert text_of(pieces_of(detokenizer(tokenizer), ids)) == whole


FALLBACK_BYTES = [f"<0x{byte:02X}>" for byte in b" A\xe4\xbd\xa0\xff"]
FALLBACK_TOKENS = [*FALLBACK_BYTES, "▁", "▁▁", "▁h", "a", "你好", REPLACEMENT, "<|user|>", "<think>"]


@given(st.lists(st.sampled_from(FALLBACK_TOKENS), max_size=20))
@example([REPLACEMENT, "<0x20>", "▁"])
@example(["<0x20>", "▁h"])
@example(["<0xE4>", "▁h"])
def test_byte_fallback_equals_whole_decoding_but_for_runs_that_are_no_text(tokens: list[str]):
    tokenizer = byte_fallback()
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    ids = [vocabulary[token] for token in tokens]
    shown = text_of(pieces_of(detokenizer(tokenizer), ids))
    whole = tokenizer.decode(ids, skip_special_tokens=False)
    if REPLACEMENT not in whole:
        assert shown == whole
    assert shown == byte_fallback_text(tokens)


def byte_fallback_text(tokens: Sequence[str]) -> str:
    raw = b"".join(
        bytes.fromhex(token[3:5]) if token.startswith("<0x") else token.replace("▁", " ").encode() for token in tokens
    )
    return raw.decode(errors="replace").removeprefix(" ")


def test_byte_fallback_shows_no_half_character():
    tokenizer = byte_fallback()
    decoder = detokenizer(tokenizer)
    ids = tokenizer.encode("he龘🙂d").ids
    assert [text_of(decoder.push(i)) for i in ids] == ["he", "", "", "龘", "", "", "", "🙂", "d"]


def test_only_the_first_space_of_the_answer_is_stripped():
    tokenizer = metaspace("always")
    ids = tokenizer.encode("hello hello").ids
    decoder = detokenizer(tokenizer)
    once = text_of(piece for i in ids for piece in decoder.push(i))
    again = text_of(piece for i in ids for piece in decoder.push(i))
    assert (once, again) == ("hello hello", " hello hello")


@pytest.mark.parametrize("make", [byte_level, *OTHERS])
@given(data=st.data())
def test_an_answer_that_goes_on_with_a_text_reads_as_its_rest(make: Make, data: st.DataObject):
    tokenizer = make()
    ids = data.draw(text_ids(tokenizer).filter(bool))
    split = data.draw(st.integers(1, len(ids)))
    before, whole = text_of(pieces_of(detokenizer(tokenizer), ids[:split])), tokenizer.decode(ids, False)
    assume(REPLACEMENT not in before)
    going_on = Detokenizer(
        Vocabulary(tokenizer),
        skip_special_tokens=False,
        spaces_between_special_tokens=False,
        begun=ids[split - 1 : split],
    )
    assert before + text_of(pieces_of(going_on, ids[split:])) == whole


def test_lone_bytes_are_not_held_for_ever():
    tokenizer = byte_level_behind_another_step()
    decoder = detokenizer(tokenizer)
    shown = ""
    for count in range(1, 101):
        shown += text_of(decoder.push(byte_ids()[0xFF]))
        assert count - len(shown) <= 8
    assert shown + text_of(decoder.flush()) == REPLACEMENT * 100


@pytest.mark.parametrize("make", [byte_level, *OTHERS])
@given(data=st.data())
def test_each_control_token_is_a_piece_of_its_own(make: Make, data: st.DataObject):
    tokenizer = make()
    ids = data.draw(token_ids(tokenizer))
    controls = Vocabulary(tokenizer).control_ids
    pieces = pieces_of(detokenizer(tokenizer), ids)
    assert [piece.control for piece in pieces if piece.control is not None] == [i for i in ids if i in controls]
    assert all(piece.text == controls[piece.control] for piece in pieces if piece.control is not None)
    assert all(piece.text for piece in pieces)


@pytest.mark.parametrize("make", [byte_level, *OTHERS])
@given(data=st.data())
def test_skipping_hides_special_tokens_and_keeps_tags(make: Make, data: st.DataObject):
    tokenizer = make()
    ids = data.draw(text_ids(tokenizer))
    pieces = pieces_of(detokenizer(tokenizer, skip=True), ids)
    assert text_of(pieces) == tokenizer.decode(ids, skip_special_tokens=True)
    controls = Vocabulary(tokenizer).control_ids
    assert [piece.control for piece in pieces if piece.control is not None] == [i for i in ids if i in controls]


@pytest.mark.parametrize("skip", [True, False])
def test_a_control_token_ends_an_incomplete_character(skip: bool):
    tokenizer = byte_level()
    user = Vocabulary(tokenizer).id_of("<|user|>") or 0
    first, *rest = (byte_ids()[byte] for byte in "你".encode())
    pieces = pieces_of(detokenizer(tokenizer, skip=skip), [first, user, *rest])
    assert pieces[:2] == [Piece(REPLACEMENT), Piece("" if skip else "<|user|>", user)]
    assert set(text_of(pieces[2:])) == {REPLACEMENT}


@pytest.mark.parametrize("make", [byte_level, *OTHERS])
def test_ids_that_are_no_token_change_nothing(make: Make):
    tokenizer = make()
    ids = tokenizer.encode("你好 world 🙂 龘").ids
    padding = [10**6, -1, 2**40]
    mixed = [*padding, *(i for token_id in ids for i in (token_id, *padding))]
    assert pieces_of(detokenizer(tokenizer), mixed) == pieces_of(detokenizer(tokenizer), ids)


def shown_with_spaces(words: str, *, skip: bool) -> str:
    tokenizer = byte_level()
    return text_of(pieces_of(detokenizer(tokenizer, skip=skip, spaces=True), tokenizer.encode(words).ids))


def test_a_space_parts_special_tokens_that_follow_each_other():
    words = "<|user|><|endoftext|><|user|>a<|user|>"
    assert shown_with_spaces(words, skip=False) == "<|user|> <|endoftext|> <|user|>a<|user|>"


def test_no_space_parts_special_tokens_with_half_a_character_between():
    tokenizer = byte_level()
    user, end = tokenizer.encode("<|user|><|endoftext|>").ids
    pieces = pieces_of(detokenizer(tokenizer, spaces=True), [user, byte_ids()[0xE4], end])
    assert text_of(pieces) == f"<|user|>{REPLACEMENT}<|endoftext|>"


def test_no_space_parts_tags_or_what_is_not_shown():
    assert shown_with_spaces("<|user|><think></think><|user|>", skip=False) == "<|user|><think></think><|user|>"
    assert shown_with_spaces("<|user|><|user|>a", skip=True) == "a"


def test_flushing_twice_gives_the_tail_once():
    decoder = detokenizer(byte_level())
    assert decoder.push(byte_ids()[0xE4]) == ()
    assert decoder.flush() == (Piece(REPLACEMENT),)
    assert decoder.flush() == ()
