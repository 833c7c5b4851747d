"""The form that answers are held to, from a file."""

from __future__ import annotations

import json
from pathlib import Path

from duihua.errors import ConfigError, RequestError
from duihua.grammar import Grammar

__all__ = ["read_form"]


def read_form(path: str) -> Grammar:
    """The grammar of the JSON schema in a file.

    Raises:
        ConfigError: there is no such file, it holds no JSON schema, or a keyword in it is not honoured; says which.
    """
    from duihua.grammar.asked import grammar_of

    try:
        schema: object = json.loads(Path(path).expanduser().read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"flag --schema: {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"flag --schema: {path} is no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise ConfigError(f"flag --schema: {path} holds no JSON schema: it must be an object")
    try:
        form = grammar_of(schema, "schema")
    except RequestError as error:
        raise ConfigError(f"flag --schema: {path}: {error}") from error
    if form is None:
        raise ConfigError(f"flag --schema: {path} asks for nothing: give a JSON schema")
    return form
