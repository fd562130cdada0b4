"""Azurite, Microsoft's stand-in for Azure Blob storage, in memory and on loopback."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from child_process import answers, free_port, stop, wait_until_ready


class AzuriteServer:
    """A blob service on a free port, with an account key of its own; `node` and `program` start it."""

    def __init__(self, node: str, program: Path) -> None:
        self.port = free_port()
        self._command = [node, str(program)]
        self._key = base64.b64encode(secrets.token_bytes(32)).decode("ascii")
        self._folder = Path(tempfile.mkdtemp(prefix="pipesleuth-azurite-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection_string(self) -> str:
        """What AZURE_STORAGE_CONN would hold."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={self._key};"
            f"BlobEndpoint=http://127.0.0.1:{self.port}/devstoreaccount1;"
        )

    def start(self) -> None:
        """Start the service; returns when it accepts connections."""
        # Without the first flag it refuses API versions newer than itself, and clients are always newer.
        quiet = ("--skipApiVersionCheck", "--disableTelemetry", "--silent", "--inMemoryPersistence")
        where = ("--blobHost", "127.0.0.1", "--blobPort", str(self.port))
        log = self._folder / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*self._command, *quiet, *where],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env={**os.environ, "AZURITE_ACCOUNTS": f"devstoreaccount1:{self._key}"},
            )
        wait_until_ready(self._process, lambda: answers(self.port), log=log)

    def remove(self) -> None:
        """Stop the service and delete what it wrote."""
        if self._process is not None:
            stop(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)
