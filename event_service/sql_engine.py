"""The event service's connections to its database."""

from sqlalchemy.ext.asyncio import AsyncEngine

from common.sql import open_engine

# How much longer than for a statement a session is waited for between two of a transaction.
_IDLE_SHARE = 2


def open_event_engine(
    database_url: str, *, pool_timeout_seconds: float = 1.0, statement_timeout_seconds: float = 5.0
) -> AsyncEngine:
    """An engine as `common.sql.open_engine` has them, with what PostgreSQL is to hold its sessions to.

    A replica that is frozen or cut off in the middle of a transaction holds partitions' heads: without a limit of
    PostgreSQL's own nobody could write to them until TCP noticed, which takes hours.

    Rows are found through indexes only: a plan that was made while the tables were small would go on reading all of
    them while they fill, until the database has looked at them again by itself.
    """
    milliseconds = max(1, int(statement_timeout_seconds * 1000))
    return open_engine(
        database_url,
        pool_timeout_seconds=pool_timeout_seconds,
        statement_timeout_seconds=statement_timeout_seconds,
        postgres_settings={
            "application_name": "axbridge-events",
            "statement_timeout": str(milliseconds),
            "idle_in_transaction_session_timeout": str(_IDLE_SHARE * milliseconds),
            # What nothing else can answer is still read as a whole, and compiling such a plan would take longer.
            "jit": "off",
            **{f"enable_{each}": "off" for each in ("seqscan", "hashjoin", "mergejoin")},
        },
    )
