"""What Jira needs to know: the site, the account, the project, and how the project spells things."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from pipesleuth.client import Vendor, checked_base
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import WrongSetting


class JiraSettings(EnvironmentSettings):
    """Where the issues go; nothing is called unless ITSM_TOOL is `jira`."""

    itsm_tool: Literal["jira", "none"] = Field("none", description="Where tickets get an issue: `jira` or `none`.")
    jira_domain: str = Field("", description="Host or address of the site: example.atlassian.net.")
    jira_user_email: str = Field("", description="E-mail address of the account that writes the issues.")
    jira_api_token: SecretStr | None = Field(None, description="API token of that account.")
    jira_project_key: str = Field("", description="Key of the project that takes the issues.")
    jira_webhook_secret: SecretStr | None = Field(None, description="Secret of Jira's webhook to us.")
    jira_issue_type: str = Field("Task", description="Name of the issue type, as the project spells it.")
    jira_priority_map: Annotated[dict[str, str], NoDecode] = Field(
        {}, description="Jira's name for each priority: P1=Highest,P2=High. What is not named is not sent."
    )
    jira_fields: dict[str, Any] = Field(
        {}, description='Further fields the project demands, as JSON: {"customfield_10010": {"value": "Data"}}.'
    )
    jira_site_url: str = Field("", description="Address of the site for links, where JIRA_DOMAIN is an API gateway.")
    jira_account_id: str = Field("", description="Account id of the writer; asked of Jira where not set.")
    jira_ignore_own_changes: bool = Field(
        True, description="Set to false where people close issues with the very account that writes them."
    )

    @field_validator("jira_priority_map", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(equals and name.strip() for _, equals, name in pairs):
            raise ValueError("must read like P1=Highest,P2=High")
        return {ours.strip().upper(): name.strip() for ours, _, name in pairs}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.itsm_tool != "jira":
            return self
        missing = [
            name.upper()
            for name in ("jira_domain", "jira_user_email", "jira_api_token", "jira_project_key")
            if not getattr(self, name)
        ]
        if missing:
            raise ValueError(f"ITSM_TOOL=jira needs {', '.join(missing)}")
        try:
            _ = self.base_url
        except WrongSetting as error:
            raise ValueError(f"JIRA_DOMAIN {error}") from error
        return self

    @property
    def configured(self) -> bool:
        """Whether tickets get a Jira issue."""
        return self.itsm_tool == "jira"

    @property
    def base_url(self) -> str:
        """The API's address; raises WrongSetting when JIRA_DOMAIN is none."""
        domain = self.jira_domain.strip()
        if "://" not in domain:
            near = (urlsplit(f"//{domain}").hostname or "") in {"localhost", "127.0.0.1", "::1"}
            domain = f"{'http' if near else 'https'}://{domain}"
        return checked_base(domain)

    @property
    def vendor(self) -> Vendor:
        """The site as our account calls it; raises WrongSetting when JIRA_DOMAIN is none."""
        token = self.jira_api_token.get_secret_value() if self.jira_api_token else ""
        credentials = base64.b64encode(f"{self.jira_user_email}:{token}".encode()).decode()
        return Vendor(
            base_urls=(self.base_url,),
            secrets=(token, credentials),
            headers={"authorization": f"Basic {credentials}", "accept": "application/json"},
            credentials_hint="Check JIRA_USER_EMAIL and JIRA_API_TOKEN, then retry",
        )

    @property
    def site_url(self) -> str:
        """The address that people's links begin with."""
        return self.jira_site_url.rstrip("/") or self.base_url
