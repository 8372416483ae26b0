"""The short XML reader accepts nothing that the general one refuses, and reads the same."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.codec import encode_request
from gateway.codec.errors import MalformedBodyError
from gateway.codec.plain_xml import read_plain_xml
from gateway.codec.raw_tree import RawValue, XmlGroup
from gateway.codec.xml_reader import read_xml
from tests.unit.gateway.strategies import XML_FORM, events, queries

# Pieces of documents: put together at random they are right, nearly right and wrong.
pieces = st.sampled_from(
    [
        *(
            "<a>",
            "</a>",
            "<b>",
            "</b>",
            "<a/>",
            "<c1>x</c1>",
            "<a></a>",
            "<sid>1</sid>",
            "<b>你好</b>",
            "< a>",
            "</a >",
        ),
        *(
            " ",
            "\n",
            "\r\n",
            "\t",
            "text",
            "&amp;",
            "&#65;",
            "&x;",
            "]]>",
            ">",
            "<",
            "]]",
            "\x00",
            "\x0b",
            "\x7f",
            "\x85",
        ),
        *("\xa0", "\u3000", "\ufeff", "\ud800", "\ue000", "\uffff", "😀", "<!-- c -->", "<![CDATA[<a>]]>", "<?pi x?>"),
        *('<a k="v">', "<x:a>", "</x:a>", "<!DOCTYPE a>", "<é>", "</é>", "<_a/>", "<a.b>", "</a.b>"),
        *('<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.1"?>'),
        *('<?xml version="1.0" encoding="GBK"?>', '<?xml version="1.0" encoding="-"?>', "<userList>", "</userList>"),
    ]
)
names = st.sampled_from(["a", "b", "userList", "x1"])
texts = st.text(st.sampled_from("ab \n\t\r1>&;你\u3000"), max_size=5)
nodes = st.recursive(
    texts,
    lambda inside: st.tuples(names, st.lists(inside, max_size=4)).map(
        lambda node: f"<{node[0]}>{''.join(node[1])}</{node[0]}>"
    ),
    max_leaves=12,
)


def tree(value: RawValue) -> object:
    if isinstance(value, XmlGroup):
        return ([(name, tree(child)) for name, child in value.pairs], value.mixed is not None, value.text())
    return value


def check(text: str) -> None:
    plain = read_plain_xml(text)
    if plain is None:
        return
    try:
        general = read_xml(text)
    except MalformedBodyError as error:
        raise AssertionError(f"taken by the short reader only: {error.message}") from error
    assert (plain[0], tree(plain[1])) == (general[0], tree(general[1]))


@settings(max_examples=1500)
@given(st.lists(pieces, max_size=12).map("".join))
@example("<a><b>\xa0</b></a>")
@example("<a>\u3000<b>1</b></a>")
@example("<a><b/>\x0b</a>")
@example("<a><b>1</b></a>\x85")
@example("<a></a>")
@example("<a> </a>")
@example("<a><a><a/></a></a>")
@example("<a><b>x\r</b></a>")
@example("<a><b>]]></b></a>")
@example("<a><b>1</b>t</a>")
@example("<a><b>1</a></b>")
@example("<a><b><c></c>1</b></a>")
@example("<a><b><c/>1</b></a>")
@example("<a><b><c>1</c></b>1</a>")
@example("<a><b>1</b></a><a/>")
def test_pieces(text: str) -> None:
    check(text)


@settings(max_examples=500)
@given(st.lists(nodes, max_size=5).map(lambda inside: f"<request>{''.join(inside)}</request>"))
def test_nested_documents(text: str) -> None:
    check(text)


@given(st.integers(1, 40), st.booleans())
def test_depth(depth: int, with_leaf: bool) -> None:
    check("<a>" * depth + ("<b>1</b>" if with_leaf else "<b/>") + "</a>" * depth)


@given(st.integers(1990, 2010))
@settings(max_examples=20)
def test_number_of_elements(count: int) -> None:
    check(f"<a>{'<b>1</b>' * count}</a>")
    check(f"<a><c>{'<b/>' * count}</c></a>")


@given(queries, events)
def test_real_messages(query: object, event: object) -> None:
    for command in (query, event):
        check(encode_request(XML_FORM, command).decode())  # type: ignore[arg-type]


def test_that_real_messages_are_read_the_short_way() -> None:
    """Otherwise the properties above would hold of nothing."""
    assert read_plain_xml('<?xml version="1.0" encoding="UTF-8"?>\r\n<request>\r\n <sid>1</sid>\r\n</request>\r\n')
    assert read_plain_xml("<r><userList><user><line>0</line><number/></user></userList><seq></seq></r>")
