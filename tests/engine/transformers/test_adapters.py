from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from checkpoints import make_adapter
from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.adapters import BASE, Adapters
from duihua.engine.transformers.engine import TransformersEngine
from duihua.engine.transformers.lora import read_lora
from duihua.errors import AdapterRejected, EngineDead, UnknownModel
from engine.contract import LONG, PROMPT, answer, play_alone, request

Checkpoints = Callable[[str], Path]
Pairs = Callable[[str], Mapping[str, Path]]
WEIGHTS = "adapter_model.safetensors"
IDS = torch.tensor([PROMPT])


@pytest.fixture
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def load_model(path: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval()


def start(model: PreTrainedModel, **settings: Any) -> TransformersEngine:
    return TransformersEngine(model, context_window=512, settings=EngineSettings(**settings))


def logits(model: Any) -> torch.Tensor:
    return model(input_ids=IDS, use_cache=False).logits


_of_other_tests: weakref.WeakSet[object] = weakref.WeakSet()


@pytest.fixture(autouse=True)
def count_from_here() -> None:
    """Models that other tests share may hold layers."""
    _of_other_tests.update(_lora_layers())


def lora_layers() -> int:
    return sum(layer not in _of_other_tests for layer in _lora_layers())


def _lora_layers() -> list[object]:
    gc.collect()
    return [thing for thing in gc.get_objects() if issubclass(type(thing), LoraLayer)]


# Beside a model


@pytest.mark.usefixtures("inference")
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"use_rslora": True, "lora_dropout": 0.5},
        {"rank_pattern": {"q_proj": 4}, "alpha_pattern": {r"layers\.1\.self_attn\.q_proj": 3}},
        {"targets": ("gate_up_proj", "down_proj", "lm_head")},
    ],
)
def test_it_computes_what_peft_computes(checkpoint: Checkpoints, tmp_path: Path, said: dict[str, Any]) -> None:
    path = make_adapter(tmp_path / "mine", checkpoint("glm4"), **said)
    model = load_model(checkpoint("glm4"))
    adapters = Adapters(model)
    adapters.use(adapters.add(read_lora(path)))
    expected = logits(PeftModel.from_pretrained(load_model(checkpoint("glm4")), path).eval())
    assert torch.equal(logits(model), expected)


@pytest.mark.usefixtures("inference")
def test_dora_is_computed_too(checkpoint: Checkpoints, tmp_path: Path) -> None:
    path = make_adapter(tmp_path / "mine", checkpoint("qwen2"), targets=("q_proj",), use_dora=True)
    weights = load_file(path / WEIGHTS)
    sizes = {name.partition(".lora_")[0]: len(value) for name, value in weights.items() if ".lora_B" in name}
    magnitudes = {f"{module}.lora_magnitude_vector": torch.rand(size) + 1 for module, size in sizes.items()}
    save_file({**weights, **magnitudes}, path / WEIGHTS)
    model = load_model(checkpoint("qwen2"))
    adapters = Adapters(model)
    adapters.use(adapters.add(read_lora(path)))
    assert torch.equal(logits(model), logits(PeftModel.from_pretrained(load_model(checkpoint("qwen2")), path).eval()))


@pytest.mark.usefixtures("inference")
def test_without_an_adapter_the_model_is_the_one_that_was_loaded(checkpoint: Checkpoints, adapters: Pairs) -> None:
    model = load_model(checkpoint("glm4"))
    layers, before, state = list(model.modules()), logits(model), torch.get_rng_state()
    beside = Adapters(model)
    numbers = [beside.add(read_lora(path)) for path in adapters("glm4").values()]
    spoken: list[torch.Tensor] = []
    for number in (*numbers, BASE, *numbers, BASE):
        beside.use(number)
        spoken.append(logits(model))
    first, second, base = spoken[:3]
    assert not torch.equal(first, second)
    assert torch.equal(base, before)
    assert all(torch.equal(old, new) for old, new in zip(spoken[:3], spoken[3:], strict=True))
    assert list(model.modules()) == layers
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.usefixtures("inference")
def test_weights_take_the_model_s_dtype(checkpoint: Checkpoints, adapters: Pairs) -> None:
    model = load_model(checkpoint("glm4"), torch.bfloat16)
    beside = Adapters(model)
    beside.use(beside.add(read_lora(adapters("glm4")["first"])))
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


