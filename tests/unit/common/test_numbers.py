import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.numbers import DialingFormat, dial_number, is_region, normalize_number


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("13800001111", "+8613800001111"),
        ("+8613800001111", "+8613800001111"),
        ("008613800001111", "+8613800001111"),
        ("8613800001111", "+8613800001111"),
        ("013800001111", "+8613800001111"),
        (" 138 0000-1111 ", "+8613800001111"),
        ("１３８００００１１１１", "+8613800001111"),
        ("02566000001", "+862566000001"),
        ("2566000001", "+862566000001"),
        ("(025) 6600-0001", "+862566000001"),
        ("+12125550100", "+12125550100"),
        ("0012125550100", "+12125550100"),
        ("+85223456789", "+85223456789"),
        ("95500", "95500"),
        ("+8695500", "95500"),
        ("10086", "10086"),
        ("10101234", "10101234"),
        ("4008123456", "4008123456"),
        ("+864008123456", "4008123456"),
        ("1069012345678", "1069012345678"),
    ],
)
def test_every_usual_writing_has_one_normal_form(text: str, normal: str) -> None:
    assert normalize_number(text) == normal
    assert normalize_number(normal) == normal


@pytest.mark.parametrize("text", ["", "+", "anonymous", "sip:a@b", "1" * 40, "138\x00", "++8613800001111", "²"])
def test_text_that_is_no_number_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="not a phone number") as refusal:
        normalize_number(text)
    assert len(text) < 3 or text not in str(refusal.value)


def test_national_numbers_belong_to_the_tenants_region() -> None:
    assert normalize_number("2125550100", "US") == "+12125550100"
    assert normalize_number("+8613800001111", "US") == "+8613800001111"


@given(st.from_regex(r"(\+86|0086|86|0)?1[3-9][0-9]{9}", fullmatch=True))
def test_the_shortcut_for_chinese_mobiles_agrees_with_the_library(text: str) -> None:
    number = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, "CN")
    if phonenumbers.is_valid_number(number):
        assert normalize_number(text) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@given(st.from_regex(r"(\+|00|\+86|86|0)?[0-9]{3,13}", fullmatch=True))
def test_the_normal_form_is_stable_in_every_dialling_format(text: str) -> None:
    try:
        normal = normalize_number(text)
    except ValueError:
        return
    assert normalize_number(normal) == normal
    assert dial_number(normal, "CN", DialingFormat.E164) == normal
    if normal.startswith("+") and _is_valid(normal):
        assert normalize_number(dial_number(normal, "CN", DialingFormat.NATIONAL)) == normal


def _is_valid(normal: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(normal))
    except phonenumbers.NumberParseException:
        return False


@given(st.from_regex(r"\+861[0-9]{10}", fullmatch=True), st.sampled_from(DialingFormat))
def test_the_short_cut_for_mobiles_dials_as_the_library_does(normal: str, dialing_format: DialingFormat) -> None:
    number = phonenumbers.parse(normal)
    if phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.MOBILE:
        return
    national = str(number.national_number)
    expected = {
        DialingFormat.NATIONAL: national,
        DialingFormat.E164: normal,
        DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE: national if national.startswith("138") else f"0{national}",
    }
    assert dial_number(normal, "CN", dialing_format, ("138",)) == expected[dialing_format]


def test_dialling_formats() -> None:
    mobile, landline, foreign = "+8613800001111", "+862566000001", "+12125550100"
    national, zero = DialingFormat.NATIONAL, DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE
    assert [dial_number(n, "CN", national) for n in (mobile, landline, foreign, "95500")] == [
        "13800001111",
        "02566000001",
        "0012125550100",
        "95500",
    ]
    assert dial_number(mobile, "CN", zero) == "013800001111"
    assert dial_number(mobile, "CN", zero, ("1380000",)) == "13800001111"
    assert dial_number(landline, "CN", zero) == "02566000001"


def test_regions() -> None:
    assert is_region("CN")
    assert not is_region("cn")
    assert not is_region("XX")
