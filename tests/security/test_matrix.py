"""Every RPC x every kind of caller: who is let in, what the others are told, and that they change nothing.

The RPCs and what they need are read from the descriptors; a caller is a list of authorization headers.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from songs.v1.access_pb2 import (
    PRIVILEGE_ADMIN,
    PRIVILEGE_EDITOR,
    PRIVILEGE_LISTENER,
    PRIVILEGE_PUBLIC,
    SCOPE_UNSPECIFIED,
    Privilege,
    Scope,
)
from songs.v1.api_key_service_pb2 import RevokeApiKeyRequest
from songs.v1.user_service_pb2 import ChangePasswordRequest, DeleteUserRequest, DisableUserRequest, SignOutRequest
from songserver.auth.tokens import CLOCK_SKEW
from songserver.rpc import Method
from songserver.testing import PASSWORD, SongServer
from tests.conftest import Caller, Failure, failure
from tests.interceptors.conftest import METHODS, raw
from tests.interceptors.test_auth import Forge, signed_by_hmac
from tests.security.conftest import Database
from tests.services.test_api_keys import make

NO_MESSAGE = b"\xff\xff\xff"
"""No message of any type: who is let in is told so, and the call has no effect."""
STATUS = {
    "SIGN_IN_FAILURE": grpc.StatusCode.UNAUTHENTICATED,
    "USER_PARSE_ERROR": grpc.StatusCode.INVALID_ARGUMENT,
    "PRIVILEGE_ERROR": grpc.StatusCode.PERMISSION_DENIED,
    "REQUEST_PARSE_ERROR": grpc.StatusCode.INVALID_ARGUMENT,
}
LET_IN = "REQUEST_PARSE_ERROR"
SCOPES = [scope for scope in Scope.values() if scope != SCOPE_UNSPECIFIED]
Expected = Callable[[Method], str]


class World:
    """A server, and what its callers are made of."""

    def __init__(self, server: SongServer) -> None:
        self.server = server
        self.forge = Forge(server)
        self.admin = Caller.new(server, PRIVILEGE_ADMIN)
        self.listener = Caller.new(server, PRIVILEGE_LISTENER)
        self.good = self.admin.session.access_token

    def user(self, privilege: Privilege.ValueType = PRIVILEGE_ADMIN) -> Caller:
        """A new one."""
        return Caller.new(self.server, privilege)

    def claims(self, **claims: Any) -> str:
        """A token that is an admin's, but for these claims."""
        good = jwt.decode(self.good, options={"verify_signature": False})
        return self.forge.make({**good, **claims})


@pytest.fixture(scope="module")
def world(server: SongServer) -> World:
    return World(server)


def tampered(world: World) -> str:
    """The signature is that of a listener's token, the claims say that it is the admin's."""
    head, _, signature = world.listener.session.access_token.split(".")
    return ".".join((head, world.good.split(".")[1], signature))


def header_changed(world: World, **header: Any) -> str:
    """A good token whose header says something else."""
    changed = json.dumps({"alg": "EdDSA", "kid": world.forge.key.kid, **header}).encode()
    return ".".join((base64.urlsafe_b64encode(changed).decode().rstrip("="), *world.good.split(".")[1:]))


def signed_with_public_key(world: World, encoding: Encoding, form: PublicFormat) -> str:
    return signed_by_hmac(world.forge, world.forge.key.private.public_key().public_bytes(encoding, form))


def signed_out(world: World) -> str:
    caller = world.user()
    caller.users.SignOut(SignOutRequest())
    return caller.session.access_token


def password_changed(world: World) -> str:
    caller = world.user()
    other = Caller.sign_in(world.server, caller.me().username, PASSWORD)
    new = "battery staple horse"
    other.users.ChangePassword(ChangePasswordRequest(current_password=PASSWORD, new_password=new))
    return caller.session.access_token


def disabled(world: World) -> str:
    caller = world.user()
    world.admin.users.DisableUser(DisableUserRequest(user_id=caller.me().id))
    return caller.session.access_token


def deleted(world: World) -> str:
    caller = world.user()
    world.admin.users.DeleteUser(DeleteUserRequest(user_id=caller.me().id))
    return caller.session.access_token


def token_of(world: World, privilege: Privilege.ValueType) -> str:
    return world.user(privilege).session.access_token


def key_for(world: World, scopes: list[Any], privilege: Privilege.ValueType = PRIVILEGE_ADMIN) -> str:
    return make(world.admin, privilege, scopes).key


