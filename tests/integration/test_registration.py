"""Making an account under each policy: at once, by a mailed code, by invitation, not at all."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from email.message import EmailMessage
from typing import Any

import pytest

from mail_server import MailServer
from pipesleuth.accounts.mail import Letter, MailSettings, Post
from pipesleuth.model import WrongSetting
from places import ADMIN, PASSWORD, RESPONDER, VIEWER, Clock, Place

NEW = {"email": "new@sigmoidanalytics.com", "password": "long enough", "full_name": "New Person"}
CODE = re.compile(r"^Your code: ([2-9A-HJ-NP-Z]{8})$", re.MULTILINE)


@pytest.fixture
async def mail() -> AsyncGenerator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def verifying(open_place: Any, mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Place]:
    """A service in public with a mail server: codes are mailed."""
    for name, value in mail.environment().items():
        monkeypatch.setenv(name, value)
    async with open_place(public_base_url="https://pipesleuth.example.com", tries_per_account=3) as place:
        yield place


async def register(place: Place, **changes: Any) -> Any:
    return await place.client.post("/api/register", json=NEW | changes)


async def verify(place: Place, code: str, **changes: Any) -> Any:
    body = {"email": NEW["email"], "password": NEW["password"], "code": code} | changes
    return await place.client.post("/api/register/verify", json=body)


def code_in(letter: EmailMessage) -> str:
    found = CODE.search(letter.get_content())
    assert found, letter.get_content()
    return found[1]


async def test_a_mailed_code_and_the_password_make_an_account(verifying: Place, mail: MailServer) -> None:
    answer = await register(verifying, email=" New@sigmoidanalytics.com")
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    letter = await mail.letter(1)
    assert (letter["To"], letter["From"]) == (NEW["email"], "pipesleuth@sigmoidanalytics.com")
    code = code_in(letter)
    assert f"https://pipesleuth.example.com/login#email=new%40sigmoidanalytics.com&code={code}" in letter.get_content()
    login = await verifying.client.post("/api/login", json=NEW)
    assert login.status_code == 401  # not before
    done = await verify(verifying, code.lower())
    assert done.status_code == 200
    me = await verifying.client.get("/api/me", headers={"authorization": f"Bearer {done.json()['access_token']}"})
    assert (me.json()["full_name"], me.json()["role"]) == ("New Person", "responder")
    assert (await verifying.client.post("/api/login", json=NEW)).status_code == 200
    assert (await verify(verifying, code)).status_code == 400  # once


async def test_a_code_alone_opens_nothing(verifying: Place, mail: MailServer) -> None:
    """Somebody may have typed another's address, with a password of their own."""
    await register(verifying, password="an attacker's password")
    code = code_in(await mail.letter(1))
    for answer in (await verify(verifying, code, password="guessed guessed"), await verify(verifying, "AAAAAAAA")):
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "wrong_code", "code")
    wrong = await verify(verifying, code, email=RESPONDER)
    assert wrong.json()["code"] == "wrong_code"


async def test_who_has_an_account_is_told_by_mail_and_by_nothing_else(verifying: Place, mail: MailServer) -> None:
    answers: dict[str, Any] = {}
    took: dict[str, float] = {}
    for email in (NEW["email"], RESPONDER):
        began = time.perf_counter()
        answer = await register(verifying, email=email)
        took[email] = time.perf_counter() - began
        answers[email] = (answer.status_code, answer.text, sorted(set(answer.headers) - {"x-request-id"}))
    assert answers[NEW["email"]] == answers[RESPONDER]
    assert max(took.values()) < 4 * min(took.values()), took
    known = (await mail.letter(2)).get_content()
    assert "There is one already" in known
    assert not CODE.search(known)


async def test_a_code_grows_old(verifying: Place, mail: MailServer, clock: Clock) -> None:
    await register(verifying)
    code = code_in(await mail.letter(1))
    clock.turn(30 * 60 + 1)
    assert (await verify(verifying, code)).status_code == 400


