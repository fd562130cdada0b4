"""The error type is the platform's own most specific code or class."""

from __future__ import annotations

import pytest

from pipesleuth.triage.codes import error_type
from pipesleuth.triage.excerpt import excerpt
from pipesleuth.triage.peel import peel_excerpt

FACTORY = (
    ("MALFORMED_QUERY: \nName = ORDER\n     ^", "MALFORMED_QUERY"),
    ("Error code 1\nLIVY_JOB_STATE_DEAD\nMessage\nJob failed", "LIVY_JOB_STATE_DEAD"),
    ("Failed to start session: [User] WORKSPACE_CAPACITY_EXCEEDED\nYour job asked for 90 cores.", "WORKSPACE_CAPACITY_EXCEEDED"),
    ("Semantic error: SEM0139: no such operator", "SEM0139"),
    ("ERROR [08001] [Microsoft][Oracle]TNS-12541: TNS:no listener", "TNS-12541"),
    ("'Type=A.DrdaException,Message=SQL30081N A communication error has been detected.'", "SQL30081N"),
    ("Sent as UTF-16: no digits of a standard are a code. HTTP404: neither", None),
    ("Error code: 0x00000000. Hresult: 0x80040154 (0xC0209303 at Load)", "0xC0209303"),
    ("Hresult: 0x80040154, nothing else", "0x80040154"),
    ("'Type=System.TimeoutException,Message=no server: A.B.SomeException: down,Source=x,'", "TimeoutException"),
    ('{"code":"FailureExitCode","message":"exit"}\nstderr.txt:\nKeyError: \'lines\'', "KeyError"),
)  # fmt: skip
SPARK = (
    ("sql.exc.ServerOperationError: PERMISSION_DENIED: 4d2b is not allowed", "PERMISSION_DENIED"),
    ("a.b.FileReadException: at x\nCaused by: java.lang.RuntimeException: x is not a Parquet file at all", "java.lang.RuntimeException"),
    ("a.b.FileReadException: at x\nCaused by: java.lang.RuntimeException", "a.b.FileReadException"),
    ("a.b.RpcTimeoutException: late\nCaused by: java.net.UnknownHostException: h1", "java.net.UnknownHostException"),
    ("a.b.LoadException: late\nCaused by: ShortException: h1", "a.b.LoadException"),
    ("Py4JJavaError: An error occurred while calling o1.run.\n: org.apache.spark.SparkException: Job aborted.", "org.apache.spark.SparkException"),
    ("broken by 'SSLError(SSLCertVerificationError(1, 'self-signed'))'", "SSLCertVerificationError"),
    ("ERROR: ResolutionImpossible: see\nCalledProcessError: Command 'pip' returned 1", "ResolutionImpossible"),
    ("ClientError: An error occurred (SlowDown) when calling the PutObject operation: slow down", "SlowDown"),
    ("AnalysisException: [_LEGACY_ERROR_TEMP_DELTA_0007] A schema mismatch detected", "_LEGACY_ERROR_TEMP_DELTA_0007"),
    ("Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):\nValueError: x", "ValueError"),
    ("#  SIGSEGV (0xb) at pc=0x0, pid=1", "SIGSEGV"),
)  # fmt: skip


def told(message: str, source: str) -> str | None:
    part = excerpt(message)
    return error_type(peel_excerpt(part).causes, None, source, part.text)


@pytest.mark.parametrize(("message", "code"), FACTORY)
def test_a_code_of_data_factory_is_read_wherever_it_stands(message: str, code: str | None) -> None:
    assert told(message, "data_factory") == code


@pytest.mark.parametrize(("message", "code"), SPARK)
def test_of_sparks_classes_the_cause_counts(message: str, code: str) -> None:
    assert told(message, "databricks") == code
