"""A plausible diagnosis from an error's text, poured into whatever JSON schema was asked for."""

from __future__ import annotations

import re

from pipesleuth.sandbox.wire import Json, is_array, list_of, number_of, object_of, objects_of, text_of

# Words of the error, category, cause, severity, priority, retryable, owner, steps.
Guess = tuple[str, str, str, str, str, bool, str, tuple[str, ...]]
GUESSES: tuple[Guess, ...] = (
    (
        "firewall|not allowed to access the server|40615",
        "firewall",
        "The source's firewall refuses the address of the integration runtime.",
        "High",
        "P2",
        False,
        "network",
        ("Add the runtime's outbound address to the firewall rules.", "Use a private endpoint for a lasting fix."),
    ),
    (
        "login failed|invalid_client|expired|unauthorized|401|AADSTS",
        "authentication",
        "The credential that the pipeline uses is not accepted any more.",
        "High",
        "P2",
        False,
        "access",
        ("Renew the secret and update the linked service.", "Watch the expiry date."),
    ),
    (
        "forbidden|403|permission|not authorized|AuthorizationFailed",
        "authorization",
        "The identity is known but lacks the permission for this object.",
        "High",
        "P2",
        False,
        "access",
        ("Grant the missing role to the identity.", "Check inherited access rules."),
    ),
    (
        "outofmemory|out of memory|heap space|exit code 137",
        "out_of_memory",
        "The process needed more memory than its node has.",
        "High",
        "P2",
        True,
        "platform",
        ("Use larger nodes or more partitions.", "Avoid collecting data to the driver."),
    ),
    (
        "quota|limit exceeded|QuotaExceeded",
        "quota_limit",
        "A quota of the subscription or workspace is used up.",
        "High",
        "P2",
        False,
        "platform",
        ("Ask for a higher quota.", "Run fewer things at once."),
    ),
    (
        "throttl|429|too many requests|503|busy",
        "throttling_capacity",
        "The service throttled the pipeline's requests.",
        "Medium",
        "P3",
        True,
        "platform",
        ("Run again later.", "Lower the parallelism."),
    ),
    (
        "timeout|timed out|TIMEDOUT",
        "timeout",
        "The operation took longer than it was allowed to.",
        "Medium",
        "P3",
        True,
        "platform",
        ("Run again and watch the duration.", "Raise the timeout or cut the load."),
    ),
    (
        "concurrent|deadlock|conflict",
        "concurrency_conflict",
        "Two writers changed the same data at once.",
        "Medium",
        "P3",
        True,
        "code",
        ("Keep the writers apart.", "Retry the failed write."),
    ),
    (
        "cluster|CLOUD_PROVIDER|instance",
        "cluster_provisioning",
        "The cluster could not be started or was lost.",
        "High",
        "P2",
        True,
        "platform",
        ("Run again.", "Use another node type or a pool."),
    ),
    (
        "modulenotfound|no module named|library|pip",
        "dependency_failure",
        "A library that the code needs is missing or does not fit.",
        "Medium",
        "P3",
        False,
        "code",
        ("Install the library on the cluster.", "Pin its version."),
    ),
    (
        "cannot be found|not found|does not exist|notexist|404|missing",
        "resource_not_found",
        "The path, table or object that the step reads is not there.",
        "High",
        "P2",
        False,
        "data",
        ("Check that the upstream delivery came.", "Correct the path or name."),
    ),
    (
        "column|schema|mismatch",
        "schema_mismatch",
        "The data's columns differ from what the target expects.",
        "Medium",
        "P3",
        False,
        "code",
        ("Compare the two schemas.", "Import the schema again."),
    ),
    (
        "convert|cast|parse|format",
        "data_type_conversion",
        "A value cannot be turned into the type of its column.",
        "Medium",
        "P3",
        False,
        "data",
        ("Find the bad rows.", "Correct the mapping of the type."),
    ),
)
UNKNOWN: Guess = (
    "",
    "unknown",
    "The message does not name a cause.",
    "Medium",
    "P3",
    False,
    "platform",
    ("Read the run's own log.",),
)
CODES = (
    re.compile(r"ErrorCode=([A-Za-z]\w{3,80})"),
    re.compile(r"\[([A-Z][A-Z0-9_.]{5,80})\]"),
    re.compile(r"\b([A-Za-z_][\w.]{0,120}(?:Exception|Error))\b"),
    re.compile(r"\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)\b"),
)
DEPTH = 20
ENTITY = re.compile(r"['\"`]([\w./@:\-]{3,120})['\"`]")


