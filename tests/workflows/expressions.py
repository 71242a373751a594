"""GitHub's expressions, as far as this repository's workflows use them.

Literals, contexts (``needs.plan.outputs.digest``), ``!``, ``==``, ``!=``, ``&&``, ``||``,
parentheses and functions. What is not understood raises, so that no workflow passes by accident.

Source: the page "Evaluate expressions in workflows and actions" of GitHub's documentation.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Context = Mapping[str, Any]
Functions = Mapping[str, Callable[..., Any]]

TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|[!().,]))"
)
PART = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
STATUS = re.compile(r"\b(success|failure|always|cancelled)\s*\(")
# A slip in a name under these gives null on GitHub, quietly; here it raises.
STRICT = ("needs", "steps", "matrix", "runner")


class ExpressionError(Exception):
    """An expression that this interpreter does not understand, or that names nothing."""


def interpolate(text: str, context: Context, functions: Functions) -> Any:
    """Return text with its ``${{ }}`` filled in; the bare value where it is nothing else."""
    whole = PART.fullmatch(text.strip())
    if whole and text.count("${{") == 1:
        return evaluate(whole[1], context, functions)
    return PART.sub(lambda match: as_text(evaluate(match[1], context, functions)), text)


def holds(condition: object, context: Context, functions: Functions) -> bool:
    """Tell whether an ``if`` holds; ``success()`` is implied where it asks for no status."""
    text = "success()" if condition is None else as_text(condition)
    bare = PART.fullmatch(text.strip())
    expression = bare[1] if bare else text
    if "${{" in expression:
        raise ExpressionError(f"{text!r}: a condition is one expression")
    if not STATUS.search(expression):
        expression = f"success() && ({expression})"
    return is_true(evaluate(expression, context, functions))


def is_true(value: Any) -> bool:
    """Tell whether GitHub takes a value for true; '0' and 'false' are, being strings."""
    return value not in (None, False, 0, "")


def as_text(value: Any) -> str:
    """Return what a value becomes within text or the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ExpressionError(f"{value!r} does not fit into text")


def evaluate(expression: str, context: Context, functions: Functions) -> Any:
    """Return the value of one expression."""
    reader = _Reader(expression, context, functions)
    value = reader.either()
    reader.end()
    return value


class _Reader:
    """Recursive descent, loosest operator first."""

    def __init__(self, expression: str, context: Context, functions: Functions) -> None:
        self.expression, self.context, self.functions = expression, context, functions
        self.tokens = list(self._split())
        self.at = 0

    def _split(self) -> Sequence[str]:
        tokens, place, text = [], 0, self.expression.strip()
        while place < len(text):
            match = TOKEN.match(text, place)
            if match is None:
                raise ExpressionError(f"{self.expression!r}: not understood at {text[place:]!r}")
            tokens.append(match[0].strip())
            place = match.end()
        return tokens

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, *wanted: str) -> str:
        found = self._next()
        if not found or (wanted and found not in wanted):
            raise ExpressionError(f"{self.expression!r}: expected {wanted}, found {found!r}")
        self.at += 1
        return found

    def end(self) -> None:
        if self._next():
            raise ExpressionError(f"{self.expression!r}: {self._next()!r} is too much")

    def either(self) -> Any:
        value = self.both()
        while self._next() == "||":
            self._take()
            other = self.both()
            value = value if is_true(value) else other
        return value

    def both(self) -> Any:
        value = self.same()
        while self._next() == "&&":
            self._take()
            other = self.same()
            value = other if is_true(value) else value
        return value

    def same(self) -> Any:
        value = self.opposite()
        while self._next() in {"==", "!="}:
            sign = self._take()
            value = _equal(value, self.opposite()) == (sign == "==")
        return value

    def opposite(self) -> Any:
        if self._next() == "!":
            self._take()
            return not is_true(self.opposite())
        return self.atom()

    def atom(self) -> Any:
        token = self._take()
        if token == "(":
            value = self.either()
            self._take(")")
            return value
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token[0].isdigit():
            return float(token) if "." in token else int(token)
        if token in {"true", "false", "null"}:
            return {"true": True, "false": False, "null": None}[token]
        if self._next() == "(":
            return self._call(token)
        return self._look_up(token)

    def _call(self, name: str) -> Any:
        self._take("(")
        given = []
        while self._next() != ")":
            given.append(self.either())
            if self._next() != ")":
                self._take(",")
        self._take(")")
        if name not in self.functions:
            raise ExpressionError(f"{self.expression!r}: function {name} is not understood")
        return self.functions[name](*given)

    def _look_up(self, name: str) -> Any:
        if name not in self.context:
            raise ExpressionError(f"{self.expression!r}: there is no context {name!r} here")
        value: Any = self.context[name]
        path = name
        while self._next() == ".":
            self._take()
            key = self._take()
            if name in STRICT and (not isinstance(value, Mapping) or key not in value):
                raise ExpressionError(f"{self.expression!r}: {path} has no {key!r}")
            value = value.get(key) if isinstance(value, Mapping) else None
            path = f"{path}.{key}"
        return value


def _equal(left: Any, right: Any) -> bool:
    """Compare as GitHub does: strings without case, other kinds as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return bool(left == right)
    return _number(left) == _number(right)


def _number(value: Any) -> float:
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
