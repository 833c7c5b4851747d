"""What a template can be asked about; what it renders is in `test_encoder.py`."""

from duihua.prompt.template import variables_of


def test_variables_are_those_that_a_template_reads_and_does_not_set() -> None:
    source = "{% set a = 1 %}{{ a }}{% if enable_thinking is defined and not enable_thinking %}{{ reasoning_effort }}{% endif %}"
    assert variables_of(source) == {"enable_thinking", "reasoning_effort"}
    assert variables_of("{% if %}") == frozenset()
