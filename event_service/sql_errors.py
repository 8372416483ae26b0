"""Database errors as the errors that ports speak of."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from common.errors import InvalidArgumentError, UnavailableError
from common.logs import get_logger

_log = get_logger(__name__)

_DATA_EXCEPTION = "22"
# Connections, read-only servers (after a failover), deadlocks, lack of room, locks that others hold, operators'
# interventions.
_PASSING = ("08", "25", "40", "53", "55", "57", "58")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raises UnavailableError for a database that can't be reached or does not answer, InvalidArgumentError for a value
    that it can't hold. Other errors are bugs and pass."""
    try:
        yield
    except DataError as error:
        raise InvalidArgumentError("message", "holds a value that can't be stored") from error
    except (OperationalError, InterfaceError, PoolTimeoutError, OSError, TimeoutError) as error:
        _log.warning("database not available", error=str(getattr(error, "orig", error)))
        raise UnavailableError("the event store is not available") from error
    except DBAPIError as error:
        # SQLAlchemy knows only some of PostgreSQL's errors by class; the first two digits of the SQLSTATE tell all.
        state_class = str(getattr(error.orig, "sqlstate", None) or "")[:2]
        if state_class == _DATA_EXCEPTION:
            raise InvalidArgumentError("message", "holds a value that can't be stored") from error
        if not error.connection_invalidated and state_class not in _PASSING:
            raise
        _log.warning("database not available", error=str(error.orig))
        raise UnavailableError("the event store is not available") from error
    except StatementError as error:
        # The value did not even reach the database: the driver could not convert it.
        raise InvalidArgumentError("message", "holds a value that can't be stored") from error
