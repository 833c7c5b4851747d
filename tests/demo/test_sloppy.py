"""Hurried typing changes the words around a value, never the value."""

from random import Random

from demo.grammar import LANGS
from demo.sloppy import soften


def test_slots_survive_a_hurried_hand():
    for seed in range(400):
        for lang in LANGS:
            assert "{name}" in soften("My name is {name}, and yours?", Random(seed), lang)
