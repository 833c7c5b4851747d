"""A LoRA adapter on disk: what it is, and whether it fits a model; no weight is loaded."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from duihua.checkpoint.checkpoint import Checkpoint
from duihua.checkpoint.files import broken, cannot_be_read, read_json, whole_number
from duihua.checkpoint.fit import check_digest, check_layers
from duihua.checkpoint.lora import pair_tensors
from duihua.checkpoint.weights import read_header, weight_files
from duihua.errors import AdapterRejected, ModelLoadFailed

__all__ = ["Adapter", "check_fit", "is_adapter", "newest_adapter", "pickled", "read_adapter"]

_CONFIG: Final = "adapter_config.json"
_WEIGHTS: Final = "adapter_model.safetensors"
_PICKLES: Final = ("adapter_model.bin", "adapter_model.pt")
_FEATURES: Final = (
    "use_dora",
    "modules_to_save",
    "lora_bias",
    "rank_pattern",
    "alpha_pattern",
    "trainable_token_indices",
    "target_parameters",
)
_REFUSED: Final = (
    "layer_replication",
    "alora_invocation_tokens",
    "use_bdlora",
    "use_qalora",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
# Ways to begin a training that leave the base's weights alone; the others (PiSSA, OLoRA, CorDA, LoftQ) change them
# when the adapter is loaded, under everybody who talks to the base.
_GENTLE: Final = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA adapter in PEFT's format."""

    path: Path
    rank: int  # the highest of its layers
    targets: tuple[str, ...]  # last parts of the names of the layers it changes: "q_proj"
    base: str | None  # its base model, as adapter_config.json names it
    base_sha256: str | None = None  # of the base's model.safetensors, where the adapter's weights record it
    features: tuple[str, ...] = ()  # keys of adapter_config.json beyond plain LoRA, which not every engine can run
    # The base's names for the layers with a LoRA pair, and for those saved whole; and the shapes that fit.
    layers: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]], repr=False)
    whole: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]], repr=False)


def is_adapter(path: Path) -> bool:
    """Whether a directory is meant as an adapter: one beside a whole model is a part of that."""
    return os.path.lexists(path / _CONFIG) and not os.path.lexists(path / "config.json")


def read_adapter(path: Path) -> Adapter:
    """Read an adapter's directory, in PEFT's format.

    Plain LoRA runs on every engine. What goes beyond it is in `Adapter.features`. Refused are kinds other than LoRA,
    pickles, trained biases of the base (`bias`), and ways to begin (`init_lora_weights`: PiSSA, OLoRA, ...) that
    change the base itself.

    Raises:
        AdapterRejected: it is none, is broken, or is of a kind that is not run; names the file and the cure.
    """
    _check_directory(path)
    with _rejecting():
        config = read_json(path / _CONFIG)
        _check_kind(path / _CONFIG, config)
        ranks = _ranks(path / _CONFIG, config)
        header = read_header(_weights(path))
    tensors = pair_tensors(header.shapes, config, path / _WEIGHTS)
    if strange := sorted(tensors.ranks - ranks):
        raise AdapterRejected(
            f"{path / _WEIGHTS} has a layer of rank {strange[0]}, and {_CONFIG} says "
            f"{' or '.join(map(str, sorted(ranks)))}: copy both files from the same training"
        )
    return Adapter(
        path=path,
        rank=max(tensors.ranks | ranks),
        targets=tensors.targets,
        base=_named_base(config),
        base_sha256=header.metadata.get("base_sha256"),
        features=tuple(key for key in _FEATURES if config.get(key)),
        layers=tensors.layers,
        whole=tensors.whole,
    )


def check_fit(adapter: Adapter, checkpoint: Checkpoint) -> None:
    """Refuse an adapter that was made for another model.

    Where the adapter records its base's sha256 and the checkpoint is one file, they are compared; this reads the
    whole file, once a process. Else the layers that the adapter changes must be in the checkpoint, in their shapes;
    a quantised checkpoint has other shapes, and pickles are not looked into.

    Raises:
        AdapterRejected: another base (by its sha256), or layers and shapes that the model has not.
        ModelLoadFailed: the checkpoint's weights cannot be read.
    """
    files = weight_files(checkpoint.path)
    if adapter.base_sha256 is not None and [file.name for file in files] == ["model.safetensors"]:
        check_digest(str(adapter.path), adapter.base_sha256, files[0])
    elif files:
        base = {name: shape for file in files for name, shape in read_header(file).shapes.items()}
        if checkpoint.quantisation is not None:
            base = dict.fromkeys(base, ())
        check_layers(str(adapter.path), {**adapter.layers, **adapter.whole}, base, checkpoint.name)


