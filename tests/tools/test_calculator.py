"""The calculator is exact where it can be, and nothing else can be done with it."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.errors import ToolFailed
from duihua.tools.calculator import calculator, evaluate
from duihua.tools.tool import ToolOutput


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("37*89", "3293"),
        ("2**200", str(2**200)),
        ("123456789012345678901234567890 * 987654321", str(123456789012345678901234567890 * 987654321)),
        ("0.1 + 0.2", "0.3"),
        ("1/3*3", "1"),
        ("1/3", "0.333333333333333"),
        ("2/3", "0.666666666666667"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("7/4", "1.75"),
        ("1/8", "0.125"),
        ("12.50 * 4", "50"),
        ("1e3", "1000"),
        ("2**-2", "0.25"),
        ("2**0.5", "1.4142135623731"),
        ("sqrt(16)", "4"),
        ("sin(pi)", "1.22464679914735e-16"),
        ("factorial(20)", "2432902008176640000"),
        ("comb(49, 6)", "13983816"),
        ("round(2/3, 2)", "0.67"),
        ("round(2.5)", "2"),
        ("max(1, 2.5, 3/4)", "2.5"),
        ("floor(-0.5)", "-1"),
        ("3 × (4 − 1) ÷ 2", "4.5"),
        ("（1＋2）＊3", "9"),
        ("2^10", "1024"),
        ("  +5 ", "5"),
        ("-(0*1.5)", "0"),
        ("0 * -1.0 * pi", "0"),
        ("12345678901234567.89 * 100", "1234567890123456789"),
        ("0.1234567890123456789 * 1_0.0", "1.234567890123456789"),
        ("1e400 / 1E399", "10"),
        ("１２ + ３", "15"),
        ("round(1/3, 20)", "0.33333333333333333333"),
    ],
)
def test_it_gives_the_value(expression: str, value: str) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("9**9**9", "too large"),
        ("9**99999999999999999999", "too large"),
        ("(10**3900)**2", "too large"),
        ("0.1**99999", "too large"),
        ("factorial(10**9)", "too large"),
        ("perm(1401, 1400)", "too large"),
        ("exp(10000)", "too large"),
        ("1e9999", "too large"),
        ("1e-999999999", "too large"),
        ("round(1/3, 10**9)", "too large"),
        ("round(1/3, -10**9)", "too large"),
        ("1if 2else 3", "not arithmetic"),
        ("10.0**400 * pi", "too large"),
        ("1/0", "division by zero"),
        ("5 % 0", "division by zero"),
        ("0**-1", "division by zero"),
        ("sqrt(-1)", "no value"),
        ("(-8)**0.5", "negative"),
        ("log(0)", "no value"),
        ("gcd(1.5, 2)", "not a whole number"),
        ("round(1.5, 0.5)", "not a whole number"),
        ("2 +", "no expression"),
        ("", "no expression"),
        ("x + 1", "not arithmetic"),
        ("'a' * 3", "not arithmetic"),
        ("True + 1", "not arithmetic"),
        ("1j", "not arithmetic"),
        ("[1] * 9", "not arithmetic"),
        ("1 if 1 else 2", "not arithmetic"),
        ("().__class__", "not arithmetic"),
        ("sqrt.__globals__", "not arithmetic"),
        ("__import__('os')", "not arithmetic"),
        ("open(3)", "there is no function"),
        ("sqrt(1, 2)", "no value"),
        ("sqrt(x=1)", "not arithmetic"),
        ("min()", "no value"),
        ("(lambda: 1)()", "not arithmetic"),
        ("1 << 99", "not arithmetic"),
        ("(" * 400 + "1" + ")" * 400, "nested too deeply|no expression"),
        ("-" * 999 + "1", "nested too deeply|no value"),
        ("1+" * 5000, "may have 1,000"),
        ("\0", "no value|no expression"),
    ],
)
def test_what_has_no_value_is_refused_at_once(expression: str, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(ToolFailed, match=why):
        evaluate(expression)
    assert time.monotonic() - began < 1


numbers = st.integers(-(10**9), 10**9)


@given(numbers, numbers, numbers.filter(bool), st.sampled_from("+-*"))
def test_rational_arithmetic_is_exact(a: int, b: int, c: int, sign: str) -> None:
    exact = Fraction({"+": a + b, "-": a - b, "*": a * b}[sign], c)
    shown = evaluate(f"(({a}){sign}({b}))/({c})")
    assert abs(Fraction(shown) - exact) <= abs(exact) / 10**14
    assert exact.denominator > 1 or shown == str(exact)


def test_it_is_a_tool() -> None:
    tool = calculator()
    assert tool.name == "calculator"
    assert "sqrt" in tool.description
    assert tool.parameters["required"] == ["expression"]
    assert asyncio.run(tool.call({"expression": "37*89"})) == ToolOutput("3293")
