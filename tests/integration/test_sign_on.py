"""Single sign-on with an issuer that behaves as Entra ID does, and with one that does not."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pipesleuth.accounts.people import all_users, disable_user
from pipesleuth.accounts.sign_on_settings import SignOnSettings
from pipesleuth.model import WrongSetting
from pipesleuth.sandbox import Sandbox
from pipesleuth.sandbox.open_id import CLIENT_ID, CLIENT_SECRET, TENANT, OpenIdIssuer
from pipesleuth.settings import from_environment
from places import ADMIN, PASSWORD, RESPONDER, Clock, Place

Opened = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Place, OpenIdIssuer]]]


@pytest.fixture
def signing_on(open_place: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a service with the stand-in as its issuer; further variables are given by name."""

    @contextlib.asynccontextmanager
    async def opened(settings: dict[str, Any] | None = None, **more: str) -> AsyncGenerator[tuple[Place, OpenIdIssuer]]:
        async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
            known = {
                "OIDC_ISSUER": f"{sandbox.url}/openid/{TENANT}/v2.0",
                "OIDC_CLIENT_ID": CLIENT_ID,
                "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            }
            for name, value in (known | more).items():
                monkeypatch.setenv(name, value)
            async with open_place(**(settings or {})) as place:
                yield place, sandbox.app.open_id

    return opened


async def leave(place: Place) -> str:
    """Where the browser is sent to."""
    answer = await place.client.get("/auth/login")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def issuer_answers(url: str) -> str:
    """The path at which the issuer sends the browser back to us."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(url)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert back.path == "/auth/callback"
    return f"{back.path}?{back.query}"


async def sign_on(place: Place) -> httpx.Response:
    """The whole way, up to where the browser is sent at its end."""
    return await place.client.get(await issuer_answers(await leave(place)))


async def session(place: Place) -> dict[str, str]:
    """The headers of a session that was signed on for."""
    answer = await sign_on(place)
    assert answer.headers["location"] == "/login#signed-on", answer.headers["location"]
    token = await place.client.post("/auth/token")
    assert token.status_code == 200, token.text
    return {"authorization": f"Bearer {token.json()['access_token']}"}


async def me(place: Place, headers: dict[str, str]) -> Any:
    return (await place.client.get("/api/me", headers=headers)).json()


async def test_somebody_signs_on_and_has_an_account(signing_on: Opened) -> None:
    async with signing_on() as (place, issuer):
        asked = parse_qs(urlsplit(await leave(place)).query)
        assert asked["response_type"] == ["code"]
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == ["http://localhost:8000/auth/callback"]
        assert len(asked["state"][0]) >= 32
        assert len(asked["nonce"][0]) >= 32
        who = await me(place, await session(place))
        assert (who["email"], who["full_name"], who["role"]) == ("kai@sigmoidanalytics.com", "Kai Sommer", "viewer")
        again = await me(place, await session(place))
        assert again["email"] == who["email"]
        assert [row["email"] for row in await place.read(all_users)].count(who["email"]) == 1
        assert issuer.asked.count("configuration") == 1  # what changes seldom is not asked for each time


async def test_the_cookie_is_the_only_one_and_narrow(signing_on: Opened) -> None:
    async with signing_on({"public_base_url": "https://localhost"}) as (place, _issuer):
        answer = await place.client.get("/auth/login")
        cookie = answer.headers["set-cookie"]
        assert re.match(r"pipesleuth_sign_on=[\w.-]+; ", cookie)
        for word in ("HttpOnly", "Max-Age=600", "Path=/auth", "SameSite=lax", "Secure"):
            assert word in cookie
        assert CLIENT_SECRET not in cookie
        login = await place.client.post("/api/login", json={"email": RESPONDER, "password": PASSWORD})
        assert "set-cookie" not in login.headers


async def test_a_sign_on_is_good_for_one_session_of_the_same_browser(signing_on: Opened, clock: Clock) -> None:
    async with signing_on() as (place, _issuer):
        back = await issuer_answers(await leave(place))
        leaving = taken(place)
        stranger = await place.client.get(back)
        assert stranger.headers["location"] == "/login?reason=sign_on_expired"
        assert (await place.client.get(back, headers=leaving)).headers["location"] == "/login#signed-on"
        home = taken(place)
        assert (await place.client.get(back, headers=home)).headers["location"] == "/login?reason=sign_on_expired"
        assert (await place.client.post("/auth/token", headers=leaving)).status_code == 401
        assert (await place.client.post("/auth/token", headers=home)).status_code == 200
        assert (await place.client.post("/auth/token", headers=home)).status_code == 401
        assert (await place.client.post("/auth/token")).status_code == 401
        back = await issuer_answers(await leave(place))
        clock.turn(601)
        assert (await place.client.get(back)).headers["location"] == "/login?reason=sign_on_expired"
        await sign_on(place)
        clock.turn(121)
        assert (await place.client.post("/auth/token")).status_code == 401


def taken(place: Place) -> dict[str, str]:
    """The browser's cookie as a header; the browser has none any more."""
    value = place.client.cookies["pipesleuth_sign_on"]
    place.client.cookies.clear()
    return {"cookie": f"pipesleuth_sign_on={value}"}


async def test_a_state_is_no_token_and_a_token_no_state(signing_on: Opened) -> None:
    async with signing_on() as (place, _issuer):
        await sign_on(place)
        state = place.client.cookies["pipesleuth_sign_on"]
        assert (await place.client.get("/api/me", headers={"authorization": f"Bearer {state}"})).status_code == 401
        token = (await place.signed_in())["authorization"].removeprefix("Bearer ")
        place.client.cookies.clear()
        place.client.cookies.set("pipesleuth_sign_on", token, domain="localhost.local", path="/auth")
        assert (
            await place.client.post("/auth/token", headers={"cookie": f"pipesleuth_sign_on={token}"})
        ).status_code == 401


FAULTS: dict[str, dict[str, Any]] = {
    "another nonce": {"claims": {"nonce": "somebody-else's"}},
    "no nonce": {"claims": {"nonce": None}},
    "another audience": {"claims": {"aud": "another-application"}},
    "several audiences, made for another": {"claims": {"aud": [CLIENT_ID, "x"], "azp": "x"}},
    "several audiences, made for nobody": {"claims": {"aud": [CLIENT_ID, "x"]}},
    "another issuer": {"claims": {"iss": "https://login.microsoftonline.com/common/v2.0"}},
    "over": {"claims": {"exp": 1000}},
    "not yet": {"claims": {"nbf": 1_900_000_000}},
    "no subject": {"claims": {"sub": None}},
    "no algorithm": {"unsigned": True},
    "the public key as a secret": {"confused": True},
    "an expiry that is no time": {"claims": {"exp": "soon"}},
}


async def test_a_token_with_a_fault_lets_nobody_in(signing_on: Opened) -> None:
    async with signing_on() as (place, issuer):
        for name, fault in FAULTS.items():
            issuer.claims, issuer.unsigned, issuer.confused = {}, False, False
            for part, value in fault.items():
                setattr(issuer, part, value)
            answer = await sign_on(place)
            assert answer.headers["location"] == "/login?reason=sign_on_failed", name
            assert (await place.client.post("/auth/token")).status_code == 401, name
        assert len(await place.read(all_users)) == 3


async def test_keys_change_without_anybody_noticing_and_withdrawn_ones_end(signing_on: Opened, clock: Clock) -> None:
    async with signing_on() as (place, issuer):
        await session(place)
        clock.turn(60)
        issuer.rotate()
        await session(place)
        assert issuer.asked.count("keys") == 2
        issuer.rotate(withdraw=True)
        answer = await sign_on(place)
        assert answer.headers["location"] == "/login?reason=sign_on_failed"  # looked for a moment ago
        clock.turn(16)
        await session(place)


async def test_the_rule_of_the_domains_holds_here_too(signing_on: Opened) -> None:
    people: list[dict[str, Any]] = [
        {"email": "kai@example.com"},
        {"email": "kai@sub.sigmoidanalytics.com"},
        {"email": "kai@ſigmoidanalytics.com"},
        {"email": "kai@sigmoidanalytics.com.evil.com"},
        {"email": "kai_gmail.com#EXT#@sigmoidanalytics.com"},
        {"email": None},
        {"email": ["kai@sigmoidanalytics.com"]},
        {"email_verified": False},
        {"email_verified": "false"},
    ]
    async with signing_on() as (place, issuer):
        for person in people:
            issuer.claims = person
            assert (await sign_on(place)).headers["location"] == "/login?reason=sign_on_refused", person
        assert len(await place.read(all_users)) == 3


async def test_the_user_name_counts_where_the_issuer_tells_no_address(signing_on: Opened) -> None:
    async with signing_on() as (place, issuer):
        issuer.person = {"sub": "person-2", "preferred_username": "Noa@SigmoidAnalytics.com"}
        assert (await me(place, await session(place)))["email"] == "noa@sigmoidanalytics.com"


async def test_groups_give_roles_at_every_sign_on(signing_on: Opened) -> None:
    groups = "ops-group=responder, boss-group=admin"
    async with signing_on(OIDC_GROUP_ROLES=groups, OIDC_DEFAULT_ROLE="none") as (place, issuer):
        assert (await sign_on(place)).headers["location"] == "/login?reason=sign_on_refused"
        issuer.person["groups"] = ["x", "ops-group"]
        headers = await session(place)
        assert (await me(place, headers))["role"] == "responder"
        issuer.person["groups"] = ["ops-group", "boss-group"]
        assert (await me(place, await session(place)))["role"] == "admin"
        issuer.person |= {"groups": [], "roles": ["ops-group"]}  # app roles are named alike
        assert (await me(place, await session(place)))["role"] == "responder"
        issuer.person |= {"roles": [], "_claim_names": {"groups": "src1"}}
        assert (await sign_on(place)).headers["location"] == "/login?reason=sign_on_refused"


async def test_an_account_of_that_address_becomes_the_persons_own(signing_on: Opened) -> None:
    async with signing_on() as (place, issuer):
        before = await place.signed_in(ADMIN)
        issuer.person |= {"email": ADMIN}
        headers = await session(place)
        assert (await me(place, headers))["role"] == "admin"  # no group says otherwise
        assert (await place.client.get("/api/me", headers=before)).status_code == 401
        login = await place.client.post("/api/login", json={"email": ADMIN, "password": PASSWORD})
        assert login.status_code == 401
        issuer.person |= {"sub": "somebody who got the address later"}
        assert (await sign_on(place)).headers["location"] == "/login?reason=sign_on_refused"


async def test_who_is_shut_out_stays_out(signing_on: Opened) -> None:
    async with signing_on() as (place, _issuer):
        await session(place)
        await place.parts.database.write(lambda c: disable_user(c, "kai@sigmoidanalytics.com"))
        assert (await sign_on(place)).headers["location"] == "/login?reason=sign_on_refused"


async def test_refusals_and_outages_of_the_issuer_lead_back_with_a_reason(signing_on: Opened, capsys: Any) -> None:
    async with signing_on() as (place, issuer):
        issuer.refusal = "access_denied\r\nx: y<script>"
        answer = await sign_on(place)
        assert answer.headers["location"] == "/login?reason=sign_on_refused"
        assert "<script>" not in answer.text
        issuer.refusal = ""
        callback = await place.client.get("/auth/callback?code=x&state=y&error=<script>")
        assert callback.headers["location"] == "/login?reason=sign_on_expired"
        url = await leave(place)
        back = await issuer_answers(url)
        issuer.codes.clear()
        assert (await place.client.get(back)).headers["location"] == "/login?reason=sign_on_failed"
    said = capsys.readouterr()
    assert CLIENT_SECRET not in said.out + said.err


async def test_an_issuer_that_is_away_is_said_so(open_place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "http://127.0.0.1:9/openid")
    monkeypatch.setenv("OIDC_CLIENT_ID", "x")
    async with open_place() as place:
        answer = await place.client.get("/auth/login")
        assert answer.headers["location"] == "/login?reason=sign_on_away"


async def test_a_discovery_document_leads_nowhere_else(signing_on: Opened) -> None:
    documents: list[dict[str, Any]] = [
        {"token_endpoint": "http://127.0.0.1:1/token"},
        {"jwks_uri": "https://169.254.169.254/metadata"},
        {"authorization_endpoint": "https://evil.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"issuer": "https://evil.example"},
        {"token_endpoint": None},
        {"jwks_uri": {"a": 1}},
    ]
    async with signing_on() as (place, issuer):
        for document in documents:
            issuer.document = document
            answer = await place.client.get("/auth/login")
            assert answer.headers["location"] == "/login?reason=sign_on_failed", document


async def test_without_an_issuer_there_is_no_sign_on(place: Place) -> None:
    for method, path in (("GET", "login"), ("GET", "callback"), ("POST", "token")):
        answer = await place.client.request(method, f"/auth/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await place.client.get("/api/config")).json()["sign_on"] == []


async def test_passwords_can_be_switched_off_where_one_signs_on(signing_on: Opened) -> None:
    async with signing_on({"password_login": False}) as (place, _issuer):
        config = (await place.client.get("/api/config")).json()
        assert (config["password_login"], config["registration"]["policy"]) == (False, "closed")
        assert config["sign_on"] == [{"name": "Microsoft", "url": "/auth/login"}]
        body = {"email": RESPONDER, "password": PASSWORD, "code": "x"}
        for path in ("login", "register", "register/verify"):
            answer = await place.client.post(f"/api/{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "password_login_off")
        await session(place)


def test_without_passwords_and_without_an_issuer_nobody_could_come_in(open_place: Any) -> None:
    import asyncio  # noqa: PLC0415  # used once

    async def begin() -> None:
        async with open_place(password_login=False):
            pass

    with pytest.raises(WrongSetting, match="OIDC_ISSUER"):
        asyncio.run(begin())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_ISSUER", "https://login.microsoftonline.com/common/v2.0"),
        ("OIDC_ISSUER", "http://login.example.com"),
        ("OIDC_GROUP_ROLES", "a=king"),
        ("OIDC_GROUP_ROLES", "admin"),
        ("OIDC_HOSTS", "ftp://x"),
        ("OIDC_CLIENT_ID", ""),
    ],
)
def test_a_sign_on_that_cannot_be_right_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "https://login.example.com")
    monkeypatch.setenv("OIDC_CLIENT_ID", "x")
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting, match=r"OIDC_|must"):
        from_environment(SignOnSettings)
