"""Messages and answers for property tests."""

from hypothesis import strategies as st

from common.prompts import FileSegment, Prompt, VariableSegment
from common.protocol_codes import ConnectionType, PromptVariableType, RecordType, ResultCode, RingbackMode
from gateway.domain import (
    NO_ATTRIBUTES,
    AnswerStyle,
    CallAttributes,
    Event,
    EventMember,
    Member,
    MessageForm,
    Query,
    QueryAnswer,
    WireFormat,
)

JSON_FORM = MessageForm(WireFormat.JSON, "application/json")
XML_FORM = MessageForm(WireFormat.XML, "application/xml", "request")

QUERY_NAMES = {"sid", "vccid", "callid", "seq", "method", "callingnumber", "accessnumber"}
EVENT_NAMES = {
    *("sid", "vccid", "callid", "seq", "method", "chargeext", "code", "clientid", "callresult", "reason"),
    *("calldata", "userlist", "msserver", "filepath"),
}

# Everything that XML 1.0 can carry, with what needs care made likely.
xml_text = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
        st.sampled_from("\t\n\r <>&'\"]你好。_\\/{}[]|"),
    ),
    max_size=40,
)
id_text = xml_text.filter(lambda text: bool(text) and not text.isspace())
element_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,12}", fullmatch=True)


def unknown_fields(taken: set[str]) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    names = element_names.filter(lambda name: name.lower() not in taken)
    return st.lists(st.tuples(names, xml_text), max_size=4, unique_by=lambda pair: pair[0]).map(tuple)


queries = st.builds(
    Query,
    session_id=id_text,
    tenant_id=id_text,
    call_id=id_text,
    calling_number=id_text,
    access_number=id_text,
    seq=xml_text,
    unknown_fields=unknown_fields(QUERY_NAMES),
)
event_members = st.builds(EventMember, xml_text, xml_text, xml_text, xml_text, xml_text)
events = st.builds(
    Event,
    session_id=id_text,
    tenant_id=id_text,
    code=id_text,
    call_id=xml_text,
    seq=xml_text,
    charge_ext=xml_text,
    client_id=xml_text,
    call_result=xml_text,
    reason=xml_text,
    user_data=xml_text,
    members=st.lists(event_members, max_size=4).map(tuple),
    media_server=xml_text,
    file_path=xml_text,
    unknown_fields=unknown_fields(EVENT_NAMES),
)

prompt_texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), st.sampled_from("<>&_你好")
    ),
    min_size=1,
    max_size=12,
)
segments = st.one_of(
    st.builds(FileSegment, prompt_texts),
    st.builds(VariableSegment, st.sampled_from(PromptVariableType), prompt_texts),
)
# Wire texts of prompts, in which the order of files and variables is what is heard.
prompts = st.lists(segments, min_size=1, max_size=5).map(lambda found: Prompt(tuple(found)).to_wire())

seconds = st.integers(0, 4_294_967_295)
attributes = st.builds(
    CallAttributes,
    client_id=st.none() | xml_text,
    caller_prompt=st.none() | prompts,
    user_data=st.none() | xml_text,
    callback_url=st.none() | xml_text,
    max_duration_seconds=st.none() | seconds,
    record_type=st.none() | st.sampled_from(RecordType),
    warning_duration_seconds=st.none() | seconds,
    warning_prompt=st.none() | prompts,
    connection_type=st.none() | st.sampled_from(ConnectionType),
    ringback_mode=st.none() | st.sampled_from(RingbackMode),
    ringback_prompt=st.none() | prompts,
)
members = st.builds(
    Member,
    number=xml_text,
    display_number=xml_text,
    answer_prompt=st.just("") | prompts,
    disconnect_prompt=st.just("") | prompts,
    fail_prompt=st.just("") | prompts,
)
answers = st.builds(
    QueryAnswer,
    session_id=xml_text,
    tenant_id=xml_text,
    call_id=xml_text,
    seq=xml_text,
    result=st.sampled_from(ResultCode),
    charge_ext=xml_text,
    members=st.lists(members, max_size=4).map(tuple),
    attributes=attributes.map(lambda found: NO_ATTRIBUTES if found == NO_ATTRIBUTES else found),
    reason=st.just("") | id_text,
)
styles = st.builds(
    AnswerStyle,
    xml_root=st.just("") | st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,12}", fullmatch=True),
    plain_json_list=st.booleans(),
    nested_prompts=st.booleans(),
)
