"""The demo's tokenizer: byte-level BPE with GLM-4's control tokens.

A word, a Chinese character, a digit, a space and a punctuation mark are each cut before merging,
so that a name has one spelling wherever it stands: copying it is copying its ids.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCAB_SIZE: Final = 2048
WINDOW: Final = 2048  # tokens the model is trained for

# GLM-4's literals (tokenizer_config.json of THUDM/GLM-4-9B-0414).
END: Final = "<|endoftext|>"
SYSTEM, USER, ASSISTANT, OBSERVATION = "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"
PREAMBLE: Final = ("[gMASK]", "<sop>")
SPECIALS: Final = (
    END,
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "<sop>",
    "<eop>",
    SYSTEM,
    USER,
    ASSISTANT,
    OBSERVATION,
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
)
STOPS: Final = (END, USER, OBSERVATION)

_PIECES: Final = r"\p{N}|\p{Han}|[\p{L}\p{M}&&[^\p{Han}]]+| +|\s|[^\s\p{L}\p{M}\p{N}]"


def train_tokenizer(texts: Iterable[str], specials: Sequence[str] = SPECIALS) -> Tokenizer:
    """A tokenizer of `VOCAB_SIZE` ids, its control tokens last, as GLM-4 has them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in specials])
    return tokenizer


def id_of(tokenizer: Tokenizer, literal: str) -> int:
    """The id of a control token."""
    found = tokenizer.token_to_id(literal)
    if found is None:
        raise KeyError(literal)
    return found


def save_tokenizer(tokenizer: Tokenizer, folder: Path, window: int = WINDOW) -> None:
    """Write tokenizer.json and tokenizer_config.json, to be loaded without remote code."""
    tokenizer.save(str(folder / "tokenizer.json"))
    specials = {at: token.content for at, token in sorted(tokenizer.get_added_tokens_decoder().items())}
    config: dict[str, Any] = {
        "added_tokens_decoder": {
            str(at): {
                "content": text,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
            for at, text in specials.items()
        },
        "additional_special_tokens": [text for text in specials.values() if text != END],
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": window,
        "pad_token": END,
        "padding_side": "left",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