def newest_adapter(path: Path) -> Path | None:
    """The newest adapter below a directory, as a training leaves them in checkpoint-100, checkpoint-200, ..."""
    below = [file.parent for depth in ("*", "*/*") for file in path.glob(f"{depth}/{_CONFIG}")]
    return max(below, key=_age, default=None)


def pickled(name: str) -> AdapterRejected:
    """The error for an adapter whose weights are only there as a pickle."""
    return AdapterRejected(
        f"{name} has its weights only as a pickle, which can run code when it is loaded: "
        "load it with PEFT where you trust it, and save it with save_pretrained, which writes safetensors"
    )


def _age(path: Path) -> tuple[int, float]:
    number = path.name.rpartition("-")[2]
    return (int(number) if number.isdecimal() else -1, (path / _CONFIG).stat().st_mtime)


def _check_directory(path: Path) -> None:
    """Say what a path is where it is no adapter's directory."""
    if os.path.isfile(path):
        raise AdapterRejected(f"{path} is a file: pass the adapter's directory, {path.parent}")
    if not os.path.isdir(path):
        raise AdapterRejected(f"there is no directory {path}: check the path")
    if not os.access(path, os.R_OK | os.X_OK):
        raise AdapterRejected(f"the directory {path} may not be read: check its permissions (chmod u+rx)")
    if not os.path.lexists(path / _CONFIG):
        raise AdapterRejected(f"{path} {_instead(path)}")


def _instead(path: Path) -> str:
    """What is in a directory without an adapter_config.json, and what to do."""
    if inner := newest_adapter(path):
        return f"is no adapter itself but holds adapters: did you mean {inner}?"
    names = sorted(os.listdir(path))
    if not names:
        return f"is empty: pass the directory that holds {_CONFIG}"
    if "config.json" in names:
        return "holds a whole model and no adapter: pass it as MODEL, and an adapter's directory here"
    if _WEIGHTS in names:
        return f"has no {_CONFIG} beside {_WEIGHTS}: copy that too"
    if any(name.endswith(".gguf") for name in names):
        return "holds a GGUF file, the format of llama.cpp: pass the adapter it was made from, in PEFT's format"
    return f"holds no {_CONFIG}, so it is no LoRA adapter in PEFT's format: pass the directory of one"


def _check_kind(file: Path, config: Mapping[str, Any]) -> None:
    kind: object = config.get("peft_type")
    if kind != "LORA":
        raise AdapterRejected(f"{file} has peft_type {kind!r}, and only LORA is run: merge it into its base with PEFT")
    if config.get("bias", "none") != "none":
        raise AdapterRejected(
            f"{file} has bias={config['bias']!r}, so it would change biases of the base itself: "
            "merge it into its base with PEFT"
        )
    beginning: object = config.get("init_lora_weights", True)
    if isinstance(beginning, str) and beginning.lower() not in _GENTLE:
        raise AdapterRejected(
            f"{file} has init_lora_weights={beginning!r}, which changes the weights of the base when it is loaded: "
            "save it as plain LoRA (path_initial_model_for_weight_conversion of PEFT's save_pretrained)"
        )
    for key in _REFUSED:
        if config.get(key):
            raise AdapterRejected(f"{file} has {key}, which is not run: merge it into its base with PEFT")


def _ranks(file: Path, config: Mapping[str, Any]) -> set[int]:
    """Every rank that a layer may have."""
    pattern: object = config.get("rank_pattern") or {}
    if not isinstance(pattern, Mapping):
        raise broken(file, f"has rank_pattern: {pattern!r}, and a table belongs there", cure="mend it")
    ranks = {"r": config.get("r"), **cast("Mapping[str, object]", pattern)}
    return {whole_number(rank, path=file, key=key) for key, rank in ranks.items()}


def _weights(path: Path) -> Path:
    """The weight file; says so where there is only a pickle, or none."""
    if not os.path.lexists(path / _WEIGHTS):
        if there := [name for name in _PICKLES if os.path.lexists(path / name)]:
            raise pickled(str(path / there[0]))
        raise AdapterRejected(f"{path} lacks {_WEIGHTS}: wait until it is saved, or copy the whole directory again")
    return path / _WEIGHTS


def _named_base(config: Mapping[str, Any]) -> str | None:
    base: object = config.get("base_model_name_or_path")
    return (base.strip() or None) if isinstance(base, str) else None


@contextmanager
def _rejecting() -> Generator[None]:
    """A file that cannot be read is an adapter that cannot be loaded; and what was trained here has no download."""
    try:
        yield
    except ModelLoadFailed as error:
        said = str(error)
        if said.endswith(bare := ": download it again"):
            said = f"{said.removesuffix(bare)}: wait until it is saved, or copy it again"
        raise AdapterRejected(said) from error
    except OSError as error:
        raise AdapterRejected(str(cannot_be_read(Path(error.filename or ""), error))) from error
