"""Other services verify tokens by themselves, with the public keys that the server tells."""

import json
import time
from typing import Any

import jwt
import pytest
from google.protobuf.json_format import MessageToDict

from songs.v1.user_service_pb2 import GetSigningKeysRequest
from songserver.auth.keys import make_key
from songserver.testing import SongServer
from tests.conftest import Caller


def jwk_set(caller: Caller) -> dict[str, Any]:
    """The answer's JSON form, as it comes over HTTP."""
    return MessageToDict(caller.users.GetSigningKeys(GetSigningKeysRequest()))


def test_a_service_that_knows_only_the_jwk_set_verifies_a_token(server: SongServer, anyone: Caller) -> None:
    token = server.token()
    known = jwt.PyJWKSet.from_json(json.dumps(jwk_set(anyone)))

    key = known[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token, key, [key.algorithm_name], issuer="songserver", audience="songs.v1", options={"require": ["exp"]}
    )

    assert claims["sub"]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-10] + "AAAAAAAAAA", key, ["EdDSA"], audience="songs.v1")


def test_a_key_is_told_as_rfc_8037_says_and_nothing_private(anyone: Caller) -> None:
    for key in jwk_set(anyone)["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")
        assert len(key["x"]) == 43


def test_a_new_key_is_told_before_it_signs(server: SongServer, anyone: Caller) -> None:
    (before,) = jwk_set(anyone)["keys"]
    make_key(server.settings.keys_kept_in, "20990101T000000Z")
    try:
        give_up = time.monotonic() + 10
        while len(jwk_set(anyone)["keys"]) < 2:
            assert time.monotonic() < give_up
            time.sleep(0.05)

        old, new = jwk_set(anyone)["keys"]
        assert old == before
        assert new["kid"] == "20990101T000000Z"
        assert jwt.get_unverified_header(server.token())["kid"] == old["kid"]
    finally:
        (server.settings.keys_kept_in / "20990101T000000Z.pem").unlink()
