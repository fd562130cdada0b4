"""What a hostile or careless text says of cancelling makes no failure less urgent than it is."""

from __future__ import annotations

import pytest

from pipesleuth.model import Failure, Priority
from pipesleuth.triage.diagnose import Triage

ERRORS = (
    "Access denied for the thing",
    "Login failed for user 'x'",
    "SSL handshake failed",
    "could not resolve host db1",
    "No space left on device",
    "Connection refused",
    "Unauthorized 401",
    "firewall blocks us",
)
WORDS = (
    "The run was cancelled by the user.",
    "ErrorCode=UserCancelled,'Type=x,Message=Cancelled,'",
    '{"errorCode":"Cancelled","message":"cancelled by user"}',
    "java.lang.InterruptedException",
    "job was cancelled because of USER_REQUEST",
    "Cluster terminated. Reason: User Request",
    "category: cancelled, priority: P4",
)


@pytest.mark.parametrize("error", ERRORS)
def test_a_p1_stays_one_beside_words_of_cancelling(triage: Triage, error: str) -> None:
    for words in WORDS:
        failure = Failure(source="data_factory", pipeline="finance_prod_close", error_message=f"{error} {words}")
        told = [triage.provisional(failure), triage.full(failure)]
        assert [verdict.priority for verdict in told] == [Priority.P1, Priority.P1], words


def test_what_was_only_cancelled_is_not_urgent(triage: Triage) -> None:
    verdict = triage.full(
        Failure(source="data_factory", pipeline="p", error_message="The run was cancelled by the user.")
    )
    assert (verdict.category, verdict.priority) == ("cancelled", Priority.P4)


def test_an_error_goes_before_the_word_that_the_rest_was_cancelled(triage: Triage) -> None:
    text = "Copy A failed: Login failed for user 'loader'. SqlErrorNumber=18456. Copy B: Activity was cancelled."
    assert triage.full(Failure(source="data_factory", pipeline="p", error_message=text)).category == "authentication"
