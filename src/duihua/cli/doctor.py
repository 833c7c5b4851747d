"""`duihua doctor`: what is installed, what runs here, and whether a model would."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import typer

from duihua.cli.doctor_page import Teller, show
from duihua.cli.flags import ENGINE, MODEL, Body
from duihua.config import Settings, interface_language, wants_color
from duihua.terminal.output import Output, screen_of
from duihua.terminal.texts import Say

if TYPE_CHECKING:
    from duihua.api.doctor import Diagnosis

__all__ = ["DOCTOR", "as_json", "doctor"]

_CANNOT: Final = 3  # the exit code of a model that cannot be used


def doctor(settings: Settings, *, json: bool | None) -> None:
    """Look, and tell; exits with 3 where no conversation could start with these arguments.

    Raises:
        ConfigError: settings that cannot be followed.
    """
    screen = screen_of(sys.stdout, color=wants_color(settings.terminal.color, is_terminal=sys.stdout.isatty()))
    output, tell = Output(screen, screen), Teller(Say(interface_language(settings.terminal.language)))
    if not json:
        output.progress(tell("looking"))
    try:
        from duihua.api.doctor import examine

        found = examine(settings)
    finally:
        output.end_progress()
    if json:
        typer.echo(jsonlib.dumps(as_json(found), ensure_ascii=False, default=str))
    else:
        show(found, output, tell)
    if not found.can_start:
        raise typer.Exit(_CANNOT)


def as_json(found: Diagnosis) -> dict[str, Any]:
    """Everything that was found, in plain values. Keys stay; sizes are bytes, lengths tokens, null is unknown or none.

    duihua, python, system: versions. packages: {distribution: version or null}.
    engines: [{name, runs, reason, detail}]. choice: {engine, reason, device, dtype, refusal}, with these arguments.
    gpus: [{name, capability, total_bytes, free_bytes}]. gpu_build: the CUDA version of torch.
    cpu: {cores, features}. memory: {total_bytes, available_bytes, is_limited}.
    shared_memory, cache, temporary: {path, total_bytes, free_bytes, is_writable}. hub: {endpoint, offline}.
    settings_file: {path, is_there}.
    model: null, or {name, origin, path, family, architecture, quantisation, chat_template ("own", "family"), adapter,
    context_window, sliding_window, weight_bytes, parameters, download: {files, bytes}, error,
    fit: {engine, device, dtype, loaded_bytes, room_bytes, kv_bytes_per_token, wanted_tokens, context_that_fits,
    must_hold, cures}}.
    problems: [{name, blocks, message, and what the message says}]. can_start: whether a conversation could.
    """
    tell = Teller(Say("en"))
    subject = found.subject
    return {
        "duihua": found.duihua,
        "python": found.python,
        "system": found.system,
        "packages": dict(found.packages),
        "engines": [asdict(state) for state in found.engines],
        "choice": None if found.placement is None else asdict(found.placement),
        "gpus": [asdict(gpu) for gpu in found.probed.gpus],
        "gpu_build": found.probed.gpu_build,
        "cpu": asdict(found.cpu),
        "memory": asdict(found.memory),
        "shared_memory": None if found.shared_memory is None else asdict(found.shared_memory),
        "cache": None if found.cache is None else asdict(found.cache),
        "temporary": None if found.temporary is None else asdict(found.temporary),
        "hub": {name: found.hub[name] for name in ("endpoint", "offline")},
        "settings_file": {"path": found.settings.file, "is_there": found.settings.file.is_file()},
        "model": None if subject is None else _model_json(found),
        "problems": [
            {"name": problem.name, "blocks": problem.blocks, "message": tell.problem(problem), **problem.values}
            for problem in found.problems
        ],
        "can_start": found.can_start,
    }


def _model_json(found: Diagnosis) -> dict[str, Any] | None:
    subject = found.subject
    if subject is None:
        return None
    plan = subject.plan
    return {
        "name": subject.name,
        "origin": subject.origin,
        "path": subject.path,
        "family": subject.title,
        "architecture": subject.architecture,
        "quantisation": subject.quantisation,
        "chat_template": subject.chat_template,
        "adapter": subject.adapter,
        "context_window": subject.context_window,
        "sliding_window": subject.sliding_window,
        "weight_bytes": subject.weight_bytes,
        "parameters": subject.parameters,
        "download": None if plan is None else {"files": len(plan.missing), "bytes": plan.missing_bytes},
        "error": subject.error,
        "fit": None if found.fit is None else asdict(found.fit),
    }


DOCTOR: Final = Body(doctor, ("model.model", "json", *MODEL, *ENGINE))
