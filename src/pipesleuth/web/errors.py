"""Every error as the one shape people and programs get: `{"detail", "field"?, "code"}`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pipesleuth.accounts import NotInScope, Refused, TooMany, Unknown
from pipesleuth.accounts.registration import Closed
from pipesleuth.accounts.tokens import Away
from pipesleuth.model import BadPayload, StoreUnavailable
from pipesleuth.tickets.lifecycle import NoSuchTicket, NotNow
from pipesleuth.tickets.pages import BadCursor
from pipesleuth.web.answers import json_answer

RETRY_SECONDS = "5"
_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class ErrorBody(BaseModel):
    """What every refused request is answered."""

    detail: str
    code: str
    field: str | None = None


class Problem(Exception):
    """An answer that says what is wrong with the request."""

    def __init__(
        self, status: int, detail: str, code: str, *, where: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.where = where
        self.headers = headers


def answer(
    status: int, detail: str, code: str, *, where: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as it goes out."""
    return json_answer({"detail": detail, "code": code} | ({"field": where} if where else {}), status, headers)


def install(app: FastAPI) -> None:
    """Teach the app what each of the house's errors is over HTTP."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Unknown, _unknown)
    app.add_exception_handler(Away, _away)
    app.add_exception_handler(Closed, _closed)
    app.add_exception_handler(NotInScope, _not_in_scope)
    app.add_exception_handler(TooMany, _too_many)
    app.add_exception_handler(BadPayload, _bad_payload)
    app.add_exception_handler(NoSuchTicket, _not_found)
    app.add_exception_handler(NotNow, _conflict)
    app.add_exception_handler(BadCursor, _bad_cursor)
    app.add_exception_handler(StoreUnavailable, unavailable)
    app.add_exception_handler(ClientDisconnect, _broken_off)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # Starlette looks handlers up by class
    return answer(error.status, error.detail, error.code, where=error.where, headers=error.headers)


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # Starlette looks handlers up by class
    first = error.errors()[0]
    if first["type"] == "json_invalid":  # its place is a number of characters, which is no field
        return answer(400, f"The body is not JSON: {first['ctx']['error']}.", "invalid", where="body")
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    said = str(first["msg"]).removeprefix("Value error, ")
    return answer(400, said[:1].upper() + said[1:], "invalid", where=where[:200])


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # Starlette looks handlers up by class
    code = _CODES.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "_"))
    return answer(error.status_code, str(error.detail), code, headers=error.headers)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  # Starlette looks handlers up by class
    status = {"domain_not_allowed": 403, "email_taken": 409}.get(error.code, 400)
    return answer(status, error.reason, error.code, where=error.where)


async def _unknown(_request: Request, error: Exception) -> Response:
    return answer(401, str(error), "unauthorized", headers={"WWW-Authenticate": "Bearer"})


async def _away(_request: Request, error: Exception) -> Response:
    """Nobody can say yet whether the token is good: senders come again after 503, and not after 401."""
    return answer(503, str(error), "issuer_unavailable", headers={"Retry-After": RETRY_SECONDS})


async def _closed(_request: Request, error: Exception) -> Response:
    return answer(403, str(error), "invitation_required")


async def _not_in_scope(_request: Request, error: Exception) -> Response:
    return answer(403, str(error), "forbidden")


async def _too_many(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TooMany)  # noqa: S101  # Starlette looks handlers up by class
    return answer(429, str(error), "too_many", headers={"Retry-After": str(math.ceil(error.after))})


async def _bad_payload(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadPayload)  # noqa: S101  # Starlette looks handlers up by class
    return answer(400, error.reason, "unreadable", where=error.pointer)


async def _not_found(request: Request, error: Exception) -> Response:
    if request.app.state.house.database.outage is not None:
        detail = "The ticket may be in the database, which cannot be reached at the moment. Please try again later."
        return answer(503, detail, "store_unavailable", headers={"Retry-After": RETRY_SECONDS})
    return answer(404, str(error), "not_found")


async def _conflict(_request: Request, error: Exception) -> Response:
    return answer(409, str(error), "not_now")


async def _broken_off(_request: Request, _error: Exception) -> Response:
    return answer(400, "The request broke off.", "broken_off")  # nobody reads it, and it is no fault of ours


async def _bad_cursor(_request: Request, error: Exception) -> Response:
    return answer(400, str(error), "bad_cursor", where="cursor")


async def unavailable(_request: Request, _error: Exception) -> Response:
    """The database is away: 503, which senders retry."""
    detail = "The database cannot be reached at the moment. Please try again."
    return answer(503, detail, "store_unavailable", headers={"Retry-After": RETRY_SECONDS})
