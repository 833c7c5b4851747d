"""Tools from a user's own Python file."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from duihua.errors import ConfigError
from duihua.tools.function import FunctionTool
from duihua.tools.tool import Tool

__all__ = ["load_tools"]

_MEMBERS = ("name", "description", "parameters", "call", "aclose")  # of `Tool`


def load_tools(path: str | os.PathLike[str]) -> list[Tool]:
    """The tools of a Python file, which is run as a module: its own imports from the same directory work.

    They are the decorated functions (`@duihua.tool`) and other tools at its top level; where there are none, all public
    functions with a docstring that it defines. A name that begins with `_` is not taken.

    Raises:
        ConfigError: there is no such file, it does not run (with the line), or there are no tools in it.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(f"the tool file {os.fspath(path)!r} is not there: check the path")
    module = _run(file.resolve())
    values = list(vars(module).items())
    tools = [cast("Tool", value) for name, value in values if not name.startswith("_") and _is_tool(value)]
    if tools:
        return list({id(tool): tool for tool in tools}.values())
    functions = [value for name, value in values if not name.startswith("_") and _is_own(value, module)]
    if not functions:
        raise ConfigError(
            f"there are no tools in {os.fspath(path)!r}: put @duihua.tool before a function, or give it a docstring"
        )
    return [FunctionTool(function) for function in functions]


def _run(file: Path) -> ModuleType:
    name = f"duihua_tools_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"the tool file {str(file)!r} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look there for annotations
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except ConfigError as error:  # a signature that cannot be described
        sys.modules.pop(name, None)
        raise ConfigError(f"{file.name}: {error}") from error
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise ConfigError(f"the tool file {str(file)!r} does not run: {_reason(error, file)}") from error
    finally:
        sys.path.remove(str(file.parent))
    return module


def _reason(error: BaseException, file: Path) -> str:
    """What is wrong, and the file's own line that it is about."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"


def _is_tool(value: Any) -> bool:
    return not isinstance(value, type) and all(hasattr(value, member) for member in _MEMBERS)


def _is_own(value: Any, module: ModuleType) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__ and bool(inspect.getdoc(value))
