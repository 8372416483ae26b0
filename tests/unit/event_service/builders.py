"""Events and decisions of one sample call."""

from typing import Any

from event_service.domain import Call, CallEvent, EventMember, LoggedDecision
from event_service.fold import fold_call

TENANT, SID = "100001", "sid-1"
A, B, B2, X = "13800001111", "13900001111", "13900002222", "02566000001"
A_NORMAL, B_NORMAL, B2_NORMAL, X_NORMAL = "+8613800001111", "+8613900001111", "+8613900002222", "+862566000001"
START_US = 1_700_000_000_000_000
SECOND = 1_000_000


def members(called: str = B, **fields: str) -> tuple[EventMember, ...]:
    """The caller, and a callee."""
    return (
        EventMember(line="0", number=A, type="0", state="1"),
        EventMember(line="1", number=called, type="1", **fields),
    )


def event(code: str, at: float, called: str = B, **fields: Any) -> CallEvent:
    """An event received `at` seconds after the query; its `seq` follows from both. `called` "": it names nobody."""
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "session_id": SID,
        "call_id": "c-1",
        "code": code,
        "seq": f"{code}-{at}",
        "charge_ext": "8001",
        "received_at_us": START_US + round(at * SECOND),
        "members": members(called) if called else (),
        **fields,
    }
    return CallEvent(**values)


def decision(*called: str, at: float = 0.0, **fields: Any) -> LoggedDecision:
    """The answer to the call's query, a success that names B unless told otherwise."""
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "session_id": SID,
        "call_id": "c-1",
        "calling_number": A,
        "access_number": X,
        "called_numbers": called or (B,),
        "result": "0000",
        "reason": "bound",
        "binding_id": "b-1",
        "binding_revision": 3,
        "direction": "A_TO_B",
        "decision_source": "STORE",
        "received_at_us": START_US + round(at * SECOND),
        **fields,
    }
    return LoggedDecision(**values)


def refusal(result: str = "1004", **fields: Any) -> LoggedDecision:
    """A failure as the answer to the call's query."""
    return decision(result=result, **{"binding_id": "", "direction": "", **fields, "called_numbers": ()})


def folded(*codes: str, decisions: tuple[LoggedDecision, ...] | None = None, call_result: str = "") -> Call:
    """The record of a call with these codes, one a second from second 1; the last one with this callResult."""
    events = [event(code, at) for at, code in enumerate(codes, 1)]
    if call_result:
        events[-1] = event(codes[-1], len(codes), call_result=call_result)
    return fold_call(events, (decision(),) if decisions is None else decisions)
