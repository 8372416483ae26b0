"""Answers and requests as XML, written directly: no tree is built for what is always the same."""

from gateway.codec.outgoing import (
    PROMPT_FIELDS,
    Pairs,
    event_member_pairs,
    member_pairs,
    pairs_after_members,
    pairs_before_members,
    request_pairs,
)
from gateway.codec.xml_text import escape_text, is_prompt_document, is_xml_name
from gateway.domain import NO_ATTRIBUTES, AnswerStyle, Event, Query, QueryAnswer

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ANSWER_ROOTS = {"request": "response", "Request": "Response", "req": "resp", "": "response"}


def answer_root(request_root: str, style: AnswerStyle) -> str:
    """The root of the answer to a request: the tenant's own, or derived from the request's, or that one itself."""
    if style.xml_root and is_xml_name(style.xml_root):
        return style.xml_root
    return _ANSWER_ROOTS.get(request_root, request_root)


def write_answer(request_root: str, answer: QueryAnswer, style: AnswerStyle) -> bytes:
    """The answer as a document in UTF-8: the mandatory fields, and the optional ones that are set."""
    root = answer_root(request_root, style)
    escape = escape_text
    nested = style.nested_prompts
    optional = ""
    attributes = answer.attributes
    if attributes is not NO_ATTRIBUTES:
        optional = _elements(pairs_before_members(attributes), nested)
    if answer.members:
        users = "".join([f"<user>{_elements(member_pairs(member), nested)}</user>" for member in answer.members])
        optional += f"<userList>{users}</userList>"
    if attributes is not NO_ATTRIBUTES:
        optional += _elements(pairs_after_members(attributes), nested)
    if answer.reason:
        optional += f"<reason>{escape(answer.reason)}</reason>"
    return (
        f"{_DECLARATION}<{root}><sid>{escape(answer.session_id)}</sid><vccId>{escape(answer.tenant_id)}</vccId>"
        f"<callId>{escape(answer.call_id)}</callId><seq>{escape(answer.seq)}</seq>"
        f"<chargeExt>{escape(answer.charge_ext)}</chargeExt><result>{answer.result.text}</result>{optional}</{root}>"
    ).encode()


def write_request(root: str, command: Query | Event) -> bytes:
    """A request as a document in UTF-8, as a platform sends it. Names of unknown fields must be XML names."""
    content = _elements(request_pairs(command), False)
    if isinstance(command, Event) and command.members:
        users = [f"<user>{_elements(event_member_pairs(member), False)}</user>" for member in command.members]
        content += f"<userList>{''.join(users)}</userList>"
    content += _elements(list(command.unknown_fields), False)
    return f"{_DECLARATION}<{root}>{content}</{root}>".encode()


def _elements(pairs: Pairs, nested_prompts: bool) -> str:
    if not nested_prompts:
        return "".join([f"<{name}>{escape_text(text)}</{name}>" for name, text in pairs])
    return "".join([f"<{name}>{_nested(name, text)}</{name}>" for name, text in pairs])


def _nested(name: str, text: str) -> str:
    """A prompt's `<msg>` document as elements, any other text escaped."""
    if name in PROMPT_FIELDS and text.startswith("<msg>") and is_prompt_document(text):
        return text
    return escape_text(text)
