"""What routes stand on: the parts of the house, and who is asking."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from pipesleuth.accounts import Accounts, ApiKeys, Person, Unknown
from pipesleuth.accounts.identity import Identity
from pipesleuth.accounts.keys import INTAKE, READ
from pipesleuth.db.database import Database
from pipesleuth.destinations.contract import Destination
from pipesleuth.live import Hub
from pipesleuth.model import StoreUnavailable
from pipesleuth.settings import Settings
from pipesleuth.sources.contract import Source
from pipesleuth.tickets.feed import Feed
from pipesleuth.tickets.figures import Figures
from pipesleuth.tickets.finops import FinOps
from pipesleuth.tickets.intake import Intake
from pipesleuth.tickets.links import Links
from pipesleuth.triage.diagnose import Triage
from pipesleuth.web.errors import Problem
from pipesleuth.web.gauges import Gauges
from pipesleuth.web.rejected import Rejected
from pipesleuth.web.traffic import Traffic

PayloadReader = Callable[[str], Awaitable[bytes | None]]
NewsKeeper = Callable[[Mapping[str, str], bytes], Awaitable[bool]]


@dataclass(slots=True)
class House:
    """The parts that routes use, put together by `assembly.assemble`."""

    settings: Settings
    database: Database
    identity: Identity
    traffic: Traffic
    sources: Mapping[str, Source]
    triage: Triage
    intake: Intake
    finops: FinOps
    hub: Hub
    feed: Feed
    links: Links
    gauges: Gauges
    rejected: Rejected
    read_archived: PayloadReader
    now: Callable[[], datetime]
    jira: Destination | None = None
    jira_secret: str = ""
    worker_beat: Callable[[], datetime | None] = lambda: None
    draining: bool = False  # no new work, please: this process ends
    failover: Callable[[], str] = lambda: "primary"
    keep_news: NewsKeeper | None = None  # during an outage of the database
    worker_counts: Callable[[], Mapping[tuple[str, str], int]] = dict
    static: Path = Path(__file__).parent / "static"
    figures: Figures = field(init=False)

    def __post_init__(self) -> None:
        """Each process counts for itself."""
        self.figures = Figures(self.database, self.now)

    @property
    def accounts(self) -> Accounts:
        """People and their sessions."""
        return self.identity.accounts

    @property
    def keys(self) -> ApiKeys:
        """Senders' keys."""
        return self.identity.keys


_key_header = APIKeyHeader(name="x-api-key", auto_error=False, description="The API key of a webhook's sender.")
bearer = HTTPBearer(auto_error=False, description="The token that `/api/login` gives.")


def house(request: Request) -> House:
    """The parts of the house."""
    return request.app.state.house


async def sender(request: Request, scope: str = INTAKE) -> str:
    """The name of the sender at a door, by what was presented.

    That is a key in `x-api-key`, as Basic's password or as `?key=`, or a token of Azure's secure webhook as Bearer.
    Raises Unknown, NotInScope, Away; TooMany from a key that sends too fast, or an address that presents what is wrong.
    """
    place = house(request)
    try:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if place.identity.secure_webhook is not None and scheme.lower() == "bearer" and scope == INTAKE:
            name = await place.identity.secure_webhook.sender(credentials.strip())
        else:
            name = await place.keys.sender(presented_key(request), scope)
    except Unknown:
        place.traffic.wrong(address_of(request))
        raise
    place.traffic.sender(name)
    return name


async def reader(request: Request, _documented: Annotated[str | None, Depends(_key_header)] = None) -> str:
    """The name of a sender whose key may look runs up. Raises what `sender` raises."""
    return await sender(request, READ)


async def database_there(request: Request) -> None:
    """For what a standby cannot keep: raise StoreUnavailable while the database is away."""
    if house(request).database.outage is not None:
        raise StoreUnavailable("Accounts are changed in the database, which cannot be reached at the moment.")


def address_of(request: Request) -> str:
    """The address that the request came from; behind a trusted proxy the one that it names."""
    return request.client.host if request.client else ""


def presented_key(request: Request) -> str:
    """The key as it came. Raises Unknown where there is none."""
    if key := request.headers.get("x-api-key"):
        return key
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            _, _, password = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise Unknown("The Authorization header is not Basic as RFC 7617 has it.") from error
        if password:
            return password
    if key := request.query_params.get("key"):
        return key
    raise Unknown("The API key is missing: send it as x-api-key, as Basic's password, or as ?key=.")


async def person(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None
) -> Person:
    """Who is signed in. Raises Unknown."""
    if credentials is None or credentials.scheme.lower() != "bearer":
        raise Unknown("Please log in.")
    return await house(request).accounts.person(credentials.credentials)


async def administrator(who: Annotated[Person, Depends(person)]) -> Person:
    """Somebody signed in who is an administrator."""
    if who.role != "admin":
        raise Problem(403, "Only an administrator may see this.", "forbidden")
    return who


def may_act(who: Person) -> bool:
    """Whether somebody may change tickets, and not only look at them."""
    return who.role in {"responder", "admin"}


async def responder(who: Annotated[Person, Depends(person)]) -> Person:
    """Somebody signed in who may act on tickets."""
    if not may_act(who):
        raise Problem(403, "Your role may look at tickets but not change them.", "forbidden")
    return who


TheHouse = Annotated[House, Depends(house)]
Reader = Annotated[str, Depends(reader)]
SignedIn = Annotated[Person, Depends(person)]
Responder = Annotated[Person, Depends(responder)]
Administrator = Annotated[Person, Depends(administrator)]
