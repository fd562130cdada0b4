"""Atlassian documents: what Jira refuses in one, and how it turns one into wiki text for its webhooks.

Source: https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipesleuth.sandbox.wire import Json, is_array, is_object, list_of, object_of, objects_of, text_of

DEPTH = 40
INLINE = {"text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard"}
LISTS = {"bulletList", "orderedList"}
CELL = {"paragraph", "panel", "blockquote", "rule", "heading", "codeBlock", "taskList", "nestedExpand", *LISTS}
BLOCKS = {*CELL, "table", "expand", "decisionList", "blockCard"} - {"nestedExpand"}


@dataclass(frozen=True, slots=True)
class NodeRule:
    """What one kind of node may hold."""

    children: set[str] = field(default_factory=set[str])
    least: int = 0
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    leaf: bool = False


RULES: dict[str, NodeRule] = {
    "doc": NodeRule(BLOCKS),
    "paragraph": NodeRule(INLINE),
    "heading": NodeRule(INLINE, needs=("level",)),
    "codeBlock": NodeRule({"text"}, may=("language", "uniqueId", "wrap", "hideLineNumbers")),
    "bulletList": NodeRule({"listItem"}, 1),
    "orderedList": NodeRule({"listItem"}, 1, may=("order",)),
    "listItem": NodeRule({"paragraph", "codeBlock", "taskList", *LISTS}, 1),
    "blockquote": NodeRule({"paragraph", "codeBlock", *LISTS}, 1),
    "panel": NodeRule(
        {"paragraph", "heading", "codeBlock", "rule", "taskList", "blockCard", "decisionList", *LISTS},
        1,
        needs=("panelType",),
        may=("panelIcon", "panelIconId", "panelIconText", "panelColor"),
    ),
    "rule": NodeRule(leaf=True),
    "table": NodeRule({"tableRow"}, 1, may=("isNumberColumnEnabled", "layout", "displayMode", "width")),
    "tableRow": NodeRule({"tableCell", "tableHeader"}),
    "tableCell": NodeRule(CELL, 1, may=("colspan", "rowspan", "colwidth", "background", "valign")),
    "tableHeader": NodeRule(CELL, 1, may=("colspan", "rowspan", "colwidth", "background", "valign")),
    "expand": NodeRule({*CELL, "table", "decisionList", "blockCard"}, 1, may=("title",)),
    "nestedExpand": NodeRule({"paragraph", "heading", "codeBlock", "rule", "panel", "blockquote", *LISTS}, 1,
                             may=("title",)),
    "taskList": NodeRule({"taskItem", "taskList"}, 1, needs=("localId",)),
    "taskItem": NodeRule(INLINE, needs=("localId", "state")),
    "decisionList": NodeRule({"decisionItem"}, 1, needs=("localId",)),
    "decisionItem": NodeRule(INLINE, needs=("localId", "state")),
    "blockCard": NodeRule(needs=("url",), leaf=True),
    "inlineCard": NodeRule(needs=("url",), leaf=True),
    "hardBreak": NodeRule(leaf=True),
    "mention": NodeRule(needs=("id",), may=("text", "userType", "accessLevel"), leaf=True),
    "emoji": NodeRule(needs=("shortName",), may=("id", "text"), leaf=True),
    "date": NodeRule(needs=("timestamp",), leaf=True),
    "status": NodeRule(needs=("text", "color"), may=("style",), leaf=True),
}  # fmt: skip

MARKS: dict[str, tuple[str, ...]] = {
    "strong": (), "em": (), "strike": (), "underline": (), "code": (),
    "link": ("href",), "textColor": ("color",), "backgroundColor": ("color",), "subsup": ("type",),
}  # fmt: skip
PANELS = {"info", "note", "tip", "warning", "error", "success", "custom"}


def document_fault(document: object) -> str | None:
    """The first thing Jira would refuse in a document, with its place; None when it takes it."""
    return next(document_faults(object_of(document)), None)


def document_faults(node: Json) -> Iterator[str]:
    """Everything Jira would refuse in a document, with its place."""
    if node.get("type") != "doc" or node.get("version") != 1 or isinstance(node.get("version"), bool):
        yield "doc: type must be doc and version 1"
    elif not is_array(node.get("content")):
        yield "doc: content must be an array"
    else:
        yield from unknown_names(node, {"type", "version", "content"}, "doc")
        yield from children_faults(node, "doc", 0)


def unknown_names(entry: Json, known: set[str], place: str) -> Iterator[str]:
    """Names that may not stand in a node or among its attributes."""
    for name in entry:
        if name not in known:
            yield f"{place}: unknown {name}"


def children_faults(node: Json, place: str, depth: int) -> Iterator[str]:
    """The faults of a node's children."""
    rule = RULES[str(node["type"])]
    content = node.get("content")
    children = objects_of(content)
    if content is not None and (not is_array(content) or len(children) != len(list_of(content))):
        yield f"{place}: content must be an array of nodes"
    if rule.leaf and content is not None:
        yield f"{place}: has no content"
    if len(children) < rule.least:
        yield f"{place}: needs content"
    if depth > DEPTH:
        yield f"{place}: nested too deeply"
        return
    for number, child in enumerate(children):
        here = f"{place}.{number}({text_of(child.get('type'))})"
        if child.get("type") not in rule.children:
            yield f"{here}: may not stand here"
        elif child["type"] == "text":
            yield from text_faults(child, here, plain=node["type"] == "codeBlock")
        else:
            yield from unknown_names(child, {"type", "content", "attrs", "marks"}, here)
            if list_of(child.get("marks")):
                yield f"{here}: takes no marks"
            yield from attributes_faults(child, RULES[child["type"]], here)
            yield from children_faults(child, here, depth + 1)


