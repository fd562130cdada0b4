"""Making an account, by the policy of the house, and inviting others to make one."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from pipesleuth.accounts.registration import Applicant, Invited
from pipesleuth.web.answers import json_answer
from pipesleuth.web.auth import with_passwords
from pipesleuth.web.deps import Administrator, TheHouse, address_of, database_there
from pipesleuth.web.errors import Problem
from pipesleuth.web.schemas import (
    Code,
    Invitation,
    InvitationList,
    Registration,
    Sent,
    Token,
    refusals,
)

router = APIRouter(prefix="/api/register", tags=["accounts"], dependencies=[Depends(database_there)])


@router.post(
    "",
    response_model=Token,
    responses={202: {"model": Sent, "description": "A code was mailed."}, **refusals(400, 403, 409, 413, 429, 503)},
)
async def register(who: Registration, request: Request, house: TheHouse) -> Response:
    """Make an account for somebody of an allowed domain: at once, with an invitation, or by a code that is mailed."""
    with_passwords(house)
    applicant = Applicant(who.email, who.password, who.full_name, who.invitation)
    token = await house.identity.registrations.register(applicant, address_of(request))
    if token is None:
        return json_answer({"status": "verification_sent"}, 202)
    return json_answer({"access_token": token, "token_type": "bearer"})


@router.post("/verify", responses=refusals(400, 403, 409, 413, 429, 503))
async def verify(said: Code, request: Request, house: TheHouse) -> Token:
    """Turn a registration into an account, with the mailed code and the password that was chosen."""
    with_passwords(house)
    token = await house.identity.registrations.verify(said.email, said.code, said.password, address_of(request))
    return Token(access_token=token)


@router.get("/invitations", responses=refusals(401, 403, 503))
async def invitations(_who: Administrator, house: TheHouse) -> InvitationList:
    """The invitations that wait."""
    return InvitationList(invitations=[dict(row) for row in await house.identity.registrations.invitations()])


@router.post("/invitations", status_code=201, responses=refusals(400, 401, 403, 409, 413, 503))
async def invite(whom: Invitation, who: Administrator, house: TheHouse) -> Invited:
    """Invite somebody; the link is shown this once, and mailed where mail is set up."""
    return await house.identity.registrations.invite(whom.email, whom.role, who.email)


@router.delete("/invitations/{invitation}", status_code=204, responses=refusals(400, 401, 403, 404, 503))
async def withdraw(invitation: int, _who: Administrator, house: TheHouse) -> None:
    """Take an invitation back."""
    if not 0 < invitation < 2**63 or not await house.identity.registrations.withdraw(invitation):
        raise Problem(404, "No such invitation waits.", "not_found")
