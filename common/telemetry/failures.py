"""Which answers are failures of ours: in a trace they are errors, every other one is an answer like any other."""

from common.errors import AxbridgeError, DeadlineExceededError, UnavailableError, UnexpectedError
from common.protocol_codes import ResultCode

FAILURES: dict[ResultCode, type[AxbridgeError]] = {
    ResultCode.TIMED_OUT: DeadlineExceededError,
    ResultCode.UNAVAILABLE: UnavailableError,
    ResultCode.INTERNAL: UnexpectedError,
}


def failure_of(result: ResultCode, reason: str) -> AxbridgeError | None:
    """The error that an answer stands for, None for one that is none."""
    failure = FAILURES.get(result)
    return None if failure is None else failure(reason)
