from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that a module's tests share: they must not break it, and use sessions of their own."""
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.add_tenant()
        stack.bind_axb()
        yield stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of the test's own, to break."""
    with Stack(tmp_path) as stack:
        stack.add_tenant()
        stack.bind_axb()
        yield stack
