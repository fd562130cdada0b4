"""Masking: what is a secret goes, what helps to understand the failure stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesleuth.triage.redact import Masked, mask

# Made up, and put together here so that no scanner takes this file for a leak.
KEY88 = "Q" * 43 + "z" * 43 + "=="
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + "." + "c2lnbmF0dXJl"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\nIBAAKC==\n-----END RSA " + "PRIVATE KEY-----"

SECRETS: list[tuple[str, str, str]] = [
    (f"AccountName=acc;AccountKey={KEY88};EndpointSuffix=core", KEY88, "account-key"),
    (f"Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={KEY88[:43]}=", KEY88[:43], "account-key"),
    (f"the key {KEY88} was rotated", KEY88, "account-key"),
    ("https://a.blob.core.windows.net/c/f?sv=2022&sr=b&sig=aB3%2Fx9%2Bq1Zk%3D&se=2025", "aB3%2Fx9%2Bq1Zk", "sas"),
    ("SharedAccessSignature sr=hub&sig=aB3dEf6hIj&se=1", "aB3dEf6hIj", "sas"),
    (r"https://a/b?sv=1\u0026sig=aB3dEf6hIj", "aB3dEf6hIj", "sas"),
    ("Server=tcp:db;User ID=sa;Password=my pass,wörd!;Encrypt=yes", "my pass,wörd!", "password"),
    ("pwd={br;ace}d};x", "br", "password"),
    ("jdbc:sqlserver://h:1433;user=a;password=p4ss@w0rd", "p4ss@w0rd", "password"),
    ("jdbc:oracle:thin:scott/t1ger@//h:1521/x", "t1ger", "password"),
    ("postgresql://etl:s3cr3t@db:5432/x failed", "s3cr3t", "password"),
    ("https://user:p@ss:w0rd@host/path", "p@ss:w0rd", "password"),
    ('{"password": "hun\\"ter2", "user": "a"}', 'hun\\"ter2', "password"),
    (r"{\"password\":\"hunter2\",\"x\":1}", "hunter2", "password"),
    (r"{\"password\":\"hun\\\"ter2\",\"x\":1}", "ter2", "password"),
    ("{'client_secret': 'abc def'}", "abc def", "password"),
    ('{"clientSecret":"abc~def"}', "abc~def", "password"),
    ("spark.hadoop.fs.azure.account.key.acc.dfs.core.windows.net=zzz111", "zzz111", "account-key"),
    ('spark.conf.set("fs.azure.account.key.acc.dfs.core.windows.net", "zzz111")', "zzz111", "account-key"),
    ("fs.s3a.secret.key: zzz111", "zzz111", "account-key"),
    ('("fs.azure.account.oauth2.client.secret.acc.dfs.core.windows.net", "zzz111")', "zzz111", "password"),
    ("CREDENTIALS=(AWS_SECRET_KEY='wJalr+K7MDENG')", "wJalr+K7MDENG", "password"),
    ('{"secretKey": "zzz111"}', "zzz111", "password"),
    ('df.write.option("password", "plain words").save()', "plain words", "password"),
    (r".option(\"sfPassword\", \"hunter2\")", "hunter2", "password"),
    ("{&quot;password&quot;:&quot;hunter2&quot;}", "hunter2", "password"),
    ("CREATE USER etl IDENTIFIED BY hunter2;", "hunter2", "password"),
    ("https://x.webhook.office.com/webhookb2/" + "1b2c@3d4e/IncomingWebhook/aBcD1234", "aBcD1234", "teams-webhook"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG", "password"),
    ("--password hunter2 --user x", "hunter2", "password"),
    ("password: hunter2", "hunter2", "password"),
    ("Login failed. Password is 'Hunter Two'.", "Hunter Two", "password"),
    ("?password%3Dhunter2", "hunter2", "password"),
    ("Authorization: Bearer aB3dEf6hIj.kl", "aB3dEf6hIj", "authorization"),
    ('{"Authorization": "Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz", "authorization"),
    ("curl -H 'authorization: token abc123def456'", "abc123def456", "authorization"),
    ("sent bearer aB3dEf6hIjKl0 to it", "aB3dEf6hIjKl0", "bearer"),
    (f"token {JWT} expired", JWT, "jwt"),
    ("dapi" + "0123456789abcdef" * 2 + "-3", "0123456789abcdef", "databricks-token"),
    ("xoxb-" + "123-456-aBcDeF", "aBcDeF", "slack-token"),
    ("https://hooks.slack.com/services/" + "T0/B0/aBcDeFgH", "aBcDeFgH", "slack-webhook"),
    ("ghp_" + "aBcD1234" * 5, "aBcD1234", "github-token"),
    ("github_pat_" + "aBcD1234" * 5, "aBcD1234", "github-token"),
    ("AKIA" + "IOSFODNN7EXAMPLE"[:16], "IOSFODNN7EXAMPLE", "aws-key"),
    ("AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q", "SyA1b2C3", "google-key"),
    ("ATATT3" + "xFfGF0aBcDeFgHiJkLm", "xFfGF0aBc", "atlassian-token"),
    ("secret abc8Q~" + "dEfGhIjKlMnOpQrStUvWxYz0123456789ab", "dEfGhIjKlMn", "azure-secret"),
    ("sk-" + "proj-aBcDeFgHiJkLmNoPqRsT", "aBcDeFgHiJ", "token"),
    ("glpat-" + "aBcDeFgHiJkLmNoPqR12", "aBcDeFgHi", "token"),
    ('{"token": "aBc123dEf456"}', "aBc123dEf456", "token"),
    ("https://fn.azurewebsites.net/api/x?code=" + "aBcDeFgHiJkLmNoP12==", "aBcDeFgHiJ", "api-key"),
    ("x-api-key: aBc-123-dEf", "aBc-123-dEf", "api-key"),
    (f"key:\n{PEM}\nrest", "MIIEow", "private-key"),
    (PEM[:60], "MIIEow", "private-key"),
    (PEM.replace("\n", "\\n"), "IBAAKC", "private-key"),
]

INNOCENT = [
    "",
    "Bearer authentication failed for the linked service",
    "Basic authentication is not supported; use Anonymous",
    "The secret was not found in this key vault: secretName=pipeline-secret-name"[:57],
    "Invalid password for user 'sa'",
    "The partition key=2024-01 is missing; sort key: id; token count 3",
    "ErrorCode=UserErrorSourceBlobNotExists,'Type=Microsoft.DataTransfer.Common,Message=The required Blob is missing'",
    "java.lang.OutOfMemoryError: GC overhead limit exceeded at org.apache.spark.Foo.bar(Foo.scala:12)",
    "run 7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11 at abfss://raw@lake.dfs.core.windows.net/2025/01/orders.csv",
    "Password=******; pwd=***; AccountKey=<redacted>"[:24],
    "AADSTS7000215: Invalid client secret provided for app 1b2c3d4e-0000-0000-0000-000000000000",
    "SQLSTATE[28000] Login failed (18456)",
    "http://host:8080/path?x=1@y",
    "key=value token=3 pass=2",
    'dbutils.secrets.get("prod-credentials", "sql-login")',
    "the columns (password, email) are missing; identified by id",
]


@pytest.mark.parametrize(("text", "secret", "kind"), SECRETS, ids=range(len(SECRETS)))
def test_a_secret_becomes_a_mark_of_its_kind(text: str, secret: str, kind: str) -> None:
    masked = mask(text)
    assert secret not in masked.text
    assert f"[masked:{kind}]" in masked.text
    assert masked.count >= 1


@pytest.mark.parametrize(("text", "secret", "kind"), SECRETS, ids=range(len(SECRETS)))
def test_secrets_are_found_inside_json_inside_a_log_line(text: str, secret: str, kind: str) -> None:
    del kind
    wrapped = "2025-01-26 ERROR Py4JJavaError: " + text.replace("\n", " ") + " (state 28000)"
    assert secret not in mask(wrapped).text


@pytest.mark.parametrize("text", INNOCENT, ids=range(len(INNOCENT)))
def test_what_explains_the_failure_stays(text: str) -> None:
    assert mask(text) == Masked(text, 0)


@pytest.mark.parametrize(("text", "secret", "kind"), SECRETS, ids=range(len(SECRETS)))
def test_masking_a_masked_text_changes_nothing(text: str, secret: str, kind: str) -> None:
    del secret, kind
    once = mask(text).text
    assert mask(once) == Masked(once, 0)


def test_every_secret_is_counted() -> None:
    assert mask("password=aaa1; password=bbb2; " + "ghp_" + "aBcD1234" * 5).count == 3


def test_around_the_secret_the_text_stays_as_it_was() -> None:
    assert mask("Server=db;Password=x1y2;Database=d").text == "Server=db;Password=[masked:password];Database=d"
    assert mask("postgresql://etl:s3cr3t@db:5432/x").text == "postgresql://etl:[masked:password]@db:5432/x"


def test_names_and_hosts_stay_unless_masking_is_strict() -> None:
    text = "ana@example.com on srv1.corp.local (10.0.0.5), https://adb-1.azuredatabricks.net/x, org.apache.spark.io.Foo"
    assert mask(text).text == text
    strict = mask(text, strict=True)
    assert strict.text == (
        "[masked:email] on [masked:host] ([masked:host]), https://[masked:host]/x, org.apache.spark.io.Foo"
    )
    assert strict.count == 4


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(), max_size=400), strict=st.booleans())
def test_any_text_can_be_masked_and_once_is_enough(text: str, *, strict: bool) -> None:
    once = mask(text, strict=strict)
    once.text.encode("utf-8")
    assert mask(once.text, strict=strict).text == once.text


@pytest.mark.parametrize(
    "unit",
    [
        "password=",
        "://",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ.",
        "sig=",
        '"password":"',
        "\\",
        "a.b@",
        "AKIA",
        "é \ud800",
    ],
    ids=range(10),
)
def test_a_megabyte_of_bait_takes_linear_time(unit: str) -> None:
    text = (unit * (1_048_576 // len(unit) + 1))[:1_048_576]
    started = time.perf_counter()
    mask(text, strict=True)
    assert time.perf_counter() - started < 5
