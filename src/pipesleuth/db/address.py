"""Where a database is, completed with its driver and its certificates checked, and shown without a password."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from pipesleuth.environment import LOOPBACK
from pipesleuth.model import WrongSetting

DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mssql": "mssql+pyodbc",
}
KNOWN = frozenset({"sqlite", "sqlite+pysqlite", "postgresql+psycopg", "mssql+pyodbc", "mssql+mssqlpython"})
ODBC_DRIVER = "ODBC Driver 18 for SQL Server"
_SECRET = frozenset({"password", "passwd", "pwd", "sslpassword", "odbc_connect", "accesstoken"})
MASKED = "***"
_SAID = re.compile(r"(?i)\b(PWD|password)\s*=\s*(\{[^}]*\}|'[^']*'|[^;\s]+)")


def read(text: str) -> URL:
    """The address that somebody wrote, or a SQLite file's path. Raises WrongSetting, without repeating it."""
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        return complete(make_url(text))
    except (ArgumentError, ValueError) as error:
        raise WrongSetting("This is not a database address such as postgresql://user@host/name.") from error


def complete(url: URL) -> URL:
    """The address with our driver for it, encrypted and its certificate checked unless it says otherwise.

    Raises WrongSetting for a kind of database that there are no tables for here.
    """
    url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    if url.drivername not in KNOWN:
        raise WrongSetting(
            f"DATABASE_URL: {url.drivername} is none of the databases that work here: sqlite, postgresql, mssql "
            "(through mssql+pyodbc or mssql+mssqlpython)."
        )
    if url.get_backend_name() == "mssql":
        return _sql_server(url)
    return _postgresql(url) if url.get_backend_name() == "postgresql" else url


def _sql_server(url: URL) -> URL:
    said = {name.lower() for name in url.query}
    if "odbc_connect" in said:
        return url  # somebody wrote the whole of it
    more = {"Encrypt": "yes", "TrustServerCertificate": "no"}
    if url.drivername == "mssql+pyodbc" and "dsn" not in said:
        more["driver"] = ODBC_DRIVER
    if url.drivername == "mssql+mssqlpython" and "driver" in said:
        # It brings its own, and refuses to be told of another.
        url = url.difference_update_query([name for name in url.query if name.lower() == "driver"])
    return url.update_query_dict({name: value for name, value in more.items() if name.lower() not in said})


def _postgresql(url: URL) -> URL:
    more: dict[str, str] = {}
    mode = url.query.get("sslmode") or os.environ.get("PGSSLMODE")
    if mode is None and _is_remote(url):
        mode = more["sslmode"] = "verify-full"
    if mode in {"verify-ca", "verify-full"} and not _names_authorities(url):
        more["sslrootcert"] = authorities()
    return url.update_query_dict(more)


def _is_remote(url: URL) -> bool:
    """Whether any of its hosts is another machine; a host that begins with a slash is a socket's folder."""
    said = url.query.get("host", url.host or "")
    names = [name.strip() for each in ((said,) if isinstance(said, str) else said) for name in each.split(",")]
    return any(name and not name.startswith("/") and not {name, name.rpartition(":")[0]} & LOOPBACK for name in names)


def _names_authorities(url: URL) -> bool:
    own = Path.home() / ".postgresql" / "root.crt"
    return "sslrootcert" in url.query or "PGSSLROOTCERT" in os.environ or own.exists()


def authorities() -> str:
    """The file with the certificates that this machine trusts; psycopg's own libraries look in another place."""
    known = ssl.get_default_verify_paths().cafile  # or what SSL_CERT_FILE names
    if known and Path(known).is_file():
        return known
    import certifi  # noqa: PLC0415  # only where the system has none

    return certifi.where()


def shown(url: URL) -> str:
    """The address as people may see it: no password, wherever in it one stands."""
    secrets = {name: MASKED for name in url.query if name.lower() in _SECRET}
    return url.update_query_dict(secrets).render_as_string(hide_password=True)


def without_secrets(text: str, url: URL) -> str:
    """A driver's own words on one line, without the password that they may repeat."""
    values = [url.query[name] for name in url.query if name.lower() in _SECRET]
    secrets = [url.password, *(value if isinstance(value, str) else ",".join(value) for value in values)]
    secrets += [found[2].strip("{}'") for value in secrets if value for found in _SAID.finditer(value)]
    flat = _SAID.sub(rf"\1={MASKED}", " ".join(text.split()))
    for secret in filter(None, secrets):
        for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
            flat = flat.replace(form, MASKED)
    return flat[:300]
