"""Trains demo-vision: a small `Glm4vForConditionalGeneration` from scratch, loss on answers only."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from transformers import Glm4vForConditionalGeneration

from demo.muon import Muon
from demo.train import BETAS, EVERY, UNLEARNT, TrainSettings, allow_recompiles, schedule, tell
from demo.vision.corpus import Corpus, Rows, Shape, joined
from demo.vision.marks import Heads
from demo.vision.tower import Tower, through_block

_DRAWS: Final = 2  # batches of a step, each of one shape
_MARKS: Final = 0.5  # weight of what is taught about each token of a picture


def train(
    model: Glm4vForConditionalGeneration,
    corpus: Sequence[Corpus],
    settings: TrainSettings,
    device: str,
    more: Callable[[], Sequence[Corpus]] = list[Corpus],
) -> list[float]:
    """Train in place; the model ends on the device in float32. Gives the losses, one of every `EVERY` steps.

    `more` gives what has been written of the corpus meanwhile; it is asked every few steps.

    Raises:
        FloatingPointError: half of the latest steps had gradients that are not finite; the weights are those before.
    """
    torch.manual_seed(settings.seed)
    torch.set_float32_matmul_precision("high")
    net = cast("Any", model).to(device).train()
    batches, tower = Batches(corpus, settings, device), _tower(net, settings)
    heads = Heads(net.config.vision_config.out_hidden_size).to(device)
    optimizers = optimizers_of(net, settings, heads)
    learning = [*model.parameters(), *heads.parameters()]
    for parameter in learning:  # a step without pictures gives the vision tower no gradient, and Muon wants all
        parameter.grad = torch.zeros_like(parameter)
    losses: list[float] = []
    broken, known = torch.zeros((), device=device), 0.0
    started, spent, step = time.monotonic(), 0.0, 0
    while (progress := max(step / settings.steps, spent / settings.limit_s)) < 1:
        if step % EVERY == 0:
            spent = time.monotonic() - started
            batches.add(more())
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * schedule(step, progress, settings)
        loss, marks = _learn(net, tower, heads, batches, device)
        norm = nn.utils.clip_grad_norm_(learning, 1.0)
        broken += _forget_unless(norm.isfinite(), learning)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
        if step % EVERY == 0:
            losses.append(loss.item())
        if step % (10 * EVERY) == 0 or step < 3:
            shapes = " and ".join(map(str, batches.drawn))
            figures = f"loss {loss.item():.4f} marks {marks.item():.3f} norm {norm.item():.2f} rows {batches.count}"
            tell(f"step {step} {figures} {spent:.0f} s; steps given up {broken.item():.0f}; last drawn {shapes}")
            if broken.item() - known > 5 * EVERY:
                raise FloatingPointError(f"nothing is learnt: of {step + 1} steps {broken.item():.0f} given up")
            known = broken.item()
        step += 1
    tell(f"trained {step} steps, {step * settings.tokens_per_step:,} tokens in {time.monotonic() - started:.0f} s")
    return losses


def _tower(net: Any, settings: TrainSettings) -> Tower:
    """The tower, and the layers of the language tower, compiled where that is asked for."""
    if not settings.compiled:
        return Tower(net.model.visual)
    allow_recompiles(64)  # one per width and layer
    for layer in net.model.language_model.layers:
        layer.compile(dynamic=False)
    # As many pictures as there are rows and rooms: one program for all numbers of them.
    return Tower(net.model.visual, torch.compile(through_block, dynamic=True))


def _learn(net: Any, tower: Tower, heads: Heads, batches: "Batches", device: str) -> tuple[Tensor, Tensor]:
    """Gradients of the mean loss of a few batches; gives that mean, and that of the pictures' marks."""
    total, marked = torch.zeros(2, device=device).unbind()
    for _ in range(_DRAWS):
        rows = batches.draw()
        said, marks = losses_of(net, tower, heads, rows, device)
        ((said + _MARKS * marks) / _DRAWS).backward()
        total, marked = total + said.detach() / _DRAWS, marked + marks.detach() / _DRAWS
    return total, marked


def _forget_unless(finite: Tensor, learning: Sequence[nn.Parameter]) -> Tensor:
    """Make gradients zero that are not finite; gives 1 where it did. One such step would be the end of all weights."""
    nothing = torch.zeros((), device=finite.device)
    for parameter in learning:
        if parameter.grad is not None:
            parameter.grad = torch.where(finite, parameter.grad, nothing)
    return (~finite).float()


