"""Judges our answers by the protocol, rule by rule.

Every rule comes from PROTOCOL.md and is checked on the bytes that came over the wire. A finding names the rule that was
broken and says how, without any whole phone number in it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import phonenumbers

from common.errors import InvalidArgumentError
from common.masking import mask_number, mask_text
from common.prompts import parse_prompt
from common.protocol_codes import (
    ConnectionType,
    MemberType,
    ProtocolCode,
    RecordType,
    ResultCode,
    RingbackMode,
)
from simulator import wire_json, wire_xml
from simulator.messages import Answer, Query, UnreadableAnswerError, WireAnswer, WireRequest

ANY_RESULT = "any"
ANY_ROOT = "any"


class Rule(Enum):
    """What an answer can break; the value says it in words."""

    NO_ANSWER = "an answer comes at all"
    LATE = "the answer comes within the limit"
    STATUS = "HTTP status is 200"
    CONTENT_TYPE = "content type is that of the request"
    READABLE = "the body can be read"
    FORM = "the body has the documented form"
    ROOT = "the XML root follows from the request's"
    MANDATORY = "mandatory fields are there"
    ECHO = "sid, vccId, callId and seq come back unchanged"
    UNKNOWN_FIELD = "only fields of the protocol"
    RESULT = "result has four digits"
    USER_LIST = "userList says whom to call, exactly when there is somebody"
    NUMBER = "numbers can be dialled"
    VALUE_RANGE = "values are within their range"
    WARNING_DURATION = "warningDuration is not above maxDuration"
    BRIDGE_RECORDING = "no recording at once in bridge mode"
    RINGBACK_PROMPT = "ringbackPrompt only with ringbackMode 0"
    PROMPT = "prompts can be played"
    EMPTY_BODY = "the answer to an event has an empty body"
    UNEXPECTED_RESULT = "result is the expected one"
    WRONG_CALLEE = "the callee is the expected one"
    UNSTABLE_ANSWER = "a query sent again gets the same answer"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule."""

    rule: Rule
    detail: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the answer to a query should be, beyond its form.

    `result` is a result code or `any`. `callee` is None when any number will do. `xml_root` is the name of the answer's
    root where the tenant has set one, `any` to accept every name, None for the one that follows from the request.
    """

    result: str = ResultCode.SUCCESS.text
    callee: str | None = None
    xml_root: str | None = None
    region: str = "CN"


@dataclass(frozen=True, slots=True)
class QueryVerdict:
    """What was found in a query's answer. `answer` is None when it could not be read."""

    answer: Answer | None
    findings: tuple[Finding, ...]

    @property
    def result(self) -> str:
        """The `result` that was answered; empty when there was none."""
        return self.answer.fields.get("result", "") if self.answer is not None else ""

    @property
    def routed(self) -> bool:
        """Whether there is somebody to call."""
        return self.result == ResultCode.SUCCESS.text and self.answer is not None and bool(self.answer.members)


MANDATORY_FIELDS = ("sid", "vccId", "callId", "seq", "chargeExt", "result")
OPTIONAL_FIELDS = (
    "clientId",
    "callerPrompt",
    "userList",
    "callData",
    "callBackUrl",
    "maxDuration",
    "recordType",
    "warningDuration",
    "warningPrompt",
    "connType",
    "ringbackMode",
    "ringbackPrompt",
)
MEMBER_FIELDS = ("number", "type", "displayNumber", "answerPrompt", "disconnectPrompt", "failPrompt")
_ENUMS: dict[str, type[ProtocolCode]] = {
    "recordType": RecordType,
    "connType": ConnectionType,
    "ringbackMode": RingbackMode,
}
_NUMBER = re.compile(r"\+?[0-9]{3,20}")
_WHOLE_SECONDS = re.compile(r"[0-9]{1,9}")
_MEDIA_TYPES = {True: ("application/xml", "text/xml"), False: ("application/json",)}


