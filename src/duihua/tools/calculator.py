"""Arithmetic that is exact where it can be: whole numbers of any size, fractions, decimals.

An expression is parsed by Python and evaluated here, node by node: nothing in it can name, call or reach anything that
is not in the tables below, and no number grows beyond a bound.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Annotated, Any, Final, cast

from duihua.errors import ToolFailed
from duihua.tools.function import FunctionTool

__all__ = ["calculator", "evaluate"]

Number = Fraction | float

_LONGEST: Final = 1000  # characters of an expression
_MOST_BITS: Final = 13_000  # of a number: some 3,900 digits; Python writes 4,300 at most
_MOST_FACTORIAL: Final = 1400  # whose digits are as many
_MOST_PLACES: Final = 4000  # before or behind the point: of a rounding, of an exponent of ten
_DIGITS: Final = 15  # of a result that is not exact
_LONGEST_DECIMAL: Final = 40  # digits behind the point that are written in full

_AS_PYTHON: Final = str.maketrans({
    "×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**", "（": "(", "）": ")", "，": ",", "＋": "+", "－": "-",
    "＊": "*", "／": "/", "π": "pi", "．": ".", **{chr(ord("０") + digit): str(digit) for digit in range(10)},
})  # fmt: skip
_OPERATORS: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
}
_CONSTANTS: Final[dict[str, float]] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_OF_REALS: Final[dict[str, Callable[..., float]]] = {
    name: getattr(math, name)
    for name in (
        "sqrt", "cbrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh",
        "cosh", "tanh", "hypot", "degrees", "radians",
    )
}  # fmt: skip
_OF_WHOLES: Final[dict[str, Callable[..., int]]] = {
    name: getattr(math, name) for name in ("factorial", "gcd", "lcm", "comb", "perm", "isqrt")
}
_OF_ANY: Final[dict[str, Callable[..., Any]]] = {
    "abs": abs,
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
    "round": lambda value, digits=Fraction(0): round(Fraction(value), _places(digits)),
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
}


def calculator() -> FunctionTool[[str], str]:
    """The tool."""

    def calculate(
        expression: Annotated[str, "such as 37*89, (1/3 + 0.5)**2, sqrt(2), comb(49, 6) or sin(pi/6)", True],
    ) -> str:
        return evaluate(expression)

    named = ", ".join(sorted({*_OF_ANY, *_OF_REALS, *_OF_WHOLES, *_CONSTANTS}))
    return FunctionTool(
        calculate,
        name="calculator",
        description=f"Works out an arithmetic expression: + - * / // % ** ( ) and {named}. "
        "Whole numbers, fractions and decimals are exact.",
    )


def evaluate(expression: str) -> str:
    """The value of an expression, written out: a whole number or decimal where it is one, else to 15 digits.

    Raises:
        ToolFailed: it is none, has no value, or its value is too large.
    """
    if len(expression) > _LONGEST:
        raise ToolFailed(f"the expression has {len(expression):,} characters and may have {_LONGEST:,}: work in steps")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numbers that run into words
            tree = ast.parse(source := expression.translate(_AS_PYTHON).strip(), mode="eval")
        return _written(_value(_Exact(source).visit(tree).body))
    except SyntaxError as error:
        raise ToolFailed(f"this is no expression ({error.msg}): write it as in 2*(3+4)") from error
    except ZeroDivisionError as error:
        raise ToolFailed("a division by zero has no value") from error
    except (RecursionError, MemoryError) as error:
        raise ToolFailed("the expression is nested too deeply: work in steps") from error
    except OverflowError as error:
        raise ToolFailed("a number becomes too large") from error
    except (ValueError, TypeError) as error:
        raise ToolFailed(f"it has no value: {error}") from error


class _Exact(ast.NodeTransformer):
    """Numbers as they are written: Python's own would have lost digits."""

    def __init__(self, source: str) -> None:
        self._source = source

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, float):
            text = ast.get_source_segment(self._source, node) or repr(node.value)
            _places(Fraction(text.lower().partition("e")[2] or 0))
            return ast.copy_location(ast.Constant(cast("Any", Fraction(text.replace("_", "")))), node)
        return node


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | Fraction() as value) if not isinstance(value, bool):
            return _bounded(Fraction(value))
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign):
            value = _value(node.operand)
            return value if isinstance(sign, ast.UAdd) else -value
        case ast.BinOp(op=ast.Pow()):
            return _bounded(_power(_value(node.left), _value(node.right)))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _bounded(_OPERATORS[type(node.op)](_value(node.left), _value(node.right)))
        case ast.Name() if node.id in _CONSTANTS:
            return _CONSTANTS[node.id]
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            return _bounded(_called(name, [_value(argument) for argument in node.args]))
        case _:
            raise ToolFailed(f"{ast.unparse(node)[:60]!r} is not arithmetic: use numbers, operators and functions")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits > 1 and bits * abs(exponent) > 2 * _MOST_BITS:  # 1 and -1 stay small
            raise OverflowError
        return Fraction(base**exponent.numerator)
    value: object = float(base) ** float(exponent)
    if not isinstance(value, float):
        raise ToolFailed("a root of a negative number is not real")
    return value


def _called(name: str, values: list[Number]) -> Number:
    if name in _OF_ANY:
        return _OF_ANY[name](*values)
    if name in _OF_REALS:
        return _OF_REALS[name](*(float(value) for value in values))
    if name not in _OF_WHOLES:
        raise ToolFailed(f"there is no function {name[:40]!r}")
    wholes = [_whole(value) for value in values]
    if name in ("factorial", "comb", "perm") and max(wholes, default=0) > _MOST_FACTORIAL:
        raise OverflowError
    return Fraction(_OF_WHOLES[name](*wholes))


def _whole(value: Number) -> int:
    if value != int(value):
        raise ToolFailed(f"{_written(value)} is not a whole number")
    return int(value)


def _places(value: Number) -> int:
    """So many digits; a power of ten is worked out for them."""
    if abs(value) > _MOST_PLACES:
        raise OverflowError
    return _whole(value)


def _bounded(value: Number) -> Number:
    if isinstance(value, Fraction):
        is_small = max(value.numerator.bit_length(), value.denominator.bit_length()) <= _MOST_BITS
    else:
        is_small = math.isfinite(value)
    if not is_small:
        raise OverflowError
    return value


def _written(value: Number) -> str:
    if isinstance(value, float):
        return format(value + 0.0, f".{_DIGITS}g")  # without the sign of nothing
    if value.denominator == 1:
        return str(value.numerator)
    with localcontext() as context:
        places = _decimal_places(value.denominator)
        context.prec = _DIGITS if places is None else len(str(value.numerator)) + places
        return format(Decimal(value.numerator) / Decimal(value.denominator), "f" if places else "g")


def _decimal_places(denominator: int) -> int | None:
    """How many digits behind the point say it exactly; None where no few do."""
    for places in range(1, _LONGEST_DECIMAL + 1):
        if 10**places % denominator == 0:
            return places
    return None
