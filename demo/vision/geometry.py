"""The geometry of demo-vision, all of it: the network's, the pictures' and what the tokenizer adds."""

from typing import Final

import torch
from tokenizers import Tokenizer
from transformers import Glm4vConfig, Glm4vForConditionalGeneration

from demo.tokenizer import END, STOPS, VOCAB_SIZE, id_of

WINDOW: Final = 1024  # tokens the model is trained for, those of pictures included

# Pictures are brought to about 112 by 112 pixels: 64 patches, 16 tokens.
SIDE: Final = 112  # pixels
PATCH: Final = 14  # pixels along a side
MERGE: Final = 2  # patches along a side of what becomes one token
FRAMES: Final = 2  # a still picture counts as two equal frames of a video
PATCHES: Final = 64  # most of one picture no more than twice as wide as high, or the other way round
TOKENS: Final = PATCHES // MERGE**2
LEAST_PIXELS: Final = FRAMES * 84 * 84  # over both frames, as the processor counts them
MOST_PIXELS: Final = FRAMES * SIDE * SIDE
# Patches down and across, of every picture that has no more than the most.
GRIDS: Final = tuple((d, a) for d in range(2, 33, 2) for a in range(2, 33, 2) if d * a <= PATCHES)
# CLIP's, which GLM-4.1V's processor takes.
MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
DEVIATION: Final = (0.26862954, 0.26130258, 0.27577711)

# GLM-4.1V's literals beyond those of the text demo's tokenizer.
IMAGE, BEGIN, FINISH = "<|image|>", "<|begin_of_image|>", "<|end_of_image|>"
_ROTARY: Final = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
VIDEO: Final = "<|video|>"
ADDED: Final = (IMAGE, VIDEO)


def new_model(tokenizer: Tokenizer, seed: int = 1) -> Glm4vForConditionalGeneration:
    """A GLM-4.1V of 5.4 million parameters, with random weights: the same ones for the same seed."""
    torch.manual_seed(seed)
    return Glm4vForConditionalGeneration(new_config(tokenizer))


def new_config(tokenizer: Tokenizer) -> Glm4vConfig:
    """The network: a language tower of 3.5 million parameters and a vision tower of 1.9."""
    language = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 256,
        "intermediate_size": 544,
        "num_hidden_layers": 5,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "attention_bias": True,  # transformers' class has biases always; vLLM's reads it here, as in GLM-4.1V's file
        "max_position_embeddings": WINDOW,
        # Of time, height and width: eight pairs of a head's 32 numbers turn.
        "rope_parameters": _ROTARY | {"mrope_section": [2, 3, 3]},
        "pad_token_id": id_of(tokenizer, END),
        "eos_token_id": [id_of(tokenizer, text) for text in STOPS],
        "tie_word_embeddings": True,
    }
    vision = {
        "hidden_size": 192,
        "depth": 4,
        "num_heads": 6,
        "intermediate_size": 256,
        "out_hidden_size": 256,
        "image_size": SIDE,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": FRAMES,
    }
    return Glm4vConfig(
        text_config=language,
        vision_config=vision,
        tie_word_embeddings=True,
        image_token_id=id_of(tokenizer, IMAGE),
        video_token_id=id_of(tokenizer, VIDEO),
        image_start_token_id=id_of(tokenizer, BEGIN),
        image_end_token_id=id_of(tokenizer, FINISH),
        video_start_token_id=id_of(tokenizer, "<|begin_of_video|>"),
        video_end_token_id=id_of(tokenizer, "<|end_of_video|>"),
    )
