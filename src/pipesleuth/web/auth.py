"""Registering, logging in and out, who I am, and what the dashboard needs to know of the service."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials

from pipesleuth import __version__ as version
from pipesleuth.model import timestamp
from pipesleuth.tickets import banners
from pipesleuth.web.deps import House, SignedIn, TheHouse, bearer, person
from pipesleuth.web.errors import Problem
from pipesleuth.web.schemas import Credentials, Me, Registration, Token, refusals

router = APIRouter(prefix="/api", tags=["accounts"])


@router.post("/register", responses=refusals(400, 403, 409, 503))
async def register(who: Registration, house: TheHouse) -> Token:
    """Make an account for somebody of an allowed domain, where registration is open, and log them in."""
    policy = house.settings.registration_policy
    if policy != "open":
        raise Problem(403, "New accounts are made by an administrator's invitation.", "invitation_required")
    email = await house.accounts.register(who.email, who.password, who.full_name)
    return Token(access_token=await house.accounts.login(email, who.password))


@router.post("/login", responses=refusals(400, 401, 503))
async def login(who: Credentials, house: TheHouse) -> Token:
    """A token for an e-mail address and its password."""
    return Token(access_token=await house.accounts.login(who.email, who.password))


@router.post("/logout", responses=refusals(401, 503))
async def logout(who: SignedIn, house: TheHouse) -> dict[str, str]:
    """End this session."""
    await house.accounts.logout(who)
    return {"status": "logged_out"}


@router.get("/me", responses=refusals(401, 503))
async def me(who: SignedIn) -> Me:
    """Who is signed in."""
    return Me(email=who.email, full_name=who.full_name, role=who.role, last_login=who.last_login)


@router.get("/config", responses=refusals(401, 503))
async def config(
    request: Request,
    house: TheHouse,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,
) -> JSONResponse:
    """What the pages need to know; without a token only how one comes in."""
    public: dict[str, Any] = {
        "registration": {"policy": house.settings.registration_policy},
        "allowed_email_domains": list(house.settings.allowed_email_domains),
        "sign_on": [],
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
        "banners": await house.database.read(banners.current),
        "sla_warn_share": house.settings.sla_warn_share,
        "version": version,
    }
