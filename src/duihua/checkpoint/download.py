"""Checkpoints from a hub, into that hub's own cache."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from duihua.checkpoint.adapters import is_adapter, pickled
from duihua.checkpoint.weights import refuse_pickles
from duihua.errors import ModelNotFound

if TYPE_CHECKING:
    from duihua.checkpoint.meter import Meter

__all__ = ["Fetch", "OnProgress", "Plan", "fetch_adapter", "fetch_huggingface", "fetch_modelscope", "plan_huggingface"]

OnProgress = Callable[[str, float], None]
"""Told a stage ("download") and the fraction of it that is done, from 0 to 1; called from any thread."""

_ALWAYS: Final = ("*.json", "*.jinja", "*.safetensors", "*.tiktoken", "*.model", "merges.txt", "vocab.txt")
_PICKLES: Final = (".bin", ".pt", ".pth")
_CODE: Final = ("*.py",)
_ADAPTER: Final = ("adapter_config.json", "adapter_model.safetensors")
_UNWANTED: Final = ("*/*", "consolidated*")  # other formats: in folders, and Mistral's copy of the weights
_OR_A_DIRECTORY: Final = "or pass the directory of a checkpoint you have (./name)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """How to download; what is None is left to huggingface_hub and its variables (HF_ENDPOINT, ...)."""

    revision: str | None = None  # branch, tag or commit
    cache_dir: Path | None = None
    offline: bool = False  # use only what is in the cache
    endpoint: str | None = None
    allow_pickle: bool = False  # fetch pickled weights where there are no others
    trust_remote_code: bool = False  # fetch Python files too

    @property
    def patterns(self) -> list[str]:
        """File names worth fetching, pickles left out."""
        return [*_ALWAYS, *(_CODE if self.trust_remote_code else ())]


def fetch_huggingface(hub_id: str, fetch: Fetch, on_progress: OnProgress | None = None) -> Path:
    """The directory of a Hugging Face checkpoint or adapter, downloaded where the cache lacks it.

    Raises:
        ModelNotFound: no such model or revision, no access to it, or no network; says what to do.
        UnsupportedModel: its weights are pickles only, and those are not allowed.
        AdapterRejected: it is an adapter, and its weights are pickles only.
    """
    folder = _snapshot(hub_id, fetch, fetch.patterns, on_progress)
    if any(folder.glob("*.safetensors")) or fetch.offline:
        return folder
    pickles = _pickles_of(hub_id, fetch)
    if pickles and is_adapter(folder):
        raise pickled(hub_id)
    if pickles and not fetch.allow_pickle:
        raise refuse_pickles(hub_id, pickles)
    return _snapshot(hub_id, fetch, [*fetch.patterns, *pickles], on_progress) if pickles else folder


def fetch_adapter(hub_id: str, fetch: Fetch) -> Path:
    """The directory of a Hugging Face repository's adapter, and nothing else of it; raises as `fetch_huggingface`."""
    folder = _snapshot(hub_id, fetch, list(_ADAPTER), None)
    if not fetch.offline and not (folder / _ADAPTER[1]).exists() and _pickles_of(hub_id, fetch):
        raise pickled(hub_id)
    return folder


