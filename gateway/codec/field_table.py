"""A message's fields by name, compared without case and namespace prefix, under the root or one wrapper down."""

from collections.abc import Iterable

from gateway.codec.raw_tree import Group, RawValue, text_of


class FieldTable:
    """Fields under the protocol's own spelling, the rest as it came, and the names that came more than once.

    Of a repeated field the first value counts. A `null` is an absent field.
    """

    __slots__ = ("known", "repeated", "unknown")

    def __init__(self) -> None:
        self.known: dict[str, RawValue] = {}
        self.unknown: list[tuple[str, RawValue]] = []
        self.repeated: list[str] = []

    def unknown_texts(self) -> tuple[tuple[str, str], ...]:
        """The fields that the protocol does not name, as text."""
        if not self.unknown:
            return ()
        return tuple((name, text_of(value)) for name, value in self.unknown if value is not None)


class FieldNames:
    """The names that a kind of message has."""

    def __init__(self, names: Iterable[str]) -> None:
        self._exact = {name: name for name in names}
        self._folded = {name.lower(): name for name in self._exact}

    def find(self, name: str) -> str | None:
        """The protocol's spelling of a name; None for one that is not of these."""
        return self._exact.get(name) or self._folded.get(name.rpartition(":")[2].lower())

    def table(self, root: RawValue) -> FieldTable:
        """The fields of a document.

        A root without any known field is the outside of a wrapper, when exactly one of its children has children.
        """
        group = as_group(root)
        if group is None:
            return FieldTable()
        table = self.table_of(group)
        if table.known or not table.unknown:
            return table
        wrappers = [pair for pair in table.unknown if as_group(pair[1]) is not None]
        if len(wrappers) != 1 or (wrapper := as_group(wrappers[0][1])) is None:
            return table
        inner = self.table_of(wrapper)
        inner.unknown[:0] = [pair for pair in table.unknown if pair is not wrappers[0]]
        return inner

    def table_of(self, group: Group) -> FieldTable:
        """The fields directly inside a group."""
        exact = self._exact
        table = FieldTable()
        known = table.known
        for pair in group.pairs:
            name, value = pair
            spelling = exact.get(name) or self._folded.get(name.rpartition(":")[2].lower())
            if spelling is None:
                table.unknown.append(pair)
            elif value is None:
                continue
            elif spelling not in known:
                known[spelling] = value
            else:
                table.repeated.append(spelling)
        return table


def as_group(value: RawValue) -> Group | None:
    """The value when it has named values inside, else None."""
    return None if value is None or isinstance(value, (str, bool, list)) else value


def is_digits_or_blank(text: str) -> bool:
    """Whether a text that should be a small number is one, or says nothing."""
    if not text or (text.isdigit() and text.isascii()):
        return True
    stripped = text.strip()
    return not stripped or (stripped.isascii() and stripped.isdigit())
