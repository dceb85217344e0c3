"""Who may call what: every RPC, every privilege, every kind of token."""

import base64
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.wrappers_pb2 import StringValue

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, PRIVILEGE_LISTENER, PRIVILEGE_PUBLIC, Privilege
from songs.v1.user_service_pb2 import GetMeRequest
from songserver.auth.callers import Callers
from songserver.auth.key_ring import KeyRing
from songserver.auth.tokens import CLOCK_SKEW, Tokens
from songserver.interceptors.auth import Auth
from songserver.interceptors.errors import errors
from songserver.interceptors.validation import Validation
from songserver.rpc import Call, Interceptor, Method
from songserver.rules import Rules
from songserver.storage.api_keys import ApiKeys
from songserver.storage.mongo import Mongo
from songserver.storage.sessions import Sessions
from songserver.storage.users import Users
from songserver.testing import SongServer
from tests.conftest import Caller, failure
from tests.interceptors.conftest import EDITORS, METHODS, by_name, raw, refused, throwaway

NO_MESSAGE = b"\xff\xff\xff"
PRIVILEGES = [PRIVILEGE_LISTENER, PRIVILEGE_EDITOR, PRIVILEGE_ADMIN]


@pytest.fixture(scope="module")
def tokens(server: SongServer) -> dict[Privilege.ValueType, str]:
    """An access token for each privilege."""
    return {privilege: server.token(privilege) for privilege in PRIVILEGES}


@by_name(METHODS)
@pytest.mark.parametrize("privilege", PRIVILEGES, ids=Privilege.Name)
def test_every_method_is_for_those_with_its_privilege_only(
    server: SongServer, tokens: dict[Privilege.ValueType, str], method: Method, privilege: Privilege.ValueType
) -> None:
    """Whatever is sent: who may not call does not learn whether the request is a good one."""
    allowed = privilege >= method.access

    told = refused(server.channel(), method, NO_MESSAGE, tokens[privilege])
    assert told.code == ("REQUEST_PARSE_ERROR" if allowed else "PRIVILEGE_ERROR")

    if not allowed:
        for body in (b"", b"\n\x03abc"):
            told = refused(server.channel(), method, body, tokens[privilege])
            assert (told.code, told.status) == ("PRIVILEGE_ERROR", grpc.StatusCode.PERMISSION_DENIED)
            assert not told.fields
        assert Privilege.Name(method.access) in told.message


@by_name(METHODS)
def test_every_method_that_is_not_public_wants_a_token(server: SongServer, method: Method) -> None:
    told = refused(server.channel(), method, NO_MESSAGE)
    if method.access == PRIVILEGE_PUBLIC:
        assert told.code == "REQUEST_PARSE_ERROR"
        assert refused(server.channel(), method, NO_MESSAGE, "no token").code == "REQUEST_PARSE_ERROR"
    else:
        assert (told.code, told.status) == ("SIGN_IN_FAILURE", grpc.StatusCode.UNAUTHENTICATED)


async def answer(value: str, call: Call) -> str:
    """Tells who calls."""
    return f"{value} from {call.caller.user_id}"


def with_auth(server: SongServer) -> Callable[[], list[Interceptor]]:
    """The interceptors of a service that shares keys and users with a server."""

    def make() -> list[Interceptor]:
        settings = server.settings
        assert settings.mongodb_uri
        mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, 5)
        callers = Callers(Users(mongo), Sessions(mongo, settings.session_lifetime), ApiKeys(mongo), 1.0)
        keys = KeyRing(settings.keys_kept_in, 60)
        tokens = Tokens(keys, issuer=settings.token_issuer, audience=settings.token_audience, lifetime=60)
        return [errors, Auth(tokens, callers), Validation(Rules())]

    return make


@pytest.fixture(scope="module")
def editors_only(server: SongServer) -> Iterator[grpc.Channel]:
    with throwaway(EDITORS, answer, with_auth(server)) as channel:
        yield channel


@by_name([Method.of(descriptor) for descriptor in EDITORS.methods])
def test_refusals_arrive_in_every_streaming_shape(
    editors_only: grpc.Channel, tokens: dict[Privilege.ValueType, str], method: Method
) -> None:
    assert refused(editors_only, method, NO_MESSAGE).code == "SIGN_IN_FAILURE"
    assert refused(editors_only, method, NO_MESSAGE, tokens[PRIVILEGE_LISTENER]).code == "PRIVILEGE_ERROR"
    assert refused(editors_only, method, NO_MESSAGE, tokens[PRIVILEGE_EDITOR]).code == "REQUEST_PARSE_ERROR"

    metadata = (("authorization", f"Bearer {tokens[PRIVILEGE_EDITOR]}"),)
    answered = raw(editors_only, method)(StringValue(value="hello").SerializeToString(), metadata=metadata)
    last = list(answered)[-1] if method.server_streaming else answered
    assert StringValue.FromString(last).value.startswith("hello from ")


def get_me(server: SongServer, *headers: str) -> str:
    """Calls GetMe with so many authorization headers; gives the code of the refusal."""
    users = Caller(server.channel()).users
    return failure(users.GetMe, GetMeRequest(), metadata=[("authorization", header) for header in headers]).code


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "{token}", "Basic {token}", "Bearer{token}", "Bearer {token} x", "Bearer a.b.c"]
)
def test_a_header_of_another_form_is_refused(
    server: SongServer, tokens: dict[Privilege.ValueType, str], header: str
) -> None:
    assert get_me(server, header.format(token=tokens[PRIVILEGE_ADMIN])) == "SIGN_IN_FAILURE"


