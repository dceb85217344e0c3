"""The address of a server: kept for its workers, and from everyone else."""

import socket
from pathlib import Path

import pytest

from songserver.engines.addresses import ListenError, check_free, reserved

HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::]", "0.0.0.0"])


def listener_on(port: int) -> socket.socket:
    """Listens as a worker does."""
    worker = socket.socket()
    worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    worker.bind(("127.0.0.1", port))
    worker.listen()
    return worker


@HOSTS
def test_port_zero_becomes_a_port_that_is_kept_for_the_workers(host: str) -> None:
    with reserved(f"{host}:0") as address:
        kept, _, port = address.rpartition(":")
        assert kept == host
        with pytest.raises(ListenError, match="another server has it"):
            check_free(address)
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", int(port)))
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", int(port)))
        if host != "[::]":
            with listener_on(int(port)), listener_on(int(port)), socket.socket() as client:
                assert not client.connect_ex(("127.0.0.1", int(port)))

    check_free(address)


@HOSTS
def test_a_taken_port_is_refused(host: str) -> None:
    with listener_on(0) as other:
        address = f"{host}:{other.getsockname()[1]}"
        with pytest.raises(ListenError, match="another server has it"), reserved(address):
            pass


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:50051", "Cannot assign requested address"),  # RFC 5737: of nobody
        ("nowhere.invalid:50051", "Name or service not known"),
        ("127.0.0.1:99999", "port must be 0-65535"),
        ("unix:/" + "x" * 200, "path too long"),
    ],
)
def test_what_is_no_address_of_this_machine_is_refused(address: str, why: str) -> None:
    with pytest.raises(ListenError) as caught, reserved(address):
        pass

    assert str(caught.value).startswith(f"cannot listen on {address} (")
    assert why in str(caught.value)
    assert str(caught.value).endswith("): set `listen` to an address of this machine that is free")


def test_a_file_is_no_unix_socket_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk")

    with pytest.raises(ListenError, match="it is there, and is no socket"), reserved(f"unix:{path}"):
        pass

    assert path.read_text() == "buy milk"


def test_a_unix_socket_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "songs.sock"
    with reserved(f"unix://{path}") as address, socket.socket(socket.AF_UNIX) as worker:
        assert address == f"unix:{path}"
        worker.bind(str(path))

    assert not path.exists()
