"""Logging in and out, who I am, and what the pages need to know of the service."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials

from pipesleuth import __version__ as version
from pipesleuth.model import Category, timestamp
from pipesleuth.tickets import banners
from pipesleuth.web.deps import House, SignedIn, TheHouse, address_of, bearer, person
from pipesleuth.web.errors import Problem
from pipesleuth.web.schemas import Config, Credentials, Me, Token, refusals

router = APIRouter(prefix="/api", tags=["accounts"])


@router.post("/login", responses=refusals(400, 401, 403, 413, 429, 503))
async def login(who: Credentials, request: Request, house: TheHouse) -> Token:
    """A token for an e-mail address and its password."""
    with_passwords(house)
    return Token(access_token=await house.accounts.login(who.email, who.password, address_of(request)))


def with_passwords(house: House) -> None:
    """Raise Problem where passwords are no way in."""
    if not house.identity.password_login:
        raise Problem(403, "Passwords are switched off here; use the single sign-on.", "password_login_off")


@router.post("/logout", responses=refusals(401, 503))
async def logout(who: SignedIn, house: TheHouse) -> dict[str, str]:
    """End this session."""
    await house.accounts.logout(who)
    return {"status": "logged_out"}


@router.get("/me", responses=refusals(401, 503))
async def me(who: SignedIn) -> Me:
    """Who is signed in."""
    return Me(email=who.email, full_name=who.full_name, role=who.role, last_login=who.last_login)


@router.get("/config", response_model=Config, responses=refusals(401, 503))
async def config(
    request: Request,
    house: TheHouse,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,
) -> JSONResponse:
    """What the pages need to know; without a token only how one comes in."""
    sign_on = house.identity.sign_on
    public: dict[str, Any] = {
        "registration": {"policy": house.identity.registrations.policy},
        "allowed_email_domains": list(house.settings.allowed_email_domains),
        "password_login": house.identity.password_login,
        "sign_on": [{"name": sign_on.settings.oidc_name, "url": "/auth/login"}] if sign_on else [],
        "server_time": timestamp(house.now()),
    }
    if credentials is None:
        return JSONResponse(public)
    await person(request, credentials)
    return JSONResponse(public | await _private(house))


async def _private(house: House) -> dict[str, Any]:
    return {
        "itsm_tool": house.settings.itsm_tool if house.settings.itsm_tool != "none" else None,
        "jira_base_url": house.links.jira_base,
        "banners": await house.database.read(lambda c: banners.current(c, house.database.outage)),
        "sla_warn_share": house.settings.sla_warn_share,
        "categories": list(Category),
        "version": version,
    }
