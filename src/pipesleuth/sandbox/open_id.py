"""An OpenID Connect issuer as Entra ID is one: discovery, sign-on with PKCE, keys that change, tokens with faults.

Sources: https://openid.net/specs/openid-connect-core-1_0.html, RFC 7636,
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.wire import Json, Refusal, form_of, text_of

TENANT = "7b1a53f0-5d3e-4b7a-9c5e-2f6d8e1c4a90"
CLIENT_ID = "0f4b6c2e-91d7-4a83-b6c0-5e2d7f8a9b13"
CLIENT_SECRET = "the-secret-between-pipesleuth-and-its-issuer"  # noqa: S105  # of a stand-in
ACTION_GROUPS = "461e8683-5575-4561-ac7f-899cc907d62a"


class OpenIdIssuer:
    """One tenant below `/openid`; whoever comes is `person`, who has agreed already.

    `claims` are put into the next tokens over the right ones (None leaves one out), `refusal` is the error that the
    sign-on page answers with, `unsigned` makes tokens with `alg: none`, `confused` signs them with the public key as if
    it were a shared secret.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.person: Json = {"sub": "person-1", "email": "kai@sigmoidanalytics.com", "name": "Kai Sommer"}
        self.claims: Json = {}
        self.document: Json = {}
        self.refusal = ""
        self.unsigned = self.confused = False
        self.codes: dict[str, Json] = {}
        self.asked: list[str] = []
        self._keys: dict[str, RSAPrivateKey] = {}
        self._current = ""

    def routes(self) -> list[Route]:
        """What the tenant answers."""
        return [
            Route("/openid/{tenant}/v2.0/.well-known/openid-configuration", self.configuration, methods=["GET"]),
            Route("/openid/{tenant}/discovery/v2.0/keys", self.keys, methods=["GET"]),
            Route("/openid/{tenant}/oauth2/v2.0/authorize", self.authorize, methods=["GET"]),
            Route("/openid/{tenant}/oauth2/v2.0/token", self.token, methods=["POST"]),
        ]

    def rotate(self, *, withdraw: bool = False) -> None:
        """Sign with a new key from now on; the old one stays published unless it is withdrawn."""
        if withdraw:
            self._keys.clear()
        self._current = f"key-{secrets.token_hex(4)}"
        self._keys[self._current] = generate_private_key(65537, 2048)

    def signed(self, claims: Json, **head: Any) -> str:
        """A token of this issuer, with the faults that were ordered."""
        self._begin()
        headers: Json = {"kid": self._current} | head
        if self.unsigned:
            return jwt.encode(claims, "", algorithm="none", headers=headers)
        if self.confused:
            return self._confused(claims, headers)
        return jwt.encode(claims, self._keys[self._current], algorithm="RS256", headers=headers)

    def action_group_token(self, audience: str, base: str, **other: Any) -> str:
        """The token of Azure Monitor's action groups, in version 1's form where `base` is Entra's own host."""
        now = int(self.clock())
        claims: Json = {
            "aud": audience,
            "iss": f"{base}/{TENANT}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "azp": ACTION_GROUPS,
            "tid": TENANT,
            "roles": ["ActionGroupsSecureWebhook"],
            "ver": "2.0",
        }
        return self.signed({name: value for name, value in (claims | other).items() if value is not None})

    async def configuration(self, request: Request) -> Response:
        """Where everything is."""
        self.asked.append("configuration")
        base = f"{_root(request)}/{request.path_params['tenant']}"
        found: Json = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        return JSONResponse(found | self.document)

    async def keys(self, _request: Request) -> Response:
        """The public keys."""
        self.asked.append("keys")
        self._begin()
        shown = [
            {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": name, "use": "sig"}
            for name, key in self._keys.items()
        ]
        return JSONResponse({"keys": shown})

    async def authorize(self, request: Request) -> Response:
        """Send the browser back with a code, or with why not."""
        self.asked.append("authorize")
        asked = request.query_params
        back = asked.get("redirect_uri", "")
        wrong = (
            asked.get("client_id") != CLIENT_ID
            or asked.get("response_type") != "code"
            or "openid" not in asked.get("scope", "").split()
            or asked.get("code_challenge_method") != "S256"
            or not back
        )
        if wrong:
            raise Refusal(400, {"error": "invalid_request", "error_description": "AADSTS90014: a field is missing"})
        state = {"state": asked.get("state", "")}
        if self.refusal:
            said = {"error": self.refusal, "error_description": "<b>AADSTS65004</b>: User declined to consent."}
            return RedirectResponse(f"{back}?{urlencode(said | state)}", 302)
        code = secrets.token_urlsafe(24)
        self.codes[code] = dict(asked)
        return RedirectResponse(f"{back}?{urlencode({'code': code} | state)}", 302)

    async def token(self, request: Request) -> Response:
        """The tokens that a code buys, once, for whoever knows what its challenge was made of."""
        self.asked.append("token")
        form = form_of(await request.body())
        asked = self.codes.pop(text_of(form.get("code")), None)
        digest = hashlib.sha256(text_of(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form.get("redirect_uri"):
            raise Refusal(400, {"error": "invalid_grant", "error_description": "AADSTS70008: the code is not valid."})
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            raise Refusal(401, {"error": "invalid_client", "error_description": "AADSTS7000215: invalid secret."})
        now = int(self.clock())
        claims: Json = {
            "iss": f"{_root(request)}/{request.path_params['tenant']}/v2.0",
            "aud": CLIENT_ID,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "nonce": asked.get("nonce", ""),
            "tid": request.path_params["tenant"],
            "ver": "2.0",
        }
        made = {name: value for name, value in (claims | self.person | self.claims).items() if value is not None}
        answer: Json = {"token_type": "Bearer", "expires_in": 3599, "scope": asked.get("scope", "")}
        return JSONResponse({**answer, "access_token": "for-nobody", "id_token": self.signed(made)})

    def _begin(self) -> None:
        if not self._keys:
            self._current, self._keys["key-1"] = "key-1", _first_key()

    def _confused(self, claims: Json, headers: Json) -> str:
        public = RSAAlgorithm.to_jwk(self._keys[self._current].public_key()).encode()
        head = _part({"alg": "HS256", "typ": "JWT", **headers})
        text = f"{head}.{_part(claims)}"
        mark = hmac.new(public, text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


@cache
def _first_key() -> RSAPrivateKey:
    """The key that every issuer of this process begins with: making one takes a while."""
    return generate_private_key(65537, 2048)


def _part(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _root(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/openid"
