"""Which thing a message is about: the column, path, host, table, package … it names."""

from __future__ import annotations

import re

from pipesleuth.model import Category

_FOCUS = 3000
_MAX = 300
_Q = r"['\"`]"
_QUOTED = r"['\"`]{1,2}(?P<e>[^'\"`\n]{1,260})['\"`]"
_TICKED = r"(?P<e>`[^`\n]{1,120}`(?:\.`[^`\n]{1,120}`){0,3})"
_NAME = r"(?P<e>[A-Za-z_#@][\w.$#\-]{1,120})"

_KINDS: dict[str, tuple[str, ...]] = {
    "column": (
        r"[Cc]olumns?(?: names?| with name| named)?:? ?(?:is |are )?['\"`]{1,2}(?P<e>[^'\"`\n(),;]{1,128})['\"`]",
        r"[Cc]olumn:? ['\"`\[](?P<e>[\w.$#@\-]{1,128})",
        r"(?:column|field|variable|attribute|function parameter)[\w ]{0,30} with name " + _TICKED,
        r"[Cc]olumn[:\s]{1,2}\[(?P<e>[^\],\n]{1,120})",
        r"(?:[Ff]ield|[Aa]ttribute|[Pp]roperty)(?: name)?:? ?" + _QUOTED,
        r"(?:cannot resolve|resolve) " + _QUOTED + r" given",
        r"optional \w{2,12} (?P<e>\w{1,80})",
        r"[Cc]olumn(?: name)?[:=]? ?(?!(?:is|in|of|for|to|does|cannot|can|name|names|type|types|with|mapping|mappings|count|not|or|and|that|was|has|from|value|values|delimiter|number|at|on)\b)" + _NAME,
    ),
    "table": (
        r"(?:[Ii]nvalid )?[Oo]bject(?: name)?:? " + _QUOTED,
        r"(?:[Tt]able(?: or view)?|[Vv]iew|[Rr]elation|[Ss]chema|[Cc]atalog|[Dd]atabase|[Vv]olume|[Ee]ntity)(?: name)?:? " + _TICKED,
        r"(?:[Tt]able(?: or view)?|[Vv]iew|[Rr]elation|[Ss]chema|[Cc]atalog|[Dd]atabase|[Vv]olume|[Ee]ntity)(?: name)?:? ?(?:is )?" + _QUOTED,
        r"[Tt]able(?: or view not found)?:? (?P<e>[A-Za-z_]\w{0,80}(?:\.[A-Za-z_]\w{0,80}){1,3})",
        r"(?:INTO|FROM|UPDATE|TABLE|into table|from table) (?P<e>\[?[A-Za-z_]\w{0,80}\]?(?:\.\[?[A-Za-z_]\w{0,80}\]?){1,3})",
    ),
    "path": (
        r"(?P<e>(?:abfss?|wasbs?|s3[an]?|adl|gs|hdfs|dbfs|file|ftps?|sftp):/{1,3}[^\s'\"<>,;)\]]{2,400})",
        r"(?:[Pp]ath|[Ff]older|[Dd]irectory|[Bb]lob)(?: name)?:? ?" + _QUOTED,
        r"(?:[Ff]iles?(?:\(s\))?|[Ff]ile ?[Nn]ame)(?: name| path)?:? ?" + _QUOTED,
        r"(?P<e>/(?:mnt|dbfs|Volumes|Workspace|Users|Repos|FileStore|databricks|tmp|local_disk0)/[^\s'\"<>,;)\]]{1,300})",
        r"(?P<e>https?://[^\s'\"<>,;)\]]{4,400})",
        r"(?<![\w:\\])(?P<e>[A-Za-z]:\\[^\s'\"<>|,;]{1,260})",
        r"(?<![\w.])(?P<e>[\w\-./@=]{1,200}\.(?:csv|txt|tsv|json|jsonl|parquet|orc|avro|xml|xlsx?|gz|zip|snappy|jar|whl|egg|py|sql|dtsx|sh|exe))\b",
        r"(?<![\w:/.])(?P<e>/[\w.\-]{1,80}(?:/[\w.\-=${}]{1,80}){1,20})",
    ),
    "host": (
        r"(?:UnknownHostException|[Uu]nknown host|NameResolutionError|resolve host(?:name)?|getaddrinfo ENOTFOUND):? {0,2}['\"]?(?P<e>[A-Za-z0-9][\w.\-]{2,200})",
        r"[Hh]ost(?: ?name)?(?:[:=]| is)? {0,2}['\"](?P<e>[\w.\-:\\]{3,200})",
        r"(?:[Ss]erver|[Dd]ata ?[Ss]ource|[Rr]emote name|endpoint)(?: name)?:? {0,2}['\"](?P<e>[^'\"\n]{3,200})['\"]",
        r"(?P<e>\b(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}(?:windows\.net|azure\.com|azuredatabricks\.net|azure\.net|snowflakecomputing\.com|amazonaws\.com|microsoftonline\.com))\b",
        r"(?P<e>\b(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}(?:net|com|org|io|local|internal|corp|lan|cloud|ms|cn|us|de|uk|eu))(?=[:/\s,'\")\]]|\.?$)",
        r"(?P<e>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{2,5})?)\b",
    ),
    "linked_service": (r"[Ll]inked ?[Ss]ervice(?: name| reference)?s?:? ?(?:is )?" + _QUOTED,),
    "integration_runtime": (
        r"(?:[Ii]ntegration [Rr]untime|IR|[Gg]ateway)(?: \([\w \-]{2,40}\))?(?: name)?:? ?" + _QUOTED,
        r"(?P<e>\b\w{1,80}\.(?:dll|DLL))\b",
    ),
    "package": (
        r"No module named ['\"]?(?P<e>[\w.]{1,120})",
        r"cannot import name ['\"](?P<e>\w{1,120})",
        r"(?P<e>\b[A-Za-z][\w.\-]{1,80}:[A-Za-z][\w.\-]{1,80}:\d[\w.\-]{0,40})\b",
        r"(?:[Rr]equirement|[Pp]ackage|[Ll]ibrary|[Mm]odule|distribution found for)(?: named?)?:? {0,2}['\"]?(?P<e>[A-Za-z][\w.\-\[\]]{1,100}(?:[=<>~!]=[\w.*]{1,30})?)",
        r"pip3?,? install,? (?:-{1,2}[\w\-=]{1,30},? )*['\"]?(?P<e>[A-Za-z][\w.\-]{1,100}(?:[=<>~!]=[\w.*]{1,30})?)",
        r"(?:ClassNotFoundException|NoClassDefFoundError):? (?P<e>[\w.$/]{3,200})",
    ),
    "principal": (
        r"(?:[Uu]ser(?: name)?|[Ll]ogin|[Pp]rincipal|[Cc]lient|[Ii]dentity|[Aa]pplication|[Ss]ervice [Pp]rincipal|[Oo]wner)(?: with identifier| id| ID)?:? ?" + _QUOTED,
        r"(?P<e>\b[\w.+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{2,63}){1,5})\b",
        r"(?:[Uu]ser|[Pp]rincipal):? (?P<e>[A-Za-z][\w.\-@]{2,80})",
    ),
    "parameter": (
        r"(?:[Pp]arameter|[Vv]ariable|[Aa]rgument|[Ww]idget)(?: named?| value for)?:? ?" + _QUOTED,
        r"unbound parameter:? (?P<e>[\w.]{1,80})",
        r"(?:[Pp]arameter|[Vv]ariable|[Pp]roperty):? (?P<e>[A-Za-z_@]\w{2,80})",
        r"(?P<e>@(?:pipeline|activity|dataset|item|variables|concat)[\w().'\[\]]{1,160})",
        r"(?:[Ee]xpression|[Ff]unction|[Tt]emplate \w{1,20}):? ?" + _QUOTED,
        r"input ['\"](?P<e>[A-Za-z_]\w{1,80})",
        r"near ['\"](?P<e>[^'\"\n]{1,120})['\"]",
    ),
    "function": (
        r"[Aa]zure [Ff]unction ?(?:app )?" + _QUOTED,
        r"(?:[Ff]unction|[Pp]rocedure|[Rr]outine|[Nn]otebook|UDF|method)(?: name)?:? ?" + _QUOTED,
        r"(?:[Ff]unction|[Pp]rocedure|[Rr]outine) (?P<e>`[^`\n]{1,120}`(?:\.`[^`\n]{1,120}`){0,3})",
        r"NameError: name ['\"](?P<e>\w{1,80})",
    ),
    "dataset": (r"[Dd]ataset(?: name)?:? ?" + _QUOTED,),
    "secret": (
        r"(?:[Ss]ecret|[Ss]cope|[Kk]ey(?: [Nn]ame)?|[Kk]ey [Vv]ault|[Vv]ault)(?: with name| name)?:? ?" + _QUOTED,
        r"(?P<e>https://[\w\-]{2,60}\.vault\.azure\.net/?[\w/\-]{0,120})",
        r"(?:[Ss]ecret|[Ss]cope)(?: with)?(?: scope:| key:| name)? (?P<e>[A-Za-z][\w\-]{2,80})",
    ),
    "container": (
        r"(?:[Cc]ontainer|[Ff]ile ?[Ss]ystem|[Bb]ucket|[Aa]ccount|[Ss]torage account|[Qq]ueue|[Tt]opic)(?: [Nn]ame)?:? ?" + _QUOTED,
        r"Container Name: (?P<e>[\w$.\-]{1,80})",
    ),
    "resource": (
        r"(?P<e>/subscriptions/[^\s'\"<>,;)\]]{10,400})",
        r"(?P<e>\bMicrosoft\.[A-Z]\w{2,40}/\w{2,60}(?:/\w{2,60})?)",
        r"(?:[Rr]esource|[Cc]luster|[Pp]ool|[Jj]ob|[Rr]un|[Pp]ipeline|[Tt]ask|[Ee]ndpoint|[Ww]arehouse|[Ee]xperiment)(?: id| ID| name| type)?:? ?" + _QUOTED,
        r"(?:[Cc]luster|[Jj]ob|[Rr]un|[Pp]ool|[Ii]nstance)(?: [Ii][Dd])?:? (?P<e>\d{4}-\d{6}-\w{4,12}|\d{3,20})\b",
        r"(?P<e>\b(?:[\w-]{1,80}/)?partition \d{1,6})\b",
        r"TopicPartition: (?P<e>[\w.\-]{2,120})",
    ),
    "size": (
        r"(?P<e>\bStandard_[A-Z]\w{1,40})",
        r"(?P<e>\b[a-z]\d[a-z]{0,3}\.\d{0,2}x?large)\b",
        r"(?P<e>\bspark(?:\.\w{1,60}){2,8})\b",
        r"(?P<e>[Dd]ecimal\(\d{1,3}, ?\d{1,3}\))",
    ),
}
_COMPILED = {kind: tuple(re.compile(pattern) for pattern in patterns) for kind, patterns in _KINDS.items()}
_ANY_QUOTED = re.compile(r"(?:(?<=[\s(:=,\[])|^)(?P<e>['`][^'\"`\n{}=]{2,160}['`])(?=[\s.,;:)\]?!]|$)")
_HELP = ("docs.", "learn.microsoft", "aka.ms", "go.microsoft", "kb.databricks", "spark.apache.org", "github.com/")
_STOP = frozenset(
    "source sink usererror systemerror null none true false forbidden notfound badrequest message error errorcode code details "
    "string int integer failed type value name internalservererror unauthorized installation resolution version status failed failure error exception cluster server the a an of in on to for is not was task_key run_id keys".split()
)

