"""What Jira refuses in the fields of an issue."""

from __future__ import annotations

import json

from pipesleuth.sandbox.documents import document_fault
from pipesleuth.sandbox.jira_issues import ISSUE_TYPES, PRIORITIES, JiraSite
from pipesleuth.sandbox.wire import Json, Refusal, is_array, list_of, object_of, text_of

CONTENT_LIMIT = 32_767
NOT_A_DOCUMENT = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"


def field_refusal(errors: Json, messages: list[str] | None = None, reason: str = "") -> Refusal:
    """A 400 in Jira's form; the reason goes into a header of ours, where a person may look for it."""
    headers = {"x-sandbox-reason": reason.encode("ascii", "replace").decode()} if reason else {}
    return Refusal(400, {"errorMessages": messages or [], "errors": errors}, headers)


def named_type(wanted: object) -> Json | None:
    """The issue type that a field names by id or name."""
    entry = object_of(wanted)
    for number, name in ISSUE_TYPES.items():
        if str(entry.get("id", "")) == number or text_of(entry.get("name")).lower() == name.lower():
            return {"id": number, "name": name, "subtask": False}
    return None


def checked_fields(site: JiraSite, given: Json, *, creating: bool) -> Json:
    """The fields as they will be kept; raises Refusal (400) with all that is wrong."""
    errors: Json = {}
    fields: Json = {}
    if creating:
        check_frame(site, given, fields, errors)
    required = {str(name) for name in list_of(site.settings["required"])}
    for name in sorted(required - set(given)) if creating else []:
        errors[name] = f"{name.capitalize()} is required."
    screen = {*(str(name) for name in list_of(site.settings["screen"])), *required}
    reason = ""
    for name, value in given.items():
        if name in {"project", "issuetype"} and creating:
            continue
        if name not in screen and name != "summary":
            errors[name] = f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
            continue
        fault = field_fault(name, value)
        if fault:
            errors[name], reason = fault
        else:
            fields[name] = kept(name, value)
    if errors:
        raise field_refusal(errors, reason=reason)
    return fields


def check_frame(site: JiraSite, given: Json, fields: Json, errors: Json) -> None:
    """Project, type and summary, without which nothing can be created."""
    project = site.project(given.get("project"))
    if project is None:
        errors["project"] = "Specify a valid project ID or key"
    else:
        fields["project"] = dict(project)
    kind = named_type(given.get("issuetype"))
    if kind is None:
        errors["issuetype"] = "Specify a valid issue type"
    else:
        fields["issuetype"] = kind
    if "summary" not in given:
        errors["summary"] = "You must specify a summary of the issue."


def field_fault(name: str, value: object) -> tuple[str, str] | None:
    """What Jira says about one field's value, and why in our own words; None when it takes it."""
    fault: tuple[str, str] | None = None
    match name:
        case "summary":
            text = summary_fault(value)
            fault = (text, "") if text else None
        case "description":
            fault = description_fault(value)
        case "labels":
            text = labels_fault(value)
            fault = (text, "") if text else None
        case "priority":
            if priority_of(value) is None:
                fault = ("The priority selected is invalid.", "")
        case _:
            pass
    return fault


def description_fault(value: object) -> tuple[str, str] | None:
    """A description must be a valid document."""
    if value is None:
        return None
    if object_of(value).get("type") != "doc":
        return NOT_A_DOCUMENT, "no document"
    reason = document_fault(value)
    return ("INVALID_INPUT", reason) if reason else None


def summary_fault(value: object) -> str | None:
    """A summary is one line of 1 to 254 characters."""
    if not isinstance(value, str):
        return "Operation value must be a string"
    if not value.strip():
        return "You must specify a summary of the issue."
    if "\n" in value or "\r" in value:
        return "The summary is invalid because it contains newline characters."
    return "Summary must be less than 255 characters." if len(value) > 254 else None


def labels_fault(value: object) -> str | None:
    """Labels are short words without spaces."""
    labels = list_of(value)
    if not is_array(value) or not all(isinstance(label, str) for label in labels):
        return "Operation value must be an array of strings"
    for label in labels:
        if not label or any(letter.isspace() for letter in label):
            return f"The label '{label}' contains spaces which is invalid."
        if len(label) > 255:
            return f"The label '{label[:40]}…' exceeds the maximum length of 255 characters."
    return None


def priority_of(value: object) -> Json | None:
    """The priority that a field names by name or id."""
    entry = object_of(value)
    for number, name in enumerate(PRIORITIES, 1):
        if entry.get("name") == name or entry.get("id") == str(number):
            return {"id": str(number), "name": name}
    return None


def kept(name: str, value: object) -> object:
    """A field's value as the issue keeps it."""
    return priority_of(value) if name == "priority" else value


def over_limit(fields: Json) -> bool:
    """Whether the description is longer than Jira stores; such a create burns an issue number."""
    return len(json.dumps(fields.get("description"), ensure_ascii=False)) > CONTENT_LIMIT


def checked_properties(value: object) -> Json:
    """The entity properties given with a create; raises Refusal (400)."""
    if value is None:
        return {}
    properties: Json = {}
    for entry in list_of(value):
        key = object_of(entry).get("key")
        if not isinstance(key, str) or not 1 <= len(key) <= 255 or "value" not in object_of(entry):
            raise field_refusal({}, ["Issue properties need a key of 1 to 255 characters and a value."])
        if len(json.dumps(entry["value"])) > 32_768:
            raise field_refusal({}, [f"The value of property '{key}' is longer than 32768 characters."])
        properties[key] = entry["value"]
    if not is_array(value):
        raise field_refusal({}, ["Issue properties must be an array."])
    return properties