def test_the_scheme_may_be_in_any_case(server: SongServer, tokens: dict[Privilege.ValueType, str]) -> None:
    users = Caller(server.channel()).users
    for scheme in ("bearer", "BEARER"):
        metadata = (("authorization", f"{scheme} {tokens[PRIVILEGE_LISTENER]}"),)
        assert users.GetMe(GetMeRequest(), metadata=metadata).user.id


def test_two_headers_are_refused_even_if_both_are_good(
    server: SongServer, tokens: dict[Privilege.ValueType, str]
) -> None:
    good = f"Bearer {tokens[PRIVILEGE_ADMIN]}"

    assert get_me(server, good, good) == "SIGN_IN_FAILURE"
    assert get_me(server, "Bearer x", good) == "SIGN_IN_FAILURE"


class Forge:
    """Makes tokens with the server's own keys, or others."""

    def __init__(self, server: SongServer) -> None:
        self.server = server
        self.key = KeyRing(server.settings.keys_kept_in, 600).signing()
        self.good: dict[str, Any] = jwt.decode(server.token(), options={"verify_signature": False})

    def make(self, claims: dict[str, Any] | None = None, *, key: Any = None, alg: str = "EdDSA", **header: Any) -> str:
        """A token that is good but for these claims, which leave one out where they are None, and this header."""
        whole = {name: value for name, value in {**self.good, **(claims or {})}.items() if value is not None}
        return jwt.encode(whole, key or self.key.private, alg, headers={"kid": self.key.kid, **header})

    def refusal(self, token: str) -> str:
        return get_me(self.server, f"Bearer {token}")


@pytest.fixture(scope="module")
def forge(server: SongServer) -> Forge:
    return Forge(server)


def test_what_the_forge_makes_is_good(forge: Forge) -> None:
    metadata = (("authorization", f"Bearer {forge.make()}"),)

    assert Caller(forge.server.channel()).users.GetMe(GetMeRequest(), metadata=metadata).user.id == forge.good["sub"]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - CLOCK_SKEW - 5},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 600},
        {"nbf": None},
        {"iat": None},
        {"iss": "somebody-else"},
        {"iss": None},
        {"aud": "other.v1"},
        {"aud": None},
        {"sid": str(uuid4())},
        {"sub": str(uuid4()), "sid": str(uuid4())},
    ],
    ids=[
        "expired",
        "without exp",
        "exp is no number",
        "not yet valid",
        "without nbf",
        "without iat",
        "wrong issuer",
        "without issuer",
        "wrong audience",
        "without audience",
        "another session",
        "nobody",
    ],
)
def test_a_token_with_wrong_claims_is_refused(forge: Forge, claims: dict[str, Any]) -> None:
    assert forge.refusal(forge.make(claims)) == "SIGN_IN_FAILURE"


@pytest.mark.parametrize(
    "claims",
    [{"sub": "admin"}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": {"$ne": ""}}, {"sid": "x"}, {"sid": None}],
    ids=str,
)
def test_claims_that_are_not_a_users_cannot_be_read(forge: Forge, claims: dict[str, Any]) -> None:
    assert forge.refusal(forge.make(claims)) == "USER_PARSE_ERROR"


def test_a_token_of_one_users_session_is_not_good_for_another_user(forge: Forge, listener: Caller) -> None:
    listener.me()

    assert forge.refusal(forge.make({"sub": listener.me().id})) == "SIGN_IN_FAILURE"


def signed_by_hmac(forge: Forge, secret: bytes) -> str:
    """A token whose secret is what everybody may know; PyJWT itself refuses to make one."""
    parts = forge.make(key="k" * 32, alg="HS256").split(".")[:2]
    signature = hmac.digest(secret, ".".join(parts).encode(), "sha256")
    return ".".join((*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")))


def test_a_token_with_another_signature_is_refused(forge: Forge) -> None:
    public = forge.key.private.public_key()
    head, payload, signature = forge.make().split(".")
    richer = forge.make({"sub": str(uuid4())}).split(".")[1]

    for token in (
        forge.make(key=Ed25519PrivateKey.generate()),
        jwt.encode(forge.good, "", "none", headers={"kid": forge.key.kid}),
        f"{head}.{payload}.",
        f"{head}.{payload}",
        f"{head}.{richer}.{signature}",
        f"{head}.{payload}.{signature[:10]}{'A' if signature[10] != 'A' else 'B'}{signature[11:]}",
        forge.make(key=public.public_bytes(Encoding.Raw, PublicFormat.Raw), alg="HS256"),
        signed_by_hmac(forge, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
        forge.make(kid="another"),
        forge.make(kid=""),
        forge.make(kid="../../etc/passwd"),
        forge.make(crit=["x"], x=1),
    ):
        assert forge.refusal(token) == "SIGN_IN_FAILURE"


def test_a_token_without_the_id_of_its_key_is_refused(forge: Forge) -> None:
    assert forge.refusal(jwt.encode(forge.good, forge.key.private, "EdDSA")) == "SIGN_IN_FAILURE"


def test_a_token_that_was_good_is_refused_once_it_has_expired(forge: Forge) -> None:
    token = forge.make({"exp": int(time.time()) - CLOCK_SKEW + 2})
    metadata = (("authorization", f"Bearer {token}"),)
    assert Caller(forge.server.channel()).users.GetMe(GetMeRequest(), metadata=metadata).user.id

    time.sleep(2.1)

    assert forge.refusal(token) == "SIGN_IN_FAILURE"
