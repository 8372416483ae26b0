"""The protocol's table of formats, row by row."""

import codecs

import pytest

from common.protocol_codes import ResultCode
from gateway.codec import (
    InvalidQueryError,
    UnreadableBodyError,
    UnsupportedContentTypeError,
    decode_request,
    encode_answer,
)
from gateway.codec.xml_writer import answer_root
from gateway.domain import DEFAULT_STYLE, AnswerStyle, Event, MessageForm, Query, QueryAnswer, WireFormat

FIELDS = {
    "sid": "s1",
    "vccId": "100001",
    "callId": "c1",
    "seq": "1",
    "method": "query",
    "callingNumber": "13800001111",
    "accessNumber": "02566000001",
}
QUERY = Query("s1", "100001", "c1", "13800001111", "02566000001", "1")


def xml(fields: dict[str, str] = FIELDS, root: str = "request") -> str:
    return f"<{root}>" + "".join(f"<{name}>{text}</{name}>" for name, text in fields.items()) + f"</{root}>"


def read(body: str | bytes, content_type: str | None = "application/xml") -> Query:
    command = decode_request(content_type, body.encode() if isinstance(body, str) else body).command
    assert isinstance(command, Query)
    return command


# Content-Type


@pytest.mark.parametrize(
    ("content_type", "answered_as"),
    [
        ("application/xml", "application/xml; charset=UTF-8"),
        ("text/xml", "text/xml; charset=UTF-8"),
        ("Text/XML;charset=gbk", "text/xml; charset=UTF-8"),
        ("application/xml ; charset=ISO-8859-1", "application/xml; charset=UTF-8"),
        ("text/plain", "application/xml; charset=UTF-8"),
        ("", "application/xml; charset=UTF-8"),
        (None, "application/xml; charset=UTF-8"),
    ],
)
def test_xml_content_types(content_type: str | None, answered_as: str) -> None:
    message = decode_request(content_type, xml().encode())
    assert message.command == QUERY
    assert message.form.content_type_header == answered_as


@pytest.mark.parametrize("content_type", ["application/json", "APPLICATION/JSON; charset=utf-8", "text/plain", None])
def test_json_content_types(content_type: str | None) -> None:
    body = b' {"sid":"s1","vccId":"100001","callId":"c1","seq":1,"method":"query","callingNumber":13800001111,'
    message = decode_request(content_type, body + b'"accessNumber":"02566000001"}')
    assert message.command == QUERY
    assert message.form == MessageForm(WireFormat.JSON, "application/json")


@pytest.mark.parametrize(
    ("content_type", "body", "wire_format"),
    [
        ("application/x-www-form-urlencoded", b"<request/>", WireFormat.XML),
        ("application/octet-stream", b'{"sid":1}', WireFormat.JSON),
        ("text/html", b"  [1]", WireFormat.JSON),
        ("text/plain", b"hello", WireFormat.XML),
        (None, b"sid=1", WireFormat.XML),
        ("text/plain", b"[1]", WireFormat.JSON),
    ],
)
def test_other_content_types_are_refused(content_type: str | None, body: bytes, wire_format: WireFormat) -> None:
    with pytest.raises(UnsupportedContentTypeError) as caught:
        decode_request(content_type, body)
    assert caught.value.http_status == 415
    assert caught.value.field == "Content-Type"
    assert caught.value.form.wire_format is wire_format
    assert caught.value.answer.result is ResultCode.MALFORMED_REQUEST


@pytest.mark.parametrize("content_type", ["application/xml", "application/json", "text/plain", None])
@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_empty_bodies(content_type: str | None, body: bytes) -> None:
    with pytest.raises(UnreadableBodyError) as caught:
        decode_request(content_type, body)
    assert caught.value.http_status == 400


# Encoding

CHINESE = xml({**FIELDS, "callId": "呼叫1"})


