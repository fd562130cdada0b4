"""The whole OpenAPI document, asked by nobody, by a viewer and by an administrator: no 5xx, no answer off its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings

from besieged import SENDER, House

# Each ends or spends what the others need: sessions, and seconds of hashing.
ENDING = ("/api/logout",)
SLOW = ("/api/login", "/api/register")


def identities(house: House) -> Mapping[str, dict[str, str]]:
    return {"nobody": {}, "viewer": {**house.viewer, **SENDER}, "admin": {**house.admin, **SENDER}}


@pytest.mark.parametrize("who", ["nobody", "viewer", "admin"])
def test_no_answer_is_off_the_document(who: str, house: House) -> None:
    asked(house, who, 2 if who == "nobody" else 3)


@pytest.mark.long
@pytest.mark.parametrize("who", ["nobody", "viewer", "admin"])
def test_no_answer_is_off_the_document_however_long_one_asks(who: str, house: House) -> None:
    asked(house, who, 150)


def asked(house: House, who: str, examples: int) -> None:
    """Ask every operation so many times; fails with all that went wrong, an operation each."""
    import schemathesis  # noqa: PLC0415  # takes a second, in each process that collects tests

    schema: Any = schemathesis.openapi.from_url(f"{house.served.url}/openapi.json")
    headers, faults, operations = identities(house)[who], list[str](), 0
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            if who != "nobody" and operation.path.startswith(ENDING):
                continue
            operations += 1
            try:
                _holds(operation, headers, session, 2 if operation.path.startswith(SLOW) else examples)
            except Exception as fault:  # noqa: BLE001  # collected, so that one run shows all of them
                faults.append(f"{operation.method.upper()} {operation.path}: {fault}"[:1500])
    assert operations > 30
    assert not faults, f"{len(faults)} operations\n\n" + "\n\n".join(faults)


def _holds(operation: Any, headers: dict[str, str], session: requests.Session, examples: int) -> None:
    from schemathesis.checks import not_a_server_error  # noqa: PLC0415  # as above
    from schemathesis.specs.openapi import checks  # noqa: PLC0415  # as above

    held = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 100,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy())
    def holds(case: Any) -> None:
        response = case.call(headers=headers, session=session, timeout=20)
        case.validate_response(response, checks=held)

    holds()
