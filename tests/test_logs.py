"""What the server logs: one event a line, as JSON or for a person; one line a call, and no secret in any."""

import functools
import json
import os
import re
import subprocess
import sys
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import pymongo
import pytest

from songs.v1.song_service_pb2 import GetSongRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_service_pb2 import SignInRequest, SignUpRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from tests.operations.conftest import serving

PASSWORD = "correct horse battery staple"
FORGED = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"
TALK = """
import logging, sys, warnings

import structlog
from songserver.config import Settings
from songserver.logs import configure_logs

configure_logs(Settings(log_format=sys.argv[1], log_level=sys.argv[2]))
log = structlog.get_logger()
if sys.argv[1] == "auto":
    log.info("event")
    sys.exit()
log.debug("detail")
log.info("event", number=1, text="ünï", path=sys.path)
logging.getLogger("library").info("too much")
logging.getLogger("library").warning("odd: %s", "thing")
warnings.warn("old")
password = "hunter" + str(2)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("incident")
    logging.getLogger("library").exception("broken")
"""


@functools.cache
def talk(log_format: str, log_level: str = "info", stderr: int = subprocess.PIPE) -> list[str]:
    """Logs something of each kind in a process of its own; gives what it wrote to standard error, if that is a pipe."""
    command = [sys.executable, "-c", TALK, log_format, log_level]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=True)
    assert ended.stdout == ""
    return (ended.stderr or "").splitlines()


def test_json_has_one_object_a_line_whoever_logs() -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in talk("json")]

    told = [(line["level"], line["event"]) for line in lines]
    assert told[:2] == [("info", "event"), ("warning", "odd: thing")]
    assert "old" in told[2][1]
    assert told[3:] == [("error", "incident"), ("error", "broken")]
    assert lines[0]["text"] == "ünï"
    assert lines[1]["logger"] == "library"
    assert all("ZeroDivisionError" in line["exception"] for line in lines[3:])
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["timestamp"]) for line in lines)


@pytest.mark.parametrize(("level", "first"), [("debug", "detail"), ("info", "event"), ("error", "incident")])
def test_the_level_is_the_least_that_is_logged(level: str, first: str) -> None:
    own = [line for line in map(json.loads, talk("json", level)) if "logger" not in line]

    assert own[0]["event"] == first


def test_auto_is_json_but_on_a_terminal() -> None:
    (line,) = talk("auto")
    assert json.loads(line)["event"] == "event"

    terminal, end = os.openpty()
    talk("auto", stderr=end)
    os.close(end)
    shown = os.read(terminal, 1000).decode()
    os.close(terminal)
    assert "event" in shown
    assert "{" not in shown


def test_a_traceback_shows_no_local_variables() -> None:
    for log_format in ("json", "console"):
        said = "\n".join(talk(log_format))
        assert "ZeroDivisionError" in said
        assert "hunter2" not in said


class Logged(NamedTuple):
    """What a server logged of four calls: a sign-up, a sign-in, and two that failed."""

    form: str
    lines: list[str]
    secrets: list[str]
    """What must not be in it."""

    def calls(self) -> list[str]:
        """The lines of calls."""
        return [line for line in self.lines if "request_id" in line]


@pytest.fixture(scope="module", params=["json", "console"])
def logged(
    request: pytest.FixtureRequest, song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory
) -> Logged:
    arguments = (
        f"--data-directory={tmp_path_factory.mktemp('logged')}",
        f"--mongodb-database=logged_{request.param}",
        f"--log-format={request.param}",
    )
    environment = {"MONGODB_URI": song_server_mongodb}
    with serving(*arguments, environment=environment) as process, grpc.insecure_channel(process.address) as channel:
        users = UserServiceStub(channel)
        users.SignUp(SignUpRequest(username="ada", password=PASSWORD))
        session = users.SignIn(SignInRequest(username="ada", password=PASSWORD)).session
        for token in (session.access_token, FORGED):
            with pytest.raises(grpc.RpcError):
                SongServiceStub(channel).GetSong(
                    GetSongRequest(id="no id"), metadata=(("authorization", f"Bearer {token}"),)
                )
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database(f"logged_{request.param}")
    secrets = [PASSWORD, FORGED, session.access_token, session.refresh_token]
    return Logged(request.param, [re.sub(r"\x1b\[\d*m", "", line) for line in process.log], secrets)


CALLS = [
    ("/songs.v1.UserService/SignUp", "SUCCESS"),
    ("/songs.v1.UserService/SignIn", "SUCCESS"),
    ("/songs.v1.SongService/GetSong", "INVALID_DATA_FORMAT"),
    ("/songs.v1.SongService/GetSong", "SIGN_IN_FAILURE"),
]


def test_each_call_has_one_line_with_method_and_status(logged: Logged) -> None:
    if logged.form == "json":
        told = [(line["method"], line["status"]) for line in map(json.loads, logged.calls())]
    else:
        told = [
            (method, status)
            for line in logged.calls()
            for method, status in re.findall(r"method=(\S+) .*status=(\S+) ", line)
        ]

    assert told == CALLS


def test_a_call_is_logged_with_its_duration_user_request_and_peer(logged: Logged) -> None:
    if logged.form == "console":
        line = logged.calls()[2]
        assert re.search(r" ms=[\d.]+ .*peer=ipv4:127.0.0.1:\d+ request_id=[\da-f-]{36} .*user_id=[\da-f-]{36}", line)
        return
    _, _, known, unknown = map(json.loads, logged.calls())
    assert known["event"] == "call"
    assert known["level"] == "info"
    assert 0 < known["ms"] < 5000
    assert str(UUID(known["user_id"])) == known["user_id"]
    assert str(UUID(known["request_id"])) == known["request_id"]
    assert known["request_id"] != unknown["request_id"]
    assert known["peer"].startswith("ipv4:127.0.0.1:")
    assert unknown["user_id"] is None


def test_no_token_and_no_password_is_logged(logged: Logged) -> None:
    assert logged.calls()
    assert not [line for line in logged.lines for secret in logged.secrets if secret in line]


def test_json_is_json_to_the_last_line(logged: Logged) -> None:
    if logged.form == "json":
        assert all(json.loads(line)["event"] for line in logged.lines)
