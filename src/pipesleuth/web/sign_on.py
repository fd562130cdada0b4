"""Single sign-on over HTTP: to the issuer and back, a session for the browser that came back, and its renewal."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from pipesleuth.accounts import Unknown
from pipesleuth.accounts.sign_on import STATE_MINUTES, Failed, SignOn
from pipesleuth.web.answers import json_answer
from pipesleuth.web.deps import House, SignedIn, TheHouse, address_of
from pipesleuth.web.errors import Problem
from pipesleuth.web.schemas import Token, refusals

COOKIE = "pipesleuth_sign_on"  # the only one there is: the state of a sign-on, for ten minutes

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/auth", tags=["accounts"])
_AWAY = {303: {"description": "Off to the issuer, or back to the login page with the reason."}}


@router.get("/login", status_code=303, response_class=Response, responses={**_AWAY, **refusals(404, 429)})
async def leave(request: Request, house: TheHouse) -> Response:
    """To the issuer's own page."""
    sign_on = _sign_on(house)
    try:
        leaving = await sign_on.leave()
    except Failed as failed:
        return _back(failed, address_of(request))
    answer = RedirectResponse(leaving.url, 303)
    _keep(house, answer, leaving.state)
    return answer


@router.get("/callback", status_code=303, response_class=Response, responses={**_AWAY, **refusals(404, 429)})
async def come_back(request: Request, house: TheHouse) -> Response:
    """From the issuer: its answer becomes a state that this browser may change for a session."""
    sign_on = _sign_on(house)
    try:
        state = await sign_on.come_back(dict(request.query_params), request.cookies.get(COOKIE, ""))
    except Failed as failed:
        return _back(failed, address_of(request))
    answer = RedirectResponse("/login#signed-on", 303)
    _keep(house, answer, state)
    return answer


@router.post("/token", response_model=Token, responses=refusals(401, 404, 429, 503))
async def token(request: Request, house: TheHouse) -> Response:
    """The session of somebody who has just signed on, once; no token ever stands in an address."""
    sign_on = _sign_on(house)
    try:
        email, cookie_id, until = sign_on.handed_over(request.cookies.get(COOKIE, ""))
    except Failed as failed:
        raise Unknown("The sign-on took too long. Please sign on again.") from failed
    if not await house.accounts.first_use(cookie_id, until):
        raise Unknown("This sign-on was used already. Please sign on again.")
    answer = json_answer({"access_token": await house.accounts.opened(email), "token_type": "bearer"})
    answer.delete_cookie(COOKIE, path="/auth")
    return answer


@router.post("/renew", responses=refusals(401, 503))
async def renew(who: SignedIn, house: TheHouse) -> Token:
    """A token of the same session with a later end, as long as the session may last."""
    return Token(access_token=house.accounts.renewed(who))


def _sign_on(house: House) -> SignOn:
    if house.identity.sign_on is None:
        raise Problem(404, "There is no single sign-on here.", "not_found")
    return house.identity.sign_on


def _keep(house: House, answer: Response, state: str) -> None:
    answer.set_cookie(
        COOKIE,
        state,
        max_age=STATE_MINUTES * 60,
        path="/auth",
        httponly=True,
        secure=house.settings.public_base_url.startswith("https:"),
        samesite="lax",  # the issuer's way back is a link from elsewhere
    )


def _back(failed: Failed, client: str) -> Response:
    log.warning("sign_on.failed", why=failed.why, detail=str(failed), client=client)
    answer = RedirectResponse(f"/login?reason={failed.why}", 303)
    answer.delete_cookie(COOKIE, path="/auth")
    return answer