def attributes_faults(node: Json, rule: NodeRule, place: str) -> Iterator[str]:
    """The faults of a node's attributes."""
    attributes = object_of(node.get("attrs"))
    if "attrs" in node and not is_object(node["attrs"]):
        yield f"{place}: attrs must be an object"
    for name in rule.needs:
        if name not in attributes:
            yield f"{place}: needs {name}"
    yield from unknown_names(attributes, {*rule.needs, *rule.may, "localId"}, place)
    level = attributes.get("level")
    if "level" in rule.needs and (isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= 6):
        yield f"{place}: level must be from 1 to 6"
    if "panelType" in rule.needs and attributes.get("panelType") not in PANELS:
        yield f"{place}: unknown panelType"
    if node["type"] == "nestedExpand" and "attrs" not in node:
        yield f"{place}: needs attrs"
    if node["type"] == "taskItem" and attributes.get("state") not in {"TODO", "DONE"}:
        yield f"{place}: state must be TODO or DONE"
    for name in ("language", "title", "url", "background"):
        if name in attributes and not isinstance(attributes[name], str):
            yield f"{place}: {name} must be text"


def text_faults(node: Json, place: str, *, plain: bool) -> Iterator[str]:
    """The faults of a text node; empty text is one."""
    if not isinstance(node.get("text"), str) or not node["text"]:
        yield f"{place}: empty text"
    yield from unknown_names(node, {"type", "text", "marks"}, place)
    marks = objects_of(node.get("marks"))
    if plain and marks:
        yield f"{place}: code takes no marks"
    kinds = [text_of(mark.get("type")) for mark in marks]
    if "code" in kinds and set(kinds) - {"code", "link"}:
        yield f"{place}: code goes with links only"
    for mark, kind in zip(marks, kinds, strict=True):
        if kind not in MARKS:
            yield f"{place}: unknown mark {kind}"
        for name in MARKS.get(kind, ()):
            if not isinstance(object_of(mark.get("attrs")).get(name), str):
                yield f"{place}: mark {kind} needs {name}"


def plain_text(document: object) -> str:
    """All text of a document, a line for each block."""
    node = object_of(document)
    if node.get("type") == "text":
        return text_of(node.get("text"))
    if node.get("type") == "hardBreak":
        return "\n"
    parts = [plain_text(child) for child in objects_of(node.get("content"))]
    inline = node.get("type") in {"paragraph", "heading", "codeBlock", "taskItem", "decisionItem"}
    return ("" if inline else "\n").join(parts)


def wiki_text(document: object) -> str:
    """The wiki text that Jira's webhooks carry instead of the document."""
    if isinstance(document, str):
        return document
    return "\n".join(wiki_block(child, "*") for child in objects_of(object_of(document).get("content"))).strip()


def wiki_block(node: Json, bullet: str) -> str:  # noqa: PLR0911  # one answer for each kind of node
    """One block as wiki text."""
    children = objects_of(node.get("content"))
    text = plain_text(node)
    match node.get("type"):
        case "heading":
            return f"h{object_of(node.get('attrs')).get('level', 1)}. {text}"
        case "codeBlock":
            return f"{{code}}\n{text}\n{{code}}"
        case "bulletList" | "orderedList":
            sign = "*" if node["type"] == "bulletList" else "#"
            return "\n".join(f"{sign * len(bullet)} {plain_text(child)}" for child in children)
        case "rule":
            return "----"
        case "table":
            return "\n".join(wiki_row(row) for row in children)
        case "blockquote" | "panel" | "expand":
            return "\n".join(wiki_block(child, bullet) for child in children)
        case _:
            return text


def wiki_row(row: Json) -> str:
    """A table's row."""
    cells = objects_of(row.get("content"))
    return "".join(f"{'||' if c.get('type') == 'tableHeader' else '|'}{plain_text(c)}" for c in cells) + "|"
