"""The Connect protocol, as browsers and curl speak it; `tests/clients/test_web.py` has a client of it."""

import base64
import gzip
import http.client
import json
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import ErrorInfo

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songserver.testing import SongServer
from tests.conftest import Caller, lasting_server

ORIGIN = "https://songs.example"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """A server on Envoy that pages of one origin may call."""
    folder = tmp_path_factory.mktemp("connect")
    with lasting_server(song_server_mongodb, folder, engine="envoy", cors_origins=ORIGIN) as server:
        yield server


class Web:
    """Somebody who speaks HTTP/1.1."""

    def __init__(self, server: SongServer) -> None:
        self.connection = http.client.HTTPConnection(server.address, timeout=20)
        self.token = server.token(PRIVILEGE_EDITOR)

    def ask(
        self, verb: str, method: str, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        service = "UserService" if method in {"SignIn", "SignUp", "GetMe"} else "SongService"
        named = {"authorization": f"Bearer {self.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        self.connection.request(verb, f"/songs.v1.{service}/{method}", body, named)
        response = self.connection.getresponse()
        return response, response.read()

    def call(self, method: str, **request: Any) -> Any:
        """Calls a method that goes well."""
        response, body = self.ask("POST", method, json.dumps(request).encode(), content_type="application/json")
        assert (response.status, response.headers["content-type"]) == (200, "application/json"), body
        return json.loads(body)

    def fail(self, method: str, body: bytes, **headers: str) -> tuple[int, Any, http.client.HTTPResponse]:
        """Calls a method that fails; gives the HTTP status, the error, and the response."""
        response, answer = self.ask("POST", method, body, **{"content_type": "application/json", **headers})
        assert response.headers["content-type"] == "application/json", answer
        return response.status, json.loads(answer), response


@pytest.fixture
def web(server: SongServer) -> Iterator[Web]:
    web = Web(server)
    yield web
    web.connection.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_is_a_client(server: SongServer, tmp_path: Path) -> None:
    def curl(method: str, request: str, *arguments: str) -> Any:
        url = f"http://{server.address}/songs.v1.{method}"
        command = ["curl", "-s", "--max-time", "20", "-d", request, "-H", "content-type: application/json", *arguments]
        return json.loads(subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout)

    name, password = server.sign_up("curl", PRIVILEGE_EDITOR)
    session = curl("UserService/SignIn", json.dumps({"username": name, "password": password}))["session"]
    bearer = f"authorization: Bearer {session['accessToken']}"
    song = curl("SongService/CreateSong", '{"song": {"title": "Curl", "artists": ["Ärzte"]}}', "-H", bearer)["song"]

    assert curl("SongService/GetSong", json.dumps({"id": song["id"]}), "-H", bearer)["song"] == song
    assert song["artists"] == ["Ärzte"]
    assert curl("SongService/GetSong", "{}")["code"] == "unauthenticated"


def test_a_message_is_json_with_the_contracts_names_or_their_camels(web: Web) -> None:
    made = web.call("CreateSong", song={"title": "A", "artists": ["Web"], "track_number": 3, "discNumber": 1})["song"]

    assert (made["trackNumber"], made["discNumber"]) == (3, 1)
    assert web.call("GetSong", id=made["id"])["song"] == made


def test_a_message_may_be_binary(server: SongServer, web: Web) -> None:
    song = Caller.new(server, PRIVILEGE_EDITOR).create()
    request = b"\x0a" + bytes([len(song.id)]) + song.id.encode()

    response, body = web.ask("POST", "GetSong", request, content_type="application/proto")

    assert (response.status, response.headers["content-type"]) == (200, "application/proto")
    assert song.title.encode() in body


def test_an_error_has_its_details_and_its_code(web: Web) -> None:
    status, error, response = web.fail("GetSong", json.dumps({"id": NOBODY}).encode())

    assert (status, error["code"]) == (404, "not_found")
    (detail,) = error["details"]
    assert detail["type"] == "google.rpc.ErrorInfo"
    info = ErrorInfo.FromString(base64.b64decode(detail["value"] + "=="))
    assert info.reason == "SONG_NOT_FOUND"
    assert detail["debug"]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert detail["debug"].items() >= MessageToDict(info).items()
    assert response.headers["song-status-code"] == "-3003"
    assert "grpc-status-details-bin" not in response.headers


@pytest.mark.parametrize(
    ("body", "headers", "http_status", "code"),
    [
        (b'{"id": ""}', {}, 400, "invalid_argument"),
        (b"{", {}, 400, "invalid_argument"),
        (b"", {}, 400, "invalid_argument"),
        (b'{"id": 1}', {}, 400, "invalid_argument"),
        (b"\xff", {}, 400, "invalid_argument"),
        (b"[" * 100_000, {}, 400, "invalid_argument"),
        (b"{}", {"authorization": ""}, 401, "unauthenticated"),
        (b"x" * 5_000_000, {}, 429, "resource_exhausted"),
        (gzip.compress(bytes(50_000_000), 1), {"content_encoding": "gzip"}, 429, "resource_exhausted"),
        (b"no gzip", {"content_encoding": "gzip"}, 500, "internal"),
        (b"{}", {"content_encoding": "br"}, 501, "unimplemented"),
        (b"{}", {"connect_timeout_ms": "soon"}, 400, "invalid_argument"),
        (b"{}", {"connect_protocol_version": "2"}, 400, "invalid_argument"),
    ],
)
def test_what_is_wrong_is_told(web: Web, body: bytes, headers: dict[str, str], http_status: int, code: str) -> None:
    status, error, _ = web.fail("GetSong", body, **headers)

    assert (status, error["code"]) == (http_status, code)
    assert error["message"]


def test_fields_that_are_not_known_are_passed_over(web: Web) -> None:
    """As in the binary form: a client may know a newer contract."""
    assert web.call("ListSongs", page_size=1, something_new=True) is not None


def test_an_unknown_method_is_unimplemented(web: Web) -> None:
    status, error, _ = web.fail("PlaySong", b"{}")

    assert (status, error["code"]) == (501, "unimplemented")


def test_a_method_without_side_effects_may_be_a_get(web: Web) -> None:
    song = web.call("CreateSong", song={"title": "Got", "artists": ["By GET"]})["song"]
    plain = f"GetSong?connect=v1&encoding=json&message=%7B%22id%22%3A%22{song['id']}%22%7D"
    message = base64.urlsafe_b64encode(json.dumps({"id": song["id"]}).encode()).decode().rstrip("=")

    for url in (plain, f"GetSong?connect=v1&encoding=json&base64=1&message={message}"):
        response, body = web.ask("GET", url)
        assert response.status == 200
        assert json.loads(body)["song"] == song


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("CreateSong?connect=v1&encoding=json&message={}", 405),
        ("ImportSongs?connect=v1&encoding=json&message={}", 405),
        ("GetSong?connect=v1&encoding=yaml&message={}", 415),
        ("GetSong?connect=v1&message={}", 415),
        ("GetSong?connect=v1&encoding=json&base64=1&message=x", 400),
        ("GetSong?connect=v1&encoding=json&compression=br&message={}", 501),
    ],
)
def test_a_get_that_is_wrong_is_refused(web: Web, url: str, status: int) -> None:
    response, _ = web.ask("GET", url.replace("{}", "%7B%7D"))

    assert response.status == status


