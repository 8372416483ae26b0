"""Which enterprises metrics name."""

from hypothesis import given
from hypothesis import strategies as st

from common.telemetry.metrics import OTHER
from common.telemetry.tenant_labels import UNKNOWN, TenantLabels


def test_the_first_ones_are_named_and_the_rest_is_one() -> None:
    labels = TenantLabels(2, lambda _: True)
    assert [labels.of(each) for each in ("1", "2", "3", "1", "4")] == ["1", "2", OTHER, "1", OTHER]


def test_some_have_their_place_whenever_they_come() -> None:
    labels = TenantLabels(2, lambda _: True, ["9"])
    assert [labels.of(each) for each in ("1", "2", "9")] == ["1", OTHER, "9"]


def test_what_is_no_enterprise_is_never_named() -> None:
    labels = TenantLabels(2, lambda tenant_id: tenant_id == "100001")
    assert labels.of("13800001111") == UNKNOWN
    assert labels.of("") == UNKNOWN
    assert labels.of("100001") == "100001"


def test_what_could_be_somebodys_number_is_not_named() -> None:
    labels = TenantLabels(5, lambda _: True, ["13800001111"])
    assert labels.of("13800001111") == OTHER
    assert labels.of("+8613800001111") == OTHER
    assert labels.of("x" * 65) == OTHER


@given(st.integers(0, 10), st.lists(st.text(max_size=20), max_size=100))
def test_there_are_never_more_values_than_that(most: int, tenant_ids: list[str]) -> None:
    labels = TenantLabels(most, lambda tenant_id: len(tenant_id) % 2 == 0)
    values = {labels.of(each) for each in tenant_ids}
    assert len(values - {OTHER, UNKNOWN}) <= most
