"""What Envoy and our adapter do with requests that no client of gRPC sends."""

import http.client
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

GRPC = {"content-type": "application/grpc", "te": "trailers"}
HELLO = BytesValue(value=b"hello").SerializeToString()


def frame(data: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(data)) + data


@pytest.fixture
def connection(envoy_address: str) -> Iterator[http.client.HTTPConnection]:
    """HTTP/1.1, in which the trailers of a failed call are headers."""
    connection = http.client.HTTPConnection(envoy_address, timeout=20)
    yield connection
    connection.close()


def post(
    connection: http.client.HTTPConnection, method: str, body: bytes, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", f"/throwaway.Service/{method}", body, {**GRPC, **named})
    response = connection.getresponse()
    return response, response.read()


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"", {}, 3, "the request has no message"),
        (frame(HELLO)[:3], {}, 3, "the request ends in the middle of a message"),
        (frame(HELLO)[:-1], {}, 3, "the request ends in the middle of a message"),
        (frame(HELLO, 2), {}, 13, "a message has the flags 0x2, which mean nothing here"),
        (frame(HELLO, 1), {}, 13, "a message is compressed, but no header says how"),
        (frame(HELLO, 1), {"grpc_encoding": "gzip"}, 13, "a message cannot be decompressed"),
        (frame(zlib.compress(HELLO)[:-4], 1), {"grpc_encoding": "deflate"}, 13, "a message cannot be decompressed"),
        (frame(HELLO), {"grpc_encoding": "br"}, 12, "the grpc-encoding 'br' is not known"),
        (frame(HELLO), {"grpc_timeout": "5 minutes"}, 13, "Error parsing 'grpc-timeout' metadata"),
        (frame(HELLO), {"grpc_timeout": "123456789S"}, 13, "Error parsing 'grpc-timeout' metadata"),
        (b"\0\xff\xff\xff\xff", {}, 8, "larger than max (4294967295 vs. 4194304)"),
        (frame(b"no json"), {"content_type": "application/grpc+json"}, 13, "something went wrong in the server"),
    ],
)
def test_what_breaks_the_protocol_is_refused(
    connection: http.client.HTTPConnection, body: bytes, headers: dict[str, Any], status: int, message: str
) -> None:
    response, _ = post(connection, "Echo", body, **headers)

    assert response.status == 200
    assert response.headers["grpc-status"] == str(status)
    assert message in response.headers["grpc-message"]
    assert response.headers["grpc-accept-encoding"] == "identity, deflate, gzip"


def test_a_call_ends_with_its_deadline_though_its_client_waits(connection: http.client.HTTPConnection) -> None:
    response, _ = post(connection, "Wait", frame(HELLO), grpc_timeout="100m")

    assert response.headers["grpc-status"] == "4"
    assert response.headers["grpc-message"] == "Deadline Exceeded"


@pytest.mark.parametrize(("encoding", "bits"), [("gzip", 31), ("deflate", 15)])
def test_an_answer_is_compressed_as_its_request_is(
    connection: http.client.HTTPConnection, encoding: str, bits: int
) -> None:
    packing = zlib.compressobj(wbits=bits)
    response, body = post(
        connection, "Echo", frame(packing.compress(HELLO) + packing.flush(), 1), grpc_encoding=encoding
    )

    assert response.headers["grpc-encoding"] == encoding
    assert body[0] == 1
    assert zlib.decompress(body[5:], bits) == HELLO


def test_messages_may_be_json(connection: http.client.HTTPConnection) -> None:
    response, body = post(connection, "Echo", frame(b'"aGVsbG8="'), content_type="application/grpc+json")

    assert response.headers["content-type"] == "application/grpc+json"
    assert body == frame(b'"aGVsbG8="')


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-grpc", "application/grpc+thrift", ""])
def test_another_content_type_is_refused(connection: http.client.HTTPConnection, content_type: str) -> None:
    response, body = post(connection, "Echo", frame(HELLO), content_type=content_type)

    assert response.status == 415
    assert b"application/grpc, application/json" in body


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_another_verb_is_refused(connection: http.client.HTTPConnection, verb: str) -> None:
    connection.request(verb, "/throwaway.Service/EchoAll", headers=GRPC)
    response = connection.getresponse()

    assert response.status == 405
    assert response.headers["allow"] == "POST"


def test_a_path_of_nothing_is_not_found(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/")
    response = connection.getresponse()

    assert response.status == 404
    assert response.headers.get("server") is None


def test_a_client_cannot_choose_its_address(connection: http.client.HTTPConnection) -> None:
    _, body = post(connection, "Tell", frame(b""), x_forwarded_for="192.0.2.7", x_envoy_external_address="192.0.2.7")

    assert b'"peer": "ipv4:127.0.0.1:' in body
    assert b"x-envoy" not in body


@pytest.mark.parametrize("path", ["/%ff", "/throwaway.Service/Echo%80"])
def test_a_path_that_is_no_text_once_decoded_is_refused(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("POST", path, headers=GRPC)
    response = connection.getresponse()

    assert response.headers["grpc-status"] == str(grpc.StatusCode.PERMISSION_DENIED.value[0])


def test_headers_without_end_are_refused(connection: http.client.HTTPConnection) -> None:
    response, _ = post(connection, "Echo", frame(HELLO), much="x" * 20_000)
    assert response.headers["grpc-status"] == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])

    response, _ = post(connection, "Echo", frame(HELLO), much="x" * 70_000)
    assert response.status == 431
