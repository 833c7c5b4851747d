"""What MODEL means: a directory, an alias, a bundled name, or an id on a hub."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from duihua.checkpoint.adapters import Adapter, is_adapter, newest_adapter, read_adapter
from duihua.checkpoint.checkpoint import Origin
from duihua.checkpoint.download import Fetch, OnProgress, fetch_adapter, fetch_huggingface, fetch_modelscope
from duihua.errors import AdapterRejected, ConfigError, ModelLoadFailed, ModelNotFound, UnsupportedModel

__all__ = ["Located", "bundled_names", "locate", "locate_adapter"]

_DEFAULT_MODEL: Final = "demo"
_BUNDLED: Final = Path(__file__).parent / "bundled"
_MODELSCOPE: Final = "modelscope:"
_FILE_CURES: Final = {
    ".gguf": "a GGUF file, the format of llama.cpp, which is not run here: "
    "pass the directory of the Hugging Face checkpoint it was made from",
    ".safetensors": "one weight file of a checkpoint: pass its directory, {parent}",
    ".bin": "one weight file of a checkpoint: pass its directory, {parent}",
    ".pt": "one weight file of a checkpoint: pass its directory, {parent}",
    ".pth": "one weight file of a checkpoint: pass its directory, {parent}",
    ".json": "one file of a checkpoint: pass its directory, {parent}",
    ".zip": "an archive: unpack it and pass the directory",
    ".gz": "an archive: unpack it and pass the directory",
    ".tar": "an archive: unpack it and pass the directory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where a model's files are, and how its name was understood.

    Where MODEL names a LoRA adapter, this is its base, with the adapter beside it.
    """

    path: Path
    name: str  # the bundled name, the hub id, the directory's last part
    origin: Origin
    adapter: Path | None = None
    adapter_name: str | None = None  # the last part of what it is called, fit to be loaded under: "demo-pirate"


def locate(
    model: str | None,
    *,
    base: str | None = None,
    aliases: Mapping[str, str] = MappingProxyType({}),
    fetch: Fetch = Fetch(),
    on_progress: OnProgress | None = None,
) -> Located:
    """Find a model's directory, downloading it where MODEL names one on a hub.

    Tried in order: an explicit directory (`./x`, `/x`, `~/x`) or an existing one that holds a checkpoint or an
    adapter; an alias; an http(s) address (refused); a bundled name; `modelscope:org/name`; a Hugging Face id.
    The base of an adapter is the one given, else the one that its configuration records.

    Args:
        model: what the user wrote; None means the bundled demo.
        base: the base of an adapter, in any of these forms; None: the one that the adapter records.
        aliases: names of the user's own, each for any of these forms.
        fetch: how to download; its revision is that of `model`, or of the base where only that is on a hub.
        on_progress: told the stage and the fraction done, from 0 to 1.

    Raises:
        ModelNotFound: nothing answers to this name, or to an adapter's base; says what is nearest and the cure.
        ModelLoadFailed: an explicit directory that may not be read.
        UnsupportedModel: an address or a single file.
        AdapterRejected: an adapter that is broken or names no base.
        ConfigError: a base is given, and the model is no adapter.
    """
    located = _plain(_DEFAULT_MODEL if model is None else model, aliases, fetch, on_progress)
    if is_adapter(located.path):
        return _with_base(located, base, aliases, fetch, on_progress)
    if base is not None:
        raise ConfigError(f"a base ({base}) goes with an adapter, and {located.name} is a whole model: leave it out")
    return located


