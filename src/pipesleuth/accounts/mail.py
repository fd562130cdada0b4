"""Mail to people who register: one short text, sent by SMTP in the background."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal, Self

import structlog
from pydantic import Field, SecretStr, model_validator

from pipesleuth.accounts.people import Refused, plain_email
from pipesleuth.environment import EnvironmentSettings

PAUSES = (2.0, 15.0)  # before the second and the third try
MOST_WAITING = 200
STOP_SECONDS = 5.0

log = structlog.get_logger(__name__)


class MailSettings(EnvironmentSettings):
    """The mail server that one-time codes and invitations are sent by."""

    smtp_host: str = Field("", description="Mail server; with it, REGISTRATION is `verify` by default in public.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is kept private: `starttls`, `tls` from the start, or `none`."
    )
    smtp_username: str = Field("", description="Who logs in there; empty: nobody does.")
    smtp_password: SecretStr | None = Field(None, description="Password of the mail account.")
    smtp_from: str = Field("", description="Sender's address of the mails.")
    smtp_timeout_seconds: float = Field(10, gt=0, le=60, description="How long the mail server may take for one step.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.smtp_host:
            try:
                plain_email(self.smtp_from)
            except Refused as refused:
                raise ValueError("SMTP_HOST needs SMTP_FROM, an e-mail address") from refused
        if self.smtp_username and self.smtp_security == "none" and self.smtp_host not in {"localhost", "127.0.0.1"}:
            raise ValueError("SMTP_SECURITY=none would send SMTP_PASSWORD in the clear")
        return self

    @property
    def configured(self) -> bool:
        """Whether mail can be sent."""
        return bool(self.smtp_host)


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail."""

    to: str
    subject: str
    text: str


class Post:
    """Sends letters in the background, so that no answer tells by its time what was sent."""

    def __init__(self, settings: MailSettings, pauses: tuple[float, ...] = PAUSES) -> None:
        self._settings = settings
        self._pauses = pauses
        self._going: set[asyncio.Task[None]] = set()

    def send(self, letter: Letter) -> None:
        """Begin to send; a letter too many at once is dropped and logged, as is one that cannot be delivered."""
        if len(self._going) >= MOST_WAITING:
            log.error("mail.dropped", waiting=len(self._going))
            return
        task = asyncio.create_task(self._deliver(letter), name="mail")
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def close(self) -> None:
        """Give what is on its way a few seconds, then let it go."""
        if self._going:
            _, late = await asyncio.wait(self._going, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()

    async def _deliver(self, letter: Letter) -> None:
        for pause in (*self._pauses, None):
            try:
                await asyncio.to_thread(self._hand_over, letter)
            except (OSError, smtplib.SMTPException) as error:
                # The server's own sentence may repeat addresses or more; its kind and number do not.
                code = getattr(error, "smtp_code", None)
                log.warning("mail.failed", error=type(error).__name__, code=code, again=pause is not None)
                if pause is None or isinstance(error, smtplib.SMTPRecipientsRefused):
                    return
                await asyncio.sleep(pause)
            else:
                log.info("mail.sent")
                return

    def _hand_over(self, letter: Letter) -> None:
        """Give one letter to the server. Blocks: for a thread. Raises OSError, SMTPException."""
        known = self._settings
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = known.smtp_from, letter.to, letter.subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=known.smtp_from.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        context = ssl.create_default_context()
        seconds = known.smtp_timeout_seconds
        with (
            smtplib.SMTP_SSL(known.smtp_host, known.smtp_port, timeout=seconds, context=context)
            if known.smtp_security == "tls"
            else smtplib.SMTP(known.smtp_host, known.smtp_port, timeout=seconds)
        ) as server:
            if known.smtp_security == "starttls":
                server.starttls(context=context)  # raises where the server offers none: never in the clear instead
            if known.smtp_username:
                password = known.smtp_password.get_secret_value() if known.smtp_password else ""
                server.login(known.smtp_username, password)
            server.send_message(message)
