"""What an API key looks like."""

import re
import string
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songserver.auth.api_keys import FORM, make_api_key, read_api_key
from songserver.errors import SignInFailure

KEY, PRESENTED = make_api_key()


def test_a_key_tells_its_id_and_its_hash() -> None:
    assert read_api_key(KEY) == PRESENTED
    assert PRESENTED.digest == sha256(KEY.encode()).digest()
    assert KEY.startswith(f"song_{PRESENTED.api_key_id.replace('-', '')}_")
    assert re.fullmatch(r"song_[0-9a-f]{32}_[0-9a-f]{72}", KEY)


def test_no_two_keys_are_alike() -> None:
    made = [make_api_key()[0] for _ in range(1000)]

    assert len({FORM.fullmatch(key)[1] for key in made}) == 1000  # type: ignore[index]
    assert len({key.rpartition("_")[2] for key in made}) == 1000


@given(place=st.integers(0, len(KEY) - 1), letter=st.sampled_from(string.hexdigits + "_-. ß"))
def test_a_slip_of_the_pen_is_found_without_asking_anybody(place: int, letter: str) -> None:
    changed = KEY[:place] + letter + KEY[place + 1 :]
    if changed != KEY:
        with pytest.raises(SignInFailure, match="no API key"):
            read_api_key(changed)


@given(text=st.text().map("song_".__add__) | st.from_regex(FORM, fullmatch=True))
def test_what_is_no_key_is_refused_whatever_it_is(text: str) -> None:
    with pytest.raises(SignInFailure):
        read_api_key(text)


@pytest.mark.parametrize("changed", [KEY[:-1], KEY + "0", KEY + "\n", KEY.upper(), " " + KEY, ""])
def test_a_key_that_was_cut_or_lengthened_is_refused(changed: str) -> None:
    with pytest.raises(SignInFailure):
        read_api_key(changed)