def _snapshot(hub_id: str, fetch: Fetch, patterns: list[str], on_progress: OnProgress | None) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    from duihua.checkpoint.meter import Meter

    meter = Meter(on_progress)
    options: dict[str, Any] = {
        "revision": fetch.revision,
        "cache_dir": fetch.cache_dir,
        "endpoint": fetch.endpoint,
        "allow_patterns": patterns,
        "ignore_patterns": list(_UNWANTED),
        "tqdm_class": meter.bar_class(),
    }
    try:
        if on_progress is not None and not fetch.offline:
            _announce(meter, hub_id, options)
        folder = huggingface_hub.snapshot_download(hub_id, local_files_only=fetch.offline, **options)
    except (HTTPError, OSError, ValueError) as error:
        raise _failed(hub_id, fetch, error) from error
    meter.finish()
    return Path(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `fetch_huggingface` would do."""

    sizes: Mapping[str, int]  # bytes of every file it wants
    missing: frozenset[str]  # those of them that the cache lacks

    @property
    def missing_bytes(self) -> int:
        """What would be downloaded."""
        return sum(self.sizes[name] for name in self.missing)


def plan_huggingface(hub_id: str, fetch: Fetch, folder: Path) -> Plan:
    """What `fetch_huggingface` would download.

    Of the files only config.json, some kilobytes, is fetched: into `folder`.

    Raises:
        ModelNotFound: see `fetch_huggingface`.
    """
    import huggingface_hub
    from huggingface_hub.errors import DryRunError, HfHubHTTPError, HTTPError, LocalEntryNotFoundError  # pyright: ignore[reportPrivateImportUsage]

    from duihua.checkpoint.meter import Meter

    options: dict[str, Any] = {
        "revision": fetch.revision,
        "cache_dir": fetch.cache_dir,
        "endpoint": fetch.endpoint,
        "tqdm_class": Meter(None).bar_class(),
    }
    patterns: dict[str, Any] = {"allow_patterns": fetch.patterns, "ignore_patterns": list(_UNWANTED)}
    try:
        files = huggingface_hub.snapshot_download(hub_id, dry_run=True, **options, **patterns)
        if any(file.filename == "config.json" for file in files):
            huggingface_hub.hf_hub_download(hub_id, "config.json", local_dir=folder, **options)
    except DryRunError as error:
        told = error.__cause__
        unreachable = LocalEntryNotFoundError(str(error))
        raise _failed(hub_id, fetch, told if isinstance(told, HfHubHTTPError) else unreachable) from error
    except (HTTPError, OSError, ValueError) as error:
        raise _failed(hub_id, fetch, error) from error
    return Plan(
        sizes={file.filename: file.file_size or 0 for file in files},
        missing=frozenset(file.filename for file in files if file.will_download),
    )


def _announce(meter: Meter, hub_id: str, options: dict[str, Any]) -> None:
    """Tell the meter how many bytes will come; without a network the cache may still do."""
    import huggingface_hub
    from huggingface_hub.errors import DryRunError

    try:
        files = huggingface_hub.snapshot_download(hub_id, dry_run=True, **options)
    except DryRunError:
        return
    meter.begin(sum(file.file_size or 0 for file in files if file.will_download))


def _pickles_of(hub_id: str, fetch: Fetch) -> list[str]:
    import huggingface_hub
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    try:
        files = huggingface_hub.HfApi(endpoint=fetch.endpoint).list_repo_files(hub_id, revision=fetch.revision)
    except (HTTPError, OSError):
        return []  # what is in the cache is judged by `read`
    return [file for file in files if "/" not in file and Path(file).suffix in _PICKLES]


def _failed(hub_id: str, fetch: Fetch, error: Exception) -> ModelNotFound:
    """What a failed download means to the person who asked for it."""
    from huggingface_hub import constants, errors

    hub = fetch.endpoint or constants.ENDPOINT
    offline = fetch.offline or constants.HF_HUB_OFFLINE
    if isinstance(error, errors.GatedRepoError):
        why = f"{hub_id} is given only to those who accepted its terms"
        cure = f"accept them at {hub}/{hub_id} and log in with `hf auth login`"
    elif isinstance(error, errors.RepositoryNotFoundError):
        why, cure = (
            f"{hub} has no model {hub_id}, or it is private",
            "check the name, log in with `hf auth login`",
        )
    elif isinstance(error, errors.RevisionNotFoundError):
        why, cure = (
            f"{hub_id} has no revision {fetch.revision!r}",
            f"see {hub}/{hub_id}/tree/main for what it has",
        )
    elif isinstance(error, errors.LocalEntryNotFoundError):
        why = f"{hub_id} is not complete in the cache, and "
        why += "offline mode is on" if offline else f"{hub} cannot be reached"
        cure = "go online" if offline else "check the network, name a mirror in HF_ENDPOINT"
    else:
        why, cure = f"{hub_id} could not be downloaded from {hub} ({error})", "try again"
    return ModelNotFound(f"{why}: {cure}, {_OR_A_DIRECTORY}")


def fetch_modelscope(hub_id: str, fetch: Fetch) -> Path:
    """The directory of a ModelScope checkpoint, downloaded where the cache lacks it.

    Raises:
        ModelNotFound: the package `modelscope` is missing, or the download failed.
    """
    if importlib.util.find_spec("modelscope") is None:
        cure = f"pip install 'duihua[modelscope]', {_OR_A_DIRECTORY}"
        raise ModelNotFound(f"modelscope:{hub_id} needs the package modelscope: {cure}")
    import modelscope  # pyright: ignore[reportMissingImports]
    from modelscope.hub import errors  # pyright: ignore[reportMissingImports]

    failures = (errors.NotExistError, errors.FileDownloadError, errors.NotLoginException, OSError, ValueError)
    try:
        folder = modelscope.snapshot_download(
            hub_id,
            revision=fetch.revision,
            cache_dir=fetch.cache_dir,
            local_files_only=fetch.offline,
            allow_patterns=[*fetch.patterns, *(f"*{end}" for end in _PICKLES if fetch.allow_pickle)],
            ignore_patterns=list(_UNWANTED),
        )
    except failures as error:
        raise ModelNotFound(
            f"modelscope:{hub_id} could not be downloaded ({error}): check the name and the network, {_OR_A_DIRECTORY}"
        ) from error
    return Path(folder)
