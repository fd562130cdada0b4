"""Which family a code belongs to that no entry knows by name: by the words it is made of, else by its SQLSTATE."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipesleuth.model import Category
from pipesleuth.triage.sqlstate import family_of_state

# The first line of which a word stands in the name decides. `_` at a word's end: the name's word ends there too.
_WORDS: tuple[tuple[Category, str], ...] = (
    (
        Category.CONCURRENCY_CONFLICT,
        """
        CONCURREN METADATA_CHANGED PROTOCOL_CHANGED COMMIT_RETRIES COMMIT_CONFLICT CONFLICT_REVALID DEADLOCK
        TRANSACTION_CONFLICT RESOURCE_CONFLICT WRITE_CONFLICT STALE_ (^|_)LOCK(ED)?_ LEASE_ OPTIMISTIC
        ALREADY_RUNNING COMMIT_FAILED_ LOST_UPDATE ABORTED_
        """,
    ),
    (
        Category.RESOURCE_NOT_FOUND,
        """
        CANNOT_RESTORE TIME_TRAVEL_BEYOND TIMESTAMP_(EARLIER|GREATER)
        """,
    ),
    (
        Category.DATA_QUALITY,
        """
        CHAR_VARCHAR LIMIT_LENGTH VALUE_TOO_LONG STRING_TOO_LONG
        """,
    ),
    (
        Category.CODE_ERROR,
        """
        NAME_PARTS UNKNOWN_PRIVILEGE UNKNOWN_READ_LIMIT INVALID_PERMISSION_NAME
        """,
    ),
    (
        Category.UNSUPPORTED_FEATURE,
        """
        CREDENTIALS?_NOT_ALLOWED SECRET_FUNCTION_INVALID
        """,
    ),
    (
        Category.AUTHORIZATION,
        """
        PERMISSION PRIVILEGE ACCESS_DENIED ACCESS_CONTROL _?FORBIDDEN UNAUTHORIZED_ACCESS NOT_AUTHORIZED
        INSUFFICIENT_PERM AUTHORIZATION NO_ACCESS CUSTOMER_UNAUTHORIZED NOT_OWNER ACCESS_NOT_ALLOWED SECURITY_ ACL_
        RBAC ENTITLEMENT NOT_ACCESSIBLE
        """,
    ),
    (
        Category.ENCRYPTION_KEY,
        """
        KMS ENCRYPTION_KEY DECRYPT CMK CUSTOMER_MANAGED_KEY BYOK INVALID_KEY_ AES_
        """,
    ),
    (
        Category.CERTIFICATE_TLS,
        """
        SSL_ TLS_ CERTIFICATE CERT_ PKIX HANDSHAKE TRUST_?STORE
        """,
    ),
    (
        Category.AUTHENTICATION,
        """
        UNAUTHENTICATED AUTHENTICATION UNAUTHORIZED CREDENTIAL OAUTH LOGIN PASSWORD INVALID_TOKEN TOKEN_EXPIRED
        EXPIRED_TOKEN ACCESS_KEY SIGNATURE_DOES_NOT INVALID_CLIENT ADAL MSAL KERBEROS GSS_ AUTH_
        """,
    ),
    (
        Category.DNS,
        """
        UNKNOWN_HOST NAME_RESOLUTION DNS_ GAIERROR GAI_
        """,
    ),
    (
        Category.FIREWALL,
        """
        FIREWALL IP_ACCESS IP_ADDRESS_NOT NETWORK_RULE PUBLIC_ACCESS PRIVATE_LINK EGRESS_ NETWORK_POLICY
        """,
    ),
    (
        Category.THROTTLING_CAPACITY,
        """
        THROTTL TOO_MANY_REQUEST RATE_LIMIT REQUEST_LIMIT SERVER_BUSY SLOW_DOWN STOCKOUT INSUFFICIENT_CAPACITY
        OVERLOADED RESOURCE_EXHAUSTED BACKPRESSURE INSUFFICIENT_INSTANCE PROVISIONED_THROUGHPUT REQUEST_RATE
        """,
    ),
    (
        Category.OUT_OF_MEMORY,
        """
        OUT_OF_MEMORY OUTOFMEMORY ACQUIRE_MEMORY MEMORY_LIMIT MEMORY_ERROR MAX_RESULT_SIZE MEMORY_EXCEEDED HEAP_
        """,
    ),
    (
        Category.STORAGE_DISK,
        """
        NO_SPACE DISK_ OUT_OF_DISK SPILL_
        """,
    ),
    (
        Category.DATA_QUALITY,
        """
        SCALAR_SUBQUERY_TOO_MANY MERGE_CARDINALITY TOO_MANY_ROWS
        """,
    ),
    (
        Category.QUOTA_LIMIT,
        """
        TOO_MANY TOO_LARGE TOO_LONG TOO_BIG LIMIT_EXCEED EXCEEDS?_.{0,40}LIMIT EXCEED_LIMIT QUOTA
        MAX_.{0,40}EXCEEDED _LIMIT_REACHED SIZE_EXCEED INVALID_NUM_COLUMNS RESULT_SIZE_LIMIT
        """,
    ),
    (
        Category.CANCELLED,
        """
        CANCELL?ED INTERRUPTED_ OPERATION_ABORTED KEYBOARD_INTERRUPT
        """,
    ),
    (
        Category.TIMEOUT,
        """
        TIMEOUT TIMED_OUT TIME_OUT DEADLINE_EXCEEDED WAIT_.{0,20}EXPIRED
        """,
    ),
    (
        Category.DATA_QUALITY,
        """
        NOT_NULL_(CONSTRAINT|VIOLAT) NOT_NULL_ASSERT NULL_VIOLATION NOT_NULL_COLUMN_VALUE CONSTRAINT_VIOLAT
        VIOLATE_CONSTRAINT CHECK_VIOLATION DUPLICATE_KEY DUPLICATED_MAP_KEY MULTIPLE_SOURCE_ROW EXPECTATION
        MALFORMED CORRUPT BAD_RECORD BAD_FILE NULL_MAP_KEY NULL_VALUE INVALID_UTF8 INTEGRITY_ERROR FILE_FOOTER
        INVALID_JSON INVALID_XML UNIQUE_VIOLATION NON_UNIQUE DATA_LOSS EMPTY_FILE UNICODE_ ENCODING_ DECODE_ERROR
        INVALID_BUCKET_FILE DELETION_VECTOR_(CARD|CHECK|SIZE|INVALID) REPLACE_WHERE_MISMATCH CHARSET
        """,
    ),
    (
        Category.DEPENDENCY_FAILURE,
        """
        CLASS_NOT_FOUND NO_CLASS_DEF NO_SUCH_METHOD NO_SUCH_FIELD MODULE_NOT_FOUND IMPORT_ERROR LIBRARY LINKAGE
        ABSTRACT_METHOD UNSUPPORTED_CLASS_VERSION INCOMPATIBLE_CLASS DEPENDENCY UPSTREAM MISSING_ICEBERG_CLASS
        PACKAGE_ SERVICE_CONFIGURATION_ERROR DISTRIBUTION_ERROR EXTERNAL_FUNCTION DATA_SOURCE_NOT_FOUND REQUIREMENT
        WHEEL_ PIP_ MAVEN UNSATISFIED_LINK EXCEPTION_IN_INITIALIZER RESOLUTION_IMPOSSIBLE
        """,
    ),
    (
        Category.UNSUPPORTED_FEATURE,
        """
        ^UNSUPPORTED_ _NOT_SUPPORTED_ FEED_DISABLED NOT_ALLOWED_$ DISALLOWED_$
        """,
    ),
    (
        Category.SCHEMA_MISMATCH,
        r"""
        (COLUMN|FIELD|ATTRIBUTE)S?_.{0,60}(NOT_FOUND|NOT_EXIST|MISSING|MISMATCH|UNRESOLVED|NOT_SPECIFIED|NON_EXIST|NOT_IN)
        (UNRESOLVED|MISSING|NON_?EXISTING|NON_EXISTENT)_(\w{0,20}_)?(COLUMN|FIELD|COL|ATTRIBUTE)
        (SCHEMA|STRUCT|FIELDS?|COLUMNS?|ARITY|DATATYPES?|DATA_TYPES?)(_\w{0,40})?_(MISMATCH|CHANGED?|CHANGES|DIFFER|INCOMPAT|CONFLICT|NOT_CONSISTENT|EVOLUTION|MISALIGNED)
        INCOMPATIBLE_(SCHEMA|DATA|COLUMN|TYPE|FIELD|DATATYPE|DECIMAL|JOIN|VIEW) MERGE_(SCHEMA|FIELDS|INCOMPATIBLE)
        TO_MERGE_ SCHEMA_(CHANGE|MISMATCH|LOG_I|NOT_CONS) RESOLVE_(COLUMN|EXPRESSION) DATATYPE_MISMATCH
        (INSERT|TYPE|COLUMN|ARITY|UNION|NUM_COLUMNS?)_\w{0,30}MISMATCH DUPLICATE_COLUMNS?_(FOUND|ON_INSERT)
        METADATA_EVOLUTION METADATA_MISMATCH UNKNOWN_FIELD NEW_FIELDS COLUMN_PATH FAILED_INFER_SCHEMA INFER_SCHEMA
        SCHEMA_INFERENCE ADD_COLUMN_ READ_SOURCE_SCHEMA
        """,
    ),
    (
        Category.DATA_TYPE_CONVERSION,
        """
        OVERFLOW OUT_OF_RANGE CAST_ CANNOT_CAST PARSE_(TIMESTAMP|DATE|VALUE|DECIMAL) NUMBER_FORMAT DATE_?TIME
        TIMESTAMP_INVALID INVALID_TIMESTAMP NUMERIC DECIMAL PRECISION INVALID_FORMAT CONVERT_.{0,30}TYPE
        CONVERSION_(INVALID|ERROR) INVALID_DATE FIELD_OUT_OF_BOUNDS INCONSISTENT_BEHAVIOR UPGRADE_EXCEPTION
        ARROW_INVALID ARROW_TYPE DATE_PARSE PARSE_ERROR CAST_FAILED FRACTION INVALID_INTERVAL NULL_TYPE
        PROTOBUF_TYPE VALUE_CONVERSION INPUT_MISMATCH
        """,
    ),
    (
        Category.CONFIGURATION,
        """
        RESOURCE_ALREADY_EXISTS ALREADY_EXISTS? PATH_EXISTS FILE_EXISTS NON_EMPTY_LOCATION NOT_EMPTY
        """,
    ),
    (
        Category.UNSUPPORTED_FEATURE,
        """
        UNSUPPORTED NOT_SUPPORTED NOT_IMPLEMENTED NOT_ALLOWED DISALLOW PROHIBITED NOT_YET FEATURE_(DISABLED|NOT|OFF)
        CANNOT_(DROP|ALTER|MODIFY|RENAME|CHANGE|SET_LOCATION|UPDATE_|WRITE_INTO|DESCRIBE|REORDER|USE_ALL|CONVERT_NON)
        NON_PARQUET NOT_ENABLED _REQUIRES?_ _ONLY_OPERATION ONLY_SUPPORTED IS_DISABLED PROTOCOL_VERSION
        FEATURES?_REQUIRE
        INCOMPATIBLE_SOURCE VIEW_WRITE NESTED_NOT_NULL PARTITION_ON_SERVERLESS NONREMOVABLE FEATURE_DROP
        NOT_WHITELISTED
        """,
    ),
    (
        Category.EXPRESSION_PARAMETER,
        """
        UNBOUND PARAMETER_MARKER MISSING_PARAMETER PARAMETER_NOT WIDGET ALL_PARAMETERS PARAMETERS_MUST
        """,
    ),
    (
        Category.CONFIGURATION,
        """
        RETENTION OPTION CONF_ CONFS_ CONFIG PROPERTY PROPERTIES SETTING LOGSTORE LOG_STORE LOCATION ISOLATION
        CHECKPOINT INVALID_PARAMETER MISSING_REQUIRED INVALID_(STATE|ARGUMENT|CONFIG|WORKER|CLUSTER|RUN)
        DIFFERENT_(CLUSTERING|PARTITION) PARTITIONING MALFORMED_REQUEST SPARK_SESSION MISSING_TRANSFORM REDIRECT
        ICEBERG_COMPAT UNIVERSAL_FORMAT INVALID_URI URI_SYNTAX MISSING_SCHEMA INVALID_MOUNT WORKSPACE_ COORDINATED
        CATALOG_MANAGED BUCKET_ PATTERN_
        """,
    ),
    (
        Category.CODE_ERROR,
        """
        ROUTINE_NOT_FOUND FUNCTION_NOT_FOUND UNRESOLVED_(ROUTINE|VARIABLE|MAP) SESSION_NOT THREAD_NOT
        NO_SUCH_ELEMENT NAME_ERROR
        """,
    ),
    (
        Category.RESOURCE_NOT_FOUND,
        r"""
        NOT_FOUND DOES_NOT_EXIST DOESNT_EXIST NOT_EXIST NON_EXIST NO_SUCH
        MISSING_(\w{0,20}_)?(TABLE|FILE|PATH|PARTITION|PART_FILES|CHANGE_DATA) NOT_A_DELTA_TABLE TRUNCATED
        VERSIONS_NOT VERSION_NOT NO_COMMITS NO_RECREATABLE EMPTY_DIRECTORY CANNOT_LOAD COULD_NOT_READ
        UNKNOWN_(TABLE|TOPIC|DATABASE|CATALOG|ENDPOINT) GONE_ DELETED_ NO_PARTITION_FOUND NO_REPLICA
        """,
    ),
    (
        Category.NETWORK_CONNECTIVITY,
        """
        CONNECT SOCKET UNREACHABLE NETWORK BROKEN_PIPE TRANSPORT HOST_ COMMUNICATIONS?_ LINK_FAILURE
        REMOTE_DISCONNECTED CHANNEL CLOSED_ RPC_ NO_ROUTE PORT_ BROKER PROXY_ URL_ERROR RETRY_ERROR RETRIES_EXCEEDED
        HTTP_HOST
        """,
    ),
    (
        Category.INTERNAL_SERVICE_ERROR,
        """
        INTERNAL ASSERTION_FAILED SHOULD_NOT UNEXPECTED_(ALIAS|PROJECT|ATTRIBUTE) BUG_ SERVICE_UNAVAILABLE
        UNAVAILABLE SERVICE_FAULT SERVER_ERROR INVARIANT FATAL_ TRY_AGAIN BAD_GATEWAY TXN_LOG_FAILED
        FAILED_PRECONDITION_
        """,
    ),
    (
        Category.CODE_ERROR,
        """
        WRONG AMBIGUOUS DUPLICATED? PARSE_ SYNTAX NON_ NOT_A NOT_ INVALID_ UNEXPECTED_ MISSING_ UNRESOLVED_ AGGREGAT
        GROUP_BY SUBQUERY WINDOW_ EXPRESSION STATEMENT ILLEGAL INCORRECT MULTIPLE_ CANNOT_ NESTED_ RECURSIVE STAR_
        UDF UDTF FUNCTION FAILED_EXEC PYTHON INDEX_ KEY_ TYPE_ VALUE_ ATTRIBUTE_ NULL_POINTER ASSERTION MATCH_
        CLASS_CAST ARRAY_INDEX ZERO_DIVISION DIVIDE ILLEGAL_STATE ONEOF_ EXCEPT_ ORDER_ PIVOT TIME_?TRAVEL
        GENERATED_COLUMN IDENTITY NO_START ARITHMETIC INDENTATION
        """,
    ),
)
_COMPILED = tuple((re.compile("|".join(words.split())), category) for category, words in _WORDS)

_CONDITION = re.compile(r"[A-Z][A-Z0-9]{1,60}(?:[_.][A-Z0-9]{1,60}){1,15}|[A-Z]{6,40}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ENDS = ("_EXCEPTION", "_ERROR", "_FAILURE", "_FAULT")


def families(conditions: Sequence[str], classes: Sequence[str], text: str) -> list[str]:
    """The codes `condition.<category>` and `class.<category>` under which the base keeps its advice for families.

    The innermost of each counts, and one that says more than "the code is wrong" before one that says only that.
    """
    found: list[str] = []
    named = [family_of_condition(name, text) for name in reversed(conditions) if is_condition(name)]
    if not named and not any(conditions):
        named = [family_of_state(text)]
    for kind, kinds in (("condition", named), ("class", [family_of_class(name) for name in reversed(classes) if name])):
        telling = [one for one in kinds if one is not None]
        best = next((one for one in telling if one is not Category.CODE_ERROR), telling[0] if telling else None)
        if best is not None:
            found.append(f"{kind}.{best.value}")
    return found


def is_condition(code: str) -> bool:
    """Whether a code is written as a condition: capitals in words joined by `_`, subclasses by a point."""
    return _CONDITION.fullmatch(code) is not None


def family_of_condition(name: str, text: str = "") -> Category | None:
    """The family of an error condition such as `DELTA_COLUMN_NOT_FOUND.SUB`; `text` may tell its SQLSTATE."""
    named = _by_words(name.removeprefix("DELTA_").upper().replace(".", "_") + "_")
    if named is None or named is Category.CODE_ERROR:
        return family_of_state(text) or named
    return named


def family_of_class(name: str) -> Category | None:
    """The family of an exception class such as `java.net.SocketTimeoutException`, by the words of its own name."""
    own = name.replace("$", ".").rsplit(".", 1)[-1]
    words = _HUMP.sub("_", own).upper()
    for end in _ENDS:
        words = words.removesuffix(end)
    return _by_words(words + "_") if words else None


def _by_words(name: str) -> Category | None:
    if len(name) > 300:
        return None
    return next((category for words, category in _COMPILED if words.search(name)), None)
