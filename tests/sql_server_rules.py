"""Whether a statement that ran here on another database would mean the same on SQL Server.

No SQL Server runs where these tests run. So every statement that they execute is compiled for its dialect as well,
and held to what it cannot do, or what SQLAlchemy would leave out there without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Boolean, Column, Executable, Insert, Select, TextClause
from sqlalchemy.dialects import mssql
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import functions, visitors
from sqlalchemy.sql.ddl import ExecutableDDLElement
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnElement, Tuple
from sqlalchemy.sql.operators import is_comparison
from sqlalchemy.sql.selectable import CTE, Exists

DIALECT = mssql.dialect()
# What is written under these names in T-SQL, with the same meaning.
FUNCTIONS = frozenset(
    {"count", "sum", "avg", "min", "max", "coalesce", "lower", "upper", "substring", "abs", "replace", "concat"}
)
MOST_PARAMETERS = 2000  # SQL Server takes 2,100
FOREIGN = re.compile(
    r"\bLIMIT\b|\bPRAGMA\b|ON CONFLICT|\bILIKE\b|::|\|\||\bRETURNING\b|\bMATCH\b|\bIS TRUE\b|\bIS FALSE\b|"
    r"AUTOINCREMENT|\bNOW\(|NULLS (?:FIRST|LAST)|FOR UPDATE|SKIP LOCKED|to_regclass|\bTRUE\b|\bFALSE\b",
    re.IGNORECASE,
)
# Statements for one kind of database only, which SQL Server is never asked: their tables or words.
ELSEWHERE = re.compile(
    r"ticket_trigrams|line_trigrams|ticket_words|line_words|search_due|json_each|setval|\bsqlite_\w+|\bpg_\w+"
)


def complaints(statement: Any, keys: tuple[str, ...] = ()) -> list[str]:
    """What SQL Server would not do, or not as it was meant; empty where all is well."""
    if isinstance(statement, TextClause):
        return _of_text(statement.text)
    if not isinstance(statement, Executable) or isinstance(statement, ExecutableDDLElement):
        return []  # what makes tables is held to the scripts of `db.upgrade.script`
    if ELSEWHERE.search(str(statement)):
        return []
    try:
        compiled = str(_compiled(statement, keys))
    except (CompileError, AttributeError) as error:
        return [f"it cannot be said in T-SQL: {error}"]
    found = [*_of_text(re.sub(r"\bFALSE\b|\bTRUE\b", "", compiled))]
    for element in visitors.iterate(statement):  # pyright: ignore[reportArgumentType]  # every Executable is visitable
        found += _of_element(element, compiled)
    return found


def _compiled(statement: Any, keys: tuple[str, ...]) -> Any:
    return statement.compile(dialect=DIALECT, column_keys=list(keys) or None)


def _of_text(text: str) -> list[str]:
    if ELSEWHERE.search(text):
        return []
    return [f"{match.group()!r} is no T-SQL" for match in FOREIGN.finditer(text)]


def _of_element(element: Any, compiled: str) -> Iterator[str]:
    if isinstance(element, Select):
        yield from _of_select(element, compiled)
    elif isinstance(element, CTE) and element.recursive and " UNION ALL " not in re.sub(r"\s+", " ", compiled):
        yield "a recursive query needs UNION ALL"
    elif isinstance(element, Tuple):
        yield "rows are not compared as a whole"
    elif isinstance(element, functions.Function) and element.name.lower() not in FUNCTIONS:
        yield f"there is no function {element.name}"
    elif isinstance(element, Insert) and element._post_values_clause is not None:
        yield "there is no ON CONFLICT"
    elif isinstance(element, BinaryExpression):
        yield from _of_comparison(element)


def _of_select(select: Select[Any], compiled: str) -> Iterator[str]:
    lock = select._for_update_arg
    if lock is not None:
        hints = " ".join(re.findall(r"WITH \(([^)]*)\)", compiled))
        wanted = {"UPDLOCK", "ROWLOCK"} | ({"READPAST"} if lock.skip_locked else set())
        missing = wanted - set(re.split(r"\W+", hints))
        if missing:
            yield f"rows are to be held, but the hints {sorted(missing)} are missing"
        if lock.nowait:
            yield "NOWAIT is left out"
    if select._limit_clause is not None and not re.search(r"\bTOP\b|FETCH FIRST|FETCH NEXT|ROW_NUMBER", compiled):
        yield "its LIMIT is left out"
    for column in select.selected_columns:
        if _is_condition(column):
            yield f"a condition is no value: {column}"
    for grouped in select._group_by_clauses:
        if any(isinstance(part, BindParameter) for part in visitors.iterate(grouped)):
            yield f"grouped by an expression with parameters, which differs from the same one selected: {grouped}"


def _is_condition(column: Any) -> bool:
    bare = getattr(column, "element", column)
    return isinstance(bare, Exists) or (
        isinstance(bare, ColumnElement)
        and not isinstance(bare, Column)
        and isinstance(bare.type, Boolean)
        and isinstance(bare, BinaryExpression)
    )


def _of_comparison(expression: BinaryExpression[Any]) -> Iterator[str]:
    left, right = expression.left, expression.right
    if not (isinstance(left, Column) and isinstance(right, Column) and is_comparison(expression.operator)):
        return
    collations = {getattr(side.type.dialect_impl(DIALECT), "collation", None) for side in (left, right)}
    if len(collations) > 1:
        yield f"{left} and {right} have different collations"


def too_many(parameters: Any) -> bool:
    """Whether one execution binds more values than SQL Server takes; many rows go one by one or in pieces there."""
    if not isinstance(parameters, dict):
        return False
    return (
        sum(len(value) if isinstance(value, list | tuple | set) else 1 for value in parameters.values())
        > MOST_PARAMETERS
    )
