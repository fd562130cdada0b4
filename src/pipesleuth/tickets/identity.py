"""What a ticket, its run and its failure are known by."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from functools import lru_cache

from pipesleuth.model import Diagnosis, Failure
from pipesleuth.triage.fingerprint import LEVEL_LIMIT, fingerprint

_known = lru_cache(maxsize=1024)(fingerprint)  # failures come in crowds


def ticket_id(prefix: str, now: datetime) -> str:
    """A fresh id such as `ADF-20250126T143522-abc123`; six hex digits a second do clash, so the index decides."""
    return f"{prefix}-{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def run_mark(source: str, run_id: str | None, ticket: str) -> str:
    """The mark we put on what we create elsewhere: a digest of the run's key, the ticket's where there is no run.

    It is of the run and not of the ticket, so that two tickets of one run, made on two databases during an
    outage, find each other's issue.
    """
    key = f"{source}\x00{run_id}" if run_id else ticket
    return "rca-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def fingerprint_of(failure: Failure, diagnosis: Diagnosis) -> str:
    """The fingerprint by which the same failure of the same pipeline is known again, whatever its run."""
    innermost = diagnosis.evidence[-1] if diagnosis.evidence else failure.error_message
    # No more of a text is remembered than is read of it.
    return _known(failure.source, failure.pipeline, diagnosis.error_type, innermost[:LEVEL_LIMIT])
