"""Senders: named keys with scopes that change over without a gap, and Azure's own token instead of a key."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any

import pytest

from doors_tried import basic, is_error
from pipesleuth.accounts.keys import ApiKeys, add_key, all_keys, revoke_keys
from pipesleuth.accounts.secure_webhook import SecureWebhookSettings
from pipesleuth.sandbox import Sandbox
from pipesleuth.sandbox.open_id import ACTION_GROUPS, TENANT, OpenIdIssuer
from places import SENDER, Clock, Place, adf

Opened = Callable[[], contextlib.AbstractAsyncContextManager[tuple[Place, OpenIdIssuer, str]]]
AUDIENCE = "api://0f4b6c2e-91d7-4a83-b6c0-5e2d7f8a9b13"


async def made(place: Place, name: str = "team", scopes: tuple[str, ...] = ("intake", "read"), **how: Any) -> str:
    """A key just made; the server looks anew."""
    key = await place.parts.database.write(
        lambda c: add_key(c, name, scopes, place.clock(), old_hours=how.get("old_hours"))
    )
    place.parts.house.keys._cache = (0.0, ())
    return key


async def sent(place: Place, key: str, path: str = "/azure-monitor") -> int:
    return (await place.client.post(path, json=adf(), headers={"x-api-key": key})).status_code


async def looked_up(place: Place, key: str) -> int:
    return (await place.client.get("/api/check-ticket-exists/x", headers={"x-api-key": key})).status_code


async def test_a_key_is_good_for_its_scopes(place: Place) -> None:
    both, intake, read = await made(place), await made(place, "in", ("intake",)), await made(place, "out", ("read",))
    assert [await sent(place, key) for key in (both, intake, read)] == [200, 200, 403]
    assert [await looked_up(place, key) for key in (both, intake, read)] == [200, 403, 200]


async def test_keys_change_over_without_a_gap(place: Place, clock: Clock) -> None:
    old = await made(place)
    new = await made(place, old_hours=24.0)
    assert [await sent(place, key) for key in (old, new)] == [200, 200]
    clock.turn(24 * 3600 + 1)
    assert [await sent(place, key) for key in (old, new)] == [401, 200]
    assert await place.parts.database.write(lambda c: revoke_keys(c, "team", clock())) == 2
    place.parts.house.keys._cache = (0.0, ())
    assert await sent(place, new) == 401
    assert await sent(place, SENDER["x-api-key"]) == 200  # the one from the environment goes on


async def test_a_revoked_key_ends_within_seconds_and_alone(place: Place) -> None:
    one, other = await made(place), await made(place)
    rows = await place.read(all_keys)
    await place.parts.database.write(lambda c: revoke_keys(c, str(rows[0]["id"]), place.clock()))
    place.parts.house.keys._cache = (0.0, ())
    assert sorted([await sent(place, one), await sent(place, other)]) == [200, 401]


async def test_only_digests_are_kept_and_the_last_use_to_the_minute(place: Place, clock: Clock) -> None:
    key = await made(place)
    assert key not in str(await place.read(lambda c: [dict(row) for row in all_keys(c)]))
    for _ in range(5):
        await sent(place, key)
        clock.turn(1)

    async def noted() -> bool:
        return (await place.read(all_keys))[0]["last_used_at"] is not None

    await place.until(noted)
    used = (await place.read(all_keys))[0]["last_used_at"]
    assert used.startswith("2026-11-20T12:00:00")
    keys: ApiKeys = place.parts.house.keys
    keys._used = dict.fromkeys(keys._used, 0.0)  # a minute later
    await sent(place, key)

    async def noted_again() -> bool:
        return (await place.read(all_keys))[0]["last_used_at"] > used

    await place.until(noted_again)


async def test_the_door_of_databricks_takes_a_named_key_as_basics_password(place: Place) -> None:
    key = await made(place, scopes=("intake",))
    body = {"job_name": "nightly", "run_id": 71, "error_message": "It broke."}
    answer = await place.client.post("/databricks-monitor", json=body, headers=basic(key))
    assert answer.json()["status"] == "success"
    is_error(await place.client.post("/databricks-monitor", json=body, headers=basic("wrong")), 401, "unauthorized")


@pytest.fixture
def secured(open_place: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a service that knows the stand-in's tenant."""

    @contextlib.asynccontextmanager
    async def opened() -> AsyncGenerator[tuple[Place, OpenIdIssuer, str]]:
        async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
            login = f"{sandbox.url}/openid"
            monkeypatch.setenv("AZURE_LOGIN_URL", login)
            monkeypatch.setenv("AZURE_WEBHOOK_TENANT_ID", TENANT)
            monkeypatch.setenv("AZURE_WEBHOOK_AUDIENCE", AUDIENCE)
            async with open_place() as place:
                yield place, sandbox.app.open_id, login

    return opened


async def presented(place: Place, token: str, path: str = "/azure-monitor") -> Any:
    return await place.client.post(path, json=adf(), headers={"authorization": f"Bearer {token}"})