def key_revoked(world: World) -> str:
    made = make(world.admin, PRIVILEGE_ADMIN, SCOPES)
    world.admin.api_keys.RevokeApiKey(RevokeApiKeyRequest(api_key_id=made.api_key.id))
    return made.key


def key_expired(world: World) -> str:
    made = make(world.admin, PRIVILEGE_ADMIN, SCOPES, seconds=1.0)
    time.sleep(max(0, made.api_key.expire_time.ToMilliseconds() / 1000 - time.time() + 0.05))
    return made.key


def key_of_disabled(world: World) -> str:
    maker = world.user()
    made = make(maker, PRIVILEGE_ADMIN, SCOPES)
    world.admin.users.DisableUser(DisableUserRequest(user_id=maker.me().id))
    return made.key


def key_changed(world: World) -> str:
    key = make(world.admin, PRIVILEGE_ADMIN, SCOPES).key
    return key[:50] + ("0" if key[50] != "0" else "1") + key[51:]


def says(code: str) -> Expected:
    """What a caller is told by every method that is not public."""
    return lambda _: code


def by_privilege(has: Privilege.ValueType) -> Expected:
    return lambda method: LET_IN if method.access <= has else "PRIVILEGE_ERROR"


def by_scope(scopes: set[Any], has: Privilege.ValueType = PRIVILEGE_ADMIN) -> Expected:
    def expected(method: Method) -> str:
        return LET_IN if method.scope in scopes and method.access <= has else "PRIVILEGE_ERROR"

    return expected


class Kind(NamedTuple):
    """A kind of caller."""

    make: Callable[[World], str | list[str]]
    """Makes its token; or all its headers, where it is not one."""
    expected: Expected = says("SIGN_IN_FAILURE")


NOW = int(time.time())
KINDS: dict[str, Kind] = {
    "nobody": Kind(lambda _: []),
    "another scheme": Kind(lambda world: [f"Basic {world.good}"]),
    "no token": Kind(lambda _: "no token"),
    "expired": Kind(lambda world: world.claims(exp=NOW - CLOCK_SKEW - 5)),
    "not yet valid": Kind(lambda world: world.claims(nbf=NOW + 3600)),
    "issued in the future": Kind(lambda world: world.claims(iat=NOW + 3600)),
    "without an end": Kind(lambda world: world.claims(exp=None)),
    "wrong issuer": Kind(lambda world: world.claims(iss="somebody-else")),
    "wrong audience": Kind(lambda world: world.claims(aud="other.v1")),
    "wrong key": Kind(lambda world: world.forge.make({"rev": 9}, key=Ed25519PrivateKey.generate())),
    "alg none": Kind(lambda world: jwt.encode(world.forge.good, "", "none", headers={"kid": world.forge.key.kid})),
    "alg none, signature kept": Kind(partial(header_changed, alg="none")),
    "HS256 by the public key, PEM": Kind(
        partial(signed_with_public_key, encoding=Encoding.PEM, form=PublicFormat.SubjectPublicKeyInfo)
    ),
    "HS256 by the public key, raw": Kind(partial(signed_with_public_key, encoding=Encoding.Raw, form=PublicFormat.Raw)),
    "unknown kid": Kind(lambda world: world.forge.make(kid="another")),
    "without kid": Kind(lambda world: jwt.encode(world.forge.good, world.forge.key.private, "EdDSA")),
    "kid that is a path": Kind(lambda world: world.forge.make(kid="../../../dev/null")),
    "brings its own key": Kind(partial(header_changed, jku="http://127.0.0.1:1/keys", jwk={"kty": "OKP"})),
    "tampered claims": Kind(tampered),
    "deep header": Kind(lambda _: f"{base64.urlsafe_b64encode(b'[' * 1500 + b']' * 1500).decode().rstrip('=')}.e30.AA"),
    "another session": Kind(lambda world: world.claims(sid=str(uuid4()))),
    "another's session": Kind(lambda world: world.claims(sub=world.listener.me().id)),
    "claims of no user": Kind(lambda world: world.claims(sub="admin"), says("USER_PARSE_ERROR")),
    "signed out": Kind(signed_out),
    "password changed": Kind(password_changed),
    "disabled user": Kind(disabled),
    "deleted user": Kind(deleted),
    "two headers, both good": Kind(lambda world: [f"Bearer {world.good}"] * 2),
    "two headers, one good": Kind(lambda world: ["Bearer no", f"Bearer {world.good}"]),
    "two tokens in a header": Kind(lambda world: [f"Bearer {world.good}, Bearer {world.good}"]),
    "API key, revoked": Kind(key_revoked),
    "API key, expired": Kind(key_expired),
    "API key of a disabled user": Kind(key_of_disabled),
    "API key, a digit changed": Kind(key_changed),
    **{
        f"API key for {Scope.Name(scope)}": Kind(partial(key_for, scopes=[scope]), by_scope({scope}))
        for scope in SCOPES
    },
    "API key of less privilege than its maker": Kind(
        partial(key_for, scopes=SCOPES, privilege=PRIVILEGE_LISTENER), by_scope(set(SCOPES), PRIVILEGE_LISTENER)
    ),
    "API key for all": Kind(partial(key_for, scopes=SCOPES), by_scope(set(SCOPES))),
    **{
        Privilege.Name(has): Kind(partial(token_of, privilege=has), by_privilege(has))
        for has in (PRIVILEGE_LISTENER, PRIVILEGE_EDITOR, PRIVILEGE_ADMIN)
    },
    "within the clocks' skew": Kind(
        lambda world: world.claims(exp=int(time.time()) - 5, nbf=int(time.time()) + 15), by_privilege(PRIVILEGE_ADMIN)
    ),
}


