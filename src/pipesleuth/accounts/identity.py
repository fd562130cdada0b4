"""Everything that decides who may come in, put together from the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipesleuth.accounts.attempts import Allowance
from pipesleuth.accounts.keys import ApiKeys
from pipesleuth.accounts.mail import MailSettings, Post
from pipesleuth.accounts.registration import Policy, Registrations
from pipesleuth.accounts.secure_webhook import SecureWebhook, SecureWebhookSettings
from pipesleuth.accounts.sessions import Accounts, Guessing, Lasting
from pipesleuth.accounts.sign_on import SignOn
from pipesleuth.accounts.sign_on_settings import SignOnSettings
from pipesleuth.db.database import Database
from pipesleuth.model import WrongSetting
from pipesleuth.settings import Settings, from_environment

GUESSING_SECONDS = 900.0


@dataclass(slots=True)
class Identity:
    """Who may come in, and how."""

    accounts: Accounts
    keys: ApiKeys
    registrations: Registrations
    post: Post | None
    sign_on: SignOn | None
    secure_webhook: SecureWebhook | None
    password_login: bool

    async def close(self) -> None:
        """Give threads and connections back."""
        self.accounts.close()
        for part in (self.post, self.sign_on, self.secure_webhook):
            if part is not None:
                await part.close()


def identity(
    settings: Settings, database: Database, *, signing_key: str, api_key: str, now: Callable[[], datetime]
) -> Identity:
    """The parts as the settings and the environment want them. Raises WrongSetting."""
    mail, signing = from_environment(MailSettings), from_environment(SignOnSettings)
    webhook = from_environment(SecureWebhookSettings)
    if not settings.password_login and not signing.configured:
        raise WrongSetting("PASSWORD_LOGIN=false needs OIDC_ISSUER, or nobody could come in.")
    accounts = Accounts(
        database,
        signing_key,
        lasting=Lasting(timedelta(hours=settings.token_hours), timedelta(hours=settings.session_hours)),
        guessing=Guessing(
            Allowance("account", settings.tries_per_account, GUESSING_SECONDS),
            Allowance("address", settings.tries_per_address, GUESSING_SECONDS),
        ),
        allowed_domains=settings.allowed_email_domains,
        now=now,
    )
    post = Post(mail) if mail.configured else None
    base, domains = settings.public_base_url, settings.allowed_email_domains
    return Identity(
        accounts=accounts,
        keys=ApiKeys(database, api_key, now),
        registrations=Registrations(
            database, accounts, post, policy=policy_of(settings, mail), public_base_url=base, now=now
        ),
        post=post,
        sign_on=SignOn(
            signing, database, signing_key=signing_key, allowed_domains=domains, public_base_url=base, now=now
        )
        if signing.configured
        else None,
        secure_webhook=SecureWebhook(webhook, now) if webhook.azure_webhook_audience else None,
        password_login=settings.password_login,
    )


def policy_of(settings: Settings, mail: MailSettings) -> Policy:
    """Who may register, with the default that fits the public address. Raises WrongSetting."""
    if settings.registration == "verify" and not mail.configured:
        raise WrongSetting("REGISTRATION=verify needs SMTP_HOST and SMTP_FROM, to mail the codes.")
    if not settings.password_login:
        return "closed"
    return settings.registration or ("open" if settings.on_loopback else "verify" if mail.configured else "invite")
