"""What MODEL means and what is known of it without loading weights or downloading any."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, cast

from duihua.checkpoint import Checkpoint, Fetch, Located, locate, read
from duihua.checkpoint.adapters import check_fit, is_adapter, read_adapter
from duihua.checkpoint.download import Plan, plan_huggingface
from duihua.checkpoint.files import read_json_if_there
from duihua.checkpoint.generation import context_window, text_config
from duihua.checkpoint.geometry import kv_layout, parameter_count, weight_bytes
from duihua.checkpoint.locate import locate_adapter
from duihua.config import ModelSettings
from duihua.errors import AdapterRejected, ModelError, ModelLoadFailed, ModelNotFound
from duihua.families import recognise

__all__ = ["Subject", "hub_of", "look_at"]

_WIDTHS: Final = {"float32": 4.0, "float64": 8.0}  # bytes; every other stored format is taken for 16 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model as far as its files tell, or why they do not."""

    name: str
    origin: str | None = None
    path: Path | None = None  # None: not on this machine
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])  # config.json
    title: str | None = None  # of its family
    chat_template: Literal["own", "family"] | None = None
    quantisation: str | None = None
    context_window: int | None = None  # tokens, the model's own
    weight_bytes: int | None = None  # of its files
    parameters: int | None = None  # None for quantised or pickled weights too
    adapter: str | None = None  # the LoRA adapter that MODEL names, by its name
    plan: Plan | None = None  # where it would be downloaded
    error: str | None = None  # what loading it would raise

    @property
    def architecture(self) -> str | None:
        """The class that config.json names."""
        named: object = self.config.get("architectures")
        return str(cast("list[object]", named)[0]) if isinstance(named, list) and named else None

    @property
    def sliding_window(self) -> int | None:
        """Tokens that layers with a sliding window see; None where there are none, or where that is unknown."""
        layout = kv_layout(self.config)
        return None if layout is None else layout.sliding_window

    @property
    def longest_context(self) -> int | None:
        """Tokens that engines let a context window have: what config.json states, whatever the tokenizer does."""
        try:
            return context_window(self.path or Path(), self.config, {})
        except ModelLoadFailed:
            return None

    @property
    def bytes_per_parameter(self) -> float:
        """Of the stored weights."""
        if self.parameters and self.weight_bytes:
            return self.weight_bytes / self.parameters
        text = text_config(self.config)
        stored = next((part.get(key) for part in (text, self.config) for key in ("dtype", "torch_dtype")), None)
        return _WIDTHS.get(str(stored), 2.0)


def look_at(settings: ModelSettings) -> Subject:
    """Find a model and read its small files; what is on a hub only is asked for its sizes and its config.json.

    What is wrong with the model is in the answer's `error`.

    Raises:
        ConfigError: settings that cannot be followed, see `locate`.
    """
    fetch = _fetch(settings)
    try:
        located = locate(settings.model, base=settings.base, aliases=settings.aliases, fetch=fetch)
    except ModelNotFound as error:
        hub_id = _wanted_from_hub(settings, error)
        return _failed(settings, error) if hub_id is None else _on_the_hub(hub_id, settings)
    except ModelError as error:
        return _failed(settings, error)
    try:
        return _read(located, settings)
    except ModelLoadFailed as error:
        if located.origin == "huggingface" and not hub_of()["offline"]:
            planned = _on_the_hub(located.name, settings)
            return planned if planned.plan and planned.plan.missing else _failed(settings, error, located)
        return _failed(settings, error, located)
    except ModelError as error:
        return _failed(settings, error, located)


def hub_of() -> dict[str, Any]:
    """The hub that ids are looked for on: "endpoint", "offline", "cache", as huggingface_hub's variables say."""
    from huggingface_hub import constants

    return {
        "endpoint": constants.ENDPOINT,
        "offline": bool(constants.HF_HUB_OFFLINE),
        "cache": Path(constants.HF_HUB_CACHE),
    }