@pytest.mark.long
async def test_codes_are_not_guessed_for_long(verifying: Place, mail: MailServer, clock: Clock) -> None:
    await register(verifying)
    code = code_in(await mail.letter(1))
    answers = [await verify(verifying, f"WRONG{n:03}") for n in range(4)]
    assert [answer.status_code for answer in answers] == [400] * 3 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 900
    assert (await verify(verifying, code)).status_code == 429  # the right one too: it may have been guessed
    clock.turn(901)
    assert (await verify(verifying, code)).status_code == 200


@pytest.mark.long
async def test_nobody_is_flooded_with_mail(verifying: Place, mail: MailServer) -> None:
    for _ in range(3):
        assert (await register(verifying)).status_code == 202
    assert (await register(verifying)).status_code == 429
    await mail.letter(3)
    assert len(mail.letters) == 3


async def test_the_rule_of_the_domains_holds_with_codes(verifying: Place, mail: MailServer) -> None:
    for email in (
        "a@evil.com",
        "a+x@sub.sigmoidanalytics.com",
        "a@ſigmoidanalytics.com",
        "a@sigmoidanalytics.com\r\nBcc: x@y.z",
    ):
        answer = await register(verifying, email=email)
        assert answer.status_code in {400, 403}
        assert answer.json()["field"] == "email"
    assert mail.letters == []


async def invited(place: Place, email: str = NEW["email"], role: str = "viewer", by: str = ADMIN) -> Any:
    body = {"email": email, "role": role}
    return await place.client.post("/api/register/invitations", json=body, headers=await place.signed_in(by))


async def test_an_invitation_lets_one_person_in_once(open_place: Any) -> None:
    async with open_place(public_base_url="https://pipesleuth.example.com") as place:
        config = (await place.client.get("/api/config")).json()
        assert config["registration"]["policy"] == "invite"
        assert (await register(place)).json()["code"] == "invitation_required"
        made = (await invited(place)).json()
        assert made["link"].startswith(
            "https://pipesleuth.example.com/login#email=new%40sigmoidanalytics.com&invitation="
        )
        assert (await register(place, invitation="x" * 32)).status_code == 403
        assert (await register(place, email="other@sigmoidanalytics.com", invitation=made["code"])).status_code == 403
        answers = await asyncio.gather(*(register(place, invitation=made["code"]) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 403, 403]
        token = next(answer.json()["access_token"] for answer in answers if answer.status_code == 200)
        me = (await place.client.get("/api/me", headers={"authorization": f"Bearer {token}"})).json()
        assert me["role"] == "viewer"


async def test_invitations_are_an_administrators_and_can_be_taken_back(open_place: Any, clock: Clock) -> None:
    async with open_place(registration="invite") as place:
        for who in (RESPONDER, VIEWER):
            answer = await invited(place, by=who)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        admin = await place.signed_in(ADMIN)
        first = (await invited(place)).json()
        waiting = (await place.client.get("/api/register/invitations", headers=admin)).json()["invitations"]
        assert [(one["email"], one["role"], one["invited_by"]) for one in waiting] == [(NEW["email"], "viewer", ADMIN)]
        assert first["code"] not in str(waiting)
        gone = await place.client.delete(f"/api/register/invitations/{first['id']}", headers=admin)
        assert gone.status_code == 204
        assert (await register(place, invitation=first["code"])).status_code == 403
        for number in (first["id"], 0, -1, 2**70):
            answer = await place.client.delete(f"/api/register/invitations/{number}", headers=admin)
            assert answer.status_code == 404
        late = (await invited(place)).json()
        clock.turn(7 * 86_400 + 1)
        assert (await register(place, invitation=late["code"])).status_code == 403


async def test_the_rule_of_the_domains_holds_for_invitations(open_place: Any) -> None:
    async with open_place(registration="invite") as place:
        for email in ("a@evil.com", "a@sub.sigmoidanalytics.com", "x"):
            answer = await invited(place, email)
            assert answer.status_code in {400, 403}
            assert answer.json()["field"] == "email"
        assert (await invited(place, RESPONDER)).json()["code"] == "email_taken"
        assert (await invited(place, role="king")).status_code == 400


async def test_where_registration_is_closed_an_invitation_is_none(open_place: Any) -> None:
    async with open_place(registration="invite") as place:
        made = (await invited(place)).json()
    async with open_place(registration="closed") as place:
        assert (await register(place, invitation=made["code"])).status_code == 403
        assert (await invited(place, "b@sigmoidanalytics.com")).status_code == 403


async def test_codes_are_mailed_only_where_that_is_the_policy(place: Place) -> None:
    answer = await verify(place, "x")
    assert (answer.status_code, answer.json()["code"]) == (403, "invitation_required")


async def test_codes_without_a_mail_server_are_refused_at_start(open_place: Any) -> None:
    with pytest.raises(WrongSetting, match="SMTP_HOST"):
        async with open_place(registration="verify"):
            pass


async def test_a_mail_server_that_is_busy_is_asked_again_and_never_quoted(mail: MailServer, capsys: Any) -> None:
    mail.refusals = 2
    known = {name.lower(): value for name, value in mail.environment().items()}
    post = Post(MailSettings(**known), pauses=(0.01, 0.01))  # pyright: ignore[reportArgumentType]  # values as the environment has them
    post.send(Letter(NEW["email"], "Hello", "text"))
    assert (await mail.letter(1)).get_content() == "text\n"
    await post.close()
    said = capsys.readouterr()
    assert "secret-of-the-server" not in said.out + said.err
    assert NEW["email"] not in said.out + said.err


async def test_mail_is_never_sent_in_the_clear_where_it_must_not_be(mail: MailServer) -> None:
    known = {name.lower(): value for name, value in mail.environment().items()} | {"smtp_security": "starttls"}
    post = Post(MailSettings(**known), pauses=(0.01,))  # pyright: ignore[reportArgumentType]  # the same
    post.send(Letter(NEW["email"], "Hello", "text"))
    await post.close()
    assert mail.letters == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_from": ""},
        {"smtp_from": "nobody"},
        {"smtp_security": "none", "smtp_username": "u", "smtp_host": "mail.example.com"},
        {"smtp_security": "ssl3"},
    ],
)
def test_a_mail_server_that_cannot_be_right_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"SMTP_|starttls"):
        MailSettings(**({"smtp_host": "localhost", "smtp_from": "a@b.de"} | wrong))  # pyright: ignore[reportArgumentType]  # the same


