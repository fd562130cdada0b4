"""Entra ID's sign-on as far as a service needs it: discovery, client credentials, managed identity.

Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.wire import Json, Refusal, form_of, text_of


class AzureLogin:
    """Tokens below `/azure`; any client id with any secret gets one, `wrong` as secret does not."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock

    def routes(self) -> list[Route]:
        """Discovery, tokens, and the two endpoints for managed identities."""
        return [
            Route("/azure/common/discovery/instance", self.instances, methods=["GET"]),
            Route("/azure/metadata/identity/oauth2/token", self.managed, methods=["GET"]),
            Route("/azure/msi/token", self.managed, methods=["GET"]),
            Route("/azure/{tenant}/v2.0/.well-known/openid-configuration", self.configuration, methods=["GET"]),
            Route("/azure/{tenant}/.well-known/openid-configuration", self.configuration, methods=["GET"]),
            Route("/azure/{tenant}/discovery/v2.0/keys", self.keys, methods=["GET"]),
            Route("/azure/{tenant}/oauth2/v2.0/token", self.token, methods=["POST"]),
            Route("/azure/{tenant}/oauth2/token", self.token, methods=["POST"]),
        ]

    async def instances(self, request: Request) -> Response:
        """Which hosts sign on for this cloud."""
        base = root_of(request)
        endpoint = f"{base}/{{tenant}}/v2.0/.well-known/openid-configuration"
        metadata = [{"preferred_network": request.url.netloc, "preferred_cache": request.url.netloc,
                     "aliases": [request.url.netloc]}]  # fmt: skip
        return JSONResponse({"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": metadata})

    async def configuration(self, request: Request) -> Response:
        """Where a tenant's tokens and keys are."""
        base = f"{root_of(request)}/{request.path_params['tenant']}"
        return JSONResponse({
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "token"],
        })  # fmt: skip

    async def keys(self, _request: Request) -> Response:
        """No keys: the stand-in's tokens are not signed."""
        return JSONResponse({"keys": []})

    async def token(self, request: Request) -> Response:
        """A token for a service principal; 400 and 401 in Entra's form."""
        form = form_of(await request.body())
        if form.get("grant_type") != "client_credentials":
            raise entra_refusal(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        scope = text_of(form.get("scope")) or text_of(form.get("resource"))
        if not scope:
            raise entra_refusal(400, "invalid_request", 900144, "The request body must contain: 'scope'.")
        proof = text_of(form.get("client_secret")) or text_of(form.get("client_assertion"))
        if not form.get("client_id") or not proof or proof == "wrong":
            raise entra_refusal(401, "invalid_client", 7000215, "Invalid client secret provided.")
        audience = scope.removesuffix("/.default")
        answer: Json = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
        return JSONResponse({**answer, "access_token": self.new_token(audience, str(form["client_id"]))})

    async def managed(self, request: Request) -> Response:
        """A token for the machine's own identity; the caller must show that it is no browser."""
        if request.headers.get("metadata", "").lower() != "true" and "x-identity-header" not in request.headers:
            raise Refusal(
                400, {"error": "invalid_request", "error_description": "Required metadata header not specified"}
            )
        resource = request.query_params.get("resource", "")
        if not resource:
            raise Refusal(400, {"error": "invalid_request", "error_description": "resource is required"})
        expires = str(int(self.clock()) + 3600)
        token = self.new_token(resource, "managed-identity")
        answer: Json = {"access_token": token, "expires_on": expires, "expires_in": "3600", "resource": resource}
        return JSONResponse({**answer, "token_type": "Bearer", "client_id": "managed-identity"})

    def new_token(self, audience: str, client: str) -> str:
        """An unsigned token with readable claims; the mark in front tells it from a real one."""
        claims: Json = {"aud": audience, "appid": client, "exp": int(self.clock()) + 3599, "jti": uuid.uuid4().hex}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"sandbox-entra-{body}"


def root_of(request: Request) -> str:
    """The sign-on's own address."""
    return f"{request.url.scheme}://{request.url.netloc}/azure"


def entra_refusal(status: int, error: str, number: int, text: str) -> Refusal:
    """An error in Entra's form."""
    trace = str(uuid.uuid4())
    description = f"AADSTS{number}: {text} Trace ID: {trace}"
    return Refusal(
        status, {"error": error, "error_description": description, "error_codes": [number], "trace_id": trace}
    )
