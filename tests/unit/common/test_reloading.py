"""Files that change under a running process, in every way in which they do."""

import os
from pathlib import Path

import pytest

from common.errors import InvalidArgumentError
from common.reloading import ReloadedFile


def reading(path: Path) -> ReloadedFile[str]:
    def load() -> str:
        text = path.read_text()
        if "bad" in text:
            raise InvalidArgumentError("text", "bad")
        return text

    return ReloadedFile("file", [path], load)


def test_each_change_is_seen_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    file = reading(path)
    heard = []
    file.on_change(lambda: heard.append(file.current))
    assert not file.refresh()
    path.write_text("two, in place")
    assert file.refresh()
    assert not file.refresh()
    (tmp_path / "new").write_text("three")
    (tmp_path / "new").rename(path)
    assert file.refresh()
    assert heard == ["two, in place", "three"]


def test_a_link_that_turns_is_a_change(tmp_path: Path) -> None:
    # As Kubernetes does it: ..data leads to a new directory.
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        os.utime(tmp_path / name / "file", (1, 1))
    link = tmp_path / "data"
    link.symlink_to("first")
    file = reading(link / "file")
    (tmp_path / "turned").symlink_to("second")
    (tmp_path / "turned").rename(link)
    assert file.refresh()
    assert file.current == "second"


def test_what_can_not_be_used_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("good")
    file = reading(path)
    path.write_text("bad")
    assert not file.refresh()
    assert file.current == "good"
    assert "bad" in file.problem
    path.unlink()
    assert not file.refresh()
    assert file.current == "good"
    path.write_text("good again")
    assert file.refresh()
    assert (file.current, file.problem) == ("good again", "")


def test_the_first_time_the_caller_has_to_know(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reading(tmp_path / "missing")
