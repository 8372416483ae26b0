"""The one tree of errors. No gRPC and no HTTP in it: adapters translate it at the edges."""

from collections.abc import Mapping


class AxbridgeError(Exception):
    """Something that a caller can be told.

    `reason` is a stable UPPER_SNAKE name of the error, `metadata` what a program needs to know of it (`field`,
    `binding_id`); the message is one English sentence for people. Neither holds a whole phone number of a person.
    """

    reason = "INTERNAL"

    def __init__(self, message: str, *, reason: str | None = None, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        if reason is not None:
            self.reason = reason


class InvalidArgumentError(AxbridgeError):
    """A value that can't be accepted. `field` names it, as the contract spells it (`binding.profile.record_type`)."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, message: str, *, reason: str | None = None) -> None:
        super().__init__(f"{field}: {message}", reason=reason, metadata={"field": field})
        self.field = field


class NotFoundError(AxbridgeError):
    """There is no such thing, or not for this tenant."""

    reason = "NOT_FOUND"


class AlreadyExistsError(AxbridgeError):
    """Something is in the way; `metadata` names it."""

    reason = "ALREADY_EXISTS"


class FailedPreconditionError(AxbridgeError):
    """Right in itself, but not in the present state; doing it again changes nothing until the state does."""

    reason = "FAILED_PRECONDITION"


class AbortedError(AxbridgeError):
    """Somebody else changed it first: read it again and decide anew."""

    reason = "REVISION_MISMATCH"


class UnauthenticatedError(AxbridgeError):
    """Nobody we know is asking."""

    reason = "UNAUTHENTICATED"


class PermissionDeniedError(AxbridgeError):
    """We know who is asking, and they may not."""

    reason = "PERMISSION_DENIED"


class ResourceExhaustedError(AxbridgeError):
    """A limit is reached; later it may work."""

    reason = "RESOURCE_EXHAUSTED"


class UnavailableError(AxbridgeError):
    """Something that is needed can't be reached; trying again may help."""

    reason = "UNAVAILABLE"


class DeadlineExceededError(AxbridgeError):
    """The time was up. What was asked may have been done or not."""

    reason = "DEADLINE_EXCEEDED"


class UnexpectedError(AxbridgeError):
    """A bug, or a peer that breaks the contract. Its details stay in our logs."""

    reason = "INTERNAL"
