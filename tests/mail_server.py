"""A mail server with a memory: as much of SMTP as a client of ours speaks."""

from __future__ import annotations

import asyncio
import email
import email.policy
from email.message import EmailMessage
from typing import Self


class MailServer:
    """Takes every letter in; `refusals` counts how many times it says 451 first."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refusals = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def environment(self) -> dict[str, str]:
        """The settings with which our letters come here."""
        where = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.port), "SMTP_SECURITY": "none"}
        return where | {"SMTP_FROM": "pipesleuth@sigmoidanalytics.com"}

    async def letter(self, number: int) -> EmailMessage:
        """The letter of this number, counted from one, as soon as it is there."""
        async with asyncio.timeout(10):
            while len(self.letters) < number:  # noqa: ASYNC110  # what is waited for comes from another thread
                await asyncio.sleep(0.01)
        return self.letters[number - 1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 stand-in ESMTP\r\n")
        while line := await reader.readline():
            word = line.strip().upper().split(b" ")[0].partition(b":")[0]
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                said = text[:-3].replace(b"\r\n", b"\n")
                self.letters.append(email.message_from_bytes(said, policy=email.policy.default))
                writer.write(b"250 taken\r\n")
            elif word == b"MAIL" and self.refusals:
                self.refusals -= 1
                writer.write(b"451 4.7.1 try again, secret-of-the-server\r\n")
            elif word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"502 not here\r\n" if word == b"STARTTLS" else b"250 yes\r\n")
        writer.close()