class Made(NamedTuple):
    """A caller."""

    metadata: list[tuple[str, str]]
    expected: Expected


@pytest.fixture(scope="module", params=KINDS)
def kind(world: World, request: pytest.FixtureRequest) -> Made:
    kind = KINDS[request.param]
    made = kind.make(world)
    headers = [f"Bearer {made}"] if isinstance(made, str) else made
    return Made([("authorization", header) for header in headers], kind.expected)


def call(world: World, method: Method, body: bytes, caller: Made) -> Failure:
    return failure(raw(world.server.channel(), method), body, metadata=caller.metadata)


def expected_of(caller: Made) -> dict[str, str]:
    return {method.path: LET_IN if method.access == PRIVILEGE_PUBLIC else caller.expected(method) for method in METHODS}


def test_every_rpc_lets_in_whom_the_contract_lets_in(world: World, kind: Made) -> None:
    """Public methods let in everybody: whatever is sent as a token is not looked at."""
    told = {method.path: call(world, method, NO_MESSAGE, kind) for method in METHODS}

    assert {path: failed.code for path, failed in told.items()} == expected_of(kind)
    assert all(failed.status == STATUS[failed.code] for failed in told.values())
    sent = [header.rpartition(" ")[2] for _, header in kind.metadata]
    for failed in told.values():
        assert not any(token in failed.message for token in sent if len(token) > 20), "a secret comes back"
        assert "Traceback" not in failed.message


def test_who_is_not_let_in_changes_nothing_and_learns_nothing_by_a_request_that_is_good(
    world: World, database: Database, kind: Made
) -> None:
    refusing = [method for method in METHODS if expected_of(kind)[method.path] != LET_IN]
    before = database.stored(world.server)

    for method in refusing:
        told = call(world, method, b"", kind)
        assert (told.code, told.fields) == (expected_of(kind)[method.path], []), method.path

    assert database.stored(world.server) == before


@pytest.mark.parametrize(
    "method", [method for method in METHODS if method.client_streaming], ids=lambda method: method.name
)
def test_a_stream_is_refused_before_it_sends_anything(world: World, method: Method) -> None:
    """In the shape of the method: else the client would wait for an answer, and the server for a message."""
    over = threading.Event()

    def nothing() -> Iterator[bytes]:
        over.wait(30)
        yield from ()

    try:
        shape: Any = world.server.channel().stream_stream
        told = failure(shape(method.path), nothing(), timeout=10)
    finally:
        over.set()

    assert told.code == "SIGN_IN_FAILURE"


def test_all_that_is_served_is_in_the_matrix(world: World) -> None:
    """What else is served is for everybody: health, and reflection."""
    served = ProtoReflectionDescriptorDatabase(world.server.channel()).get_services()

    ours = {name for name in served if name.startswith("songs.")}
    assert {method.path.split("/")[1] for method in METHODS} == ours
    assert {name.rpartition(".")[0] for name in set(served) - ours} <= {
        "grpc.health.v1",
        "grpc.reflection.v1",
        "grpc.reflection.v1alpha",
    }
    public = {method.name for method in METHODS if method.access == PRIVILEGE_PUBLIC}
    assert public == {"SignUp", "SignIn", "RefreshSession", "GetSigningKeys"}
