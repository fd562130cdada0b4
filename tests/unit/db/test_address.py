"""Where a database is: drivers, certificates, and passwords that nobody sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from pipesleuth.db.address import authorities, complete, read, shown, without_secrets
from pipesleuth.db.engine import open_engine
from pipesleuth.model import WrongSetting
from pipesleuth.settings import Settings


@pytest.fixture(autouse=True)
def _no_libpq_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgres://u@127.0.0.1/x", "postgresql+psycopg"),
        ("postgresql://u@127.0.0.1/x", "postgresql+psycopg"),
        ("mssql://u@db/x", "mssql+pyodbc"),
        ("mssql+mssqlpython://u@db/x", "mssql+mssqlpython"),
        ("sqlite:///x.db", "sqlite"),
        ("some/where/tickets.db", "sqlite"),
    ],
)
def test_an_address_gets_the_driver_that_is_here(text: str, driver: str) -> None:
    assert read(text).drivername == driver


def test_a_postgresql_elsewhere_is_only_spoken_to_with_its_certificate_checked() -> None:
    url = complete(make_url("postgresql://u:p@db.example.com/x"))
    assert url.query["sslmode"] == "verify-full"
    assert Path(str(url.query["sslrootcert"])).is_file()
    assert url.query["sslrootcert"] == authorities()


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u@localhost/x",
        "postgresql://u@127.0.0.1:5432/x",
        "postgresql:///x?host=/var/run/postgresql",
        "postgresql://u@db/x?sslmode=disable",
    ],
)
def test_on_this_machine_or_where_somebody_says_so_it_is_not(text: str) -> None:
    url = complete(make_url(text))
    assert "sslrootcert" not in url.query
    assert url.query.get("sslmode") in {None, "disable"}


def test_one_own_authority_is_kept() -> None:
    url = complete(make_url("postgresql://u@db/x?sslrootcert=/etc/ours.pem"))
    assert (url.query["sslmode"], url.query["sslrootcert"]) == ("verify-full", "/etc/ours.pem")


def test_sql_server_is_encrypted_and_checked_through_both_drivers() -> None:
    odbc = complete(make_url("mssql+pyodbc://u:p@db/x"))
    assert (odbc.query["Encrypt"], odbc.query["TrustServerCertificate"]) == ("yes", "no")
    assert odbc.query["driver"] == "ODBC Driver 18 for SQL Server"
    own = complete(make_url("mssql+mssqlpython://u:p@db/x?driver=ODBC+Driver+18&encrypt=strict"))
    assert own.query == {"encrypt": "strict", "TrustServerCertificate": "no"}
    trusted = complete(make_url("mssql+pyodbc://u:p@db/x?TrustServerCertificate=yes"))
    assert trusted.query["TrustServerCertificate"] == "yes"


def test_another_kind_of_database_is_refused_in_a_sentence() -> None:
    with pytest.raises(WrongSetting, match=r"mysql\+pymysql is none of"):
        open_engine(make_url("mysql+pymysql://u:hidden@db/x"))
    with pytest.raises(WrongSetting) as raised:
        read("postgresql://u:hidden@db:port/x")
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hid%2Fden@db/x",
        "postgresql://u@db/x?password=hid/den",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3D%7Bx%7D%3BUID%3Du%3BPWD%3Dhid%2Fden",
    ],
)
def test_no_password_is_shown_wherever_it_stands(text: str) -> None:
    url = make_url(text)
    assert "hid" not in shown(url)
    said = without_secrets('login "u" failed: hid/den, hid%2Fden; UID=u;PWD=hid/den;\nmore', url)
    assert "hid" not in said
    assert "\n" not in said


def _azure(**values: str) -> Settings:
    known = {"db_type": "azuresql", "azure_sql_server": "s.database.windows.net", "azure_sql_database": "t"}
    return Settings(_env_file=None, **(known | values))  # type: ignore[arg-type,call-arg]


def test_the_mission_s_variables_can_mean_a_managed_identity() -> None:
    system = complete(_azure().database)
    assert (system.username, system.query["authentication"]) == (None, "ActiveDirectoryMsi")
    own = complete(_azure(azure_sql_username="0f9a-client-id").database)
    assert (own.username, own.password, own.query["authentication"]) == (
        "0f9a-client-id",
        None,
        "ActiveDirectoryMsi",
    )
    login = complete(_azure(azure_sql_username="svc", azure_sql_password="p@ss/word").database)
    assert (login.username, login.password) == ("svc", "p@ss/word")
    assert "authentication" not in login.query


def test_azure_sql_goes_through_microsoft_s_own_driver_where_it_is_named() -> None:
    url = complete(_azure(azure_sql_driver="mssqlpython").database)
    assert url.drivername == "mssql+mssqlpython"
    assert "driver" not in url.query
