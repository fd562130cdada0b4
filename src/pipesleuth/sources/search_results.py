"""Rows out of the result tables that older log alerts carry, whatever form their columns have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from pipesleuth.sources.fields import Fields, fields, fold, items, parsed

ROW_LIMIT = 2_000
_COLUMN_LIMIT = 200
_PROJECTED = re.compile(r"\|\s*project\s+([^|]{1,4000})", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESOURCE = re.compile(r"/subscriptions/", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_CODE = re.compile(r"\d{3,5}|(?:User|System)?Error\w*")


def rows(results: object, query: object) -> list[Fields]:
    """The rows of all tables as fields by column name, at most 2,000.

    Where the columns are missing, the query's own `project` clause names them; failing that, a row's values are
    told apart by their form (a GUID is the run, the longest text the error, the first word the pipeline).
    """
    found: list[Fields] = []
    for table in _tables(parsed(results)):
        columns = [_column(column) for column in items(table.get("columns"), _COLUMN_LIMIT)]
        projected = _projected(query) if not any(columns) else []
        for row in items(table.get("rows"), ROW_LIMIT):
            if len(found) >= ROW_LIMIT:
                return found
            read = _row(row, columns, projected)
            if read:
                found.append(read)
    return found


def _tables(results: object) -> Iterator[Fields]:
    top = fields(results)
    if isinstance(results, list) or ("tables" not in top and "rows" not in top and "value" not in top):
        yield {"rows": results if isinstance(results, list) else None}
        return
    if "tables" in top:
        for table in items(top["tables"], 20):
            yield fields(cast("object", table)) if isinstance(table, dict) else {"rows": table}
        return
    yield {"columns": top.get("columns"), "rows": top.get("rows", top.get("value"))}


def _column(column: object) -> str:
    if isinstance(column, str):
        return fold(column[:64])
    name = fields(column)
    word = name.get("name", name.get("columnname"))
    return fold(word[:64]) if isinstance(word, str) else ""


def _projected(query: object) -> list[str]:
    if not isinstance(query, str):
        return []
    clauses = _PROJECTED.findall(query[:20_000])
    if not clauses:
        return []
    return [fold(part.partition("=")[0].strip()[:64]) for part in cast("str", clauses[-1]).split(",")[:_COLUMN_LIMIT]]


def _row(row: object, columns: Sequence[str], projected: Sequence[str]) -> Fields:
    if isinstance(row, dict):
        return fields(cast("object", row))
    if not isinstance(row, list):
        return {}
    values = cast("list[Any]", row)[:_COLUMN_LIMIT]
    if any(columns):
        return {column: value for column, value in zip(columns, values, strict=False) if column and value is not None}
    if len(projected) == len(values):
        return dict(zip(projected, values, strict=True))
    return _by_form(values)


def _by_form(values: list[Any]) -> Fields:
    found: Fields = {}
    texts: list[str] = []
    for value in values:
        if not isinstance(value, str) or not value.strip():
            continue
        if _GUID.fullmatch(value):
            found.setdefault("runid", value)
        elif _RESOURCE.match(value):
            found.setdefault("resourceid", value)
        elif _MOMENT.match(value):
            found.setdefault("timegenerated", value)
        elif _CODE.fullmatch(value):
            found.setdefault("failuretype" if value in {"UserError", "SystemError"} else "errorcode", value)
        else:
            texts.append(value)
    said = max((value for value in texts if " " in value.strip()), key=len, default=None)
    if said is not None:
        found["errormessage"] = said
        texts.remove(said)
    for value in texts:
        if value.lower() in {"failed", "succeeded", "cancelled", "inprogress", "queued", "timedout"}:
            found.setdefault("status", value)
        else:
            found.setdefault("pipelinename", value)
    return found