async def test_an_action_groups_token_is_taken_at_the_doors(secured: Opened) -> None:
    async with secured() as (place, issuer, login):
        second = issuer.action_group_token(AUDIENCE.removeprefix("api://"), login)
        first = issuer.action_group_token(
            AUDIENCE, login, iss=f"https://sts.windows.net/{TENANT}/", azp=None, appid=ACTION_GROUPS, ver="1.0"
        )
        for token in (first, second, first):
            for path in ("/azure-monitor", "/hooks/data_factory"):
                answer = await presented(place, token, path)
                assert (answer.status_code, answer.json()["status"]) == (200, "success"), answer.text
        assert issuer.asked.count("keys") == 1
        assert await sent(place, SENDER["x-api-key"]) == 200  # keys go on beside it
        answer = await place.client.get("/api/check-ticket-exists/x", headers={"authorization": f"Bearer {first}"})
        assert answer.status_code == 401
        assert (await place.client.get("/api/me", headers={"authorization": f"Bearer {first}"})).status_code == 401


WRONG: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "api://another"},
    "another tenant": {"tid": "11111111-2222-3333-4444-555555555555"},
    "another issuer": {"iss": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"},
    "another application": {"azp": "11111111-2222-3333-4444-555555555555"},
    "no application": {"azp": None},
    "another role": {"roles": ["Reader"]},
    "a role as text": {"roles": "ActionGroupsSecureWebhook"},
    "no role": {"roles": None},
    "over": {"exp": 1000},
    "not yet": {"nbf": 1_900_000_000},
    "no end": {"exp": None},
}


async def test_another_token_is_not(secured: Opened) -> None:
    async with secured() as (place, issuer, login):
        for name, wrong in WRONG.items():
            token = issuer.action_group_token(AUDIENCE, login, **wrong)
            assert (await presented(place, token)).status_code == 401, name


async def test_a_token_that_anybody_could_make_is_not(secured: Opened) -> None:
    async with secured() as (place, issuer, login):
        issuer.unsigned = True
        is_error(await presented(place, issuer.action_group_token(AUDIENCE, login)), 401, "unauthorized")
        issuer.unsigned, issuer.confused = False, True
        is_error(await presented(place, issuer.action_group_token(AUDIENCE, login)), 401, "unauthorized")
        issuer.confused = False
        good = issuer.action_group_token(AUDIENCE, login)
        for token in ("", "x", "a.b.c", "é.é.é", good[:-4] + "AAAA", "x" * 20_000):
            headers = [(b"authorization", b"Bearer " + token.encode())]
            is_error(await place.client.post("/azure-monitor", json=adf(), headers=headers), 401, "unauthorized")


async def test_a_token_ends_with_its_time_although_it_was_good(secured: Opened, clock: Clock) -> None:
    async with secured() as (place, issuer, login):
        token = issuer.action_group_token(AUDIENCE, login)
        assert (await presented(place, token)).status_code == 200
        clock.turn(timedelta(hours=1, minutes=2).total_seconds())
        is_error(await presented(place, token), 401, "unauthorized")


async def test_without_an_audience_no_token_is_taken(place: Place) -> None:
    is_error(await presented(place, OpenIdIssuer().action_group_token(AUDIENCE, "x")), 401, "unauthorized")


@pytest.mark.parametrize("tenant", ["", "common", "contoso.onmicrosoft.com"])
def test_a_secure_webhook_without_its_tenant_is_refused_at_start(tenant: str) -> None:
    with pytest.raises(ValueError, match="AZURE_WEBHOOK_TENANT_ID"):
        SecureWebhookSettings.model_validate({"azure_webhook_audience": AUDIENCE, "azure_webhook_tenant_id": tenant})


async def test_who_is_refused_at_a_door_is_remembered(place: Place) -> None:
    reading = await made(place, scopes=("read",))
    assert await sent(place, reading) == 403
    assert await sent(place, SENDER["x-api-key"], "/hooks/tea") == 404
    rows = [(row["door"], row["outcome"], row["reason"]) for row in await place.inbound()]
    assert rows[0] == ("azure-monitor", "unauthorized", "This key is not for intake.")
    assert rows[1][:2] == ("hooks", "rejected")
    assert rows[1][2].startswith("tea: There is no source of this name.")


async def test_an_issuer_that_is_away_is_no_wrong_token(
    open_place: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = "http://127.0.0.1:9"
    monkeypatch.setenv("AZURE_LOGIN_URL", login)
    monkeypatch.setenv("AZURE_WEBHOOK_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_WEBHOOK_AUDIENCE", AUDIENCE)
    token = OpenIdIssuer(clock=lambda: clock().timestamp()).action_group_token(AUDIENCE, login)
    async with open_place() as place:
        for _ in range(2):  # the second finds that the issuer was asked a moment ago
            answer = await presented(place, token)
            is_error(answer, 503, "issuer_unavailable")  # which is sent again, as 401 is not
            assert answer.headers["retry-after"] == "5"
