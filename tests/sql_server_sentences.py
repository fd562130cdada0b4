"""What SQL Server says when something goes wrong, and what that means."""

from __future__ import annotations

from pipesleuth.db.faults import Fault

# SQL Server's sentences with their numbers, as sys.messages has them, and the class that pyodbc raises them in.
SENTENCES: list[tuple[int, str, str, str, Fault]] = [
    (
        2627,
        "23000",
        "IntegrityError",
        (
            "Violation of PRIMARY KEY constraint 'pk_tickets'. Cannot insert duplicate key in object 'dbo.tickets'. "
            "The duplicate key value is (ADF-1205)."
        ),
        Fault.CLASH,
    ),
    (
        2601,
        "23000",
        "IntegrityError",
        (
            "Cannot insert duplicate key row in object 'dbo.tickets' with unique index 'ux_tickets_run_id'. "
            "The duplicate key value is (deadlock (1205); too many operations)."
        ),
        Fault.CLASH,
    ),
    (
        547,
        "23000",
        "IntegrityError",
        'The INSERT statement conflicted with the FOREIGN KEY constraint "fk". The conflict occurred in database "d".',
        Fault.OURS,
    ),
    (
        515,
        "23000",
        "IntegrityError",
        "Cannot insert the value NULL into column 'id', table 'd.dbo.tickets'; column does not allow nulls.",
        Fault.OURS,
    ),
    (
        2628,
        "22001",
        "DataError",
        (
            "String or binary data would be truncated in table 'd.dbo.tickets', column 'id'. "
            "Truncated value: 'the service is currently busy (40501)'."
        ),
        Fault.OURS,
    ),
    (208, "42S02", "ProgrammingError", "Invalid object name 'tickets'.", Fault.OURS),
    (
        1205,
        "40001",
        "OperationalError",
        (
            "Transaction (Process ID 64) was deadlocked on lock resources with another process and has been chosen as "
            "the deadlock victim. Rerun the transaction."
        ),
        Fault.CONTENTION,
    ),
    (1222, "HYT00", "OperationalError", "Lock request time out period exceeded.", Fault.CONTENTION),
    (
        40613,
        "42000",
        "ProgrammingError",
        "Database 'tickets' on server 'sleuth' is not currently available. Please retry the connection later.",
        Fault.LOST,
    ),
    (
        40501,
        "HY000",
        "Error",
        "The service is currently busy. Retry the request after 10 seconds. Incident ID: x. Code: 1.",
        Fault.LOST,
    ),
    (
        40197,
        "HY000",
        "Error",
        "The service has encountered an error processing your request. Please try again. Error code 18456.",
        Fault.LOST,
    ),
    (
        49918,
        "HY000",
        "Error",
        "Cannot process request. Not enough resources to process request. Please retry you request later.",
        Fault.LOST,
    ),
    (
        49919,
        "HY000",
        "Error",
        (
            "Cannot process create or update request. Too many create or update operations in progress for "
            'subscription "s".'
        ),
        Fault.LOST,
    ),
    (
        49920,
        "HY000",
        "Error",
        'Cannot process request. Too many operations in progress for subscription "s".',
        Fault.LOST,
    ),
    (
        10928,
        "42000",
        "ProgrammingError",
        "Resource ID: 1. The request limit for the database is 60 and has been reached.",
        Fault.LOST,
    ),
    (
        10929,
        "42000",
        "ProgrammingError",
        "Resource ID: 1. The server is currently too busy to support requests greater than 40 for this database.",
        Fault.LOST,
    ),
    (
        4060,
        "42000",
        "ProgrammingError",
        'Cannot open database "tickets" requested by the login. The login failed.',
        Fault.LOST,
    ),
    (
        3906,
        "25000",
        "ProgrammingError",
        'Failed to update database "tickets" because the database is read-only.',
        Fault.LOST,
    ),
    (
        10054,
        "08S01",
        "OperationalError",
        "TCP Provider: An existing connection was forcibly closed by the remote host.",
        Fault.LOST,
    ),
    (18456, "28000", "InterfaceError", "Login failed for user 'svc'.", Fault.CLOSED),
    (
        40615,
        "42000",
        "ProgrammingError",
        (
            "Cannot open server 'sleuth' requested by the login. Client with IP address '192.0.2.1' is not allowed to "
            "access the server."
        ),
        Fault.CLOSED,
    ),
    (
        40544,
        "42000",
        "ProgrammingError",
        (
            "The database 'tickets' has reached its size quota. Partition or delete data, drop indexes, or consult the "
            "documentation for possible resolutions."
        ),
        Fault.CLOSED,
    ),
    (
        9002,
        "42000",
        "ProgrammingError",
        "The transaction log for database 'tickets' is full due to 'LOG_BACKUP'.",
        Fault.CLOSED,
    ),
]
