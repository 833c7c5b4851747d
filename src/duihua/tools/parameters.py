"""A function's parameters: as a JSON schema for the model, and as the check of what the model gives.

pydantic does both; it is imported when the first function is made a tool.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Final, cast, get_args, get_origin, get_type_hints

from duihua.errors import ConfigError, InvalidToolArguments
from duihua.tools.inlined import inlined

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = ["Parameters"]

_MOST_PROBLEMS: Final = 8  # that are told at once
_LONGEST_VALUE: Final = 60  # characters of a wrong value that are told


class Parameters:
    """The parameters of one function."""

    def __init__(self, function: Callable[..., Any], described: Mapping[str, str]) -> None:
        """Read a function's signature.

        Args:
            function: each parameter needs an annotation. In `Annotated[type, ...]`, a string is the description and a
                bool says whether it is required, as in GLM-4's demos; whatever pydantic knows holds too.
            described: what the docstring says of each parameter.

        Raises:
            ConfigError: a parameter without annotation or name, or of a type that JSON cannot bring.
        """
        self._names = list(_parameters(function))
        self._model = _model_of(function, described)
        self.schema = _schema_of(self._model, function)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them, by name; those that were left out keep their defaults.

        Raises:
            InvalidToolArguments: one is missing, unknown, or of a wrong type.
        """
        from pydantic import ValidationError

        try:
            checked = self._model.model_validate(dict(arguments))
        except ValidationError as error:
            raise InvalidToolArguments(_problems(error, self._names)) from error
        fields = type(checked).model_fields
        given = {key for key in fields if key in checked.model_fields_set or fields[key].default is None}
        return {fields[key].alias or key: getattr(checked, key) for key in fields if key in given}


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        found = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{function!r} cannot be a tool: its signature cannot be read ({error})") from error
    for parameter in found.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise _refused(function, f"its parameter {parameter} has no name that a call could use: write a plain one")
        if parameter.annotation is parameter.empty:
            raise _refused(function, f"its parameter {parameter.name!r} has no type: annotate it, as in `city: str`")
    return found


def _model_of(function: Callable[..., Any], described: Mapping[str, str]) -> type[BaseModel]:
    """A pydantic model with a field for each parameter; the fields' own names are ours, for no name may disturb it."""
    from pydantic import ConfigDict, create_model
    from pydantic.errors import PydanticUserError

    hints = _hints(function)
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(_parameters(function).values()):
        hint, field = _field(hints[parameter.name], parameter, described.get(parameter.name))
        fields[f"parameter_{index}"] = (hint, field)
    try:
        return create_model("Parameters", __config__=ConfigDict(extra="forbid"), **fields)
    except (PydanticUserError, TypeError) as error:
        raise _refused(function, f"a parameter's type cannot come as JSON: {str(error).splitlines()[0]}") from error


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of the parameters as types; that of the result may be one that exists for checkers only."""
    plain = inspect.unwrap(getattr(function, "__func__", function))
    annotations = {key: value for key, value in getattr(plain, "__annotations__", {}).items() if key != "return"}
    standing_in = cast("Callable[..., Any]", SimpleNamespace(__annotations__=annotations))
    try:
        return get_type_hints(standing_in, globalns=getattr(plain, "__globals__", {}), include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise _refused(function, f"an annotation cannot be read: {error}: use names that the module has") from error


def _field(hint: Any, parameter: inspect.Parameter, described: str | None) -> tuple[Any, Any]:
    from pydantic import Field

    description, is_required = described, parameter.default is parameter.empty
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        description = next((note for note in notes if isinstance(note, str)), description)
        is_required = next((note for note in notes if isinstance(note, bool)), is_required)
        description = next((text for note in notes if (text := getattr(note, "description", None))), description)
        kept = [note for note in notes if not isinstance(note, str | bool)]
        hint = Annotated[kind, *kept] if kept else kind
    default = None if parameter.default is parameter.empty else parameter.default
    if is_required:
        return hint, Field(alias=parameter.name, description=description)
    return hint, Field(default, alias=parameter.name, description=description)


def _schema_of(model: type[BaseModel], function: Callable[..., Any]) -> dict[str, Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        """Titles repeat the names, and cost tokens; a default that is no JSON is left out."""

        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  pydantic's own form

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  the seam's
            return False

    try:
        schema = model.model_json_schema(schema_generator=Untitled)
    except PydanticInvalidForJsonSchema as error:
        raise _refused(function, f"a parameter's type cannot come as JSON: {str(error).splitlines()[0]}") from error
    plain = inlined(schema)
    plain.pop("title", None)
    return {"type": "object", "properties": {}, **plain}


def _problems(error: ValidationError, names: Sequence[str]) -> list[str]:
    """Each problem in a sentence, for a model that has to do better."""
    found = error.errors(include_url=False, include_context=False)
    told = [_problem(item["loc"], item["type"], item["msg"], item["input"], names) for item in found[:_MOST_PROBLEMS]]
    return told if len(found) <= _MOST_PROBLEMS else [*told, f"and {len(found) - _MOST_PROBLEMS} more"]


def _problem(place: tuple[int | str, ...], kind: str, message: str, value: object, names: Sequence[str]) -> str:
    where = ".".join(str(part) for part in place)
    if kind == "extra_forbidden" and len(place) == 1:
        return f"there is no parameter {where!r}: " + (f"they are {', '.join(names)}" if names else "there are none")
    if kind == "missing":
        return f"{where!r} is missing"
    shown = repr(value)
    shown = shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}..."
    return f"{where!r} is {shown}: {message[:1].lower()}{message[1:]}"


def _refused(function: Callable[..., Any], why: str) -> ConfigError:
    return ConfigError(f"the function {getattr(function, '__qualname__', function)!s} cannot be a tool: {why}")
