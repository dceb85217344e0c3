"""What connections may do, and how long they live, on each engine."""

import socket
import ssl
import time
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from songserver.config import Settings
from tests.engines.conftest import ENGINES, START_TIME, on_envoy, on_grpcio
from tests.operations.pairs import NAME, Pair

ON_EACH = pytest.mark.parametrize("engine", sorted(ENGINES))


def carried(engine: str, settings: Settings, folder: Path) -> AbstractContextManager[str]:
    return on_envoy(settings, folder) if engine == "envoy" else on_grpcio(settings)


@ON_EACH
def test_a_connection_without_calls_is_closed_and_the_next_call_opens_another(engine: str, tmp_path: Path) -> None:
    states: Queue[grpc.ChannelConnectivity] = Queue()
    settings = Settings(listen="127.0.0.1:0", max_connection_idle=0.3)
    with carried(engine, settings, tmp_path) as address, grpc.insecure_channel(address) as channel:
        channel.subscribe(states.put)
        tell: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/throwaway.Service/Tell")
        for _ in range(2):
            assert tell(b"", timeout=20)
            while states.get(timeout=START_TIME) is not grpc.ChannelConnectivity.READY:
                pass
            assert states.get(timeout=START_TIME) is grpc.ChannelConnectivity.IDLE


@ON_EACH
def test_a_connection_grows_old_without_a_call_that_fails(engine: str, tmp_path: Path) -> None:
    settings = Settings(listen="127.0.0.1:0", max_connection_age=0.5)
    with carried(engine, settings, tmp_path) as address, grpc.insecure_channel(address) as channel:
        tell: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/throwaway.Service/Tell")
        wait_on: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/throwaway.Service/WaitOn")
        waiting: Any = wait_on(b"")
        next(waiting)
        peers: set[bytes] = set()
        give_up = time.monotonic() + 20
        while len(peers) < 3:
            assert time.monotonic() < give_up
            told = tell(b"", timeout=20)
            peers.add(told[told.index(b"ipv4:") :].split(b'"')[0])
        assert waiting.is_active(), "a call in flight goes on"
        waiting.cancel()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@ON_EACH
def test_tls_is_1_2_or_newer(engine: str, tmp_path: Path) -> None:
    pair = Pair(tmp_path, NAME)
    settings = Settings(listen="127.0.0.1:0", tls_certificate=pair.certificate_file, tls_key=pair.key_file)
    with carried(engine, settings, tmp_path) as address:
        spoken = {version for version in ssl.TLSVersion if version > 0 and speaks(address, pair, version)}

    assert spoken == {ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3}


def speaks(address: str, pair: Pair, version: ssl.TLSVersion) -> bool:
    """Whether a server takes a version of TLS, and HTTP/2 over it, from a client that has no other."""
    context = ssl.create_default_context(cafile=str(pair.certificate_file))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=NAME) as secure:
                return secure.selected_alpn_protocol() == "h2"
        except (ssl.SSLError, ConnectionError):
            return False


@ON_EACH
def test_a_message_may_be_so_large(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGSERVER_MAX_MESSAGE_BYTES", "2048")  # in Envoy
    settings = Settings(listen="127.0.0.1:0", max_message_bytes=2048)
    options = (("grpc.default_compression_algorithm", grpc.Compression.Gzip.value),)
    with carried(engine, settings, tmp_path) as address:
        for channel in (grpc.insecure_channel(address), grpc.insecure_channel(address, options)):
            with channel:
                echo: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/throwaway.Service/Echo")
                assert echo(message(2048), timeout=20) == message(2048)
                with pytest.raises(grpc.RpcError) as caught:
                    echo(message(2049), timeout=20)
                assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                # On the same connection.
                assert echo(message(2048), timeout=20)


def message(size: int) -> bytes:
    """A message of so many bytes."""
    data = BytesValue(value=b"x" * (size - 3)).SerializeToString()
    assert len(data) == size
    return data


@ON_EACH
def test_metadata_may_be_so_large(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGSERVER_MAX_METADATA_BYTES", "8192")  # in Envoy
    settings = Settings(listen="127.0.0.1:0", max_metadata_bytes=8192)
    with carried(engine, settings, tmp_path) as address, grpc.insecure_channel(address) as channel:
        tell: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/throwaway.Service/Tell")
        assert tell(b"", metadata=(("large", "x" * 7000),), timeout=20)
        # Every time: gRPC's own limits leave room in which it refuses now and then.
        many = tuple((f"name-{number}", "x" * 20) for number in range(150))
        for metadata in [(("large", "x" * 8192),)] * 5 + [many]:
            with pytest.raises(grpc.RpcError) as caught:
                tell(b"", metadata=metadata, timeout=20)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # On the same connection.
        assert tell(b"", metadata=(("large", "x" * 7000),), timeout=20)


@ON_EACH
def test_a_connection_has_so_many_streams_and_a_client_holds_further_ones_back(engine: str, tmp_path: Path) -> None:
    settings = Settings(listen="127.0.0.1:0", max_connection_streams=2)
    with carried(engine, settings, tmp_path) as address, grpc.insecure_channel(address) as channel:
        tell: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/throwaway.Service/Tell")
        wait_on: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/throwaway.Service/WaitOn")
        assert tell(b"", timeout=20)
        waiting: list[Any] = [wait_on(b"") for _ in range(2)]
        for call in waiting:
            next(call)
        held = tell.future(b"", timeout=20)
        time.sleep(0.3)
        assert not held.done()
        with grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),)) as another:
            elsewhere: grpc.UnaryUnaryMultiCallable[bytes, bytes] = another.unary_unary("/throwaway.Service/Tell")
            assert elsewhere(b"", timeout=20)

        waiting.pop().cancel()
        assert held.result(timeout=20)
        waiting.pop().cancel()
