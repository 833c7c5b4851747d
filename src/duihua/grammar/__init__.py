"""What an answer is held to: one value for every engine, and what can be checked of it without one."""

from __future__ import annotations

from duihua.grammar.asked import grammar_of
from duihua.grammar.grammar import Grammar, GrammarKind
from duihua.grammar.lowering import lowered

__all__ = ["Grammar", "GrammarKind", "grammar_of", "lowered"]