def test_a_message_may_be_compressed_and_its_answer_then_is(web: Web) -> None:
    song = web.call("CreateSong", song={"title": "Packed", "artists": ["Web"]})["song"]
    request = gzip.compress(json.dumps({"id": song["id"]}).encode())

    response, body = web.ask("POST", "GetSong", request, content_type="application/json", content_encoding="gzip")

    assert response.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(body))["song"] == song


def envelope(message: Any, flags: int = 0) -> bytes:
    data = json.dumps(message).encode()
    return struct.pack(">BI", flags, len(data)) + data


def envelopes(body: bytes) -> Iterator[tuple[int, Any]]:
    while body:
        flags, size = struct.unpack(">BI", body[:5])
        yield flags, json.loads(body[5 : 5 + size])
        body = body[5 + size :]


def test_a_stream_ends_with_a_message_of_its_own(web: Web) -> None:
    songs = [{"song": {"title": title, "artists": ["Streamed"]}} for title in ("One", "Two", "One")]
    body = b"".join(envelope({"items": [song]}) for song in songs)

    response, answer = web.ask("POST", "ImportSongs", body, content_type="application/connect+json")

    assert (response.status, response.headers["content-type"]) == (200, "application/connect+json")
    *answers, end = envelopes(answer)
    codes = [result.get("statusCode") for _, message in answers for result in message["results"]]
    assert [code if code != "SUCCESS" else None for code in codes] == [None, None, "SONG_EXISTS"]
    assert end == (2, {})