@pytest.mark.usefixtures("inference")
def test_dropped_weights_are_free(checkpoint: Checkpoints, adapters: Pairs) -> None:
    beside = Adapters(load_model(checkpoint("glm4")))
    first, second = (beside.add(read_lora(path)) for path in adapters("glm4").values())
    beside.use(first)
    beside.drop(first)
    assert (len(beside), lora_layers()) == (1, 8)
    beside.drop(second)
    assert (len(beside), lora_layers()) == (0, 0)


def spoil(path: Path, change: Callable[[str, torch.Tensor], dict[str, torch.Tensor]]) -> Path:
    weights = load_file(path / WEIGHTS)
    save_file({k: v for name, value in weights.items() for k, v in change(name, value).items()}, path / WEIGHTS)
    return path


@pytest.mark.usefixtures("inference")
def test_what_does_not_fit_is_refused_and_nothing_of_it_stays(checkpoint: Checkpoints, tmp_path: Path) -> None:
    base = checkpoint("qwen2")
    last = "layers.1.self_attn.v_proj.lora_B.weight"
    lacking = spoil(make_adapter(tmp_path / "lacking", base), lambda k, v: {} if k.endswith(last) else {k: v})
    bent = spoil(make_adapter(tmp_path / "bent", base), lambda k, v: {k: v[1:].contiguous() if k.endswith(last) else v})
    deeper = spoil(
        make_adapter(tmp_path / "deeper", base), lambda k, v: {k: v, k.replace("layers.1", "layers.7"): v + 1}
    )
    foreign = make_adapter(tmp_path / "foreign", checkpoint("glm4"), targets=("gate_up_proj",))
    model = load_model(base)
    layers, before = list(model.modules()), logits(model)
    beside = Adapters(model)
    for path, words in (
        (lacking, "has no weights for v_proj.lora_B"),
        (bent, "size mismatch"),
        (deeper, r"no place for .*layers\.7"),
        (foreign, "gate_up_proj.* not found"),
    ):
        with pytest.raises(AdapterRejected, match=words) as refusal:
            beside.add(read_lora(path))
        assert "\n" not in str(refusal.value)
        assert list(model.modules()) == layers
        assert not hasattr(model, "peft_config")
    assert torch.equal(logits(model), before)
    assert len(beside) == 0


# In the engine


@pytest.mark.parametrize("kind", ["glm4", "qwen3"])
def test_greedy_ids_are_those_of_peft(checkpoint: Checkpoints, adapters: Pairs, kind: str) -> None:
    expected: dict[str, list[int]] = {}
    for name, path in adapters(kind).items():
        model: Any = PeftModel.from_pretrained(load_model(checkpoint(kind)), path).eval()
        ids = list(LONG)
        with torch.inference_mode():
            for _ in range(12):
                ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        expected[name] = ids[len(LONG) :]

    async def scenario(engine: Engine) -> None:
        for name, path in adapters(kind).items():
            await engine.load_adapter(name, path)
        together = await asyncio.gather(*(answer(engine, request(LONG, adapter=name)) for name in expected))
        assert dict(zip(expected, together, strict=True)) == expected

    play_alone(lambda: start(load_model(checkpoint(kind))), scenario)


def test_the_limits_are_told_with_numbers_and_a_cure(checkpoint: Checkpoints, adapters: Pairs, tmp_path: Path) -> None:
    first, second = adapters("glm4").values()
    high = make_adapter(tmp_path / "high", checkpoint("glm4"), rank=16)

    async def scenario(engine: Engine) -> None:
        with pytest.raises(AdapterRejected, match=r"high has rank 16 and at most 8 .* --max-adapter-rank 16"):
            await engine.load_adapter("voice", high)
        await engine.load_adapter("voice", first)
        with pytest.raises(AdapterRejected, match=r"1 adapters are loaded.*--max-adapters"):
            await engine.load_adapter("other", second)
        await engine.load_adapter("voice", second)
        await engine.unload_adapter("voice")
        both = (engine.load_adapter("voice", first), engine.load_adapter("other", second))
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes if outcome] == [AdapterRejected]
        await answer(engine, request(PROMPT))
        assert lora_layers() == 8

    play_alone(lambda: start(load_model(checkpoint("glm4")), max_adapters=1, max_adapter_rank=8), scenario)


