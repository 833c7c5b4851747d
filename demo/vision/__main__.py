"""Runs the whole recipe of demo-vision: `python -m demo.vision --out DIR` writes the checkpoint into DIR.

The bundled weights are from one H200 (16 cores): 13,241 steps in 21 minutes, two of them for compiling.

    python -m demo.vision --out build/demo-vision --limit-s 1250 --steps 100000
    python -m demo.vision.evaluate build/demo-vision --dtype float32 bfloat16 --publish

The cores write dialogues and draw while the GPU learns; what is written stays on the GPU, 70 kB a dialogue
(56 GB by default: `--dialogues` bounds it). The schedule ends with `--steps` or with `--limit-s`, whichever comes
first, so a time limit costs quality, never the run. `--plain` leaves torch.compile out, should it fail there;
`bash demo/vision/gpu.sh OUT_DIR` tries both and packs the checkpoint. To see that everything fits together before an
hour of a GPU is spent, on a CPU, one minute:

    python -m demo.vision --out build/try --dialogues 300 --steps 20 --tokens-per-step 2048 --plain
    python -m demo.vision.evaluate build/try --quick
"""

import argparse
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from transformers import Glm4vForConditionalGeneration

from demo.tokenizer import SPECIALS, train_tokenizer
from demo.train import TrainSettings
from demo.train import tell as train_tell
from demo.vision.corpus import Corpus, CorpusWriter, Shape, corpus_texts
from demo.vision.export import export
from demo.vision.geometry import ADDED, new_model
from demo.vision.train import train

SEED: Final = 20261128


def main() -> None:
    """Tokenizer, dialogues and pictures, training, export."""
    args = _arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    started = time.monotonic()

    def tell(what: str) -> None:
        train_tell(f"{time.monotonic() - started:.0f} s: {what}")

    tokenizer = _tokenizer(args)
    tell(f"tokenizer of {tokenizer.get_vocab_size()} ids")
    writer = CorpusWriter(tokenizer, str(args.seed), args.dialogues, args.workers)
    corpus = writer.take(args.first)
    tell(_described(corpus))
    model = _model(tokenizer, args)
    settings = TrainSettings(
        steps=args.steps,
        tokens_per_step=args.tokens_per_step,
        limit_s=args.limit_s,
        peak_rate=args.rate,
        compiled=not args.plain,
        muon_rate=args.muon_rate,
    )
    kept = time.monotonic()

    def more() -> Sequence[Corpus]:
        nonlocal kept
        if time.monotonic() - kept > args.keep_s:
            keep(model, tokenizer, args.out)
            kept = time.monotonic()
        return writer.take()

    try:
        train(model, corpus, settings, device, more)
    finally:  # what was learnt is kept, whatever ended it
        export(model, tokenizer, args.out)
        tell(f"{sum(p.numel() for p in model.parameters()):,} parameters in {args.out}")
        writer.close()


def keep(model: Glm4vForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Write what the model knows by now, beside the folder and then in its place; the model goes on learning."""
    copy, new = new_model(tokenizer), folder.with_name(f"{folder.name}.new")
    copy.load_state_dict(model.state_dict())
    export(copy, tokenizer, new)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def _tokenizer(args: argparse.Namespace) -> Tokenizer:
    """The one of the weights to go on from, else a new one."""
    if args.start:
        return Tokenizer.from_file(str(args.start / "tokenizer.json"))
    return train_tokenizer(corpus_texts(str(SEED), min(8_000, args.dialogues)), (*SPECIALS, *ADDED))


def _model(tokenizer: Tokenizer, args: argparse.Namespace) -> Glm4vForConditionalGeneration:
    if args.start:
        return Glm4vForConditionalGeneration.from_pretrained(args.start, dtype=torch.float32)
    return new_model(tokenizer)


def _described(corpus: Sequence[Corpus]) -> str:
    counts: Counter[Shape] = Counter()
    for part in corpus:
        counts.update({shape: len(rows["ids"]) for shape, rows in part.items()})
    return (
        f"dialogues by most tokens and pictures: {', '.join(f'{n} of {shape}' for shape, n in sorted(counts.items()))}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a directory to write into")
    parser.add_argument("--from", dest="start", type=Path, help="a directory of demo-vision: go on from its weights")
    parser.add_argument("--seed", type=int, default=SEED, help="of the dialogues")
    parser.add_argument("--dialogues", type=int, default=800_000)
    parser.add_argument("--first", type=float, default=0.04, help="share of the dialogues to wait for before training")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1), help="processes that write")
    parser.add_argument("--steps", type=int, default=13_200)
    parser.add_argument("--tokens-per-step", type=int, default=131_072)
    parser.add_argument("--limit-s", type=float, default=1e9, help="most seconds of the training")
    parser.add_argument("--rate", type=float, default=3e-3, help="of AdamW")
    parser.add_argument("--muon-rate", type=float, default=0.01, help="of Muon for the layers' matrices; 0: AdamW")
    parser.add_argument("--keep-s", type=float, default=180, help="seconds after which the checkpoint is written anew")
    parser.add_argument("--plain", action="store_true", help="without torch.compile")
    return parser.parse_args()


if __name__ == "__main__":
    main()
