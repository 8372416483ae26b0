"""`userList` in every shape that platforms give it.

An array; `{"user": [..]}`; `{"user": {..}}`; a single member's fields without `user`; a text that holds XML or JSON of
one of these; empty; absent.
"""

from dataclasses import dataclass

from gateway.codec.errors import MalformedBodyError
from gateway.codec.field_table import FieldNames, as_group, is_digits_or_blank
from gateway.codec.json_reader import read_json
from gateway.codec.raw_tree import Group, RawValue, text_of
from gateway.codec.xml_reader import read_xml
from gateway.domain import EventMember

# More than any conference has; the rest of a longer list is only in the raw body.
MAX_MEMBERS = 64

_LIST_NAMES = FieldNames(("user", "userList"))
# What a member can begin with, so that nobody looks further for a list in it.
_MEMBER_FIELDS = frozenset({"line", "number", "type", "state", "translate", "displayNumber"})
_DIGITS = ("line", "type", "state")
_EVENT_MEMBER_NAMES = FieldNames(("line", "number", "type", "state", "translate"))
_UNREADABLE = "unreadable:userList"


@dataclass(frozen=True, slots=True)
class EventUserList:
    """An event's members; fields of theirs that the protocol does not name, as `userList.INDEX.NAME`; doubts."""

    members: tuple[EventMember, ...] = ()
    unknown_fields: tuple[tuple[str, str], ...] = ()
    form_flags: tuple[str, ...] = ()


_NO_MEMBERS = EventUserList()


def read_members(value: RawValue) -> EventUserList:
    """The members of an event. What can't be understood is kept as an unknown field `userList` and flagged."""
    if value is None or value == "":
        return _NO_MEMBERS
    try:
        groups = member_groups(value)
    except MalformedBodyError:
        return EventUserList((), (("userList", text_of(value)),), (_UNREADABLE,))
    flags: list[str] = []
    if len(groups) > MAX_MEMBERS:
        flags.append("length:userList")
    members = []
    unknown: list[tuple[str, str]] = []
    for index, group in enumerate(groups[:MAX_MEMBERS]):
        table = _EVENT_MEMBER_NAMES.table_of(group)
        texts: dict[str, str] = {}
        for name, raw in table.known.items():
            texts[name] = text_of(raw)
            if not isinstance(raw, str):
                flags.append(f"boolean:userList.{name}" if isinstance(raw, bool) else f"nested:userList.{name}")
        for name in _DIGITS:
            if name in texts and not is_digits_or_blank(texts[name]):
                flags.append(f"number:userList.{name}")
        if table.repeated:
            flags += [f"repeated:userList.{name}" for name in table.repeated]
        if table.unknown:
            unknown += [(f"userList.{index}.{name}", text) for name, text in table.unknown_texts()]
        get = texts.get
        members.append(
            EventMember(
                get("line", ""),
                get("number", ""),
                get("type", ""),
                get("state", ""),
                get("translate", ""),
            )
        )
    return EventUserList(tuple(members), tuple(unknown), tuple(dict.fromkeys(flags)))


def member_groups(value: RawValue) -> list[Group]:
    """The groups of fields, one a member, in order. Raises MalformedBodyError for what is no list of members."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return []
        value = _document(text)
    found: list[Group] = []
    _collect(value, found)
    return found


def _collect(value: RawValue, found: list[Group]) -> None:
    if isinstance(value, list):
        for item in value:
            _collect(item, found)
        return
    if value is None or (isinstance(value, str) and not value.strip()):
        return
    group = as_group(value)
    if group is None:
        raise MalformedBodyError("userList holds something that is no member")
    pairs = group.pairs
    if not pairs:
        return
    if pairs[0][0] in _MEMBER_FIELDS:
        found.append(group)
        return
    # `user` elements; a text may also have a list of its own name around them: `<userList><user>..`.
    inner = [child for name, child in pairs if _LIST_NAMES.find(name) is not None]
    if not inner:
        found.append(group)
    for child in inner:
        _collect(child, found)


def _document(text: str) -> RawValue:
    if text.startswith("<"):
        # Without its own declaration, a text may hold several roots: `<user>..</user><user>..</user>`.
        if text.startswith("<?xml"):
            text = text.partition("?>")[2]
        return read_xml(f"<userList>{text}</userList>")[1]
    if text.startswith(("{", "[")):
        return read_json(text)
    raise MalformedBodyError("userList is a text that is neither XML nor JSON")
