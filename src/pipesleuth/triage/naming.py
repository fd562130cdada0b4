"""How messages name the kinds of things they are about; every pattern has bounded repeats and a group `e`."""
# ruff: noqa: E501 - a pattern is read as one line

from __future__ import annotations

_QUOTED = r"['\"`]{1,2}(?P<e>[^'\"`\n]{1,260})['\"`]"
_TICKED = r"(?P<e>`[^`\n]{1,120}`(?:\.`[^`\n]{1,120}`){0,3})"
_NAME = r"(?P<e>[A-Za-z_#@][\w.$#\-]{1,120})"

KINDS: dict[str, tuple[str, ...]] = {
    # what a text calls by its role, which is the thing whatever the category
    "role": (
        r"\bgit (?:reference|ref|branch|tag|commit):? ['\"](?P<e>[^'\"\n]{1,200})['\"]",
        r"(?:[Rr]epository|[Rr]epo)(?: URL| at)?:? ?['\"]?(?P<e>https?://[^\s'\"<>,;)\]]{4,300})",
        r"\b[Gg]it (?:[Rr]epo|provider)[^\n]{0,160}? (?P<e>https?://[^\s'\"<>,;)\]]{4,300})",
        r"\bVault: ?'?(?P<e>[A-Za-z][\w\-]{2,60})",
        r"\bhttp_path: ?(?P<e>/[^\s'\",;)\]]{4,200})",
    ),
    "executor": (
        r"\b[Tt]he (?P<e>driver) is (?:up|not|un)",
        r"\((?P<e>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}) executor",
    ),
    "account": (r"\b(?:[Ss]torage )?[Aa]ccount(?: [Nn]ame)?:? ?" + _QUOTED,),
    "constraint": (r"(?:constraint|unique index):? ['\"](?P<e>[A-Za-z_][\w.$\-]{1,120})['\"]",),
    "feature": (r"[a-zA-Z_]: (?P<e>[A-Z][\w\-]{1,30}(?: [\w\-]{1,30}){0,5}) (?:is|are) not (?:enabled|available)",),
    "column": (
        r"[Cc]olumns?(?: names?| with name| named)?:? ?(?:is |are )?['\"`]{1,2}(?P<e>(?=[^'\"`\n]{0,127}[^\W\d])[^'\"`\n(),;]{1,128})['\"`]",
        r"[Cc]olumn:? ['\"`\[](?P<e>(?=[\w.$#@\-]{0,127}[A-Za-z])[\w.$#@\-]{1,128})",
        r"(?:column|field|variable|attribute|function parameter)[\w ]{0,30} with name " + _TICKED,
        r"[Cc]olumn[:\s]{1,2}\[(?P<e>[A-Za-z_][^\],\n]{0,120})",
        r"(?:[Ff]ield|[Aa]ttribute|[Pp]roperty)(?:\(s\))?(?: name)?:? ?" + _QUOTED,
        r"[Cc](?:annot|ouldn't|ould not) resolve (?:[a-z]{1,12} ){0,3}" + _QUOTED,
        r"(?:[Cc]olumn|[Ee]xpression|[Ff]ield|[Aa]ttribute)s?,? (?:called|named) ['\"](?P<e>[^'\"\n]{1,128})['\"]",
        r"[Ff]ields? named (?P<e>[\w.]{1,120}\w)",
        r"optional \w{2,12} (?P<e>\w{1,80})",
        r"\b[Cc]olumns?(?:\(s\))?(?: names?)?[:=]? ?\b(?!(?:is|in|of|for|to|does|cannot|can|name|names|type|types|definition|definitions|list|order|with|mapping|mappings|count|not|or|and|that|was|has|from|value|values|delimiter|number|at|on|needs?|used|should|must|already|exists?|contains?|are|be|by|path)\b)"
        + _NAME,
    ),
    "table": (
        r"(?:[Ii]nvalid )?[Oo]bject(?: name)?:? " + _QUOTED,
        r"(?:[Tt]able(?: or view)?|[Vv]iew|[Rr]elation|[Ss]chema|[Cc]atalog|[Dd]atabase|[Vv]olume|[Ee]ntity)(?: name)?:? "
        + _TICKED,
        r"(?:[Tt]able(?: or view)?|[Vv]iew|[Rr]elation|[Ss]chema|[Cc]atalog|[Dd]atabase|[Vv]olume|[Ee]ntity)(?: name)?:? ?(?:is )?"
        + _QUOTED,
        r"[Tt]able(?: or view not found)?:? (?P<e>[A-Za-z_]\w{0,80}(?:\.[A-Za-z_]\w{0,80}){1,3})",
        r"(?:[Ss]chema|[Vv]iew|[Vv]olume) (?P<e>[A-Za-z_]\w{0,80}(?:\.[A-Za-z_]\w{0,80}){1,2})(?![\w./(])",
        r"collection:? (?P<e>[A-Za-z_]\w{0,80}\.[A-Za-z_][\w.]{0,120})",
        r"(?:INTO|FROM|UPDATE|TABLE|into table|from table) (?P<e>\[?[A-Za-z_]\w{0,80}\]?(?:\.\[?[A-Za-z_]\w{0,80}\]?){1,3})",
    ),
    "path": (
        r"\[(?P<e>lib[\w.\-]{1,80}\.so)\+0x",
        r"\b[Pp]ath: ?(?P<e>[^\s,'\"]{2,300})",
        r"\b[Pp]ath (?P<e>[\w.\-=]{1,120}/[^\s,'\"]{1,300})",
        r"(?P<e>(?:abfss?|wasbs?|s3[an]?|adl|gs|hdfs|dbfs|file|ftps?|sftp):/{1,3}[^\s'\"<>,;)\]]{2,400})",
        r"(?:[Pp]ath|[Ff]older|[Dd]irectory|[Bb]lob)(?: name)?:? ?" + _QUOTED,
        r"(?:[Ff]iles?(?:\(s\))?|[Ff]ile ?[Nn]ame)(?: name| path)?:? ?" + _QUOTED,
        r"(?:[Ff]ile|operation|[Dd]ownload|[Uu]pload) failed at path:? ?'?(?P<e>[^,'\n]{1,300}?)\.?'?\.?(?=,|$|\n)",
        r"(?P<e>/(?:mnt|dbfs|Volumes|Workspace|Users|Repos|FileStore|databricks|tmp|local_disk0)/[^\s'\"<>,;)\]]{1,300})",
        r"(?P<e>https?://[^\s'\"<>,;)\]]{4,400})",
        r"(?<![\w:\\])(?P<e>[A-Za-z]:\\[^\s'\"<>|,;]{1,260})",
        r"(?<![\w.])(?P<e>[\w\-./@=]{1,200}\.(?:csv|txt|tsv|json|jsonl|parquet|orc|avro|xml|xlsx?|gz|zip|snappy|jar|whl|egg|py|sql|dtsx|sh|exe))\b",
        r"(?<![\w:/.])(?P<e>/[\w.\-]{1,80}(?:/[\w.\-=${}]{1,80}){1,20})",
    ),
    "host": (
        r"Request URL: ?(?P<e>https?://[^\s'\"<>,;)\]]{4,400})",
        r"EndPoint: ?['\"](?:\w{1,20}/)?(?P<e>[\w.\-]{3,200}:\d{2,5})",
        r"(?<=[{(])(?P<e>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}:\d{2,5})(?=[})])",
        r"(?:UnknownHostException|[Uu]nknown host|NameResolutionError|resolve host(?:name)?|getaddrinfo ENOTFOUND):? {0,2}['\"]?(?P<e>[A-Za-z0-9][\w.\-]{2,200})",
        r"(?<![\w./\-])(?P<e>[A-Za-z][\w.\-]{2,200})(?=/(?:\d{1,3}\.){3}\d{1,3}:\d{2,5}\b)",
        r"[Hh]ost(?: ?name)?(?:[:=]| is)? {0,2}['\"](?P<e>[\w.\-:\\]{3,200})",
        r"(?:[Ss]erver|[Dd]ata ?[Ss]ource|[Rr]emote name|endpoint)(?: name)?:? {0,2}['\"](?P<e>[^'\"\n]{3,200})['\"]",
        r"(?P<e>\b(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}(?:windows\.net|azure\.com|azuredatabricks\.net|azure\.net|snowflakecomputing\.com|amazonaws\.com|microsoftonline\.com))\b",
        r"(?P<e>\b(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}(?:net|com|org|io|local|internal|corp|lan|cloud|ms|cn|us|de|uk|eu))(?=[:/\s,'\")\]]|\.?$)",
        r"(?P<e>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{2,5})?)\b",
        r"(?<![\w.$/])(?P<e>(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}(?!java|scala|py|cs|go|js|kt)[a-z]{2,24})(?=:\d{2,5}\b)",
        r"(?<![\w.$/\-])(?P<e>(?!(?:org|java|javax|sun|io|azure|com\.(?:databricks|microsoft|sun))\.)(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){2,8}[a-z]{2,24})(?![.\w$(])",
    ),
    "linked_service": (
        r"[Ll]inked ?[Ss]ervice(?: name| reference)?s?:? ?(?:is )?" + _QUOTED,
        r"[Cc]onnection manager " + _QUOTED,
    ),
    "integration_runtime": (
        r"\b(?P<e>AutoResolveIntegrationRuntime)\b",
        r"\bat node (?P<e>[A-Za-z][\w\-]{2,60})",
        r"(?:[Ii]ntegration [Rr]untime|IR|[Gg]ateway)(?: \([\w \-]{2,40}\))?(?: name)?:? ?" + _QUOTED,
        r"(?P<e>\b\w{1,80}\.(?:dll|DLL))\b",
    ),
    "package": (
        r"(?m:^)[ \t]{0,8}(?P<e>[A-Za-z][\w.\-]{1,80}) \d[\w.\-]{0,30} (?:depends on|requires) ",
        r"(?:whl|jar|egg|wheel|package|coordinates|cran|pypi|maven):? ?['\"](?:[^'\"\n]{0,200}/)?(?P<e>[^'\"\n/]{2,200})['\"]",
        r"No module named ['\"]?(?P<e>[\w.]{1,120})",
        r"cannot import name ['\"](?P<e>\w{1,120})",
        r"(?P<e>\b[A-Za-z][\w.\-]{1,80}:[A-Za-z][\w.\-]{1,80}:\d[\w.\-]{0,40})\b",
        r"(?:[Rr]equirement(?!s\.txt)|[Pp]ackage|[Ll]ibrary|[Mm]odule|distribution found for)(?: named?)?:? {0,2}['\"]?(?P<e>[A-Za-z][\w.\-\[\]]{1,100}(?:[=<>~!]=[\w.*]{1,30})?)",
        r"\bthe (?P<e>[a-z][\w.\-]{1,60}) package (?:to|from)\b",
        r"pip3?,? install,? (?:-{1,2}[\w\-=]{1,30},? )*['\"]?(?P<e>[A-Za-z][\w.\-]{1,100}(?:[=<>~!]=[\w.*]{1,30})?)",
        r"(?:ClassNotFoundException|NoClassDefFoundError):? (?P<e>[\w.$/]{3,200})",
    ),
    "principal": (
        r"(?:app|application|client|identity)(?: with id)? ['\"]?(?P<e>[0-9a-fA-F]{8}-[0-9a-fA-F\-]{27})",
        r"(?:[Uu]ser(?: name)?|[Ll]ogin|[Pp]rincipal|[Cc]lient|[Ii]dentity|[Aa]pplication|[Ss]ervice [Pp]rincipal|[Oo]wner)(?: with identifier| id| ID)?:? ?"
        + _QUOTED,
        r"(?P<e>\b[\w.+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{2,63}){1,5})\b",
        r"(?:[Uu]ser|[Pp]rincipal): (?P<e>[A-Za-z][\w.\-@]{2,80})",
    ),
    "parameter": (
        r"[Pp]roperty:? ['\"](?P<e>[\w.]{1,80})['\"]",
        r"(?:[Pp]arameter|[Vv]ariable|[Aa]rgument|[Ww]idget)(?: named?| value for)?:? ?" + _QUOTED,
        r"unbound parameter:? (?P<e>[\w.]{1,80})",
        r"[Mm]issing (?:required )?(?:field|parameter|argument|propert(?:y|ie))s?:? ['\"]?(?P<e>[\w.]{2,80})",
        r"(?:[Pp]arameter|[Vv]ariable|[Pp]roperty):? (?P<e>[A-Za-z_@]\w{2,80})",
        r"(?P<e>@(?:pipeline|activity|dataset|item|variables|concat)[\w().'\[\]]{1,160})",
        r"(?:[Ee]xpression|[Ff]unction|[Tt]emplate \w{1,20}):? ?" + _QUOTED,
        r"input ['\"](?P<e>[A-Za-z_]\w{1,80})",
        r"near ['\"](?P<e>[^'\"\n]{1,120})['\"]",
    ),
    "function": (
        r"[Uu]ser[ \-]defined function:? \(?[`']?(?P<e>(?!UDFRegistration|functions\b)[A-Za-z_][\w.]{1,120}\$?)",
        r"[Aa]zure [Ff]unction ?(?:app )?" + _QUOTED,
        r"(?:[Ff]unction|[Pp]rocedure|[Rr]outine|[Nn]otebook|UDF|method)(?: name)?:? ?" + _QUOTED,
        r"(?:[Ff]unction|[Pp]rocedure|[Rr]outine) (?P<e>`[^`\n]{1,120}`(?:\.`[^`\n]{1,120}`){0,3})",
        r"NameError: name ['\"](?P<e>\w{1,80})",
    ),
    # the first thing in backticks, else the first in quotes: what a sentence of Spark is about
    "name": (_TICKED, r"(?<![\w`])['\"](?P<e>\w[\w.\-/:@ ]{0,120}\w)['\"]"),
    "cluster": (r"(?P<e>\b\d{4}-\d{6}-[a-z0-9]{3,12})\b",),
    # a word that is written like a name in code: with an underscore, a point or a hump in it
    "identifier": (
        r"(?<![\w./\\\-@\[])(?P<e>[a-z][a-z0-9]{0,40}(?:[A-Z][a-z0-9]{1,40}){1,6}|(?=[A-Z0-9_.]{0,60}[a-z])[A-Za-z]\w{0,60}(?:[._]\w{1,60}){1,5})(?![\w(/:])",
    ),
    "dataset": (r"[Dd]ataset(?: name)?:? ?" + _QUOTED,),
    "secret": (
        r"(?:[Ss]ecret|[Ss]cope|[Kk]ey(?: [Nn]ame)?|[Kk]ey [Vv]ault|[Vv]ault)(?: with name| name)?:? ?" + _QUOTED,
        r"(?P<e>https://[\w\-]{2,60}\.vault\.azure\.net/?[\w/\-]{0,120})",
        r"(?:[Ss]ecret|[Ss]cope)(?: with)?(?: scope:?| key:?| name)? (?P<e>(?!scope\b|key\b|with\b)[A-Za-z][\w\-]{2,80})",
    ),
    "container": (
        r"Container ?[Nn]ame: ?(?P<e>[\w$\-]{1,80})",
        r"(?:[Cc]ontainer|[Ff]ile ?[Ss]ystem|[Bb]ucket|[Qq]ueue|[Tt]opic)(?: ?[Nn]ame)?:? ?" + _QUOTED,
        r"(?:[Ss]torage )?[Aa]ccount(?: [Nn]ame)?:? ?" + _QUOTED,
        r"\b[Aa]ccount(?: ?[Nn]ame)?: (?P<e>[a-z0-9]{3,24})(?=[,.;]|$)",
        r"[Ss]torage account (?P<e>(?=[a-z]{0,23}\d)[a-z0-9]{4,24})\b",
    ),
    "resource": (
        r"(?P<e>/subscriptions/[^\s'\"<>,;)\]]{10,400})",
        r"(?P<e>\bMicrosoft\.[A-Z]\w{2,40}/\w{2,60}(?:/\w{2,60})?)",
        r"(?:[Rr]esource|[Cc]luster|[Pp]ool|[Jj]ob|[Rr]un|[Pp]ipeline|[Tt]ask|[Ee]ndpoint|[Ww]arehouse|[Ee]xperiment)(?: id| ID| name| type| with name)?:? ?\\?"
        + _QUOTED,
        r"(?P<e>\b[Jj]ob \d{1,12})(?= cancell?ed)",
        r"(?:[Jj]ob|[Rr]un|[Pp]ool|[Ii]nstance)(?: [Ii][Dd])?:? (?P<e>\d{3,20})\b",
        r"(?P<e>\b(?:[\w-]{1,80}/)?partition \d{1,6})\b",
        r"Query \[id = (?P<e>[0-9a-f\-]{36})",
        r"TopicPartition: (?P<e>[\w.\-]{2,120})",
        r"(?P<e>\b(?:arn:aws[\w\-]{0,10}:[^\s'\",;)]{8,300}|projects/[\w\-]{1,60}/[^\s'\",;)]{2,300}\w|subnet-[0-9a-f]{6,20}|i-[0-9a-f]{8,20})\b)",
        r"\b[Pp]ool (?P<e>[\w\-]{2,80}-[\w\-]{2,80})",
    ),
    "size": (
        r"(?P<e>\bStandard_[A-Z]\w{1,40})",
        r"(?P<e>\b[a-z]\d[a-z]{0,3}\.\d{0,2}x?large)\b",
        r"(?<![\w.])(?P<e>spark(?:\.\w{1,60}){2,8})\b",
        r"(?P<e>[Dd]ecimal\(\d{1,3}, ?\d{1,3}\))",
    ),
}
