"""Who is nobody stays nobody: forged tokens, addresses, signatures and sockets; and secrets are compared in constant time."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import hmac
import json
import re
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from besieged import ATTACKS, JIRA_SECRET, SIGNING_KEY, House, attacks, is_refusal
from equipment import HOUSE
from payloads import PAYLOADS
from places import ADMIN
from served import KEY

DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
ISSUE = json.dumps(
    {"webhookEvent": "jira:issue_updated", "issue": {"key": "OPS-1", "fields": {"status": {"name": "Done"}}}}
).encode()


def coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(attack: dict[str, Any]) -> str:
    """The token that an attack describes."""
    if "raw" in attack:
        return attack["raw"] * attack.get("times", 1)
    now = time.time()
    claims = {
        "sub": ADMIN,
        "ver": 1,
        "jti": "x",
        "iat": now,
        "exp": now + 3600,
        "beg": int(now),
        **attack.get("claims", {}),
    }
    head = {"alg": attack["alg"], "typ": "JWT", **attack.get("head", {})}
    given = {name: value for name, value in claims.items() if value is not None}
    signed = f"{coded(json.dumps(head).encode())}.{coded(json.dumps(given).encode())}"
    key = {"other key": b"another key of thirty-two bytes, or more", "empty key": b""}.get(
        attack["sign"], SIGNING_KEY.encode()
    )
    digest = DIGESTS.get(str(attack["alg"]), "sha256")
    signature = hmac.new(key, signed.encode(), digest).digest()
    if attack["sign"] == "empty":
        signature = b""
    if attack["sign"] == "flipped":
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    return f"{signed}.{coded(signature)}"


@pytest.mark.parametrize("attack", attacks("tokens"), ids=lambda attack: ascii(attack)[:60])
def test_a_token_that_nobody_was_given_opens_nothing(attack: dict[str, Any], house: House) -> None:
    token = forged(attack)
    sent: Any = {"authorization": b"Bearer " + token.encode("latin-1", "replace")}
    for path in ("/api/me", "/api/inbound", "/api/export/open-tickets"):
        answer = house.client.get(path, headers=sent)
        if answer.status_code in {400, 431} and len(token) > 60_000:
            continue  # more than a server reads of headers
        is_refusal(answer, 401)
    assert closed_with(house, json.dumps({"token": token})) in {4401, 1009}


def test_a_forged_token_would_open_everything_if_it_were_signed_with_the_key(house: House) -> None:
    good = forged({"alg": "HS256", "sign": "right", "claims": {"ver": version(house)}})
    assert house.client.get("/api/me", headers={"authorization": f"Bearer {good}"}).status_code == 200


def version(house: House) -> int:
    return house.read("SELECT token_version FROM users WHERE role = 'admin'")[0][0]


@pytest.mark.parametrize("address", attacks("addresses"), ids=ascii)
def test_an_address_of_another_domain_gets_no_account(address: str, house: House) -> None:
    before = house.read("SELECT count(*) FROM users")[0][0]
    body = json.dumps({"email": address, "password": "correct horse battery"}).encode()
    answer = house.client.post("/api/register", content=body, headers={"content-type": "application/json"})
    if answer.status_code < 300:  # only where it is an address of ours once hidden or odd letters are gone
        raise AssertionError(f"{address!a} was let in")
    is_refusal(answer, 400, 403)
    if len(address) % 8 == 0:  # a password is compared slowly on purpose: some of them will do
        login = house.client.post("/api/login", content=body, headers={"content-type": "application/json"})
        is_refusal(login, 400, 401)
    assert house.read("SELECT count(*) FROM users")[0][0] == before


def signature(kind: str) -> bytes:
    right = hmac.new(JIRA_SECRET.encode(), ISSUE, hashlib.sha256).hexdigest()
    other = hmac.new(JIRA_SECRET.encode(), ISSUE + b" ", hashlib.sha256).hexdigest()
    made = {
        "right": f"sha256={right}", "none": "", "sha1": "sha1=" + hmac.new(JIRA_SECRET.encode(), ISSUE, hashlib.sha1).hexdigest(),
        "other body": f"sha256={other}", "other key": "sha256=" + hmac.new(b"x", ISSUE, hashlib.sha256).hexdigest(),
        "upper-case method": f"SHA512={right}", "no method": other, "truncated": f"sha256={right[:-1]}",
        "not hexadecimal": "sha256=" + "g" * 64, "non-ASCII": "sha256=\u00ff\u00fe",
    }  # fmt: skip
    return made[kind].encode("latin-1")


@pytest.mark.parametrize("attack", attacks("jira"), ids=lambda attack: ascii(attack)[:60])
def test_nobody_closes_a_ticket_in_jiras_name(attack: dict[str, str], house: House) -> None:
    sent: Any = {"x-hub-signature": signature(attack["sign"])} if "sign" in attack else {}
    answer = house.client.post(f"/webhook/jira?{attack.get('query', '')}", content=ISSUE, headers=sent)
    is_refusal(answer, 401)


def test_jira_itself_is_let_in(house: House) -> None:
    ways: list[tuple[str, Any]] = [(f"?secret={JIRA_SECRET}", {}), ("", {"x-hub-signature": signature("right")})]
    for query, sent in ways:
        assert house.client.post(f"/webhook/jira{query}", content=ISSUE, headers=sent).status_code == 200


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        KEY[:-1],
        KEY + "x",
        KEY.upper(),
        "\u00ff",
        "' OR '1'='1",
        "x" * 20_000,
        "null",
        "psk_",
        "undefined",
    ],
)
def test_a_wrong_key_takes_nothing_in(key: str, house: House) -> None:
    raw = key.encode("latin-1")
    basic = base64.b64encode(b"any:" + raw)
    ways: list[Any] = [{"x-api-key": raw}, {"authorization": b"Basic " + basic}, {"authorization": b"Bearer x" + raw}]
    for sent in ways:
        answer = house.client.post("/azure-monitor", content=b"{}", headers=sent)
        is_refusal(answer, 401)
    is_refusal(house.client.post("/azure-monitor", content=b"{}", params={"key": raw}), 401)


# --- sockets ---


def opened(house: House, **how: Any) -> ClientConnection:
    return connect(f"ws://localhost:{house.port}/ws", open_timeout=5, close_timeout=2, proxy=None, **how)


def closed_with(house: House, first: str | bytes, **how: Any) -> int:
    """The code with which the server closes after a first message."""
    with opened(house, **how) as socket:
        try:
            socket.send(first)
            socket.recv(timeout=5)
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006
    raise AssertionError("the server went on")


@pytest.mark.parametrize("first", attacks("sockets"), ids=lambda first: ascii(first)[:40])
def test_a_socket_without_a_session_is_closed(first: str, house: House) -> None:
    assert closed_with(house, first) == 4401


@pytest.mark.parametrize("first", [b"", b"\x00\xff", b'{"token":"x"}', b"x" * 60_000], ids=len)
def test_bytes_are_no_first_message(first: bytes, house: House) -> None:
    assert closed_with(house, first) == 4401


def test_a_first_message_beyond_all_bounds_is_cut(house: House) -> None:
    assert closed_with(house, "x" * 70_000) in {1009, 4401, 1006}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "file://", "http://["]
)
def test_a_page_of_another_site_hears_nothing(origin: str, house: House) -> None:
    token = house.viewer["authorization"].removeprefix("Bearer ")
    with contextlib.suppress(WebSocketException):  # it may be refused before it was opened
        assert closed_with(house, json.dumps({"token": token}), origin=origin) == 4403


def test_a_flood_of_messages_and_sockets_stops_nobody(house: House) -> None:
    token = house.viewer["authorization"].removeprefix("Bearer ")
    with contextlib.ExitStack() as sockets:
        for _ in range(40):
            sockets.enter_context(opened(house))
        flooding, listening = sockets.enter_context(opened(house)), sockets.enter_context(opened(house))
        for socket in (flooding, listening):
            socket.send(json.dumps({"token": token}))
            assert json.loads(socket.recv(timeout=5))["event"] == "hello"
        for number in range(3000):
            flooding.send(f'{{"noise":{number}}}')
        run = {"PipelineName": "amid the flood", "PipelineRunId": "flood", "ErrorMessage": "e"}
        began = time.monotonic()
        assert house.post({"data": {"context": {"properties": run}}}).status_code == 200
        events = [json.loads(listening.recv(timeout=5))]
        assert time.monotonic() - began < 5
        assert events[0]["event"] in {"new_ticket", "ticket_updated"}


# --- what a reader of the code sees ---

# Every function that decides by a secret, and how: by digest and constant time, or by bcrypt.
DECIDED = {
    "destinations/jira_news.py": {"secret_valid": "compare_digest", "signature_valid": "compare_digest"},
    "accounts/keys.py": {"sender": "compare_digest"},
    "accounts/people.py": {"matches": "checkpw"},
}


@pytest.mark.parametrize("file", DECIDED)
def test_secrets_are_compared_in_constant_time(file: str) -> None:
    tree = ast.parse((HOUSE / "src" / "pipesleuth" / file).read_text("utf-8"))
    functions = {
        node.name: ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name, means in DECIDED[file].items():
        assert means in functions[name], f"{file}: {name}"


def test_nothing_compares_a_secret_with_an_equals_sign() -> None:
    words = ("secret", "password", "signature", "token", "api_key", "digest")
    found = [
        f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for folder in ("web", "accounts", "destinations")
        for path in sorted((HOUSE / "src" / "pipesleuth" / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        if any(isinstance(side, ast.Name) and side.id in words for side in (node.left, *node.comparators))
    ]
    assert [
        one
        for one in found
        if "told_digest" not in one and "digest != receipt" not in one and "digest == receipt" not in one
    ] == []


STEERING = (
    "\x1b[2J\x1b[31mErrorCode=2200 red", "a\x1b]0;title\x07b failed", "x\x9b31m failed", "\x1bP1;2q failed", "\x08\x08\x08 failed",
    "[bold]rich[/bold] failed", "[link=https://evil.example]x[/link] failed", "[/] failed", "\u202efailed",
)  # fmt: skip


def test_no_text_steers_the_terminal() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pipesleuth", "triage", "-", "--explain"],
        input="\n".join(STEERING), capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said), ascii(said)


def test_the_hostile_set_is_as_large_as_was_promised() -> None:
    counted = {path.stem: len(attacks(path.stem)) for path in ATTACKS.glob("*.json")}
    assert sum(counted.values()) >= 250, counted
    assert len(PAYLOADS) >= 126  # of tests/injection, which try the AI


def test_a_stranger_is_told_the_same_whether_or_not_somebody_exists(house: House) -> None:
    answers: list[httpx.Response] = [
        house.client.post("/api/login", json={"email": email, "password": "wrong"})
        for email in (ADMIN, "nobody@sigmoidanalytics.com", "x@evil.example")
    ]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