def test_a_refused_adapter_leaves_the_engine_and_the_name_as_they_were(
    checkpoint: Checkpoints, adapters: Pairs, tmp_path: Path
) -> None:
    foreign = make_adapter(tmp_path / "foreign", checkpoint("glm4v"), targets=("qkv",))

    async def scenario(engine: Engine) -> None:
        await engine.load_adapter("voice", adapters("glm4")["first"])
        before = [await answer(engine, request(PROMPT, adapter=name)) for name in (None, "voice")]
        running = asyncio.ensure_future(answer(engine, request(PROMPT, max_tokens=200)))
        for path in (foreign, foreign.parent):
            with pytest.raises(AdapterRejected):
                await engine.load_adapter("voice", path)
        assert (await running)[:12] == before[0]
        assert [await answer(engine, request(PROMPT, adapter=name)) for name in (None, "voice")] == before

    play_alone(lambda: start(load_model(checkpoint("glm4"))), scenario)


def test_weights_are_freed_when_the_last_that_runs_under_them_ends(checkpoint: Checkpoints, adapters: Pairs) -> None:
    async def scenario(engine: Engine) -> None:
        await engine.load_adapter("voice", adapters("glm4")["first"])
        running = engine.generate(request(PROMPT, adapter="voice", max_tokens=400))
        await anext(running)
        await engine.unload_adapter("voice")
        await answer(engine, request(PROMPT))
        assert lora_layers() == 8
        await running.aclose()
        await answer(engine, request(PROMPT))
        assert lora_layers() == 0

    play_alone(lambda: start(load_model(checkpoint("glm4"))), scenario)


class _Gate:
    """Holds up whoever calls a method of the model, once."""

    def __init__(self, model: PreTrainedModel, method: str) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.inner = getattr(model, method)
        setattr(model, method, self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.reached.set()
        assert self.opened.wait(30)
        return self.inner(*args, **options)


@pytest.mark.parametrize("begun", [False, True])
def test_a_load_that_is_cancelled_leaves_nothing_behind(
    checkpoint: Checkpoints, adapters: Pairs, *, begun: bool
) -> None:
    """While the files are read, and while PEFT works on the model."""
    model = load_model(checkpoint("glm4"))
    gate = _Gate(model, "load_state_dict")

    async def scenario(engine: Engine) -> None:
        before = await answer(engine, request(PROMPT))
        loading = asyncio.ensure_future(engine.load_adapter("voice", adapters("glm4")["first"]))
        await (asyncio.to_thread(gate.reached.wait) if begun else asyncio.sleep(0))
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        gate.opened.set()
        with pytest.raises(UnknownModel):
            await answer(engine, request(PROMPT, adapter="voice"))
        assert await answer(engine, request(PROMPT)) == before
        assert lora_layers() == 0

    play_alone(lambda: start(model), scenario)


def test_an_engine_that_dies_tells_who_waits_for_an_adapter(checkpoint: Checkpoints, adapters: Pairs) -> None:
    model = load_model(checkpoint("glm4"))
    gate = _Gate(model, "load_state_dict")

    def fall(*_: object, **__: object) -> None:
        raise SystemExit("the floor is gone")

    async def scenario(engine: Engine) -> None:
        paths = adapters("glm4")
        loads = [asyncio.ensure_future(engine.load_adapter(name, path)) for name, path in paths.items()]
        await asyncio.to_thread(gate.reached.wait)
        gate.inner = fall
        gate.opened.set()
        outcomes = await asyncio.gather(*loads, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineDead] * 2
        assert all("the floor is gone" in str(outcome) for outcome in outcomes)
        with pytest.raises(EngineDead, match="the floor is gone"):
            await engine.load_adapter("first", paths["first"])

    play_alone(lambda: start(model), scenario)


def test_a_closed_engine_lets_model_and_adapters_go(checkpoint: Checkpoints, adapters: Pairs) -> None:
    model = load_model(checkpoint("glm4"))
    engine = start(model)

    async def speak() -> None:
        await engine.load_adapter("voice", adapters("glm4")["first"])
        await answer(engine, request(PROMPT, adapter="voice"))
        await engine.aclose()

    gone = weakref.ref(model)
    del model
    asyncio.run(speak())
    assert lora_layers() == 0
    assert gone() is None


def test_peft_is_not_imported_for_who_loads_no_adapter(checkpoint: Checkpoints) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from duihua.engine.transformers.engine import load\n"
        "engine = load(Path(sys.argv[1])); asyncio.run(engine.aclose())\n"
        "sys.exit('peft' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(checkpoint("glm4"))], check=False)
    assert done.returncode == 0