def _fetch(settings: ModelSettings) -> Fetch:
    return Fetch(
        revision=settings.revision,
        cache_dir=None if settings.cache_dir is None else Path(settings.cache_dir),
        offline=True,
        allow_pickle=settings.allow_pickle,
        trust_remote_code=settings.trust_remote_code,
    )


def _failed(settings: ModelSettings, error: ModelError, located: Located | None = None) -> Subject:
    if located is None:
        return Subject(name=settings.model or "demo", error=str(error))
    return Subject(name=located.name, origin=located.origin, path=located.path, error=str(error))


def _read(located: Located, settings: ModelSettings) -> Subject:
    """What the files say.

    Raises:
        ModelError: what loading would raise.
    """
    checkpoint = read(located, trust_remote_code=settings.trust_remote_code, allow_pickle=settings.allow_pickle)
    _check_text_side(checkpoint)
    for adapter in _adapters(located, settings):
        check_fit(read_adapter(adapter), checkpoint)
    template = None if checkpoint.chat_template is None else "family" if checkpoint.template_is_ours else "own"
    return Subject(
        name=located.name,
        origin=located.origin,
        path=located.path,
        config=checkpoint.config,
        title=checkpoint.family.title,
        chat_template=template,
        quantisation=checkpoint.quantisation,
        context_window=checkpoint.context_window,
        weight_bytes=weight_bytes(located.path),
        parameters=None if checkpoint.quantisation else parameter_count(located.path),
        adapter=located.adapter_name,
    )


def _check_text_side(checkpoint: Checkpoint) -> None:
    from duihua.checkpoint.tokenizer import load_tokenizer
    from duihua.prompt.template import ChatTemplate

    load_tokenizer(checkpoint)
    if checkpoint.chat_template is not None:
        ChatTemplate(checkpoint.chat_template, checkpoint.special_tokens)


def _adapters(located: Located, settings: ModelSettings) -> Iterator[Path]:
    if located.adapter is not None:
        yield located.adapter
    for said in settings.adapters.values():
        try:
            yield locate_adapter(str(said), fetch=replace(_fetch(settings), revision=None))
        except AdapterRejected as error:
            if not _could_be_fetched(error):
                raise


def _wanted_from_hub(settings: ModelSettings, error: ModelNotFound) -> str | None:
    """The Hugging Face id that the cache lacks, of an adapter its base's; None where something else is missing."""
    if not _could_be_fetched(error):
        return None
    said, aliases = (settings.model or "").strip(), dict(settings.aliases)
    while said in aliases:
        said = aliases.pop(said)
    path = Path(said).expanduser()
    return settings.base or read_adapter(path).base if is_adapter(path) else said


def _could_be_fetched(error: BaseException) -> bool:
    """Whether something failed only because the cache lacks what a hub may have."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, LocalEntryNotFoundError):
        cause = cause.__cause__
    return cause is not None and not hub_of()["offline"]


def _on_the_hub(hub_id: str, settings: ModelSettings) -> Subject:
    """What the hub says of a model, before it is downloaded."""
    fetch = replace(_fetch(settings), offline=False)
    with tempfile.TemporaryDirectory() as folder:
        try:
            plan = plan_huggingface(hub_id, fetch, Path(folder))
            config = read_json_if_there(Path(folder) / "config.json")
        except ModelError as error:
            return _failed(settings, error)
    family = recognise(config, None)
    weights = [size for name, size in plan.sizes.items() if name.endswith(".safetensors")]
    described: Any = config.get("quantization_config")
    planned = Subject(
        name=hub_id,
        origin="huggingface",
        config=config,
        title=family.title if family.model_types else None,
        quantisation=str(described.get("quant_method", "unnamed")) if isinstance(described, Mapping) else None,
        weight_bytes=sum(weights) or None,
        plan=plan,
    )
    return replace(planned, context_window=planned.longest_context)
