"""Whether a model fits into the memory of the device that an engine would use."""

from __future__ import annotations

from dataclasses import dataclass

from duihua.api.checkup import Subject
from duihua.checkpoint.generation import text_config
from duihua.checkpoint.geometry import kv_layout
from duihua.config import Settings
from duihua.engine.capacity import GPU_SHARE, Load, Room, context_that_fits, cures, gpu_room
from duihua.engine.catalogue import ENGINES
from duihua.engine.installed import Placement, Probed, engine_state
from duihua.engine.machine import Memory

__all__ = ["Fit", "fit_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A model in the memory of the device that an engine would use."""

    engine: str
    device: str  # "cpu", "cuda:0", "cuda x 2"
    dtype: str  # of the weights
    kv_dtype: str
    loaded_bytes: int | None  # of the weights, in that format
    room_bytes: int | None  # on all devices used, for weights, keys and values
    kv_bytes_per_token: int | None  # None: a layout that is not known here
    wanted_tokens: int | None  # what the engine makes room for with these settings
    context_that_fits: int | None  # tokens; 0: not even the weights
    must_hold: bool  # the engine does not start where less fits than is wanted
    cures: tuple[str, ...] = ()  # flags that make it fit


def fit_of(subject: Subject, settings: Settings, probed: Probed, memory: Memory) -> Fit | None:
    """A model in the memory it would run in; None where no engine, device and format could be chosen."""
    placement = probed.placement
    if placement is None or placement.device is None or placement.dtype is None or placement.engine not in ENGINES:
        return None
    on_vllm = placement.engine == "vllm"
    on_gpu = _runs_on_gpu(placement, probed)
    device, room = _room(placement, settings, probed, memory)
    width = 4 if placement.dtype == "float32" else 2
    kv_width = 1 if str(settings.engine.kv_cache_dtype).startswith("fp8") else width
    layout = kv_layout(subject.config)
    load = Load(
        weight_bytes=_loaded_bytes(subject, settings, width) or 0,
        layout=layout,
        bytes_per_value=kv_width,
        heads=_heads(subject),
    )
    wanted = _wanted(subject, settings, on_vllm=on_vllm, on_gpu=on_gpu)
    fits = None if room is None or not load.weight_bytes else context_that_fits(load, room)
    is_short = fits is not None and (fits == 0 or (wanted is not None and fits < wanted))
    return Fit(
        engine=placement.engine,
        device=device,
        dtype=placement.dtype,
        kv_dtype="fp8" if kv_width == 1 else placement.dtype,
        loaded_bytes=load.weight_bytes or None,
        room_bytes=None if room is None else room.bytes_each * room.devices,
        kv_bytes_per_token=None if layout is None else layout.bytes_of(1, bytes_per_value=kv_width),
        wanted_tokens=wanted,
        context_that_fits=fits,
        must_hold=on_vllm,
        cures=tuple(_cures(load, room, wanted or 1, subject, probed)) if is_short and room is not None else (),
    )


def _cures(load: Load, room: Room, wanted: int, subject: Subject, probed: Probed) -> list[str]:
    """What would help, on vLLM where it runs on GPUs."""
    spreads = engine_state("vllm", probed).detail == "cuda"
    gpus = [gpu.free_bytes for gpu in probed.gpus] if spreads else []
    return cures(load, room, wanted, gpus=gpus, may_quantise=spreads and subject.quantisation is None)


def _runs_on_gpu(placement: Placement, probed: Probed) -> bool:
    if placement.engine == "vllm":
        return bool(probed.gpus) and engine_state("vllm", probed).detail == "cuda"
    return (placement.device or "").startswith("cuda")


def _room(placement: Placement, settings: Settings, probed: Probed, memory: Memory) -> tuple[str, Room | None]:
    """The device's name for people, and its room."""
    free = [gpu.free_bytes for gpu in probed.gpus]
    if not _runs_on_gpu(placement, probed):
        available = memory.available_bytes
        device = "cpu" if placement.engine == "vllm" else placement.device or "cpu"
        return device, None if available is None else Room(bytes_each=available)
    if placement.engine == "vllm":
        tensor, pipeline = settings.engine.tensor_parallel_size or 1, settings.engine.pipeline_parallel_size or 1
        count, share = tensor * pipeline, settings.engine.gpu_memory_share or GPU_SHARE
        room = gpu_room(free, devices=count, share=share, shares_layers=pipeline == 1)
        return ("cuda" if count == 1 else f"cuda x {count}"), room
    place = (placement.device or "").partition(":")[2]
    if not place.isdigit():  # every GPU holds some of the layers
        return f"cuda x {len(free)}", gpu_room(free, devices=len(free), shares_layers=False)
    return f"cuda:{place}", gpu_room(free[int(place) :])


def _loaded_bytes(subject: Subject, settings: Settings, width: int) -> int | None:
    """Bytes of the weights once they are loaded; quantised ones stay as they are stored."""
    if subject.weight_bytes is None or subject.quantisation is not None:
        return subject.weight_bytes
    bits = {"fp8": 8, "bitsandbytes": 4}.get(settings.engine.quantization or "", 8 * width)
    return int(subject.weight_bytes / subject.bytes_per_parameter * bits / 8)


def _heads(subject: Subject) -> int | None:
    heads: object = text_config(subject.config).get("num_attention_heads")
    return heads if isinstance(heads, int) else None


def _wanted(subject: Subject, settings: Settings, *, on_vllm: bool, on_gpu: bool) -> int | None:
    """Tokens that the engine makes room for; a GPU's vLLM wants one full window at the least."""
    window = settings.model.context_window or subject.context_window
    if settings.engine.kv_capacity is not None:
        return settings.engine.kv_capacity
    return settings.engine.default_kv_capacity(window) if window and on_vllm and not on_gpu else window
