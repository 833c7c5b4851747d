"""`GET /v1/models`: the model and its adapters; and the adapters that are loaded and unloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from duihua.errors import AdapterRejected, InvalidParameter, ModelError, UnknownModel, UnsupportedFeature
from duihua.server.decoding import decoded
from duihua.server.exchange import Exchange
from duihua.server.failures import Refusal
from duihua.server.service import Service

__all__ = ["AdapterRequest", "list_models", "load_adapter", "show_model", "unload_adapter"]


class AdapterRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """vLLM's names (entrypoints/serve/lora/protocol.py); `lora_path` is a folder below the adapter directory."""

    lora_name: str
    lora_path: str | None = None
    # Refused by name
    load_inplace: Any = None
    is_3d_lora_weight: Any = None
    lora_int_id: Any = None


_NOT_DONE: Final = {
    "load_inplace": "unload the adapter first",
    "is_3d_lora_weight": "an adapter's files say what they are",
    "lora_int_id": "adapters go by their names",
}


async def list_models(service: Service, exchange: Exchange) -> None:
    """The base model and every adapter."""
    base = service.settings.served_name or service.chat.info.name
    cards = [_card(service, name) for name in (base, *service.chat.adapters)]
    await exchange.reply(msgspec.json.encode({"object": "list", "data": cards}))


async def show_model(service: Service, exchange: Exchange, name: str) -> None:
    """One of them.

    Raises:
        UnknownModel: there is none of that name.
    """
    base = service.settings.served_name or service.chat.info.name
    if name != base and name not in service.chat.adapters:
        raise UnknownModel(
            f"The model `{name}` does not exist. There are: {', '.join([base, *service.chat.adapters])}."
        )
    await exchange.reply(msgspec.json.encode(_card(service, name)))


async def load_adapter(service: Service, exchange: Exchange) -> None:
    """Load an adapter from the adapter directory.

    Raises:
        Refusal: no adapter directory is configured.
        InvalidParameter: a name that is no folder's in it.
        UnsupportedFeature: a field of vLLM's that is not done here.
        AdapterRejected: see `ChatService.load_adapter`.
    """
    asked = await _adapter_asked(service, exchange)
    base = service.settings.served_name or service.chat.info.name
    if asked.lora_name == base:
        raise InvalidParameter("lora_name", asked.lora_name, "the model is called so: give another name")
    path = _inside(service, asked.lora_path or asked.lora_name)
    try:
        await service.chat.load_adapter(asked.lora_name, path)
    except ModelError as error:  # its sentence says where the adapter lies
        raise AdapterRejected(str(error).replace(f"{path.parent}{os.sep}", "")) from error
    await exchange.reply(msgspec.json.encode(_card(service, asked.lora_name)))


async def unload_adapter(service: Service, exchange: Exchange) -> None:
    """Forget an adapter; answers that run with it go on.

    Raises:
        Refusal: no adapter directory is configured.
        UnknownModel: no adapter has that name.
    """
    asked = await _adapter_asked(service, exchange)
    await service.chat.unload_adapter(asked.lora_name)
    await exchange.reply(msgspec.json.encode({"id": asked.lora_name, "object": "model", "deleted": True}))


async def _adapter_asked(service: Service, exchange: Exchange) -> AdapterRequest:
    if service.settings.adapter_dir is None:
        raise Refusal(404, "not_found", "adapters are loaded at the start only: the server has no --adapter-dir")
    asked = decoded(await exchange.body(service.settings.max_body_bytes), AdapterRequest)
    for name, why in _NOT_DONE.items():
        if (value := getattr(asked, name)) is not None and value is not False:
            raise UnsupportedFeature(name, why)
    return asked


def _inside(service: Service, name: str) -> Path:
    """The folder of this name right below the adapter directory, and of no other place."""
    root = Path(service.settings.adapter_dir or ".").expanduser().resolve()
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise InvalidParameter("lora_path", name, "name a folder right below the server's adapter directory")
    path = root / name
    try:
        is_inside = path.resolve().parent == root and path.is_dir()
    except OSError:  # a name that no folder can have
        is_inside = False
    if not is_inside:
        raise InvalidParameter("lora_path", name, "there is no such folder in the server's adapter directory")
    return path.resolve()


def _card(service: Service, name: str) -> dict[str, Any]:
    """What is told of a model; never where it lies."""
    info = service.chat.info
    base = service.settings.served_name or info.name
    return {
        "id": name,
        "object": "model",
        "created": service.created,
        "owned_by": "duihua",
        "root": base,
        "parent": None if name == base else base,
        "max_model_len": info.context_window,
    }