def check_query_answer(
    query: Query, request: WireRequest, answer: WireAnswer, expectation: Expectation
) -> QueryVerdict:
    """Everything that is wrong with the answer to a query."""
    findings = list(_check_http(request, answer))
    is_xml = request.xml_root is not None
    if "charset=utf-8" not in answer.content_type.lower().replace(" ", "").replace('"', ""):
        findings.append(Finding(Rule.CONTENT_TYPE, f"{answer.content_type!r} does not say charset=UTF-8"))
    try:
        read = wire_xml.read_answer(answer.body) if is_xml else wire_json.read_answer(answer.body)
    except UnreadableAnswerError as error:
        return QueryVerdict(None, (*findings, Finding(Rule.READABLE, mask_text(str(error)))))
    findings.extend(Finding(Rule.FORM, fault) for fault in read.faults)
    findings.extend(_check_root(request, read, expectation))
    for check in _FIELD_CHECKS:
        findings.extend(check(read))
    findings.extend(_check_echo(query, read))
    findings.extend(_check_expectation(read, expectation))
    return QueryVerdict(read, tuple(findings))


def check_event_answer(request: WireRequest, answer: WireAnswer) -> tuple[Finding, ...]:
    """Everything that is wrong with the answer to an event: it must be 200, empty, and of the request's type."""
    findings = list(_check_http(request, answer))
    if answer.body:
        findings.append(Finding(Rule.EMPTY_BODY, f"{len(answer.body)} bytes came"))
    return tuple(findings)


def same_route(first: Answer, second: Answer) -> bool:
    """Whether two answers to one query send the call to the same people."""
    return first.fields.get("result") == second.fields.get("result") and first.members == second.members


def _check_http(request: WireRequest, answer: WireAnswer) -> Iterator[Finding]:
    if answer.status != 200:
        yield Finding(Rule.STATUS, f"HTTP {answer.status}")
    wanted = _MEDIA_TYPES[request.xml_root is not None]
    if answer.content_type.partition(";")[0].strip().lower() not in wanted:
        yield Finding(Rule.CONTENT_TYPE, f"{answer.content_type!r} for a request in {wanted[0]}")


def _check_root(request: WireRequest, answer: Answer, expectation: Expectation) -> Iterator[Finding]:
    if request.xml_root is None or expectation.xml_root == ANY_ROOT:
        return
    wanted = expectation.xml_root or wire_xml.answer_root(request.xml_root)
    if answer.xml_root != wanted:
        yield Finding(Rule.ROOT, f"<{answer.xml_root}> instead of <{wanted}>")


def _check_mandatory(answer: Answer) -> Iterator[Finding]:
    for name in MANDATORY_FIELDS:
        if name not in answer.fields:
            yield Finding(Rule.MANDATORY, f"{name} is missing")


def _check_names(answer: Answer) -> Iterator[Finding]:
    for name in answer.fields:
        if name not in MANDATORY_FIELDS and name not in OPTIONAL_FIELDS:
            yield Finding(Rule.UNKNOWN_FIELD, f"{mask_text(name)!r} is no field of an answer")
    for member in answer.members:
        for name in member:
            if name not in MEMBER_FIELDS:
                yield Finding(Rule.UNKNOWN_FIELD, f"{mask_text(name)!r} is no field of a member")


def _check_result(answer: Answer) -> Iterator[Finding]:
    result = answer.fields.get("result")
    if result is not None and not re.fullmatch(r"[0-9]{4}", result):
        yield Finding(Rule.RESULT, f"{mask_text(result)!r} is not four digits")


def _check_members(answer: Answer) -> Iterator[Finding]:
    succeeded = answer.fields.get("result") == ResultCode.SUCCESS.text
    if succeeded and not answer.members:
        yield Finding(Rule.USER_LIST, "success without anybody to call")
    if not succeeded and answer.members:
        yield Finding(Rule.USER_LIST, "a failure that names somebody to call")
    for position, member in enumerate(answer.members):
        for name in ("number", "type", "displayNumber"):
            if name not in member:
                yield Finding(Rule.USER_LIST, f"member {position} has no {name}")
        if member.get("type", MemberType.CALLED.text) != MemberType.CALLED.text:
            yield Finding(Rule.USER_LIST, f"member {position} has type {mask_text(member['type'])!r}, not 1")
        for name in ("number", "displayNumber"):
            if name in member and not _NUMBER.fullmatch(member[name]):
                yield Finding(Rule.NUMBER, f"member {position}: {name} {mask_text(member[name])!r}")