def test_a_stream_that_fails_says_so_in_its_last_message(web: Web) -> None:
    response, answer = web.ask(
        "POST", "ImportSongs", envelope({}), content_type="application/connect+json", authorization="Bearer x"
    )

    assert response.status == 200
    ((flags, end),) = envelopes(answer)
    assert flags == 2
    assert end["error"]["code"] == "unauthenticated"
    assert end["error"]["details"][0]["debug"]["reason"] == "SIGN_IN_FAILURE"
    assert end["metadata"] == {"song-status-code": ["-2001"]}


def test_each_form_is_for_its_own_methods(web: Web) -> None:
    response, _ = web.ask("POST", "ImportSongs", b"{}", content_type="application/json")
    assert (response.status, response.headers["accept-post"]) == (
        415,
        "application/grpc, application/connect+json, application/connect+proto",
    )
    response, _ = web.ask("POST", "GetSong", b"{}", content_type="application/connect+json")
    assert response.status == 415


def test_a_page_of_a_known_origin_may_call(web: Web) -> None:
    preflight, _ = web.ask(
        "OPTIONS",
        "GetSong",
        origin=ORIGIN,
        access_control_request_method="POST",
        access_control_request_headers="authorization,content-type",
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].split(",")
    assert {"authorization", "content-type", "connect-protocol-version", "x-grpc-web"} <= set(allowed)

    _, _, response = web.fail("GetSong", b"{}", origin=ORIGIN)
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert {"grpc-status", "grpc-message", "grpc-status-details-bin", "song-status-code"} == set(
        response.headers["access-control-expose-headers"].split(",")
    )


def test_a_page_of_another_origin_may_not(web: Web) -> None:
    for origin in ("https://evil.example", f"{ORIGIN}.evil.example", "null"):
        preflight, _ = web.ask("OPTIONS", "GetSong", origin=origin, access_control_request_method="POST")
        assert "access-control-allow-origin" not in preflight.headers
        _, _, response = web.fail("GetSong", b"{}", origin=origin)
        assert "access-control-allow-origin" not in response.headers


def test_grpc_web_has_its_trailers_in_the_body(web: Web) -> None:
    """Envoy's filter does that; text is for browsers that cannot read a binary stream."""
    request = b"\x0a" + bytes([len(NOBODY)]) + NOBODY.encode()
    framed = struct.pack(">BI", 0, len(request)) + request

    failed, _ = web.ask("POST", "GetSong", framed, content_type="application/grpc-web+proto", x_grpc_web="1")
    assert (failed.status, failed.headers["grpc-status"], failed.headers["song-status-code"]) == (200, "5", "-3003")

    listed = struct.pack(">BI", 0, 0)
    binary, body = web.ask("POST", "ListSongs", listed, content_type="application/grpc-web+proto", x_grpc_web="1")
    assert binary.headers["content-type"] == "application/grpc-web+proto"
    assert body.endswith(b"\x80" + struct.pack(">I", len(b"grpc-status:0\r\n")) + b"grpc-status:0\r\n")

    text, encoded = web.ask(
        "POST",
        "ListSongs",
        base64.b64encode(listed),
        content_type="application/grpc-web-text",
        accept="application/grpc-web-text",
    )
    assert text.headers["content-type"] == "application/grpc-web-text+proto"
    assert b"grpc-status:0" in b"".join(map(base64.b64decode, re.findall(rb"[^=]+=*", encoded)))
