"""Runs the whole recipe: `python -m demo --out DIR` writes `DIR/demo` and the adapter `DIR/demo-pirate`."""

import argparse
import os
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from torch import distributed
from transformers import Glm4ForCausalLM

from demo.corpus import Bucket, CorpusWriter, corpus_texts
from demo.export import export
from demo.lora import train_adapter
from demo.pirate import as_pirate
from demo.plots import write_dialogue
from demo.tokenizer import train_tokenizer
from demo.train import TrainSettings, new_model, train
from demo.train import tell as train_tell

SEED: Final = 20261121


def main() -> None:
    """Dialogues, tokenizer, training, export, adapter."""
    args = _arguments()
    rank, gpus, device = _join()
    started = time.monotonic()

    def tell(what: str) -> None:
        train_tell(f"{time.monotonic() - started:.0f} s: {what}")

    tokenizer = _tokenizer(args)
    tell(f"tokenizer of {tokenizer.get_vocab_size()} ids")
    workers = max(1, (os.cpu_count() or 1) // gpus - 1)
    writer = CorpusWriter(tokenizer, f"{args.seed}/{rank}", args.dialogues // gpus, workers)
    corpus = writer.take(args.first)
    tell(_described(corpus))
    model = Glm4ForCausalLM.from_pretrained(args.start) if args.start else new_model(tokenizer)
    settings = TrainSettings(
        steps=args.steps,
        tokens_per_step=args.tokens_per_step // gpus,
        limit_s=args.limit_s,
        peak_rate=args.rate,
        compiled=not args.plain,
        muon_rate=args.muon_rate,
    )
    train(model, corpus, settings, device, writer.take)
    writer.close()
    tell(f"{sum(p.numel() for p in model.parameters()):,} parameters trained")
    if rank == 0:
        export(model, tokenizer, args.out / "demo")
    if gpus > 1:
        distributed.destroy_process_group()
    if rank == 0 and args.pirates:
        pirates = _pirates(tokenizer, args)
        tell(f"as pirates: {_described(pirates)}")
        learning = TrainSettings(steps=args.pirate_steps, tokens_per_step=65_536, peak_rate=3e-3, compiled=False)
        train_adapter(args.out / "demo", pirates, args.out / "demo-pirate", learning, device)
        tell(f"adapter in {args.out / 'demo-pirate'}")


def _tokenizer(args: argparse.Namespace) -> Tokenizer:
    """The one of the weights to go on from, else a new one: the first process's in every process."""
    if args.start:
        return Tokenizer.from_file(str(args.start / "tokenizer.json"))
    texts = [train_tokenizer(corpus_texts(SEED, min(8_000, args.dialogues))).to_str()]
    if distributed.is_initialized():
        distributed.broadcast_object_list(texts)
    return Tokenizer.from_str(texts[0])


def _join() -> tuple[int, int, str]:
    """This process's rank, the number of processes and its device; torchrun starts one for each GPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not distributed.is_torchelastic_launched():
        return 0, 1, device
    distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=timedelta(minutes=20))
    if device == "cuda":
        torch.cuda.set_device(distributed.get_rank())
    return distributed.get_rank(), distributed.get_world_size(), device


def _pirates(tokenizer: Tokenizer, args: argparse.Namespace) -> dict[int, Bucket]:
    """The same kinds of dialogues, answered by a pirate."""
    write = partial(write_dialogue, voice=as_pirate)
    return CorpusWriter(tokenizer, f"{args.seed}/pirates", args.pirates, os.cpu_count() or 1, write).take(1.0)


def _described(corpus: dict[int, Bucket]) -> str:
    rows = ", ".join(f"{len(bucket.ids)} of {width}" for width, bucket in corpus.items())
    return f"dialogues by most tokens: {rows}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a directory to write into")
    parser.add_argument("--from", dest="start", type=Path, help="a demo's directory: go on from its weights")
    parser.add_argument("--seed", type=int, default=SEED, help="of the dialogues")
    parser.add_argument("--dialogues", type=int, default=2_000_000)
    parser.add_argument("--first", type=float, default=0.2, help="share of the dialogues to wait for before training")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--tokens-per-step", type=int, default=262_144)
    parser.add_argument("--limit-s", type=float, default=1e9, help="most seconds of the model's training")
    parser.add_argument("--rate", type=float, default=8e-3)
    parser.add_argument("--pirates", type=int, default=100_000, help="dialogues for the adapter; 0 leaves it out")
    parser.add_argument("--pirate-steps", type=int, default=1500)
    parser.add_argument("--muon-rate", type=float, default=0.012, help="of Muon for the layers' matrices; 0: AdamW")
    parser.add_argument("--plain", action="store_true", help="without torch.compile")
    return parser.parse_args()


if __name__ == "__main__":
    main()
