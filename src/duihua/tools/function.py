"""Python functions as tools: `@duihua.tool`."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from duihua.errors import ConfigError, ToolError
from duihua.tools.docstring import read_docstring
from duihua.tools.failure import failure_of
from duihua.tools.output import output_of
from duihua.tools.parameters import Parameters
from duihua.tools.threads import Threads
from duihua.tools.tool import ToolOutput

__all__ = ["FunctionTool", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)


class FunctionTool(Generic[P, R]):
    """A function that a model may call; in Python it is called as before."""

    def __init__(self, function: Callable[P, R], *, name: str | None = None, description: str | None = None) -> None:
        """Describe a function for a model.

        Args:
            function: synchronous or async, its parameters annotated. What its docstring says before the first section
                is the description; what it says of arguments, in Google's, numpy's or Sphinx's form, is theirs.
            name: instead of the function's own.
            description: instead of the docstring's.

        Raises:
            ConfigError: the signature cannot be described.
        """
        own = getattr(function, "__name__", None)
        if not callable(function) or (name or own) is None:
            raise ConfigError(f"{function!r} cannot be a tool: give a function, or a name for it")
        said = read_docstring(inspect.getdoc(function))
        self.name: str = name or str(own)
        self.description: str = said.description if description is None else description
        self._parameters = Parameters(function, said.arguments)
        self._threads = Threads(self.name)
        self._function = function
        functools.update_wrapper(cast("Any", self), function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function itself."""
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its arguments as a JSON schema."""
        return self._parameters.schema

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Check the arguments and run the function, one that is not async in a thread.

        An async function is cancelled with the call. A thread cannot be: it runs on, and what it gives is dropped.

        Raises:
            InvalidToolArguments: they are not what the function takes.
            ToolFailed: the function raised an error, or returned what cannot be passed on.
        """
        checked = self._parameters.check(arguments)
        try:
            return await self._run(checked)
        except ToolError:
            raise
        except (Exception, SystemExit) as error:
            _log.info("the tool %s failed", self.name, exc_info=True)
            raise failure_of(error) from error

    async def aclose(self) -> None:
        """Nothing is kept running."""

    async def _run(self, arguments: Mapping[str, Any]) -> ToolOutput:
        function = cast("Callable[..., Any]", self._function)
        if inspect.iscoroutinefunction(inspect.unwrap(function)):
            value = await function(**arguments)
            return await asyncio.to_thread(output_of, value)
        return await self._threads.run(lambda: output_of(function(**arguments)))


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, description: str | None = None
) -> Any:
    """Make a tool of a function: `@duihua.tool`, or `@duihua.tool(name=..., description=...)`.

    Annotations and docstring tell the model what it takes. What the function returns may be text, anything that JSON
    can say, pictures (`duihua.Image`, Pillow's), or a list of text and pictures. What it raises is told to the model.

    Args:
        function: synchronous ones run in a thread, async ones on the event loop.
        name: instead of the function's own.
        description: instead of the docstring's.

    Raises:
        ConfigError: the signature cannot be described; says which parameter and why.
    """
    if function is None:
        return lambda function: FunctionTool(function, name=name, description=description)
    return FunctionTool(function)
