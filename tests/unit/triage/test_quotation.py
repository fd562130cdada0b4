"""A card quotes the innermost sentence a person can read, or nothing."""

from __future__ import annotations

import pytest

from pipesleuth.model import Failure
from pipesleuth.triage.diagnose import Triage
from pipesleuth.triage.peel import peel
from pipesleuth.triage.quotation import quotation

BLOB = "'Type=Microsoft.DataTransfer.Common.Shared.HybridDeliveryException,Message="


@pytest.fixture(scope="module")
def engine(triage: Triage) -> Triage:
    return triage


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "ErrorCode=SqlOperationFailed," + BLOB + "A database operation failed.,Source=X,"
            "''Type=System.Data.SqlClient.SqlException,Message=Login failed for user 'etl'.,Source=.Net SqlClient,"
            "SqlErrorNumber=18456,Class=14,ErrorCode=-2146232060,State=1,Errors=[{Class=14,Number=18456,State=1,"
            "Message=Login failed for user 'etl'.,},],'",
            "Login failed for user 'etl",
        ),
        (
            "Execution fail against sql server. Sql error number: 9002. Error Message: The transaction log is full.",
            "The transaction log is full.",
        ),
        ("Class=14,State=1", None),
        ("...", None),
        ("", None),
    ],
)
def test_the_innermost_readable_sentence_is_quoted(message: str, said: str | None) -> None:
    assert quotation(peel(message).causes) == said


def test_a_quote_is_never_longer_than_a_card_can_take() -> None:
    said = quotation(peel("word " * 5000).causes)
    assert said is not None
    assert len(said) <= 282


def test_an_activity_is_never_told_as_a_database(engine: Triage) -> None:
    message = "Operation on target copy_orders failed: ErrorCode=SqlFailedToConnect," + BLOB + "It broke.,Source=X,'"
    said = engine.full(Failure(source="data_factory", pipeline="p", error_message=message, activity="copy_orders"))
    assert said.affected_entity == "copy_orders"
    assert "copy_orders" not in said.root_cause.split("The platform said")[0]
