"""Which family an SQLSTATE belongs to."""

from __future__ import annotations

import re

from pipesleuth.model import Category

# SQLSTATE: five characters the SQL standard, DB2, PostgreSQL and Spark agree on; else its class, the first two.
_STATES: dict[str, Category] = {
    "08": Category.NETWORK_CONNECTIVITY,
    "0A": Category.UNSUPPORTED_FEATURE,
    "0B": Category.CODE_ERROR,
    "07": Category.EXPRESSION_PARAMETER,
    "21": Category.DATA_QUALITY,
    "22": Category.DATA_TYPE_CONVERSION,
    "22000": Category.CODE_ERROR,
    "22012": Category.DATA_QUALITY,
    "22023": Category.CODE_ERROR,
    "22032": Category.CODE_ERROR,
    "22KD1": Category.CODE_ERROR,
    "22KD0": Category.CONFIGURATION,
    "23": Category.DATA_QUALITY,
    "25": Category.CODE_ERROR,
    "28": Category.AUTHENTICATION,
    "2D": Category.CONCURRENCY_CONFLICT,
    "2DKD0": Category.INTERNAL_SERVICE_ERROR,
    "38": Category.CODE_ERROR,
    "39": Category.CODE_ERROR,
    "3D": Category.RESOURCE_NOT_FOUND,
    "3F": Category.RESOURCE_NOT_FOUND,
    "40": Category.CONCURRENCY_CONFLICT,
    "42": Category.CODE_ERROR,
    "42501": Category.AUTHORIZATION,
    "42502": Category.AUTHORIZATION,
    "42703": Category.SCHEMA_MISMATCH,
    "42704": Category.RESOURCE_NOT_FOUND,
    "42710": Category.CONFIGURATION,
    "42802": Category.SCHEMA_MISMATCH,
    "42846": Category.DATA_TYPE_CONVERSION,
    "42883": Category.CODE_ERROR,
    "42K03": Category.RESOURCE_NOT_FOUND,
    "42K04": Category.CONFIGURATION,
    "42KDG": Category.SCHEMA_MISMATCH,
    "42KDA": Category.SCHEMA_MISMATCH,
    "42P01": Category.RESOURCE_NOT_FOUND,
    "42P02": Category.EXPRESSION_PARAMETER,
    "42S02": Category.RESOURCE_NOT_FOUND,
    "42S22": Category.SCHEMA_MISMATCH,
    "429BQ": Category.UNSUPPORTED_FEATURE,
    "428FT": Category.CODE_ERROR,
    "44": Category.DATA_QUALITY,
    "46": Category.CODE_ERROR,
    "53": Category.OUT_OF_MEMORY,
    "54": Category.QUOTA_LIMIT,
    "55": Category.CONFIGURATION,
    "55006": Category.CONCURRENCY_CONFLICT,
    "56": Category.UNSUPPORTED_FEATURE,
    "57": Category.TIMEOUT,
    "57014": Category.CANCELLED,
    "58": Category.INTERNAL_SERVICE_ERROR,
    "F0": Category.CONFIGURATION,
    "HV": Category.CONFIGURATION,
    "HY": Category.INTERNAL_SERVICE_ERROR,
    "HY008": Category.CANCELLED,
    "HYT": Category.TIMEOUT,
    "KD": Category.SCHEMA_MISMATCH,
    "KD000": Category.CONFIGURATION,
    "KD001": Category.DATA_QUALITY,
    "KD002": Category.RESOURCE_NOT_FOUND,
    "KD004": Category.UNSUPPORTED_FEATURE,
    "KD005": Category.CODE_ERROR,
    "KD006": Category.RESOURCE_NOT_FOUND,
    "KD009": Category.CODE_ERROR,
    "KD00B": Category.DATA_QUALITY,
    "KD00C": Category.RESOURCE_NOT_FOUND,
    "KD00E": Category.CONFIGURATION,
    "P0": Category.INTERNAL_SERVICE_ERROR,
    "XX": Category.INTERNAL_SERVICE_ERROR,
}
_STATE = re.compile(r"SQL ?STATE[:= ]{1,3}\(?([0-9A-Z]{5})\b|\(SQLSTATE ([0-9A-Z]{5})\)", re.IGNORECASE)


def family_of_state(text: str) -> Category | None:
    """The family of the last SQLSTATE a text tells."""
    states = [match.group(1) or match.group(2) for match in _STATE.finditer(text)]
    if not states:
        return None
    state = states[-1].upper()
    return _STATES.get(state) or _STATES.get(state[:3]) or _STATES.get(state[:2])
