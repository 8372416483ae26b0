"""XML into an ordered tree, by expat, with limits that make hostile documents cheap.

DTDs, and with them every entity that is not XML's own, are refused where they begin. Comments and processing
instructions are skipped.
"""

from xml.parsers import expat

from gateway.codec.errors import MalformedBodyError
from gateway.codec.raw_tree import RawValue, XmlGroup, XmlPart

MAX_DEPTH = 16
MAX_ELEMENTS = 2000
MAX_NAME_LENGTH = 128

_BLANKS = " \t\r\n"


def read_xml(text: str) -> tuple[str, RawValue]:
    """The root's name and content. Text between child elements is kept unless it is blank.

    The text is a whole document; what its declaration says of its encoding is past and ignored. Raises
    MalformedBodyError for text that is not well-formed, holds a DTD or breaks a limit.
    """
    parts: list[XmlPart] = []
    outer: list[list[XmlPart]] = []
    elements = 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal parts, elements
        outer.append(parts)
        elements += 1
        if len(outer) > MAX_DEPTH or elements > MAX_ELEMENTS or len(name) > MAX_NAME_LENGTH:
            raise MalformedBodyError("the XML is nested too deeply, or has too many elements or too long a name")
        parts = []

    def end(name: str) -> None:
        nonlocal parts
        content = parts
        parts = outer.pop()
        if not content:
            parts.append((name, ""))
        elif len(content) == 1 and isinstance(content[0], str):
            parts.append((name, content[0]))
        else:
            parts.append((name, _content(content)))

    def character_data(data: str) -> None:
        parts.append(data)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = character_data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        # Given text, pyexpat parses UTF-8 whatever the declaration says.
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise MalformedBodyError(f"not well-formed XML: {error}") from error
    except UnicodeEncodeError as error:
        raise MalformedBodyError("not well-formed XML: a surrogate stands alone") from error
    root = parts[0]
    assert not isinstance(root, str), "expat gives no text outside the root"
    return root


def _content(parts: list[XmlPart]) -> str | XmlGroup:
    pairs = [part for part in parts if not isinstance(part, str)]
    if not pairs:
        return "".join([part for part in parts if isinstance(part, str)])
    mixed = [part for part in parts if not (isinstance(part, str) and not part.strip(_BLANKS))]
    return XmlGroup(pairs, None if len(mixed) == len(pairs) else mixed)


def _refuse_doctype(*_declaration: object) -> None:
    raise MalformedBodyError("a DTD is not accepted")
