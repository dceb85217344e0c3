"""Passwords that are guessed first."""

import pytest

from songserver.auth.account_rules import AccountRules
from songserver.errors import InvalidRequest


@pytest.fixture(scope="module")
def rules() -> AccountRules:
    return AccountRules()


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("anna", "football"),
        ("anna", "PassWord1"),
        ("anna", "1qaz2wsx"),
        ("annabelle", "Annabelle"),
        ("annabelle", "ellebanna"),
        ("annabelle", "annabelle1999!"),
        ("annabelle", "123annabelle"),
        ("anna", "annaanna"),
        ("Straße", "STRASSE1"),
        ("anna.99", "anna2024"),
        ("12345abc", "cba54321"),
    ],
)
def test_a_password_that_is_guessed_first_is_refused(rules: AccountRules, username: str, password: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        rules.check_password(password, username, "password")

    ((field, description),) = caught.value.violations
    assert field == "password"
    assert password not in description + caught.value.message


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("anna", "correct horse battery staple"),
        ("anna", "annas cat is grey"),
        ("abc", "abcdefgx"),
        ("anna", "        "),
        ("...", "........x"),
        ("anna", "\x00" * 8),
    ],
)
def test_other_passwords_are_taken(rules: AccountRules, username: str, password: str) -> None:
    rules.check_password(password, username, "password")


def test_the_list_is_of_thousands_that_are_long_enough_to_be_tried(rules: AccountRules) -> None:
    assert len(rules._common) > 5000
    assert all(len(password) >= 8 and password == password.casefold() for password in rules._common)
