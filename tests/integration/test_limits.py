"""What comes through the guard, and how much of it: hosts, origins, bodies, rates, headers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from doors_tried import is_error
from pipesleuth.accounts import TooMany
from pipesleuth.accounts.attempts import network_of
from pipesleuth.web.guard import MOST_BODY
from pipesleuth.web.traffic import MOST_NAMES, Traffic, TrafficSettings, Window
from places import ADMIN, SENDER, Place, adf

Env = Callable[..., None]


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Env:
    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


def from_address(place: Place, address: str) -> httpx.AsyncClient:
    """A client that connects from another address."""
    transport = httpx.ASGITransport(app=place.app, raise_app_exceptions=False, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")


@pytest.mark.parametrize("path", ["/", "/login", "/dashboard", "/api/config", "/healthz", "/docs", "/nowhere"])
async def test_every_answer_carries_the_strict_headers(place: Place, path: str) -> None:
    headers = (await place.client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers
    assert "set-cookie" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]
    assert "strict-transport-security" not in headers


async def test_no_other_origin_may_read_or_ask(place: Place) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = await place.client.options("/api/login", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    for origin in (
        "https://evil.example",
        "null",
        "http://localhost:9000",
        "http://localhost:8000.evil.example",
        "x://[",
    ):
        answer = await place.client.post("/api/login", json={"email": "a", "password": "b"}, headers={"origin": origin})
        is_error(answer, 403, "foreign_origin")
    own = {"origin": "http://localhost:8000"}
    assert (await place.client.post("/api/login", json={"email": "a", "password": "b"}, headers=own)).status_code == 401
    # Doors have no ambient credentials that a page could misuse; some senders name an origin of theirs.
    answer = await place.post(adf(), headers={"origin": "https://portal.azure.com"})
    assert answer.status_code == 200


async def test_only_our_hosts_are_served_but_probes_come_by_any_name(open_place: Any, env: Env) -> None:
    env(ALLOWED_HOSTS="pipesleuth, inside.example.com")
    async with open_place(public_base_url="https://pipesleuth.example.com") as place:
        for host in (
            "pipesleuth.example.com",
            "PIPESLEUTH.example.com:8443",
            "pipesleuth:8000",
            "localhost",
            "10.1.2.3:80",
            "[::1]:8000",
        ):
            assert (await place.client.get("/login", headers={"host": host})).status_code == 200, host
        for host in (
            "evil.example",
            "pipesleuth.example.com.evil.example",
            "xpipesleuth.example.com",
            "10.1.2.3.evil.example",
            "[::1",
            "a b",
        ):
            is_error(await place.client.get("/login", headers={"host": host}), 400, "unknown_host")
            is_error(
                await place.client.post("/azure-monitor", json=adf(), headers=SENDER | {"host": host}),
                400,
                "unknown_host",
            )
            for probe in ("/healthz", "/readyz"):
                assert (await place.client.get(probe, headers={"host": host})).status_code == 200


async def test_tls_is_believed_from_trusted_proxies_only(open_place: Any, env: Env) -> None:
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
    async with open_place() as place:
        assert "strict-transport-security" not in (await place.client.get("/login", headers=forwarded)).headers
    env(TRUSTED_PROXIES="10.0.0.0/8")
    async with open_place() as place:
        for address, believed in (("10.2.3.4", True), ("11.2.3.4", False)):
            async with from_address(place, address) as client:
                headers = (await client.get("/login", headers=forwarded)).headers
                assert ("strict-transport-security" in headers) is believed


async def test_an_address_is_counted_behind_its_proxy(open_place: Any, env: Env) -> None:
    env(TRUSTED_PROXIES="10.0.0.1", WRONG_KEYS_PER_MINUTE="5")
    async with open_place() as place, from_address(place, "10.0.0.1") as proxy:
        for client, statuses in (("203.0.113.9", [401] * 5 + [429]), ("203.0.113.10", [401])):
            said = [
                (
                    await proxy.post("/azure-monitor", json=adf(), headers={"x-forwarded-for": f"6.6.6.6, {client}"})
                ).status_code
                for _ in statuses
            ]
            assert said == statuses


async def test_wrong_keys_are_slowed_down_and_right_ones_never(open_place: Any, env: Env) -> None:
    env(WRONG_KEYS_PER_MINUTE="5")
    async with open_place() as place:
        wrong = [await place.client.post("/azure-monitor", json=adf(), headers={"x-api-key": "x"}) for _ in range(6)]
        assert [answer.status_code for answer in wrong] == [401] * 5 + [429]
        is_error(wrong[-1], 429, "too_many")
        assert 1 <= int(wrong[-1].headers["retry-after"]) <= 60
        assert (await place.post(adf())).status_code == 200
        secret = await place.client.post("/webhook/jira?secret=wrong", json={})
        assert secret.status_code == 429


def test_a_sender_with_a_good_key_is_not_refused_below_two_thousand_a_second() -> None:
    now = [0.0]
    traffic = Traffic(TrafficSettings.model_validate({"key_requests_per_second": 2000}), clock=lambda: now[0])
    for second in range(3):
        for n in range(2000):
            now[0] = second + n / 2000
            traffic.sender("logic-app")
    with pytest.raises(TooMany) as much:
        traffic.sender("logic-app")
    assert 0 < much.value.after <= 1
    traffic.sender("another")


@pytest.mark.parametrize("name", ["key_requests_per_second", "address_requests_per_second", "connections"])
def test_a_limit_that_would_refuse_everybody_is_refused_itself(name: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal"):
        TrafficSettings.model_validate({name: 1})


def test_a_flood_of_names_does_not_grow_the_memory() -> None:
    window = Window(1, 60.0, clock=lambda: 0.0)
    for n in range(MOST_NAMES + 10):
        window.take(str(n))
    assert len(window._counts) < 20


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_an_address_is_counted_as_what_one_household_has(address: str, counted: str) -> None:
    assert network_of(address) == counted


async def test_requests_of_one_address_are_counted_but_for_doors_pages_and_probes(open_place: Any, env: Env) -> None:
    env(ADDRESS_REQUESTS_PER_SECOND="20")
    async with open_place() as place:
        place.parts.house.traffic._addresses._seconds = 3600.0  # one window for the whole test
        place.parts.house.traffic._addresses._ends = 0.0
        said = [(await place.client.get("/api/config")).status_code for _ in range(21)]
        assert said == [200] * 20 + [429]
        for path in ("/login", "/healthz", "/static/js/login.js", "/api/check-ticket-exists/x"):
            assert (await place.client.get(path, headers=SENDER)).status_code == 200
        assert (await place.post(adf())).status_code == 200


async def test_a_large_body_is_cut_off_everywhere(place: Place) -> None:
    admin = await place.signed_in(ADMIN)
    read = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal read
        while True:
            read += 65_536
            yield b"x" * 65_536

    for path in ("/api/login", "/api/register", "/api/triage", "/api/register/invitations"):
        read = 0
        headers = admin | {"content-type": "application/json"}
        answer = await place.client.post(path, content=endless(), headers=headers)
        is_error(answer, 413, "too_large")
        assert read <= MOST_BODY + 2 * 65_536
    longest = json.dumps({"text": "e" * 1_000_000})
    answer = await place.client.post(
        "/api/triage", content=longest, headers=admin | {"content-type": "application/json"}
    )
    assert answer.status_code == 200


async def test_one_person_holds_so_many_live_dashboards_and_no_more() -> None:
    traffic = Traffic(TrafficSettings.model_validate({"sockets_per_person": 2}))
    with traffic.socket("a"), traffic.socket("a"), traffic.socket("b"), pytest.raises(TooMany), traffic.socket("a"):
        pass
    with traffic.socket("a"):
        assert dict(traffic._sockets) == {"a": 1}


async def test_a_mistake_of_ours_is_answered_like_any_other_request(place: Place) -> None:
    async def broken() -> None:
        raise RuntimeError("a mistake of ours")

    place.app.add_api_route("/api/broken", broken)
    answer = await place.client.get("/api/broken", headers={"x-request-id": "mistake-0001"})
    is_error(answer, 500, "internal")
    assert "a mistake of ours" not in answer.text
    assert answer.headers["x-request-id"] == "mistake-0001"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert 'route="/api/broken",status="500"' in (await place.client.get("/metrics")).text


@pytest.mark.parametrize("path", ["/azure-monitor/", "/databricks-monitor/", "/api/login/"])
async def test_nobody_is_sent_elsewhere_with_a_body(place: Place, path: str) -> None:
    answer = await place.client.post(path, json=adf(), headers=SENDER)
    is_error(answer, 404, "not_found")
    assert "location" not in answer.headers


async def test_the_key_of_the_figures_cannot_be_guessed_at_leisure(env: Env, open_place: Any) -> None:
    env(METRICS_KEY="figures", WRONG_KEYS_PER_MINUTE="5")
    async with open_place() as place, from_address(place, "203.0.113.7") as stranger:
        wrong = [await stranger.get("/metrics", headers={"authorization": f"Bearer {n}"}) for n in range(6)]
        assert [answer.status_code for answer in wrong] == [401] * 5 + [429]
        right = await stranger.get("/metrics", headers={"authorization": "Bearer figures"})
        assert right.status_code == 200
