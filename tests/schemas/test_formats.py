"""Check digits against vectors: the example of GB 11643-1999, and codes of well-known bodies."""

from __future__ import annotations

import pytest

from schemas.formats import is_division, is_id_number, is_mobile, is_uscc


@pytest.mark.parametrize("value", ["11010519491231002X", "440524188001010014"])
def test_identity_numbers_of_the_standard_pass(value: str) -> None:
    assert is_id_number(value)


@pytest.mark.parametrize(
    "value",
    ["110105194912310021", "11010519491231002x", "110105194902310020", "110105491231002", "１１0105194912310026"],
)
def test_wrong_identity_numbers_fail(value: str) -> None:
    assert not is_id_number(value)


@pytest.mark.parametrize("value", ["91350100M000100Y43", "91110000600037341L"])
def test_credit_codes_pass(value: str) -> None:
    assert is_uscc(value)


@pytest.mark.parametrize("value", ["91350100M000100Y44", "91350100I000100Y43", "91350100m000100y43", ""])
def test_wrong_credit_codes_fail(value: str) -> None:
    assert not is_uscc(value)


def test_mobiles_and_divisions() -> None:
    assert is_mobile("13912345678") and not is_mobile("12912345678") and not is_mobile("139123456789")
    assert is_division("520102") and is_division("520102016001") and not is_division("5201")
