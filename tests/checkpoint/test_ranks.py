"""Our reading of tiktoken ranks against tiktoken itself: equal ids on every text."""

import unicodedata
from pathlib import Path

import pytest
import tiktoken
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from checkpoint.layouts import CORPUS, small_ranks, write_ranks
from duihua.checkpoint.ranks import is_ranks_file, load_ranks, read_ranks
from duihua.errors import ModelLoadFailed
from duihua.families import RanksLayout
from duihua.families.glm import GLM4
from duihua.families.qwen import QWEN

assert GLM4.ranks is not None
assert QWEN.ranks is not None
LAYOUTS = {"glm4": GLM4.ranks, "qwen": QWEN.ranks}
TEXTS = [
    *CORPUS,
    "",
    " ",
    "你好，世界！今天是2026年11月21日。",
    "🙂🎉👩‍👩‍👧‍👦🇨🇳 e\u0301 \u1e9b\u0323",
    "a  b   c\t\t\td\n\n\n\r\n e \n",
    "1 12 123 1234 12345 ١٢٣ Ⅻ ½",
    "I'll WE'RE they'Ve 'sting ſ'ſ K'K",
    "\u3000\u2028\u00a0\u0085x\u200b\ufeff",
]
# Characters that newer Unicode versions assign differ between regular-expression engines.
BYTES = [bytes([byte]) for byte in range(256)]
CHARACTERS = st.characters(exclude_categories=("Cs", "Cn"))
PIECES = st.sampled_from([" ", "\n", "\r", "\t", "'s", "'LL", "12", "天气", "the", "\u3000", "🙂", "e\u0301"])


class Pair:
    """The same ranks read by tiktoken and by us."""

    def __init__(self, layout: RanksLayout, path: Path) -> None:
        tokens = small_ranks(layout)
        write_ranks(path, tokens)
        self.nfc = layout.nfc
        self.ours: Tokenizer = load_ranks(path, layout)
        self.added = [token.content for token in self.ours.get_added_tokens_decoder().values()]
        self.theirs = tiktoken.Encoding(
            "test",
            pat_str=layout.pattern,
            mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
            special_tokens={},
        )

    def check(self, text: str) -> None:
        expected = self.theirs.encode_ordinary(unicodedata.normalize("NFC", text) if self.nfc else text)
        assert self.ours.encode(text, add_special_tokens=False).ids == expected
        assert self.ours.decode(expected) == self.theirs.decode(expected)


@pytest.fixture(scope="module", params=LAYOUTS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(LAYOUTS[request.param], tmp_path_factory.mktemp("ranks") / "ranks")


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_tiktokens(pair: Pair, text: str) -> None:
    pair.check(text)


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(CHARACTERS, max_size=60), st.lists(PIECES, max_size=30).map("".join)))
def test_ids_are_tiktokens_on_any_text(pair: Pair, text: str) -> None:
    assume(not any(literal in text for literal in pair.added))  # tiktoken's side has no control tokens
    pair.check(text)


@pytest.mark.parametrize("longer", [[b"bc", b"ab"], [b"ab", b"bc"], [b"cb", b"bcb", b"ab"], [b"bcb", b"ab", b"cb"]])
def test_the_least_rank_merges_first_whatever_the_spelling(tmp_path: Path, longer: list[bytes]) -> None:
    tokens = [*BYTES, *longer]
    write_ranks(tmp_path / "ranks", tokens)
    ranks = {token: rank for rank, token in enumerate(tokens)}
    theirs = tiktoken.Encoding("test", pat_str=LAYOUTS["glm4"].pattern, mergeable_ranks=ranks, special_tokens={})
    ours = load_ranks(tmp_path / "ranks", LAYOUTS["glm4"])
    for text in ("abc", "abcb", "abcbcb", "xabcbabc"):
        assert ours.encode(text, add_special_tokens=False).ids == theirs.encode_ordinary(text)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_ids_are_tiktokens_for_any_ranks(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Ranks no trainer would make: tokens that nothing merges to, and orders that are not of training."""
    letters = st.lists(st.sampled_from("abc"), min_size=2, max_size=6).map(lambda chosen: "".join(chosen).encode())
    longer = data.draw(st.lists(letters, unique=True, max_size=12))
    tokens = data.draw(st.permutations([*BYTES, *longer]))
    path = tmp_path_factory.mktemp("any") / "ranks"
    write_ranks(path, tokens)
    theirs = tiktoken.Encoding(
        "test",
        pat_str=LAYOUTS["glm4"].pattern,
        mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
        special_tokens={},
    )
    ours = load_ranks(path, LAYOUTS["glm4"])
    for text in data.draw(st.lists(st.text("abc", max_size=30), max_size=5)):
        assert ours.encode(text, add_special_tokens=False).ids == theirs.encode_ordinary(text)


def test_special_tokens_follow_the_ranks(pair: Pair) -> None:
    layout = next(layout for layout in LAYOUTS.values() if layout.nfc == pair.nfc)
    first = pair.theirs.n_vocab
    ids = pair.ours.encode("".join(layout.special_tokens), add_special_tokens=False).ids
    assert ids == list(range(first, first + len(layout.special_tokens)))


def test_decomposed_letters_are_composed_for_qwen_only(tmp_path: Path) -> None:
    ids = {name: Pair(layout, tmp_path / name).ours.encode("e\u0301").ids for name, layout in LAYOUTS.items()}
    assert len(ids["qwen"]) == 2
    assert len(ids["glm4"]) == 3


def test_a_sentencepiece_model_of_the_same_name_is_told_apart(tmp_path: Path) -> None:
    write_ranks(tmp_path / "ranks", [b"a"])
    (tmp_path / "sentencepiece").write_bytes(b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n")
    (tmp_path / "empty").write_bytes(b"")
    assert is_ranks_file(tmp_path / "ranks")
    assert not is_ranks_file(tmp_path / "sentencepiece")
    assert not is_ranks_file(tmp_path / "empty")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (b"", "is empty"),
        (b"YQ==", "broken line 1"),
        (b"YQ== 0\n???? 1\n", "broken line 2"),
        (b"YQ== zero\n", "broken line 1"),
        (b"YQ== 0\nYg== 2\n", "gaps or repeats"),
        (b"YQ== 0\nYg== 0\n", "gaps or repeats"),
        (b"YQ== 0\n", "no token for 255 of 256 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_a_broken_file_is_named_with_the_reason(tmp_path: Path, lines: bytes, why: str) -> None:
    (tmp_path / "qwen.tiktoken").write_bytes(lines)
    with pytest.raises(ModelLoadFailed, match=why) as caught:
        read_ranks(tmp_path / "qwen.tiktoken")
    assert "qwen.tiktoken" in str(caught.value)


def test_the_order_of_the_lines_is_of_no_account(tmp_path: Path) -> None:
    write_ranks(tmp_path / "ranks", BYTES)
    lines = (tmp_path / "ranks").read_bytes().splitlines()
    (tmp_path / "ranks").write_bytes(b"\n".join(reversed(lines)))
    assert list(read_ranks(tmp_path / "ranks")) == BYTES
