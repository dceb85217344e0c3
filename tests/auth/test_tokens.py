"""Access tokens, without a server. What the server makes of forged ones is in interceptors/test_auth.py."""

import base64
import json
import time
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songserver.auth.key_ring import KeyRing
from songserver.auth.tokens import CLOCK_SKEW, Claims, Tokens
from songserver.errors import SignInFailure

USER, SESSION = "6f2f6f0e-0a5e-4c7c-8f5c-9c1f7d3f1c11", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing(tmp_path_factory.mktemp("keys"), 600)


def make(keys: KeyRing, *, issuer: str = "songserver", audience: str = "songs.v1", lifetime: float = 600) -> Tokens:
    return Tokens(keys, issuer=issuer, audience=audience, lifetime=lifetime)


def test_a_token_says_whom_it_was_made_for(keys: KeyRing) -> None:
    tokens = make(keys)

    token, expires = tokens.issue(USER, SESSION)

    assert tokens.verify(token) == Claims(USER, SESSION, expires)
    assert make(keys).verify(token) == Claims(USER, SESSION, expires)
    assert abs(expires - time.time() - 600) < 5


def test_a_token_is_a_jwt_of_the_usual_claims_and_no_more(keys: KeyRing) -> None:
    token, expires = make(keys).issue(USER, SESSION)

    head, payload, _ = token.split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {
        "alg": "EdDSA",
        "kid": keys.signing().kid,
        "typ": "JWT",
    }
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["iss"], claims["aud"], claims["sub"], claims["sid"]) == ("songserver", "songs.v1", USER, SESSION)
    assert claims["exp"] == expires
    assert set(claims) == {"iss", "aud", "sub", "sid", "rev", "iat", "nbf", "exp"}
    assert payload


def test_a_token_of_another_server_is_refused(keys: KeyRing, tmp_path: Path) -> None:
    for other in (make(keys, issuer="other"), make(keys, audience="other"), make(KeyRing(tmp_path, 600))):
        with pytest.raises(SignInFailure):
            make(keys).verify(other.issue(USER, SESSION)[0])


def test_an_expired_token_says_so(keys: KeyRing) -> None:
    token, _ = make(keys, lifetime=-CLOCK_SKEW - 1).issue(USER, SESSION)

    with pytest.raises(SignInFailure, match="expired"):
        make(keys).verify(token)


def test_clocks_may_differ_a_little(keys: KeyRing) -> None:
    token, _ = make(keys, lifetime=-CLOCK_SKEW + 10).issue(USER, SESSION)

    assert make(keys).verify(token).user_id == USER


def test_a_remembered_token_expires_too(keys: KeyRing) -> None:
    tokens = make(keys, lifetime=-CLOCK_SKEW + 1)
    token, _ = tokens.issue(USER, SESSION)
    tokens.verify(token)
    time.sleep(1.1)

    with pytest.raises(SignInFailure, match="expired"):
        tokens.verify(token)


@given(text=st.text() | st.from_regex(r"[A-Za-z0-9_=-]{0,40}\.[A-Za-z0-9_=-]{0,40}\.[A-Za-z0-9_=-]{0,40}"))
def test_what_is_no_token_is_refused_whatever_it_is(keys: KeyRing, text: str) -> None:
    with pytest.raises(SignInFailure):
        make(keys).verify(text)


@given(place=st.integers(min_value=0, max_value=400), letter=st.sampled_from("AQgw_-9z."))
def test_a_token_with_any_other_letter_is_refused(keys: KeyRing, place: int, letter: str) -> None:
    token, _ = make(keys).issue(USER, SESSION)
    # The last letter of a signature has two bits that stand for nothing.
    place %= len(token) - 1
    changed = token[:place] + letter + token[place + 1 :]
    if changed == token:
        return
    with pytest.raises(SignInFailure):
        make(keys).verify(changed)