@pytest.mark.parametrize(
    "charset", ["", "; charset=UTF-8", "; charset=ISO-8859-1", "; charset=gbk", "; charset=nonsense"]
)
@pytest.mark.parametrize(
    "body",
    [
        CHINESE.encode(),
        codecs.BOM_UTF8 + CHINESE.encode(),
        b'<?xml version="1.0" encoding="UTF-8"?>\n' + CHINESE.encode(),
        b"\r\n <?xml version='1.0' encoding='utf-8' standalone='yes'?>" + CHINESE.encode(),
        codecs.BOM_UTF8 + b'<?xml version="1.0" encoding="GBK"?>' + CHINESE.encode(),
        CHINESE.encode("gb18030"),
        b'<?xml version="1.0" encoding="GB18030"?>' + CHINESE.encode("gb18030"),
        b'<?xml version="1.0" encoding="gbk"?>' + CHINESE.encode("gbk"),
        b'<?xml version="1.0" encoding="GB2312"?>' + CHINESE.encode("gb2312"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + CHINESE.encode(),
        codecs.BOM_UTF16_LE + f'<?xml version="1.0" encoding="UTF-16"?>{CHINESE}'.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be"),
    ],
)
def test_encodings_of_xml_whatever_the_header_says(body: bytes, charset: str) -> None:
    assert read(body, f"application/xml{charset}").call_id == "呼叫1"


@pytest.mark.parametrize("charset", ["", "; charset=ISO-8859-1", "; charset=UTF-8"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312"])
def test_encodings_of_json_whatever_the_header_says(encoding: str, charset: str) -> None:
    body = (
        '{"sid":"s1","vccId":"100001","callId":"呼叫1","method":"query","callingNumber":"13800001111",'
        '"accessNumber":"02566000001"}'
    )
    assert read(body.encode(encoding), f"application/json{charset}").call_id == "呼叫1"


def test_characters_that_only_gb18030_has() -> None:
    rare = "㐂𠮷€"
    assert read(xml({**FIELDS, "callId": rare}).encode("gb18030")).call_id == rare


def test_a_declared_western_encoding_is_believed_when_the_bytes_are_not_utf_8() -> None:
    body = b'<?xml version="1.0" encoding="ISO-8859-1"?>' + xml({**FIELDS, "callId": "é"}).encode("latin-1")
    assert read(body).call_id == "é"


@pytest.mark.parametrize(
    "body",
    [
        codecs.BOM_UTF8 + b"<request>\xff</request>",
        b'<?xml version="1.0" encoding="UTF-8"?><request><sid>\xe4\xbd</sid></request>',
        b'<?xml version="1.0" encoding="EBCDIC"?><request/>',
        b'<?xml version="1.0" encoding="zlib"?><request/>',
        b"<request>\xff\xff</request>",
    ],
)
def test_bytes_that_are_no_text(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError):
        decode_request("application/xml", body)


# XML root, wrapper, names


@pytest.mark.parametrize(
    ("root", "answered"),
    [
        ("request", "response"),
        ("Request", "Response"),
        ("req", "resp"),
        ("REQUEST", "REQUEST"),
        ("xml", "xml"),
        ("请求", "请求"),
        ("ns:request", "response"),
    ],
)
def test_any_root_is_read_and_answered(root: str, answered: str) -> None:
    body = xml(root=root)
    message = decode_request("application/xml", body.encode())
    assert message.command == QUERY
    answer = QueryAnswer("s1", "100001", "c1", "1", ResultCode.SUCCESS)
    written = encode_answer(message.form, answer).decode()
    assert written.startswith(f'<?xml version="1.0" encoding="UTF-8"?>\n<{answered}><sid>s1</sid>')
    assert written.endswith(f"</{answered}>")


def test_the_tenants_own_root_wins_when_it_is_a_name() -> None:
    assert answer_root("request", AnswerStyle(xml_root="callResponse")) == "callResponse"
    assert answer_root("request", AnswerStyle(xml_root="<script>")) == "response"
    assert answer_root("", DEFAULT_STYLE) == "response"


def test_one_wrapper() -> None:
    inner = xml().removeprefix("<request>").removesuffix("</request>")
    assert read(f"<soap><head>x</head><body>{inner}</body></soap>").unknown_fields == (("head", "x"),)
    assert read(f"<a:e><a:b>{inner}</a:b></a:e>") == QUERY
    with pytest.raises(InvalidQueryError):
        read(f"<a><b><c>{inner}</c></b></a>")


def test_one_wrapper_in_json() -> None:
    body = (
        '{"request":{"sid":"s1","vccId":"100001","callId":"c1","seq":"1","method":"query",'
        '"callingNumber":"13800001111","accessNumber":"02566000001"},"version":2}'
    )
    assert read(body, "application/json").unknown_fields == (("version", "2"),)


def test_names_without_case_and_prefix() -> None:
    fields = {
        ("x:" + name.upper() if index % 2 else name.lower()): text for index, (name, text) in enumerate(FIELDS.items())
    }
    assert read(xml(fields)) == QUERY


def test_unknown_fields_are_kept_in_order() -> None:
    body = xml({**FIELDS, "zeta": "1", "callData": "d", "alpha": ""})
    assert read(body).unknown_fields == (("zeta", "1"), ("callData", "d"), ("alpha", ""))


def test_pretty_printing_comments_cdata_and_references() -> None:
    body = (
        "<request>\r\n\t<!-- who --><sid>s1</sid><vccId><![CDATA[100001]]></vccId> <callId>c<!-- x -->1</callId>"
        '<seq>1</seq><?pi?><method>query</method><callingNumber kind="mobile">13800001111</callingNumber>'
        "<accessNumber>&#48;2566000001</accessNumber></request>\n"
    )
    assert read(body) == QUERY


def test_method_is_read_leniently() -> None:
    assert read(xml({**FIELDS, "method": " QUERY\n"})) == QUERY


# JSON


def test_numbers_keep_their_text() -> None:
    body = (
        b'{"sid":2,"vccId":2.50,"callId":1E3,"seq":-0,"method":"query","callingNumber":13800001111,'
        b'"accessNumber":123456789012345678901234567890}'
    )
    query = read(body, "application/json")
    assert (query.session_id, query.tenant_id, query.call_id, query.seq) == ("2", "2.50", "1E3", "-0")
    assert query.access_number == "123456789012345678901234567890"
    assert {type(value) for value in (query.session_id, query.seq, query.access_number)} == {str}


def test_null_is_absent_and_booleans_are_no_ids() -> None:
    text = (
        '{"sid":"s1","vccId":"100001","callId":"c1","seq":%s,"method":"query","callingNumber":"13800001111",'
        '"accessNumber":"02566000001","x":null,"y":true}'
    )
    query = read(text % "null", "application/json")
    assert query.seq == ""
    assert query.unknown_fields == (("y", "true"),)
    with pytest.raises(InvalidQueryError) as caught:
        read(text % "true", "application/json")
    assert caught.value.field == "seq"


def test_unknown_structures_in_json_are_kept_as_the_text_that_was_sent() -> None:
    body = (
        '{"sid":"s1","vccId":"100001","callId":"c1","method":"query","callingNumber":"1","accessNumber":"2",'
        '"extra":{"a":[1.0,"\\"x",null,true,{}],"b":[]}}'
    )
    assert read(body, "application/json").unknown_fields == (("extra", '{"a":[1.0,"\\"x",null,true,{}],"b":[]}'),)


# Fields of a query


@pytest.mark.parametrize("name", ["sid", "vccId", "callId", "method", "callingNumber", "accessNumber"])
@pytest.mark.parametrize("text", [None, "", "  "])
def test_a_missing_field_is_named_and_the_rest_echoed(name: str, text: str | None) -> None:
    fields = {key: value for key, value in FIELDS.items() if key != name}
    if text is not None:
        fields[name] = text
    with pytest.raises(InvalidQueryError) as caught:
        read(xml(fields))
    error = caught.value
    assert (error.field, error.http_status) == (name, 200)
    assert error.answer.reason == f"{name}: missing"
    assert error.answer.result is ResultCode.MALFORMED_REQUEST
    assert error.answer.seq == "1"
    for field, echoed in (("sid", error.answer.session_id), ("vccId", error.answer.tenant_id)):
        assert echoed == (text or "" if field == name else FIELDS[field])


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({**FIELDS, "method": "answer"}, "method", "unknown, must be query or event"),
        ({**FIELDS, "sid": "x" * 257}, "sid", "longer than 256 characters"),
        ({**FIELDS, "seq": "1" * 257}, "seq", "longer than 256 characters"),
        ({**FIELDS, "SID": "s2"}, "sid", "stands there more than once"),
        ({**FIELDS, "callId": "<a>1</a>"}, "callId", "must be text or a number"),
    ],
)
def test_bad_fields_of_a_query(fields: dict[str, str], field: str, message: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        read(xml(fields))
    assert caught.value.field == field
    assert caught.value.message == f"{field}: {message}"


def test_a_query_may_lack_seq() -> None:
    fields = {name: text for name, text in FIELDS.items() if name != "seq"}
    assert read(xml(fields)).seq == ""
    assert read(xml({**fields, "code": "15"})).unknown_fields == (("code", "15"),)


def test_a_message_without_method_but_with_a_code_is_an_event() -> None:
    command = decode_request("application/xml", b"<r><sid>1</sid><vccId>2</vccId><code>15</code></r>").command
    assert isinstance(command, Event)
    assert set(command.form_flags) == {"missing:method", "missing:chargeExt", "missing:callId", "missing:seq"}


def test_no_message_error_quotes_the_message() -> None:
    with pytest.raises(InvalidQueryError) as caught:
        read(xml({**FIELDS, "method": "13800001111"}))
    assert "13800001111" not in str(caught.value)
