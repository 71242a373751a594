"""The interpreter's expressions mean what GitHub's mean."""

import json
from typing import Any

import pytest

from tests.workflows.expressions import ExpressionError, Functions, evaluate, holds, interpolate

CONTEXT = {
    "inputs": {"send": False, "shards": "", "model": "me/model"},
    "vars": {"SHARDS": "3"},
    "needs": {"plan": {"result": "success", "outputs": {"shards": "0"}}},
}
FUNCTIONS: Functions = {
    "success": lambda: True,
    "cancelled": lambda: False,
    "failure": lambda: False,
    "fromJSON": json.loads,
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'it''s'", "it's"),
        ("inputs.shards || vars.SHARDS || '1'", "3"),
        ("vars.NONE || '1'", "1"),
        ("inputs.model && 'named'", "named"),
        ("inputs.send && 'sent'", False),
        ("needs.plan.outputs.shards != '0'", False),
        ("'ON' == 'on'", True),
        ("1 == '1'", True),
        ("null == ''", True),
        ("'a' == 0", False),
        ("!inputs.send", True),
        ("true || false && false", True),
        ("(true || false) && false", False),
        ("fromJSON('[1, 2]')", [1, 2]),
    ],
)
def test_an_expression_has_the_value_that_github_gives_it(expression: str, value: Any) -> None:
    assert evaluate(expression, CONTEXT, FUNCTIONS) == value


@pytest.mark.parametrize("value", ["0", "false", " "])
def test_a_string_that_is_not_empty_is_true(value: str) -> None:
    assert holds(f"'{value}'", CONTEXT, FUNCTIONS)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("needs.plam.result", "no 'plam'"),
        ("needs.plan.outputs.shard", "no 'shard'"),
        ("secrets.TOKEN", "no context 'secrets'"),
        ("hashFiles('x')", "hashFiles is not understood"),
        ("'a' 'b'", "too much"),
        ("inputs[0]", "not understood at"),
        ("(true", "expected"),
    ],
)
def test_what_names_nothing_or_is_not_understood_raises(expression: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        evaluate(expression, CONTEXT, FUNCTIONS)


def test_text_around_an_expression_makes_it_text() -> None:
    assert interpolate("${{ inputs.send }}", CONTEXT, FUNCTIONS) is False
    assert interpolate("send=${{ inputs.send }}", CONTEXT, FUNCTIONS) == "send=false"
    assert interpolate("${{ 'a' }}-${{ 'b' }}", CONTEXT, FUNCTIONS) == "a-b"


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (None, False),
        ("true", False),
        ("${{ true }}", False),
        ("${{ !cancelled() }}", True),
        ("failure()", True),
    ],
)
def test_success_is_implied_where_a_condition_asks_for_no_status(
    condition: str | None, answer: bool
) -> None:
    functions = {**FUNCTIONS, "success": lambda: False, "failure": lambda: True}
    assert holds(condition, CONTEXT, functions) is answer
