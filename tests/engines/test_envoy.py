"""Envoy as the engine: the addresses that it listens on, and how connections and workers end.

That `songserver serve` does on it what it does on grpcio is tested by `make test ENGINE=envoy`.
"""

import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from songserver.config import Settings
from songserver.engines.envoy import configuration
from tests.engines.conftest import on_envoy


def echo(channel: grpc.Channel) -> Callable[..., Any]:
    """Gives the call of a method that gives back what it gets."""
    call: Callable[..., Any] = channel.unary_unary(
        "/throwaway.Service/Echo", BytesValue.SerializeToString, BytesValue.FromString
    )
    return call


def answers(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        return bool(echo(channel)(BytesValue(value=b"x"), timeout=20).value == b"x")


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "[::1]"])
def test_it_listens_wherever_a_name_points(tmp_path: Path, host: str) -> None:
    with on_envoy(Settings(listen=f"{host}:0"), tmp_path) as address:
        port = address.rpartition(":")[2]
        assert answers(f"127.0.0.1:{port}" if host == "0.0.0.0" else address)


@pytest.mark.parametrize("slashes", ["", "//"])
def test_it_listens_on_a_unix_socket(tmp_path: Path, slashes: str) -> None:
    """Also on one that a killed server has left."""
    path = tmp_path / "songs.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    folder = tmp_path / "1"  # the path of a socket must be short, and a worker's has the folder's name in it
    folder.mkdir()
    with on_envoy(Settings(listen=f"unix:{slashes}{path}"), folder) as address:
        assert answers(address)


def test_only_the_server_itself_has_its_admin_interface(tmp_path: Path) -> None:
    with on_envoy(Settings(listen="127.0.0.1:0"), tmp_path):
        assert stat.S_IMODE((tmp_path / "admin.sock").stat().st_mode) == 0o600
        config = configuration(Settings(), shares_port=False)
    assert list(config["admin"]["address"]) == ["pipe"]
    assert not config["static_resources"]["listeners"][0]["enable_reuse_port"]


def test_a_worker_imports_nothing_from_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyvoy puts the working directory before all others."""
    there, folder = tmp_path / "there", tmp_path / "folder"
    there.mkdir()
    folder.mkdir()
    (there / "uuid_utils.py").write_text("raise SystemExit('imported from where the server was started')")
    monkeypatch.chdir(there)

    with on_envoy(Settings(listen="127.0.0.1:0"), folder) as address:
        assert answers(address)
