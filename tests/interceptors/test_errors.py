"""What goes over the wire when a call fails, and what does not."""

import queue
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.wrappers_pb2 import StringValue
from structlog.testing import capture_logs

from songs.v1 import status_pb2
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import CreateSongRequest, UpdateSongRequest
from songs.v1.status_pb2 import StatusCode
from songserver.errors import GRPC_STATUS, InvalidRequest, Overloaded, SongExists, SongServerError, Violation
from songserver.interceptors.errors import errors
from songserver.interceptors.validation import Validation
from songserver.rpc import Call, Method
from songserver.rules import Rules
from tests.conftest import Caller, Failure, failure, read_failure
from tests.interceptors.conftest import PUBLIC, by_name, raw, throwaway

METHODS = [Method.of(descriptor) for descriptor in PUBLIC.methods]
SECRET = "hunter2 in /etc/passwd"  # what must not be seen
WIDE = "\U0001f3b5"
ROOM = 4096
"""Bytes that details may take."""


class Coded(SongServerError):
    """An error with a code that the test chooses."""

    def __init__(self, code: StatusCode.ValueType, message: str) -> None:
        super().__init__(message)
        self.code = code


async def behave(wanted: str, call: Call) -> str:
    """Fails as the request says."""
    name, _, argument = wanted.partition(":")
    match name:
        case "code":
            raise Coded(StatusCode.Value(argument), "it went wrong")
        case "violations":
            violations = [Violation(f'song.external_ids["{argument}{n}"]', argument) for n in range(50)]
            raise InvalidRequest(status_pb2.INVALID_SONG_DETAILS, violations)
        case "message":
            raise Coded(status_pb2.INVALID_DATA_FORMAT, argument)
        case "metadata":
            raise SongExists("7")
        case "overloaded":
            raise Overloaded("try again", retry_after=1.25)
        case "unforeseen":
            raise RuntimeError(SECRET)
        case _:
            return f"{wanted} of {call.request_id}"


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    with throwaway(PUBLIC, behave, lambda: [errors, Validation(Rules())]) as channel:
        yield channel


def refused(channel: grpc.Channel, wanted: str, method: Method = METHODS[0]) -> Failure:
    return failure(raw(channel, method), StringValue(value=wanted).SerializeToString())


CODES = [name for name in StatusCode.keys() if name != "SUCCESS"]  # noqa: SIM118 - no dict


@by_name(METHODS)
def test_every_code_is_told_in_three_places_beside_its_status(channel: grpc.Channel, method: Method) -> None:
    for name in CODES:
        number = str(StatusCode.Value(name))

        told = refused(channel, f"code:{name}", method)

        assert told.status == GRPC_STATUS[StatusCode.Value(name)]
        assert (told.info.reason, told.info.domain) == (name, "songs.v1")
        assert told.info.metadata["status_code"] == number
        assert told.trailers["song-status-code"] == number
        assert told.message == "it went wrong"


def test_the_error_names_the_request_as_the_log_does(channel: grpc.Channel) -> None:
    assert len(refused(channel, "code:SONG_EXISTS").info.metadata["request_id"]) == 36


def test_what_programs_may_want_to_know_is_metadata(channel: grpc.Channel) -> None:
    assert refused(channel, "metadata").info.metadata["song_id"] == "7"


def test_violations_and_delays_are_told_only_where_there_are_any(channel: grpc.Channel) -> None:
    plain = refused(channel, "code:SONG_EXISTS")
    assert not plain.bad_request.field_violations
    assert not plain.retry.HasField("retry_delay")

    assert refused(channel, "overloaded").retry.retry_delay.ToMilliseconds() == 1250


def test_a_stream_fails_after_what_it_has_given(channel: grpc.Channel) -> None:
    outbox: queue.Queue[bytes | None] = queue.Queue()
    converse: Any = channel.stream_stream("/throwaway.Public/Converse")
    answers = converse(iter(outbox.get, None), timeout=10)
    first, second = (StringValue(value=text).SerializeToString() for text in ("fine", "code:SONG_NOT_FOUND"))

    outbox.put(first)
    assert next(answers) == first
    assert next(answers).startswith(b"\n")
    outbox.put(second)
    assert next(answers) == second
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    outbox.put(None)

    assert read_failure(caught.value).code == "SONG_NOT_FOUND"


@by_name(METHODS)
def test_the_unforeseen_shows_nothing_of_itself_and_the_log_has_it(channel: grpc.Channel, method: Method) -> None:
    with capture_logs() as log:
        told = refused(channel, "unforeseen", method)

    assert (told.status, told.code) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
    incident = told.info.metadata["incident_id"]
    assert incident in told.message
    on_the_wire = f"{told.message} {told.trailers}"
    assert not any(word in on_the_wire for word in ("hunter2", "passwd", "RuntimeError", "Traceback", ".py"))
    (entry,) = [entry for entry in log if entry.get("incident_id") == incident]
    assert entry["exception"].startswith("Traceback")
    assert SECRET in entry["exception"]
    assert entry["method"] == method.path
    assert entry["request_id"] == told.info.metadata["request_id"]


@pytest.mark.parametrize("text", ["x", "x" * 1000, WIDE, WIDE * 1000, "é" * 199, "\n" * 1000])
def test_details_stay_small_however_many_and_long_the_violations(channel: grpc.Channel, text: str) -> None:
    told = refused(channel, f"violations:{text}")

    assert (told.status, told.code) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SONG_DETAILS")
    assert len(told.rich) < ROOM
    assert told.bad_request.field_violations[0].field.startswith("song.external_ids")
    assert told.message


@pytest.mark.parametrize("text", ["x" * 100_000, WIDE * 100_000, "\x00" * 10_000, "%" * 10_000, "é" * 499])
def test_a_long_message_is_cut_and_arrives(channel: grpc.Channel, text: str) -> None:
    told = refused(channel, f"message:{text}")

    assert (told.status, told.code) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_DATA_FORMAT")
    assert text.startswith(told.message)
    assert len(told.rich) < ROOM


def test_50_violations_of_ordinary_length_are_all_told(editor: Caller) -> None:
    refused = failure(editor.songs.CreateSong, CreateSongRequest(song=Song(title="A", artists=["A"], tags=[""] * 50)))

    assert refused.fields == [f"song.tags[{number}]" for number in range(50)]
    assert len(refused.rich) < ROOM


def test_requests_with_long_names_in_them_are_refused_in_few_bytes(editor: Caller) -> None:
    """These once took so much room that grpc failed the call with RESOURCE_EXHAUSTED instead."""
    names = [WIDE * 500 + str(number) for number in range(50)]
    song = Song(title="A", artists=["A"], external_ids=dict.fromkeys(names, ""))
    there = Song(id=editor.create().id, label="B")

    keys = failure(editor.songs.CreateSong, CreateSongRequest(song=song))
    mask = failure(editor.songs.UpdateSong, UpdateSongRequest(song=there, update_mask=FieldMask(paths=names)))

    assert (keys.code, mask.code) == ("INVALID_SONG_DETAILS", "INVALID_DATA_FORMAT")
    assert max(len(keys.rich), len(mask.rich)) < ROOM
