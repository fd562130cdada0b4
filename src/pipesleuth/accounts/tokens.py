"""Tokens that others have signed: verified against the public keys that their issuer publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, cast

import jwt
import structlog

from pipesleuth.accounts.people import Unknown
from pipesleuth.model import Permanent, PipesleuthError, Retryable

# Asymmetric ones only: with HS256 the public key itself would be the secret, with none there is none.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LONGEST_TOKEN = 16_384
LEEWAY_SECONDS = 60.0
FRESH_SECONDS = 6 * 3600.0  # keys that were withdrawn are trusted no longer than this
PAUSE_SECONDS = 15.0  # between two looks for a key that is not there
MOST_KEYS = 100

log = structlog.get_logger(__name__)
Fetch = Callable[[], Awaitable[Mapping[str, Any]]]


class Away(PipesleuthError):
    """The issuer of the token cannot be asked for its keys at the moment."""


class KeyRing:
    """The public keys of one issuer, fetched when an unknown one is named, at most once in a while."""

    def __init__(self, fetch: Fetch, now: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._now = now
        self._keys: dict[str, Mapping[str, Any]] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def claims(
        self, token: str, *, audiences: Collection[str], issuers: Collection[str], required: Collection[str] = ()
    ) -> Mapping[str, Any]:
        """What the token says, once signature, issuer, audience and times are right. Raises Unknown, Away."""
        if len(token) > LONGEST_TOKEN:
            raise Unknown("The token is too long.")
        try:
            head = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Unknown("The token is malformed.") from error
        algorithm, name = head.get("alg"), head.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(name, str):
            raise Unknown("The token is not signed as it must be.")
        key = await self._key(name)
        try:
            known = jwt.PyJWK.from_dict(dict(key), algorithm=str(algorithm))
            claims: dict[str, Any] = jwt.decode(
                token,
                known,
                algorithms=[str(algorithm)],
                audience=list(audiences),
                issuer=list(issuers),
                options={
                    "require": ["exp", "iss", "aud", *required],
                    # The times are compared below, by the house's clock.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            self._check_times(claims)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise Unknown("The token is not valid here.") from error
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._now().timestamp()
        if float(claims["exp"]) <= now - LEEWAY_SECONDS:
            raise Unknown("The token has expired.")
        for name in ("nbf", "iat"):
            if name in claims and float(claims[name]) > now + LEEWAY_SECONDS:
                raise Unknown("The token is not valid yet.")

    async def _key(self, name: str) -> Mapping[str, Any]:
        now = self._now().timestamp()
        if name in self._keys and now - self._fetched < FRESH_SECONDS:
            return self._keys[name]
        async with self._lock:
            # Whoever waited for the lock looks again: the one before may have fetched.
            if (name not in self._keys or now - self._fetched >= FRESH_SECONDS) and now - self._tried >= PAUSE_SECONDS:
                self._tried = now
                await self._refresh(now)
        if name not in self._keys:
            if self._fetched < self._tried:
                raise Away("The issuer of the token cannot be reached.")
            raise Unknown("The token is signed with a key that its issuer does not publish.")
        return self._keys[name]

    async def _refresh(self, now: float) -> None:
        try:
            found = (await self._fetch()).get("keys")
        except (Retryable, Permanent) as error:
            log.warning("keys.away", reason=error.reason)
            if now - self._fetched >= 4 * FRESH_SECONDS:
                self._keys = {}
            return  # until then a while longer with the keys we have
        keys = cast("list[Any]", found)[:MOST_KEYS] if isinstance(found, list) else []
        known = [cast("dict[str, Any]", key) for key in keys if isinstance(key, dict)]
        self._keys = {
            str(key["kid"]): key
            for key in known
            if "kid" in key and key.get("use", "sig") == "sig" and key.get("kty") != "oct"
        }
        self._fetched = now