def locate_adapter(adapter: str, *, fetch: Fetch | None = None) -> Path:
    """The directory of an adapter: a directory, a bundled name, or a Hugging Face id.

    What is not there but would stand in a directory that is (`out/checkpoint-5`) is a directory, not an id.

    Args:
        adapter: what the user wrote.
        fetch: how to download; None: nothing is looked for on a hub.

    Raises:
        AdapterRejected: an id that is not on the hub, or is there as a pickle only. Whether a directory holds an
            adapter is for `read_adapter` to say.
    """
    said = adapter.strip()
    path = Path(os.path.expanduser(said))
    is_here = os.path.lexists(path) or _is_explicit(said, path)
    if not is_here and said in bundled_names() and is_adapter(_BUNDLED / said):
        return _BUNDLED / said
    if fetch is None or is_here or said.count("/") != 1 or os.path.isdir(path.parent):
        return path.resolve() if os.path.isdir(path) else path
    try:
        _check_id(said, said)
        return fetch_adapter(said, fetch)
    except ModelNotFound as error:
        raise AdapterRejected(str(error)) from error


def bundled_names() -> list[str]:
    """Names of the models and adapters inside the package."""
    files = (file for name in ("config.json", "adapter_config.json") for file in _BUNDLED.glob(f"*/{name}"))
    return sorted({file.parent.name for file in files})


def _plain(said: str, aliases: Mapping[str, str], fetch: Fetch, on_progress: OnProgress | None) -> Located:
    """What a name means, be it a model or an adapter."""
    said = said.strip()
    if not said:
        raise ModelNotFound("the model's name is empty: leave it out for the demo, or pass a directory")
    located = _directory(said)
    if located is None and said in aliases:
        others = {alias: target for alias, target in aliases.items() if alias != said}
        return replace(_plain(aliases[said], others, fetch, on_progress), origin="alias")
    return located or _named(said, aliases, fetch, on_progress)


def _with_base(
    found: Located, base: str | None, aliases: Mapping[str, str], fetch: Fetch, on_progress: OnProgress | None
) -> Located:
    """An adapter's base, with the adapter beside it."""
    adapter = read_adapter(found.path)
    if "/" in found.name:  # the adapter is on a hub, and the revision is its own
        fetch = replace(fetch, revision=None)
    if base is not None:
        located = _plain(base, aliases, fetch, on_progress)
    else:
        located = _recorded_base(adapter, aliases, fetch, on_progress)
    if is_adapter(located.path):
        raise AdapterRejected(
            f"the base of {found.name}, {located.name}, is an adapter itself: merge that into its own base first "
            "(duihua adapters merge), and pass the outcome with --base"
        )
    return replace(located, adapter=found.path, adapter_name="-".join(found.name.rpartition("/")[2].split()))


def _recorded_base(
    adapter: Adapter, aliases: Mapping[str, str], fetch: Fetch, on_progress: OnProgress | None
) -> Located:
    """The base that an adapter names: a directory, also beside the adapter, a bundled name, an alias, or an id."""
    if adapter.base is None:
        raise AdapterRejected(f"{adapter.path} is a LoRA adapter that does not record its base: give it with --base")
    for path in (Path(os.path.expanduser(adapter.base)), adapter.path / adapter.base):
        if os.path.isdir(path) and _holds_model(path):
            return Located(path=path.resolve(), name=path.resolve().name, origin="directory")
    try:
        if adapter.base in bundled_names():
            return _named(adapter.base, aliases, fetch, on_progress)
        return _plain(adapter.base, aliases, fetch, on_progress)
    except (ModelNotFound, UnsupportedModel) as error:
        raise ModelNotFound(
            f"{adapter.path} is a LoRA adapter on {adapter.base}, which was not found: give its base with --base "
            f"({error})"
        ) from error


