"""The codes, frozen: clients in the field match their names and numbers."""

import grpc
import pytest

from songs.v1.status_pb2 import StatusCode
from songserver.errors import GRPC_STATUS

# name: (number, gRPC status). A line may be added here, none may change.
CODES = {
    "SUCCESS": (0, "OK"),
    "INVALID_DATA_FORMAT": (-1001, "INVALID_ARGUMENT"),
    "DB_OPERATION_FAILURE": (-1002, "UNAVAILABLE"),
    "REQUEST_PARSE_ERROR": (-1003, "INVALID_ARGUMENT"),
    "INVALID_PAGE_NUMBER": (-1004, "INVALID_ARGUMENT"),
    "OVERLOADED": (-1005, "RESOURCE_EXHAUSTED"),
    "INTERNAL_ERROR": (-1006, "INTERNAL"),
    "TOO_MANY_CALLS": (-1007, "RESOURCE_EXHAUSTED"),
    "SERVER_STOPPING": (-1008, "UNAVAILABLE"),
    "SIGN_IN_FAILURE": (-2001, "UNAUTHENTICATED"),
    "USERNAME_EXISTS": (-2002, "ALREADY_EXISTS"),
    "USER_PARSE_ERROR": (-2003, "INVALID_ARGUMENT"),
    "PRIVILEGE_ERROR": (-2004, "PERMISSION_DENIED"),
    "INVALID_USER_DETAILS": (-2005, "INVALID_ARGUMENT"),
    "USER_NOT_FOUND": (-2006, "NOT_FOUND"),
    "TOO_MANY_ATTEMPTS": (-2007, "RESOURCE_EXHAUSTED"),
    "LAST_ADMIN": (-2008, "FAILED_PRECONDITION"),
    "SESSION_NOT_FOUND": (-2009, "NOT_FOUND"),
    "API_KEY_NOT_FOUND": (-2010, "NOT_FOUND"),
    "SONG_EXISTS": (-3001, "ALREADY_EXISTS"),
    "INVALID_SONG_DETAILS": (-3002, "INVALID_ARGUMENT"),
    "SONG_NOT_FOUND": (-3003, "NOT_FOUND"),
    "STALE_ETAG": (-3004, "ABORTED"),
    "BATCH_REFUSED": (-3005, "ABORTED"),
    "RESUME_TOKEN_EXPIRED": (-3006, "FAILED_PRECONDITION"),
    "TOO_MANY_SONGS": (-3007, "FAILED_PRECONDITION"),
    "IMPORT_TAKEN_OVER": (-3008, "ABORTED"),
}


def test_names_and_numbers_of_codes_never_change() -> None:
    assert dict(StatusCode.items()) == {name: number for name, (number, _) in CODES.items()}


def test_every_code_has_its_grpc_status() -> None:
    told = {StatusCode.Name(code): status.name for code, status in GRPC_STATUS.items()}

    assert told == {name: status for name, (_, status) in CODES.items()}


@pytest.mark.parametrize("name", CODES)
def test_the_contract_says_which_grpc_status_a_code_has(name: str, comments: dict[str, str]) -> None:
    assert f"gRPC: {CODES[name][1]}" in comments[f"songs.v1.StatusCode.{name}"]
    assert hasattr(grpc.StatusCode, CODES[name][1])
