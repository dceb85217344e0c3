"""Secrets are in no log: what the contract calls `sensitive` is shown of none of its messages."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from structlog.testing import capture_logs

from songs.v1 import reading_pb2
from songs.v1.access_pb2 import PRIVILEGE_LISTENER
from songs.v1.api_key_service_pb2 import CreateApiKeyResponse
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2 import ChangePasswordRequest, SignInRequest, SignInResponse, SignUpRequest
from songserver.app import METHODS
from songserver.redaction import LARGE, REDACTED, redacted, scrubbed, secrets_of, shown
from songserver.testing import SongServer
from tests.conftest import Caller, failure, in_process

SECRET_NAMES = ("password", "token", "secret", "key")


def messages() -> Iterator[Descriptor]:
    """Every message that goes over the wire, with those within it."""
    waiting = [message for method in METHODS for message in (method.input_type, method.output_type)]
    known: set[str] = set()
    while waiting:
        message = waiting.pop()
        if message.full_name in known:
            continue
        known.add(message.full_name)
        waiting += [field.message_type for field in message.fields if field.message_type]
        yield message


def is_sensitive(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().Extensions[reading_pb2.sensitive])


def test_each_field_that_sounds_like_a_secret_is_called_sensitive() -> None:
    found = {
        field.full_name
        for message in messages()
        for field in message.fields
        if field.type == field.TYPE_STRING and field.name.rpartition("_")[2] in SECRET_NAMES and not is_sensitive(field)
    }

    # A place in a list lets nobody in.
    assert {name for name in found if not name.endswith(("page_token", "resume_token", "Entry.key"))} == set()


def test_each_sensitive_field_is_redacted_by_protobuf_too() -> None:
    sensitive = [field for message in messages() for field in message.fields if is_sensitive(field)]

    assert len(sensitive) >= 9
    assert all(field.GetOptions().debug_redact for field in sensitive)


def test_no_sensitive_field_is_shown_wherever_it_stands() -> None:
    for message in messages():
        for field in filter(is_sensitive, message.fields):
            filled = GetMessageClass(message)(**{field.name: "hunter2"})
            assert "hunter2" not in shown(filled)
            assert getattr(redacted(filled), field.name) == REDACTED
            assert getattr(filled, field.name) == "hunter2", "the message itself stays as it is"
            assert list(secrets_of(filled)) == ["hunter2"]
    nested = SignInResponse(session=Session(access_token="hunter2", refresh_token="hunter3"))
    assert "hunter" not in shown(nested)
    assert json.loads(shown(nested))["session"]["access_token"] == REDACTED
    assert "hunter" not in shown(CreateApiKeyResponse(key="hunter2"))


def test_what_is_no_secret_is_shown() -> None:
    assert json.loads(shown(SignInRequest(username="ada", password="x")))["username"] == "ada"


def test_a_large_message_is_shown_by_its_size_only() -> None:
    assert shown(SignUpRequest(username="x" * LARGE)) == f"songs.v1.SignUpRequest of {LARGE + 4} bytes"


@pytest.mark.parametrize(
    "secret", ["hunter2", 'quo"te', "back\\slash", "new\nline", "schlüssel", "\x00nul", "\U0001f3b5"]
)
def test_a_secret_is_taken_out_of_a_text_however_it_is_quoted(secret: str) -> None:
    request = ChangePasswordRequest(current_password=secret, new_password="another")
    text = f"{secret} {secret!r} {json.dumps(secret)} {[secret]} {request!s}"

    clean = scrubbed(text, secrets_of(request))

    assert REDACTED in clean
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert form not in clean


@in_process
def test_an_incident_is_logged_without_what_lets_anybody_in(empty_server: SongServer) -> None:
    """The password is in the request, the token in the metadata; the document is none that the server has written."""
    caller = Caller.new(empty_server, PRIVILEGE_LISTENER)
    name, password = caller.me().username, f"pass-{secrets.token_hex(8)}"
    settings = empty_server.settings
    assert settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        users = client[settings.mongodb_database]["users"]
        users.update_many({}, {"$set": {"display_name": {"no": "name"}}})

    with capture_logs() as logs:
        refused = failure(caller.users.SignIn, SignInRequest(username=name, password=password))

    assert refused.code == "INTERNAL_ERROR"
    (incident,) = (line for line in logs if line["event"] == "incident")
    assert "Traceback" in incident["exception"]
    assert REDACTED in incident["request"]
    for secret in (password, caller.session.access_token, caller.session.access_token.rpartition(".")[2]):
        assert secret not in str(logs)
        assert secret.encode() not in refused.rich
