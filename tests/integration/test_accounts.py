"""Who may come in: registering, logging in and out, tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest

from pipesleuth.accounts import people
from places import ADMIN, PASSWORD, RESPONDER, SIGNING_KEY, Place

NEW = {"email": "new@sigmoidanalytics.com", "password": "long enough", "full_name": "New Person"}


async def register(place: Place, **changes: Any) -> Any:
    return await place.client.post("/api/register", json=NEW | changes)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_somebody_of_the_domain_registers_and_is_logged_in(place: Place) -> None:
    answer = await register(place, email="  New@SigmoidAnalytics.COM ")
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"
    me = (await place.client.get("/api/me", headers=bearer(answer.json()["access_token"]))).json()
    assert (me["email"], me["full_name"], me["role"]) == (NEW["email"], "New Person", "responder")
    again = await register(place)
    assert (again.status_code, again.json()["code"], again.json()["field"]) == (409, "email_taken", "email")


@pytest.mark.parametrize(
    "email",
    [
        "a@example.com",
        "a@sub.sigmoidanalytics.com",
        "a@sigmoidanalytics.com.evil.com",
        "a@evil.com@sigmoidanalytics.com",
        "a@sigmoidanalytics.com.",
        "a@xsigmoidanalytics.com",
        "a@sigmoidanalytics.com\x00@x.com",
        "a@sigmoidanalytics.com\n",
        "a b@sigmoidanalytics.com",
        '"a@evil.com"@sigmoidanalytics.com',
        "a@evil.com, b@sigmoidanalytics.com",
        "a@sigmoidаnalytics.com",
        "a@ſigmoidanalytics.com",
        "a@sigmoidanalytics。com",
        "mar\u212a@sigmoidanalytics.com",
        "a\u200b@sigmoidanalytics.com",
        "@sigmoidanalytics.com",
        "sigmoidanalytics.com",
        "",
        "a" * 300 + "@sigmoidanalytics.com",
        "<a@sigmoidanalytics.com>",
        ".a@sigmoidanalytics.com",
    ],
)
async def test_nobody_else_registers(place: Place, email: str) -> None:
    answer = await register(place, email=email)
    if email.endswith("\n"):
        assert answer.status_code in {200, 400}  # white space around an address is no part of it
        return
    assert answer.status_code in {400, 403}, answer.text
    assert answer.json()["field"] == "email"
    assert answer.json()["code"] in {"domain_not_allowed", "invalid_email", "invalid"}


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("1234567", "password_too_short"),
        ("", "password_too_short"),
        ("x" * 73, "password_too_long"),
        ("ü" * 37, "password_too_long"),
        ("🔥" * 19, "password_too_long"),
        ("long enough\x00", "password_invalid"),
    ],
)
async def test_a_password_that_cannot_be_taken_is_refused_with_its_reason(
    place: Place, password: str, code: str
) -> None:
    answer = await register(place, password=password)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, "password")


async def test_a_password_of_seventy_two_bytes_is_used_whole(place: Place) -> None:
    whole = "ü" * 36
    assert (await register(place, password=whole)).status_code == 200
    assert (await login(place, NEW["email"], whole)).status_code == 200
    for other in (whole[:-1] + "x", whole + "x", "ü" * 35):
        assert (await login(place, NEW["email"], other)).status_code == 401


async def login(place: Place, email: str, password: str) -> Any:
    return await place.client.post("/api/login", json={"email": email, "password": password})


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"registration": "closed"}, 403),
        ({"registration": "invite"}, 403),
        ({"public_base_url": "https://pipesleuth.example.com"}, 403),
        ({"public_base_url": "http://127.0.0.1:9"}, 200),
    ],
)
async def test_registration_is_open_only_where_it_may_be(open_place: Any, settings: Any, status: int) -> None:
    async with open_place(**settings) as place:
        answer = await register(place)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "invitation_required"
            assert (await login(place, NEW["email"], NEW["password"])).status_code == 401


async def test_a_wrong_password_and_an_unknown_person_get_the_same_answer_for_the_same_work(place: Place) -> None:
    await register(place)
    answers: dict[str, Any] = {}
    took: dict[str, list[float]] = {}
    for _ in range(3):
        for email in (NEW["email"], "nobody@sigmoidanalytics.com", "not an address"):
            began = time.perf_counter()
            answer = await login(place, email, "wrong password")
            took.setdefault(email, []).append(time.perf_counter() - began)
            answers[email] = (answer.status_code, answer.json())
    assert len({json.dumps(said) for said in answers.values()}) == 1
    assert answers[NEW["email"]][0] == 401
    fastest = [min(times) for times in took.values()]
    assert max(fastest) < 4 * min(fastest), took


async def test_logging_in_holds_nobody_up(place: Place) -> None:
    await register(place)
    logins = [asyncio.create_task(login(place, NEW["email"], "wrong password")) for _ in range(4)]
    turns = 0
    while not all(task.done() for task in logins):  # the loop's own turns are counted
        await asyncio.sleep(0.002)
        turns += 1
    # On the loop itself each of the four hashes would be one long turn.
    assert turns > 20


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": 5, "password": "x"},
        {"email": "a@b.c"},
        [],
        "x",
        {"email": None, "password": None},
        {"email": "a", "password": "x" * 2000},
    ],
)
async def test_an_odd_login_is_refused_with_its_field(place: Place, body: Any) -> None:
    for path in ("/api/login", "/api/register"):
        answer = await place.client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert answer.json()["field"]
    answer = await place.client.post("/api/login", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


async def test_surrogates_in_a_login_are_no_crash(place: Place) -> None:
    body = b'{"email": "a\\ud800@sigmoidanalytics.com", "password": "\\udfff\\udfff\\udfff\\udfff\\udfff\\udfff\\udfff\\udfff"}'
    for path in ("/api/login", "/api/register"):
        answer = await place.client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 401}


async def test_names_are_kept_in_one_visible_line(place: Place) -> None:
    token = (await register(place, full_name="  Eve\x00\n\u202e Adams\t ")).json()["access_token"]
    assert (await place.client.get("/api/me", headers=bearer(token))).json()["full_name"] == "Eve Adams"


async def test_a_token_ends_with_its_time_its_session_its_password_or_its_person(place: Place) -> None:
    one, other = await place.signed_in(), await place.signed_in()
    assert (await place.client.post("/api/logout", headers=one)).status_code == 200
    answer = await place.client.get("/api/me", headers=one)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (await place.client.get("/api/me", headers=other)).status_code == 200
    place.clock.turn(12 * 3600)
    assert (await place.client.get("/api/me", headers=other)).status_code == 401
    third = await place.signed_in()
    secret = await place.read(lambda c: people.all_users(c)[0]["password_hash"])
    await place.parts.database.write(lambda c: people.set_password(c, RESPONDER, secret))
    place.parts.house.accounts.forget()
    assert (await place.client.get("/api/me", headers=third)).status_code == 401
    admin = await place.signed_in(ADMIN)
    await place.parts.database.write(lambda c: people.disable_user(c, ADMIN))
    place.parts.house.accounts.forget()
    assert (await place.client.get("/api/me", headers=admin)).status_code == 401
    assert (await login(place, ADMIN, PASSWORD)).status_code == 401


async def test_a_renewal_that_a_new_password_overtakes_ends_with_its_session(place: Place) -> None:
    sessions = place.parts.house.accounts
    who = await sessions.person((await place.signed_in())["authorization"].removeprefix("Bearer "))
    secret = await place.read(lambda c: people.all_users(c)[0]["password_hash"])
    await place.parts.database.write(lambda c: people.set_password(c, RESPONDER, secret))
    sessions.forget()
    assert (await place.client.get("/api/me", headers=bearer(sessions.renewed(who)))).status_code == 401


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": RESPONDER, "ver": 1, "jti": "x", "iat": 1795176000, "exp": 1795196000} | changes


def unsigned(head: dict[str, Any], body: dict[str, Any]) -> str:
    def part(one: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode()

    return f"{part(head)}.{part(body)}."


FORGED = {
    "nothing": "",
    "nonsense": "nonsense",
    "dots": "..",
    "no algorithm": unsigned({"alg": "none", "typ": "JWT"}, claims()),
    "no algorithm, shouted": unsigned({"alg": "NONE"}, claims()),
    "another key": jwt.encode(claims(), "another-key-of-the-same-length-or-so-1234", algorithm="HS256"),
    "another algorithm": jwt.encode(claims(), SIGNING_KEY + SIGNING_KEY, algorithm="HS512"),
    "no person": jwt.encode({k: v for k, v in claims().items() if k != "sub"}, SIGNING_KEY, algorithm="HS256"),
    "no end": jwt.encode({k: v for k, v in claims().items() if k != "exp"}, SIGNING_KEY, algorithm="HS256"),
    "no version": jwt.encode({k: v for k, v in claims().items() if k != "ver"}, SIGNING_KEY, algorithm="HS256"),
    "another version": jwt.encode(claims(ver=2), SIGNING_KEY, algorithm="HS256"),
    "an unknown person": jwt.encode(claims(sub="nobody@sigmoidanalytics.com"), SIGNING_KEY, algorithm="HS256"),
    "an endless end": jwt.encode(claims(exp=10**30), SIGNING_KEY, algorithm="HS256"),
    "over": jwt.encode(claims(exp=1000), SIGNING_KEY, algorithm="HS256"),
    "very long": "a." * 20_000,
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_lets_nobody_in(place: Place, token: str) -> None:
    answer = await place.client.get("/api/me", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_good_token_of_that_form_would_have_been_taken(place: Place) -> None:
    good = jwt.encode(claims(), SIGNING_KEY, algorithm="HS256")
    assert (await place.client.get("/api/me", headers=bearer(good))).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer"}, {"authorization": "Basic eDp5"}, {"authorization": "bearer x"}]
)
async def test_everything_about_tickets_wants_a_session(place: Place, headers: dict[str, str]) -> None:
    reads = (
        "me",
        "open-tickets",
        "in-progress-tickets",
        "closed-tickets",
        "tickets/x",
        "tickets/x/payload",
        "tickets/x/related",
        "summary",
        "audit-trail",
        "inbound",
        "events",
        "export/open-tickets",
        "export/audit-trail",
    )
    for path in reads:
        answer = await place.client.get(f"/api/{path}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
    for path in ("tickets/x/take", "tickets/x/close", "tickets/x/reopen", "tickets/x/feedback", "logout"):
        assert (await place.client.post(f"/api/{path}", headers=headers, json={"right": True})).status_code == 401, path


async def test_the_configuration_tells_strangers_only_how_to_come_in(place: Place) -> None:
    public = (await place.client.get("/api/config")).json()
    assert public["registration"]["policy"] == "open"
    assert public["allowed_email_domains"] == ["sigmoidanalytics.com"]
    private = (await place.client.get("/api/config", headers=await place.signed_in())).json()
    assert set(private) > set(public)
    assert private["itsm_tool"] is None
    assert private["banners"] == []
    assert not set(public) & {"banners", "version", "jira_base_url", "itsm_tool"}
    assert (await place.client.get("/api/config", headers=bearer("x"))).status_code == 401


async def test_the_last_login_is_remembered(place: Place) -> None:
    await place.signed_in()
    place.clock.turn(60)
    place.parts.house.accounts.forget()
    me = (await place.client.get("/api/me", headers=await place.signed_in())).json()
    assert me["last_login"] == "2026-11-20T12:01:00.000000+00:00"


async def test_a_sender_may_have_a_key_of_its_own_until_it_is_revoked(place: Place) -> None:
    import hashlib  # noqa: PLC0415  # used once
    import sqlite3  # noqa: PLC0415  # the same

    digest = hashlib.sha256(b"team-key").hexdigest()
    with sqlite3.connect(place.folder / "tickets.db") as raw:
        raw.execute(
            "INSERT INTO api_keys (name, key_hash, scopes, created_at) VALUES ('team', ?, 'read', 'now')", (digest,)
        )
    headers = {"x-api-key": "team-key"}
    assert (await place.client.get("/api/check-ticket-exists/x", headers=headers)).status_code == 200
    assert (await place.client.get("/api/check-ticket-exists/x", headers={"x-api-key": digest})).status_code == 401