def _named(said: str, aliases: Mapping[str, str], fetch: Fetch, on_progress: OnProgress | None) -> Located:
    """A model that is no directory here: bundled, or on a hub."""
    if said.startswith(("http://", "https://")):
        raise UnsupportedModel(
            f"{said} is an address, and talking to a remote endpoint is not in this version: "
            "pass a directory or a Hugging Face id (org/name)"
        )
    if said in bundled_names():
        return Located(path=_BUNDLED / said, name=said, origin="bundled")
    if said.startswith(_MODELSCOPE):
        hub_id = said.removeprefix(_MODELSCOPE)
        _check_id(hub_id, said)
        return Located(path=fetch_modelscope(hub_id, fetch), name=hub_id, origin="modelscope")
    if os.path.isfile(said):
        raise UnsupportedModel(f"{said} is {_file_cure(Path(said))}")
    if said.count("/") != 1:
        raise ModelNotFound(_nothing_called(said, aliases))
    _check_id(said, said)
    return Located(path=fetch_huggingface(said, fetch, on_progress), name=said, origin="huggingface")


def _directory(said: str) -> Located | None:
    """The directory MODEL means, None where it means something else.

    Asked through os.path, whose questions answer no where Path's raise (a name too long, an unknown user).
    """
    path = Path(os.path.expanduser(said))
    explicit = _is_explicit(said, path)
    if os.path.isfile(path) and (explicit or path.suffix.lower() in _FILE_CURES):
        raise UnsupportedModel(f"{said} is {_file_cure(path)}")
    if os.path.isdir(path) and _holds_model(path):
        return Located(path=path.resolve(), name=path.resolve().name, origin="directory")
    if not explicit:
        return None
    if not os.path.isdir(path):
        raise ModelNotFound(f"there is no directory {said}{_near_path(path)}")
    if not os.access(path, os.R_OK | os.X_OK):
        raise ModelLoadFailed(f"the directory {said} may not be read: check its permissions (chmod u+rx)")
    raise ModelNotFound(f"{said} holds no config.json, so it is not a checkpoint{_inside(path)}")


def _is_explicit(said: str, path: Path) -> bool:
    separators = tuple(f"{dots}{mark}" for dots in (".", "..") for mark in ("/", os.sep))
    return path.is_absolute() or said in {".", "..", "~"} or said.startswith((*separators, "~"))


def _holds_model(path: Path) -> bool:
    return any(os.path.isfile(path / name) for name in ("config.json", "adapter_config.json"))


def _file_cure(path: Path) -> str:
    cure = _FILE_CURES.get(path.suffix.lower(), "a file: pass the directory of a checkpoint in Hugging Face format")
    return cure.format(parent=path.parent)


def _near_path(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f", nor {path.parent}: check the path"
    near = difflib.get_close_matches(path.name, [entry.name for entry in _directories(path.parent)], n=1)
    return f": did you mean {path.parent / near[0]}?" if near else ": check the path"


def _directories(path: Path) -> list[Path]:
    try:
        return [entry for entry in path.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _inside(path: Path) -> str:
    """A hint at the checkpoints further down, as in a download cache (`snapshots/<revision>`)."""
    below = [file.parent for depth in ("*", "*/*") for file in path.glob(f"{depth}/config.json")]
    if below:
        return f": did you mean {max(below, key=lambda found: found.stat().st_mtime)}?"
    if adapter := newest_adapter(path):
        return f": did you mean the adapter {adapter}?"
    return ": pass the directory that holds config.json and the weights"


def _check_id(hub_id: str, said: str) -> None:
    org, _, name = hub_id.partition("/")
    legal = all(part and all(c.isalnum() or c in "-_." for c in part) for part in (org, name))
    if not legal:
        raise ModelNotFound(f"{said!r} is no id of the form org/name: check it, or pass a directory as ./name")


def _nothing_called(said: str, aliases: Iterable[str]) -> str:
    here = {entry.name: f"./{entry.name}" for entry in _directories(Path()) if _holds_model(entry)}
    known = {**here, **{name: name for name in (*aliases, *bundled_names())}}
    near = difflib.get_close_matches(said, known, n=1)
    guess = f"did you mean {known[near[0]]}? " if near else ""
    names = ", ".join(bundled_names()) or "none"
    return (
        f"no directory, alias or bundled model is called {said!r}: {guess}"
        f"Pass a directory (./name), a Hugging Face id (org/name) or a bundled name ({names})"
    )
