"""Filters: `species == "cat" and age > 3` parsed as Python, walked node by node, never run as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chiasm.array_types import Mask
from chiasm.errors import UsageError

if TYPE_CHECKING:
    from chiasm.rows.rows import Rows

HINT = 'Use columns, values, == != < <= > >= in, "not in", and, or, not: species == "cat" and age > 3.'

# What Python calls a mistake, and what it is in a filter.
_MISTAKES = {"unterminated": "a quotation mark stays open", "never closed": "a bracket stays open"}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, options: value in options,
    ast.NotIn: lambda value, options: value not in options,
}


def evaluate(expr: str, rows: Rows) -> Mask:
    """(n,) which rows match. Absent cells match no comparison; `column == None` asks for absence itself.

    A column whose name is no identifier is written `col["its name"]`. In categories and names, values
    compare as text; `"dog" in caption` looks within a text, or among the texts of a list.
    """
    if not isinstance(expr, str):
        raise UsageError(f"a filter is text, got {type(expr).__name__}", hint=HINT)
    try:
        return _mask(ast.parse(expr.strip(), mode="eval").body, rows)
    except UsageError:
        raise
    except SyntaxError as error:
        raise UsageError(f"not a filter: {_told(error)}", where=repr(expr), hint=HINT) from error
    except (ValueError, RecursionError, MemoryError) as error:
        what = "not a filter: nested too deep, or not plain text"
        raise UsageError(what, where=repr(expr), hint=HINT) from error


def _told(error: SyntaxError) -> str:
    """What keeps Python from reading a filter, and where, in the words of one who writes filters."""
    text, place = error.text or "", error.offset or 0
    rest = text[place - 1 :].strip()
    if not place or not rest:
        return "it ends too early" if text.strip() else "it is empty, or not plain text"
    wrong = next((told for mark, told in _MISTAKES.items() if mark in error.msg), "it makes no sense")
    return f"{wrong} from {rest[:20]!r} on, character {place}"


def _mask(node: ast.expr, rows: Rows) -> Mask:
    """(n,) the truth of a comparison, of `and`, `or` and `not`."""
    if isinstance(node, ast.BoolOp):
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return np.asarray(join.reduce([_mask(value, rows) for value in node.values]), bool)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_mask(node.operand, rows)
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return np.asarray(np.logical_and.reduce([_compare(a, op, b, rows) for a, op, b in pairs]), bool)
    raise _refuse(node)


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, rows: Rows) -> Mask:
    if type(op) not in _COMPARE:
        raise UsageError("`is` compares no cells", hint=HINT)
    compare = _COMPARE[type(op)]
    as_text = bool({"category", "name"} & {_modality(left, rows), _modality(right, rows)})
    a, b = _operand(left, rows, as_text), _operand(right, rows, as_text)
    if isinstance(op, ast.Eq | ast.NotEq) and (_is_none(left) or _is_none(right)):
        same = np.fromiter((x is y for x, y in zip(a, b, strict=True)), bool, len(rows))
        return same if isinstance(op, ast.Eq) else ~same
    return np.fromiter((_holds(compare, x, y) for x, y in zip(a, b, strict=True)), bool, len(rows))


def _holds(compare: Callable[[Any, Any], Any], a: Any, b: Any) -> bool:
    if a is None or b is None:
        return False
    try:
        return bool(compare(a, b))
    except TypeError:  # a word is neither above nor below a number
        return False


def _operand(node: ast.expr, rows: Rows, as_text: bool) -> list[Any]:
    """(n,) the cells of a column, or n times a literal."""
    column = _column(node)
    if column is not None:
        return rows.values(column)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise _refuse(node) from error
    options = list(value) if isinstance(value, list | tuple | set) else [value]
    if not all(option is None or isinstance(option, str | int | float) for option in options):
        raise _refuse(node)
    if as_text:
        options = [option if option is None else str(option) for option in options]
    return [options if isinstance(value, list | tuple | set) else options[0]] * len(rows)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _modality(node: ast.expr, rows: Rows) -> str:
    column = _column(node)
    return "" if column is None else rows.schema[column].modality


def _column(node: ast.expr) -> str | None:
    """The column that a node names: `species`, or `col["any name"]`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "col":
        inner = node.slice
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            return inner.value
    return None


def _refuse(node: ast.expr) -> UsageError:
    return UsageError(f"a filter cannot hold {ast.unparse(node)!r}", hint=HINT)
