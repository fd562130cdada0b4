"""Single sign-on by OpenID Connect: the code flow with PKCE, Microsoft Entra ID first.

Sources: https://openid.net/specs/openid-connect-core-1_0.html (3.1), RFC 7636 (PKCE), RFC 9207 (`iss` in answers),
https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import jwt
import structlog

from pipesleuth.accounts.members import Member, member
from pipesleuth.accounts.people import Refused, Unknown, of_our_domains
from pipesleuth.accounts.sign_on_settings import RANK, SignOnSettings
from pipesleuth.accounts.tokens import Away, KeyRing
from pipesleuth.client import Client, Limits, Vendor, checked_base
from pipesleuth.db.database import Database
from pipesleuth.model import Permanent, PipesleuthError, Retryable, WrongSetting

STATE_MINUTES = 10
HANDOVER_SECONDS = 120
FRESH_SECONDS = 3600.0
_LIMITS = Limits(connect=5, read=8, whole=10, body=1_048_576)

log = structlog.get_logger(__name__)


class Failed(PipesleuthError):
    """The sign-on came to nothing; `why` is the word that the login page explains."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why


@dataclass(frozen=True, slots=True)
class Leaving:
    """Where the browser goes, and the state it keeps in its cookie meanwhile."""

    url: str
    state: str


@dataclass(frozen=True, slots=True)
class _Issuer:
    """What the discovery document says."""

    authorize: str
    token: str
    keys: str
    issuer: str


