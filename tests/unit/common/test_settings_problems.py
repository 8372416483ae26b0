"""What is said about wrong settings is one line that names them and repeats no value."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from common.errors import InvalidArgumentError
from common.settings_problems import make_data_directory, settings_problem
from gateway.settings import GatewaySettings


def test_each_wrong_variable_is_named_in_one_line_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXBRIDGE_GATEWAY_QUERY_BUDGET_SECONDS", "hunter2")
    monkeypatch.setenv("AXBRIDGE_GATEWAY_MAX_BATCH_ITEMS", "0")
    with pytest.raises(ValidationError) as wrong:
        GatewaySettings()
    line = settings_problem(wrong.value, "AXBRIDGE_GATEWAY_")
    assert "AXBRIDGE_GATEWAY_QUERY_BUDGET_SECONDS: " in line
    assert "AXBRIDGE_GATEWAY_MAX_BATCH_ITEMS: " in line
    assert "\n" not in line
    assert "hunter2" not in line


def test_a_data_directory_that_can_not_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgumentError, match="AXBRIDGE_EVENTS_DATABASE_URL"):
        make_data_directory(tmp_path / "file" / "data", "AXBRIDGE_EVENTS_")
    make_data_directory(tmp_path / "a" / "b", "AXBRIDGE_EVENTS_")
    make_data_directory(tmp_path / "a" / "b", "AXBRIDGE_EVENTS_")
    assert (tmp_path / "a" / "b").is_dir()