def losses_of(net: Any, tower: Tower, heads: Heads, rows: Rows, device: str) -> tuple[Tensor, Tensor]:
    """The mean losses of the learnt places and of the pictures' marks; nothing here makes the CPU wait for the GPU."""
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu"):
        tokens = (
            tower.see(rows["patches"].flatten(0, 1), rows["grids"].flatten().long()) if rows["grids"].numel() else None
        )
        logits = logits_of(net, tokens, rows)[:, :-1]
    wanted = rows["ids"][:, 1:].long().masked_fill(~rows["learnt"][:, 1:], UNLEARNT)
    said = nn.functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=UNLEARNT)
    return said, torch.zeros_like(said) if tokens is None else heads.loss(tokens, rows["marks"].flatten(0, 1))


def logits_of(net: Any, tokens: Tensor | None, rows: Rows) -> Tensor:
    """What the network expects behind each token (rows, width, ids); rows are of one shape, as `corpus.table` says.

    Args:
        net: the model.
        tokens: what its tower makes of the rows' pictures (pictures, 16, width); None: there are none.
        rows: of one shape.
    """
    states = net.model.get_input_embeddings()(rows["ids"].long())
    if tokens is not None:
        tokens = tokens.view(len(states), -1, states.size(-1))
        # Which token stands where, as a product: the gradient of an index would be many additions to one place.
        sight = rows["sight"][:, :, None] == torch.arange(tokens.size(1), device=tokens.device)
        seen = (sight.to(tokens.dtype) @ tokens).to(states.dtype)
        states = torch.where(rows["sight"][:, :, None] >= 0, seen, states)
    places = rows["places"].long().transpose(0, 1)
    language = net.model.language_model
    return net.lm_head(language(inputs_embeds=states, position_ids=places, use_cache=False).last_hidden_state)


def optimizers_of(net: Any, settings: TrainSettings, heads: Heads) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of all layers, AdamW for the rest, which decays no gains and biases."""
    parts = (net.model.language_model.layers, net.model.visual.blocks, net.model.visual.merger)
    matrices = [p for part in parts for p in part.parameters() if p.ndim == 2 and settings.muon_rate]
    known = {id(p) for p in matrices}
    rest = [p for p in (*net.parameters(), *heads.parameters()) if id(p) not in known]
    group = partial(dict[str, Any], peak=settings.peak_rate)
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [
                group(params=[p for p in rest if p.ndim >= 2], weight_decay=settings.weight_decay),
                group(params=[p for p in rest if p.ndim < 2], weight_decay=0.0),
            ],
            betas=BETAS,
            fused=True,
        )
    ]
    if matrices:
        found.append(Muon([{"params": matrices, "weight_decay": settings.weight_decay, "peak": settings.muon_rate}]))
    return found


class Batches:
    """Batches of one shape each; a shape comes as often as its share of the tokens."""

    def __init__(self, corpus: Sequence[Corpus], settings: TrainSettings, device: str) -> None:
        self.drawn: list[Shape] = []  # the shapes of the last step
        self._rows: dict[Shape, Rows] = {}
        self._waiting: list[Corpus] = []
        self._tokens = settings.tokens_per_step // _DRAWS
        self._device = device
        self._shapes = torch.Generator().manual_seed(settings.seed)
        self._random = torch.Generator(device).manual_seed(settings.seed)
        self.add(corpus)

    @property
    def count(self) -> int:
        """Dialogues there are to draw from."""
        return sum(len(rows["ids"]) for rows in self._rows.values())

    def add(self, parts: Sequence[Corpus]) -> None:
        """More dialogues to draw from, once they are a tenth of those that there are: each time all are copied."""
        for part in parts:
            self._waiting.append({shape: _moved(rows, self._device) for shape, rows in part.items()})
        waiting = sum(len(rows["ids"]) for new in self._waiting for rows in new.values())
        if waiting < max(1, self.count // 10):
            return
        for shape in sorted({shape for new in self._waiting for shape in new}):
            known = [self._rows[shape]] if shape in self._rows else []
            self._rows[shape] = joined([*known, *(part[shape] for part in self._waiting if shape in part)])
        self._waiting = []

    def draw(self) -> Rows:
        """Rows of one shape, as many as a batch has room for."""
        shapes: Sequence[Shape] = list(self._rows)
        shares = torch.tensor([float(self._rows[shape]["ids"].numel()) for shape in shapes])
        shape = shapes[int(torch.multinomial(shares, 1, generator=self._shapes))]
        self.drawn = [*self.drawn[1 - _DRAWS :], shape]
        rows = self._rows[shape]
        count = max(1, self._tokens // shape[0])
        chosen = torch.randint(len(rows["ids"]), (count,), generator=self._random, device=self._device)
        return {name: tensor[chosen] for name, tensor in rows.items()}


def _moved(rows: Rows, device: str) -> Rows:
    return {name: tensor.to(device) for name, tensor in rows.items()}