def _check_ranges(answer: Answer) -> Iterator[Finding]:
    for name, table in _ENUMS.items():
        text = answer.fields.get(name)
        if text is not None and table.lookup(text) is None:
            yield Finding(Rule.VALUE_RANGE, f"{name} {mask_text(text)!r}")
    for name in ("maxDuration", "warningDuration"):
        text = answer.fields.get(name)
        if text is None or (name == "warningDuration" and not text):
            continue
        if not _WHOLE_SECONDS.fullmatch(text):
            yield Finding(Rule.VALUE_RANGE, f"{name} {mask_text(text)!r} is not whole seconds")
    url = answer.fields.get("callBackUrl")
    if url is not None and not re.fullmatch(r"https?://[^\s/?#]+\S*", url):
        yield Finding(Rule.VALUE_RANGE, "callBackUrl is not an http address")


def _check_combinations(answer: Answer) -> Iterator[Finding]:
    fields = answer.fields
    longest, warning = (_seconds(fields.get(name, "")) for name in ("maxDuration", "warningDuration"))
    if longest and warning > longest:
        yield Finding(Rule.WARNING_DURATION, f"{warning} s of {longest} s")
    if fields.get("connType") == ConnectionType.BRIDGE.text and fields.get("recordType") == RecordType.AT_ONCE.text:
        yield Finding(Rule.BRIDGE_RECORDING, "connType 1 with recordType 1")
    if fields.get("ringbackPrompt") and fields.get("ringbackMode", "0") != RingbackMode.LOCAL.text:
        yield Finding(Rule.RINGBACK_PROMPT, f"with ringbackMode {mask_text(fields['ringbackMode'])!r}")


def _check_prompts(answer: Answer) -> Iterator[Finding]:
    prompts = [(name, answer.fields.get(name)) for name in ("callerPrompt", "warningPrompt", "ringbackPrompt")]
    for member in answer.members:
        prompts.extend((name, member.get(name)) for name in ("answerPrompt", "disconnectPrompt", "failPrompt"))
    for name, text in prompts:
        fault = _prompt_fault(name, text) if text else None
        if fault is not None:
            yield Finding(Rule.PROMPT, fault)


# A run gets the same few prompts and callees again and again.
@lru_cache(maxsize=1024)
def _prompt_fault(name: str, text: str) -> str | None:
    try:
        parse_prompt(text, name)
    except InvalidArgumentError as error:
        return mask_text(error.message)
    return None


_FIELD_CHECKS: tuple[Callable[[Answer], Iterator[Finding]], ...] = (
    _check_mandatory,
    _check_names,
    _check_result,
    _check_members,
    _check_ranges,
    _check_combinations,
    _check_prompts,
)


def _check_echo(query: Query, answer: Answer) -> Iterator[Finding]:
    sent = {
        "sid": query.session_id,
        "vccId": query.tenant_id,
        "callId": query.call_id,
        "seq": query.seq or "",
    }
    for name, text in sent.items():
        if name in answer.fields and answer.fields[name] != text:
            yield Finding(Rule.ECHO, f"{name} {mask_text(text)!r} came back as {mask_text(answer.fields[name])!r}")


def _check_expectation(answer: Answer, expectation: Expectation) -> Iterator[Finding]:
    result = answer.fields.get("result", "")
    if expectation.result != ANY_RESULT and result != expectation.result:
        meaning = ResultCode.describe(result) if result else "none"
        yield Finding(Rule.UNEXPECTED_RESULT, f"{mask_text(result)!r} ({mask_text(meaning)})")
    if expectation.callee is not None and answer.members:
        number = answer.members[0].get("number", "")
        if not _same_line(number, expectation.callee, expectation.region):
            detail = f"{mask_number(number)} instead of {mask_number(expectation.callee)}"
            yield Finding(Rule.WRONG_CALLEE, detail)


@lru_cache(maxsize=1024)
def _same_line(number: str, other: str, region: str) -> bool:
    """Whether two writings reach the same line. Compared with the library alone, not with our own normal form."""
    if number == other:
        return True
    try:
        parsed, wanted = (phonenumbers.parse(text, region) for text in (number, other))
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_number_match(parsed, wanted) == phonenumbers.MatchType.EXACT_MATCH)


def _seconds(text: str) -> int:
    return int(text) if _WHOLE_SECONDS.fullmatch(text) else 0
