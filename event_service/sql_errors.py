"""Database errors as the errors that ports speak of."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from common.errors import InvalidArgumentError, UnavailableError
from common.logs import get_logger

_log = get_logger(__name__)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raises UnavailableError for a database that can't be reached or does not answer, InvalidArgumentError for a value
    that it can't hold. Other errors are bugs and pass."""
    try:
        yield
    except DataError as error:
        raise InvalidArgumentError("message", "holds a value that can't be stored") from error
    except (OperationalError, InterfaceError, PoolTimeoutError, OSError, TimeoutError) as error:
        _log.warning("database not available", error=str(error))
        raise UnavailableError("the event store is not available") from error
    except DBAPIError as error:
        # A connection that broke while it was used, or a server that is about to stop, in the driver's own words.
        if not error.connection_invalidated:
            raise
        _log.warning("connection to the database lost", error=str(error.orig))
        raise UnavailableError("the event store is not available") from error
    except StatementError as error:
        # The value did not even reach the database: the driver could not convert it.
        raise InvalidArgumentError("message", "holds a value that can't be stored") from error
