"""How the single sign-on is found, and which role a group gives."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from pipesleuth.client import checked_base
from pipesleuth.environment import EnvironmentSettings, Listed
from pipesleuth.model import WrongSetting

RANK = ("none", "viewer", "responder", "admin")


class SignOnSettings(EnvironmentSettings):
    """Single sign-on by OpenID Connect; off unless an issuer is set."""

    oidc_issuer: str = Field(
        "", description="The issuer, exactly as its tokens name it: `https://login.microsoftonline.com/<tenant>/v2.0`."
    )
    oidc_discovery_url: str = Field(
        "", description="Where its discovery document is, if not at `/.well-known/openid-configuration` below it."
    )
    oidc_client_id: str = Field("", description="Client id of this service's registration there.")
    oidc_client_secret: SecretStr | None = Field(None, description="Its client secret; none for a public client.")
    oidc_name: str = Field("Microsoft", description="What the button on the login page says after `Continue with`.")
    oidc_scopes: str = Field("openid profile email", description="What is asked for.")
    oidc_hosts: Listed = Field(
        (), description="Further addresses that the discovery document may name, such as a keys host; comma-separated."
    )
    oidc_email_claims: Listed = Field(
        ("email", "preferred_username"), description="Claims that may hold the address; the first that is there counts."
    )
    oidc_groups_claim: str = Field("groups", description="Claim with a person's groups; app roles (`roles`) count too.")
    oidc_group_roles: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict[str, str],
        description="Role of each group: `group-id=admin,other-id=responder`; the highest counts, at every sign-on.",
    )
    oidc_default_role: Literal["none", "viewer", "responder", "admin"] = Field(
        "viewer", description="Role of people without such a group; `none` lets them not in."
    )

    @field_validator("oidc_group_roles", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
        return {group.strip(): role.strip() for group, _, role in pairs}

    @field_validator("oidc_group_roles")
    @classmethod
    def _roles(cls, value: dict[str, str]) -> dict[str, str]:
        if any(not group or role not in RANK[1:] for group, role in value.items()):
            raise ValueError("must be pairs such as group-id=responder; roles are viewer, responder and admin")
        return value

    @field_validator("oidc_issuer", "oidc_discovery_url", "oidc_hosts")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for url in (value,) if isinstance(value, str) else value:
            try:
                _ = checked_base(url) if url else ""
            except WrongSetting as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID")
        parts = {part.lower() for part in self.oidc_issuer.split("/")}
        if parts & {"common", "organizations", "consumers"}:
            raise ValueError("OIDC_ISSUER must name one tenant: in others, addresses can be claimed by anybody")
        return self

    @property
    def configured(self) -> bool:
        """Whether people may sign on."""
        return bool(self.oidc_issuer)

    @property
    def discovery_url(self) -> str:
        """Where the discovery document is."""
        return self.oidc_discovery_url or f"{self.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
