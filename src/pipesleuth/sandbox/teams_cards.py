"""When Teams would not show an adaptive card: elements, texts and links as its schema has them.

Source: https://adaptivecards.io/explorer (version 1.5, what Teams supports).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pipesleuth.sandbox.wire import Json, list_of, object_of, objects_of, text_of

DEEPEST, MOST_ACTIONS = 8, 6
VERSIONS = {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}


def card_fault(card: Json) -> str:
    """What is wrong with a card, in a sentence; empty where nothing is."""
    if card.get("type") != "AdaptiveCard" or card.get("version") not in VERSIONS:
        return "content must be an AdaptiveCard of version 1.0 to 1.5"
    if not list_of(card.get("body")):
        return "a card without a body shows nothing"
    actions = objects_of(card.get("actions"))
    if len(actions) > MOST_ACTIONS:
        return f"at most {MOST_ACTIONS} actions"
    faults = [element_fault(element, 1) for element in list_of(card.get("body"))]
    faults += [action_fault(action) for action in actions]
    return next(filter(None, faults), "")


def element_fault(value: object, depth: int) -> str:
    """What is wrong with one element."""
    element = object_of(value)
    kind = text_of(element.get("type"))
    if depth > DEEPEST:
        return "nested too deeply"
    match kind:
        case "TextBlock":
            return "" if isinstance(element.get("text"), str) else "a TextBlock needs text"
        case "RichTextBlock":
            faults = [run_fault(run) for run in list_of(element.get("inlines"))]
            return next(filter(None, faults), "") if faults else "a RichTextBlock needs inlines"
        case "Container" | "Column":
            return next(filter(None, (element_fault(one, depth + 1) for one in list_of(element.get("items")))), "")
        case "ColumnSet":
            return next(filter(None, (element_fault(one, depth + 1) for one in list_of(element.get("columns")))), "")
        case _:
            return f"unknown element {kind or 'without a type'}"


def run_fault(value: object) -> str:
    """What is wrong with a piece of a rich text; plain text is one too."""
    run = object_of(value)
    if isinstance(value, str) or (run.get("type") == "TextRun" and isinstance(run.get("text"), str)):
        return ""
    return "an inline must be a TextRun with text"


def action_fault(action: Json) -> str:
    """What is wrong with a button."""
    if action.get("type") != "Action.OpenUrl" or not text_of(action.get("title")):
        return "only Action.OpenUrl with a title can be posted by a webhook"
    parts = urlsplit(text_of(action.get("url")))
    return "" if parts.scheme in {"http", "https"} and parts.netloc else "an action's url must be http or https"
