"""Trains the demo: a small `Glm4ForCausalLM` from scratch, loss on answers only."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, distributed, nn
from transformers import Glm4Config, Glm4ForCausalLM

from demo.corpus import Bucket
from demo.muon import Muon
from demo.tokenizer import END, STOPS, VOCAB_SIZE, WINDOW, id_of

BETAS: Final = (0.9, 0.95)
UNLEARNT: Final = -100
EVERY: Final = 20  # steps between looks at the clock and at what has been written


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How long and how fast to learn."""

    steps: int = 6000
    tokens_per_step: int = 131_072
    peak_rate: float = 2e-3
    warmup: int = 150  # steps
    weight_decay: float = 0.1
    limit_s: float = 1e9  # the schedule is squeezed into this much time
    compiled: bool = True
    muon_rate: float = 0.0  # the peak rate of Muon for the matrices of the layers; 0: AdamW for them, too
    seed: int = 1


def new_model(tokenizer: Tokenizer, seed: int = 1) -> Glm4ForCausalLM:
    """A GLM-4-0414 of 5.7 million parameters, with random weights: the same ones for the same seed."""
    torch.manual_seed(seed)
    config = Glm4Config(
        vocab_size=VOCAB_SIZE,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
        pad_token_id=id_of(tokenizer, END),
        eos_token_id=[id_of(tokenizer, text) for text in STOPS],
        attention_bias=True,
    )
    return Glm4ForCausalLM(config)


Corpus: TypeAlias = Mapping[int, Bucket]


def train(
    model: Glm4ForCausalLM,
    corpus: Corpus,
    settings: TrainSettings,
    device: str,
    more: Callable[[], Corpus] = dict[int, Bucket],
) -> None:
    """Train in place what requires gradients; the model ends on the device in float32.

    `more` gives what has been written of the corpus meanwhile; it is asked every few steps.

    Where several processes learn together (torchrun) they start from the same weights and share gradients and
    clock, so all of them take the same steps; the model of each ends the same.
    """
    torch.manual_seed(settings.seed)
    torch.set_float32_matmul_precision("high")
    net = cast("Any", model).to(device).train()
    if settings.compiled:
        allow_recompiles(64)  # one per width and layer
        for layer in net.model.layers:
            layer.compile(dynamic=False)
    batches = _Batches(corpus, settings, device)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizers = _optimizers(learning, settings)
    started, spent, step = time.monotonic(), 0.0, 0
    while (progress := max(step / settings.steps, spent / settings.limit_s)) < 1:
        if step % EVERY == 0:
            batches.add(more())
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * schedule(step, progress, settings)
        loss = _loss(net, *batches.draw(), device)
        loss.backward()
        spent = _share(learning, spent, time.monotonic() - started if step % EVERY == 0 else None)
        norm = nn.utils.clip_grad_norm_(learning, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if step % 500 == 0 or step < 3:
            tell(f"step {step} loss {loss.item():.4f} norm {norm.item():.2f} {spent:.0f} s")
        step += 1
    tell(f"trained {step} steps in {time.monotonic() - started:.0f} s")


def tell(what: str) -> None:
    """Print it, once where several processes learn together."""
    if not distributed.is_initialized() or distributed.get_rank() == 0:
        print(what, flush=True)


def _loss(net: Any, ids: Tensor, learnt: Tensor, device: str) -> Tensor:
    """The mean loss of the learnt places of ids (rows, width); nothing here makes the CPU wait for the GPU."""
    with torch.autocast(device, dtype=torch.bfloat16):
        logits = net.lm_head(net.model(ids, use_cache=False).last_hidden_state[:, :-1])
    wanted = ids[:, 1:].masked_fill(~learnt[:, 1:], UNLEARNT)
    return nn.functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=UNLEARNT)


def _share(learning: Sequence[nn.Parameter], spent: float, clock: float | None) -> float:
    """Average the gradients over all processes; where this one's clock is given, the seconds too. Gives the seconds."""
    if not distributed.is_initialized():
        return spent if clock is None else clock
    grads = [p.grad for p in learning if p.grad is not None]
    flat = torch.cat([*(grad.flatten() for grad in grads), grads[0].new_tensor([clock or 0.0])])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    *shared, seconds = flat.split([*(grad.numel() for grad in grads), 1])
    cast("Any", torch)._foreach_copy_(grads, [mean.view_as(grad) for grad, mean in zip(grads, shared, strict=True)])
    return spent if clock is None else seconds.item()


def allow_recompiles(limit: int) -> None:
    """Raise torch.compile's limit wherever this version of torch keeps it."""
    places: tuple[Any, ...] = (torch.compiler.config, cast("Any", torch)._dynamo.config)
    for config in places:
        if hasattr(config, "recompile_limit"):
            config.recompile_limit = limit


def schedule(step: int, progress: float, settings: TrainSettings) -> float:
    """Linear warm-up, then cosine down to a fiftieth."""
    warm = min(1.0, (step + 1) / settings.warmup)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def _optimizers(learning: Sequence[nn.Parameter], settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """AdamW, which decays no gains and biases, and Muon for the matrices of the layers (torch 2.9 or later)."""
    layers = [p for p in learning if p.ndim == 2 and VOCAB_SIZE not in p.shape and settings.muon_rate]
    rest = [p for p in learning if not any(p is layer for layer in layers)]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": settings.weight_decay, "peak": settings.peak_rate},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0, "peak": settings.peak_rate},
    ]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, betas=BETAS, fused=True)]
    if layers:
        found.append(Muon([{"params": layers, "weight_decay": settings.weight_decay, "peak": settings.muon_rate}]))
    return found


class _Batches:
    """Batches of one width each; a width comes as often as its share of the tokens."""

    def __init__(self, corpus: Corpus, settings: TrainSettings, device: str) -> None:
        self._rows: dict[int, tuple[Tensor, Tensor]] = {}
        self._tokens = settings.tokens_per_step
        self._device = device
        self._widths = torch.Generator().manual_seed(settings.seed)  # the same on every GPU: none waits for another
        rank = distributed.get_rank() if distributed.is_initialized() else 0
        self._random = torch.Generator(device).manual_seed(settings.seed + 1000 * rank)
        self.add(corpus)

    def add(self, corpus: Corpus) -> None:
        """More dialogues to draw from."""
        for width, bucket in corpus.items():
            ids = torch.from_numpy(bucket.ids.astype("int16")).to(self._device)
            learnt = torch.from_numpy(bucket.learnt).to(self._device)
            old = self._rows.get(width)
            self._rows[width] = (torch.cat([old[0], ids]), torch.cat([old[1], learnt])) if old else (ids, learnt)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Ids (rows, width) int64 and the places to learn (rows, width) bool."""
        shares = torch.tensor([float(ids.numel()) for ids, _ in self._rows.values()])
        index = int(torch.multinomial(shares, 1, generator=self._widths))
        width = list(self._rows)[index]
        ids, learnt = self._rows[width]
        count = max(1, self._tokens // width)
        rows = torch.randint(len(ids), (count,), generator=self._random, device=self._device)
        return ids[rows].long(), learnt[rows]