_PREFER: dict[Category, tuple[str, ...]] = {
    Category.AUTHENTICATION: ("principal", "linked_service", "secret", "host", "path", "resource", "container"),
    Category.AUTHORIZATION: ("path", "table", "container", "secret", "resource", "function", "principal", "host"),
    Category.NETWORK_CONNECTIVITY: ("host", "path", "linked_service", "container", "resource"),
    Category.FIREWALL: ("host", "container", "path", "principal", "resource"),
    Category.DNS: ("host", "path"),
    Category.THROTTLING_CAPACITY: ("size", "path", "host", "resource", "table", "container"),
    Category.TIMEOUT: ("package", "host", "path", "function", "table", "resource"),
    Category.RESOURCE_NOT_FOUND: ("path", "table", "linked_service", "dataset", "secret", "container", "function", "resource", "host", "column"),
    Category.SCHEMA_MISMATCH: ("column", "table", "path"),
    Category.DATA_TYPE_CONVERSION: ("column", "size", "table", "path"),
    Category.DATA_QUALITY: ("column", "path", "table"),
    Category.CONFIGURATION: ("parameter", "linked_service", "dataset", "column", "path", "host", "table", "size", "resource"),
    Category.EXPRESSION_PARAMETER: ("parameter", "column", "function", "activity"),
    Category.CODE_ERROR: ("function", "column", "parameter", "table", "path"),
    Category.DEPENDENCY_FAILURE: ("package", "function", "resource", "path", "host"),
    Category.OUT_OF_MEMORY: ("size", "path", "resource"),
    Category.STORAGE_DISK: ("path", "container", "size"),
    Category.QUOTA_LIMIT: ("resource", "size", "host", "table", "column", "container"),
    Category.CONCURRENCY_CONFLICT: ("path", "table", "container", "resource"),
    Category.INTEGRATION_RUNTIME: ("integration_runtime", "linked_service", "host", "package"),
    Category.CLUSTER_PROVISIONING: ("size", "resource", "path", "host"),
    Category.CERTIFICATE_TLS: ("host", "path", "container"),
    Category.ENCRYPTION_KEY: ("secret", "resource", "path", "column"),
    Category.UNSUPPORTED_FEATURE: ("table", "path", "column", "function", "size", "parameter"),
    Category.INTERNAL_SERVICE_ERROR: ("path", "host", "resource", "function", "table"),
    Category.CANCELLED: ("principal", "resource"),
    Category.UNKNOWN: ("path", "table", "host", "resource", "function"),
}