async def test_logins_are_throttled_by_account_whether_or_not_it_exists(open_place: Any, clock: Clock) -> None:
    async with open_place(tries_per_account=3) as place:
        for email in (RESPONDER, "nobody@sigmoidanalytics.com"):
            answers = [await place.client.post("/api/login", json={"email": email, "password": "x"}) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [401] * 3 + [429]
            assert (answers[-1].json()["code"], int(answers[-1].headers["retry-after"])) == ("too_many", 900)
        right = {"email": RESPONDER, "password": PASSWORD}
        assert (await place.client.post("/api/login", json=right)).status_code == 429
        clock.turn(901)
        for _ in range(4):  # who knows the password is not counted
            assert (await place.client.post("/api/login", json=right)).status_code == 200


async def test_all_servers_count_logins_together_also_by_address(open_place: Any) -> None:
    settings = {"tries_per_address": 3}
    wrong = {"email": RESPONDER, "password": "wrong"}  # whose hash is a cheap one in these tests
    async with open_place(**settings) as one, open_place(**settings) as other:
        statuses = [(await server.client.post("/api/login", json=wrong)).status_code for server in (one, other) * 2]
    assert statuses == [401] * 3 + [429]


async def test_a_session_is_renewed_for_a_while_and_ends_with_all_its_tokens(open_place: Any, clock: Clock) -> None:
    async with open_place(token_hours=2, session_hours=5) as place:
        first = await place.signed_in()
        headers = first
        for _ in range(3):
            clock.turn(3600 * 1.5)
            answer = await place.client.post("/auth/renew", headers=headers)
            assert answer.status_code == 200
            headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
        clock.turn(3600 * 0.6)  # 5.1 hours after the beginning
        assert (await place.client.post("/auth/renew", headers=headers)).status_code == 401
        other = await place.signed_in()
        answer = await place.client.post("/auth/renew", headers=other)
        renewed = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert (await place.client.post("/api/logout", headers=renewed)).status_code == 200
        for ended in (other, renewed):
            assert (await place.client.get("/api/me", headers=ended)).status_code == 401
