"""Training: several processes that learn together end with the same weights."""

from pathlib import Path

import numpy as np
import torch
from demo.corpus import Bucket
from demo.evaluate import BUNDLED
from demo.train import TrainSettings, new_model, train
from tokenizers import Tokenizer
from torch import distributed
from torch.multiprocessing.spawn import spawn

PROCESSES = 2


def corpus(seed: int) -> dict[int, Bucket]:
    ids = np.random.default_rng(seed).integers(0, 2000, (4, 96)).astype(np.uint16)
    return {96: Bucket(ids, np.ones_like(ids, dtype=np.bool_))}


def learn(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/join", rank=rank, world_size=PROCESSES)
    model = new_model(Tokenizer.from_file(str(BUNDLED / "tokenizer.json")))
    settings = TrainSettings(steps=4, tokens_per_step=96, compiled=False)
    train(model, corpus(rank), settings, "cpu")
    torch.save(model.state_dict(), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_processes_that_learn_together_end_with_the_same_weights(tmp_path: Path):
    spawn(learn, (str(tmp_path),), nprocs=PROCESSES)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(PROCESSES))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    fresh = new_model(Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))).state_dict()
    assert not torch.equal(first["model.norm.weight"], fresh["model.norm.weight"])