def entity_of(text: str, category: Category, kind: str | None, focus: int) -> str | None:
    """The most specific thing a text names, looked for around the place `focus` first and in the whole text then.

    `kind` is what an entry says to look for first; `none` means that there is nothing to name.
    """
    if kind == "none":
        return None
    order = _PREFER[category]
    if kind in _COMPILED:
        order = (kind, *order)
    begin = max(0, focus - _FOCUS // 3)
    near = text[begin : begin + _FOCUS]
    for part in (near, text[: 2 * _FOCUS]) if len(text) > _FOCUS else (near,):
        for one in order:
            found = _first(one, part)
            if found:
                return found
    match = _ANY_QUOTED.search(near)
    if match and sensible(match.group("e").strip("'\"`")):
        return match.group("e").strip("'\"`")
    return None


def _first(kind: str, text: str) -> str | None:
    for pattern in _COMPILED.get(kind, ()):
        for number, match in enumerate(pattern.finditer(text)):
            if number >= 4:
                break
            found = tidy(match.group("e"))
            if found and sensible(found) and not any(mark in found for mark in _HELP):
                return found
    return None


def sensible(name: str) -> bool:
    """Whether a word can be the name of a thing at all."""
    return name.casefold() not in _STOP


def tidy(name: str) -> str:
    """A name without what surrounds it in a sentence, at most 300 characters."""
    name = name.strip(" \t\r\n,;:'\"")[:_MAX].strip()
    if name.startswith(("http", "abfs", "wasb")) and "?" in name:
        name = name.split("?", 1)[0]
    if "\\\\" in name[2:]:
        name = name[:2] + name[2:].replace("\\\\", "\\")
    return name.rstrip(".") if name.count(".") != 2 or len(name) > 4 else name