def diagnosis_of(error: str) -> Json:
    """What a sensible model might say about the error, by the field names in common use."""
    text = error[:60_000]
    lower = text.lower()
    guess = next((entry for entry in GUESSES if re.search(entry[0].lower(), lower)), UNKNOWN)
    _, category, cause, severity, priority, retryable, owner, steps = guess
    code = next((match[1] for pattern in CODES if (match := pattern.search(text))), None)
    entity = ENTITY.search(text)
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 8]
    evidence = next((line for line in lines if code and code in line), lines[-1] if lines else "")
    return {
        "root_cause": f"{cause} {code} was reported." if code else cause,
        "error_type": code or "Unknown",
        "category": category,
        "affected_entity": entity[1] if entity else None,
        "severity": severity,
        "priority": priority,
        "confidence": "Low" if category == "unknown" else "High",
        "recommendations": list(steps),
        "auto_heal_possible": retryable,
        "retryable": retryable,
        "owner": owner,
        "evidence": [evidence[:200]] if evidence else [],
    }


def filled(schema: Json, wanted: object, root: Json, depth: int = 0) -> object:
    """A value that is valid for the schema and as near to the wanted one as the schema allows."""
    rule = plain_rule(schema, wanted, root)
    if "const" in rule:
        return rule["const"]
    if "enum" in rule:
        choices = list_of(rule["enum"])
        return wanted if wanted in choices else nearest(wanted, choices)
    kind = kind_of(rule, wanted)
    if kind == "object" and depth < DEPTH:
        return filled_object(rule, object_of(wanted), root, depth)
    if kind == "array" and depth < DEPTH:
        return filled_array(rule, wanted, root, depth)
    return filled_plain(kind, rule, wanted)


def plain_rule(schema: Json, wanted: object, root: Json) -> Json:
    """The schema behind references and choices."""
    rule = schema
    for _ in range(DEPTH):
        joint = next((name for name in ("anyOf", "oneOf", "allOf") if name in rule), None)
        if "$ref" in rule:
            rule = resolved(text_of(rule["$ref"]), root)
        elif joint is not None:
            rule = fitting(objects_of(rule[joint]), wanted, root)
        else:
            break
    return rule


def kind_of(rule: Json, wanted: object) -> str:
    """The JSON type that a rule asks for; of several the one that suits."""
    kinds = [str(name).lower() for name in list_of(rule.get("type"))]
    if kinds:
        return (
            "null" if wanted is None and "null" in kinds else next((name for name in kinds if name != "null"), "null")
        )
    return text_of(rule.get("type"), "object" if "properties" in rule else "string").lower()


def filled_plain(kind: str, rule: Json, wanted: object) -> object:
    """A number, truth value, null or text."""
    match kind:
        case "integer":
            return number_of(wanted, number_of(rule.get("minimum"), 0))
        case "number":
            return wanted if isinstance(wanted, int | float) and not isinstance(wanted, bool) else 0.5
        case "boolean":
            return wanted is True
        case "null":
            return None
        case _:
            return filled_text(rule, wanted)


def filled_object(schema: Json, wanted: Json, root: Json, depth: int) -> Json:
    """An object: its known properties, and more only where the schema lets more in."""
    properties = object_of(schema.get("properties"))
    value = {name: filled(object_of(rule), wanted.get(name), root, depth + 1) for name, rule in properties.items()}
    if schema.get("additionalProperties") is True:
        value |= {name: entry for name, entry in wanted.items() if name not in properties}
    return value


def filled_array(schema: Json, wanted: object, root: Json, depth: int) -> list[object]:
    """An array within its bounds."""
    items = object_of(schema.get("items"))
    entries = list_of(wanted) if is_array(wanted) else [wanted] if wanted is not None else []
    least, most = number_of(schema.get("minItems"), 0), number_of(schema.get("maxItems"), 50)
    entries = [*entries, *[None] * max(0, least - len(entries))][:most]
    return [filled(items, entry, root, depth + 1) for entry in entries]


def filled_text(schema: Json, wanted: object) -> str:
    """A text within its bounds (characters)."""
    text = wanted if isinstance(wanted, str) else "" if wanted is None else str(wanted)
    text = text[: number_of(schema.get("maxLength"), 100_000)]
    return text.ljust(number_of(schema.get("minLength"), 0), ".")


def fitting(options: list[Json], wanted: object, root: Json) -> Json:
    """The option of an anyOf that suits the wanted value."""
    resolved_options = [
        resolved(text_of(option.get("$ref")), root) if "$ref" in option else option for option in options
    ]
    for option in resolved_options:
        if (option.get("type") == "null") is (wanted is None):
            return option
    return resolved_options[0] if resolved_options else {}


def resolved(reference: str, root: Json) -> Json:
    """The part of the schema that a local reference names."""
    found: object = root
    for name in reference.removeprefix("#/").split("/"):
        found = object_of(found).get(name)
    return object_of(found)


def nearest(wanted: object, choices: list[object]) -> object:
    """A choice that equals the wanted one but for case; else `unknown` or the first."""
    for choice in choices:
        if str(choice).lower() == str(wanted).lower():
            return choice
    return "unknown" if "unknown" in choices else choices[0] if choices else None