class SignOn:
    """One issuer's sign-on; nothing is kept here between a person's leaving and coming back but in their cookie."""

    def __init__(
        self,
        settings: SignOnSettings,
        database: Database,
        *,
        signing_key: str,
        allowed_domains: tuple[str, ...],
        public_base_url: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._database = database
        # A key of its own: a cookie is never taken for a session's token, nor the reverse.
        self._key = hmac.new(signing_key.encode(), b"pipesleuth sign-on state", hashlib.sha256).hexdigest()
        self._domains = allowed_domains
        self._callback = f"{public_base_url}/auth/callback"
        self._now = now
        secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else ""
        self._secret = secret
        hosts = (settings.oidc_issuer, settings.discovery_url, *settings.oidc_hosts)
        self._client = Client(Vendor(base_urls=hosts, secrets=(secret,) if secret else ()), _LIMITS, now)
        self._origins = frozenset(urlsplit(url)[:2] for url in hosts)
        self._issuer: tuple[float, _Issuer] | None = None
        self._ring = KeyRing(self._fetch_keys, now)

    async def leave(self) -> Leaving:
        """The issuer's page to go to. Raises Failed."""
        issuer = await self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": self.settings.oidc_client_id,
            "response_type": "code",
            "redirect_uri": self._callback,
            "scope": self.settings.oidc_scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        mark = "&" if urlsplit(issuer.authorize).query else "?"
        kept = self._sealed("leaving", timedelta(minutes=STATE_MINUTES), st=state, no=nonce, ve=verifier)
        return Leaving(f"{issuer.authorize}{mark}{urlencode(asked)}", kept)

    async def come_back(self, answer: Mapping[str, str], cookie: str) -> str:
        """The cookie that lets this browser fetch its session, for what the issuer answered. Raises Failed."""
        kept = self._unsealed("leaving", cookie)
        if not secrets.compare_digest(str(kept["st"]).encode(), answer.get("state", "").encode("utf-8", "replace")):
            raise Failed("sign_on_expired", "the state is another browser's, or an old one")
        if "error" in answer:
            raise Failed("sign_on_refused", f"the issuer said {answer['error'][:60]!r}")
        issuer = await self._discovered()
        if answer.get("iss", issuer.issuer) != issuer.issuer:
            raise Failed("sign_on_failed", "another issuer answered")
        claims = await self._claims(issuer, answer.get("code", ""), kept)
        email = await self._admitted(claims)
        return self._sealed("handover", timedelta(seconds=HANDOVER_SECONDS), em=email, jti=secrets.token_urlsafe(9))

    def handed_over(self, cookie: str) -> tuple[str, str, datetime]:
        """Whose session a cookie of `come_back` fetches, the cookie's own id, and its end. Raises Failed."""
        kept = self._unsealed("handover", cookie)
        return str(kept["em"]), str(kept["jti"]), datetime.fromtimestamp(float(kept["exp"]), UTC)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def _claims(self, issuer: _Issuer, code: str, kept: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the ID token says that the code buys. Raises Failed."""
        form = {
            "grant_type": "authorization_code",
            "code": code[:4096],
            "redirect_uri": self._callback,
            "client_id": self.settings.oidc_client_id,
            "code_verifier": str(kept["ve"]),
        }
        if self._secret:
            form["client_secret"] = self._secret
        try:
            answer = (await self._client.call("POST", issuer.token, form=form)).json_object()
            claims = await self._ring.claims(
                str(answer.get("id_token") or ""),
                audiences={self.settings.oidc_client_id},
                issuers={issuer.issuer},
                required=("sub", "iat", "nonce"),
            )
        except Away as error:
            raise Failed("sign_on_away", str(error)) from error
        except Retryable as error:
            raise Failed("sign_on_away", error.reason) from error
        except Permanent as error:
            raise Failed("sign_on_failed", error.reason) from error
        except Unknown as error:
            raise Failed("sign_on_failed", str(error)) from error
        if not secrets.compare_digest(str(claims["nonce"]).encode("utf-8", "replace"), str(kept["no"]).encode()):
            raise Failed("sign_on_failed", "the nonce is not the one that was sent")
        several = isinstance(claims["aud"], list) and len(cast("list[Any]", claims["aud"])) > 1
        if claims.get("azp", None if several else self.settings.oidc_client_id) != self.settings.oidc_client_id:
            raise Failed("sign_on_failed", "the token was made for another application")
        return claims

    async def _admitted(self, claims: Mapping[str, Any]) -> str:
        """The address of the person the claims are about, who has an account now. Raises Failed."""
        role = self._role(claims)
        address = self._address(claims)
        subject = hashlib.sha256(f"{claims['iss']}\n{claims['sub']}".encode("utf-8", "replace")).hexdigest()
        name = claims.get("name")
        who = Member(address, subject, name if isinstance(name, str) else None)
        mapped = role if self.settings.oidc_group_roles else None
        try:
            return await self._database.write(lambda c: member(c, who, mapped, role, self._now()))
        except Refused as refused:
            raise Failed("sign_on_refused", refused.reason) from refused

    def _address(self, claims: Mapping[str, Any]) -> str:
        if claims.get("email_verified", True) not in (True, "true"):
            raise Failed("sign_on_refused", "the issuer has not verified the address")
        said = [claims.get(name) for name in self.settings.oidc_email_claims]
        text = next((value for value in said if isinstance(value, str) and value), "")
        try:
            return of_our_domains(text, self._domains)
        except Refused as refused:
            raise Failed("sign_on_refused", refused.reason) from refused

    def _role(self, claims: Mapping[str, Any]) -> str:
        known = self.settings.oidc_group_roles
        beyond = claims.get("_claim_names")
        if known and (
            claims.get("hasgroups") or (isinstance(beyond, dict) and self.settings.oidc_groups_claim in beyond)
        ):
            # Entra leaves groups out when there are more than 200: guessing a role from none would be wrong.
            raise Failed("sign_on_refused", "too many groups: assign groups to the application, or use app roles")
        groups: list[str] = []
        for claim in (self.settings.oidc_groups_claim, "roles"):
            said = claims.get(claim)
            groups += [str(one) for one in cast("list[Any]", said)] if isinstance(said, list) else []
        found = [known[group] for group in groups if group in known] or [self.settings.oidc_default_role]
        role = max(found, key=RANK.index)
        if role == "none":
            raise Failed("sign_on_refused", "no group of this person has a role here")
        return role

    async def _discovered(self) -> _Issuer:
        """The issuer's addresses, each on a host that was configured; read once an hour. Raises Failed."""
        now = self._now().timestamp()
        if self._issuer is not None and now - self._issuer[0] < FRESH_SECONDS:
            return self._issuer[1]
        try:
            found = (await self._client.call("GET", self.settings.discovery_url)).json_object()
        except (Retryable, Permanent) as error:
            raise Failed("sign_on_away", error.reason) from error
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        urls = [str(found.get(name)) for name in names]
        for name, url in zip(names, urls, strict=True):
            if not self._is_known(url):
                raise Failed("sign_on_failed", f"{name} is on a host that OIDC_ISSUER and OIDC_HOSTS do not name")
        if found.get("issuer") != self.settings.oidc_issuer:
            raise Failed("sign_on_failed", "the discovery document is another issuer's than OIDC_ISSUER")
        issuer = _Issuer(*urls, issuer=self.settings.oidc_issuer)
        self._issuer = (now, issuer)
        return issuer

    def _is_known(self, url: str) -> bool:
        try:
            checked_base(url.partition("?")[0])
        except WrongSetting:
            return False
        return urlsplit(url)[:2] in self._origins

    async def _fetch_keys(self) -> Mapping[str, Any]:
        try:
            issuer = await self._discovered()
        except Failed as failed:
            raise Retryable(str(failed)) from failed
        return (await self._client.call("GET", issuer.keys)).json_object()

    def _sealed(self, purpose: str, lasts: timedelta, **what: str) -> str:
        return jwt.encode({"for": purpose, "exp": self._now() + lasts, **what}, self._key, algorithm="HS256")

    def _unsealed(self, purpose: str, cookie: str) -> Mapping[str, Any]:
        try:
            kept: dict[str, Any] = jwt.decode(cookie, self._key, algorithms=["HS256"], options={"verify_exp": False})
            ended = float(kept["exp"]) <= self._now().timestamp()
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise Failed("sign_on_expired", "there is no state of this browser") from error
        if ended or kept.get("for") != purpose:
            raise Failed("sign_on_expired", "the state is too old")
        return kept
