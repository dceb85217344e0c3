"""TLS and mutual TLS, with certificates made for the test."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from songserver.config import Settings
from songserver.sources import SettingsError, load_settings
from songserver.testing import SongServer, running_server
from tests.operations.conftest import OWN_CONNECTION, Process
from tests.operations.pairs import NAME, Make, Pair


@pytest.fixture
def secured(song_server_settings: Settings, make: Make, authority: Pair) -> Iterator[SongServer]:
    pair = make(NAME, issuer=authority)
    tls = {"tls_certificate": pair.certificate_file, "tls_key": pair.key_file}
    with running_server(song_server_settings.model_copy(update=tls)) as server:
        yield server


@pytest.fixture
def mutual(song_server_settings: Settings, make: Make, authority: Pair) -> Iterator[SongServer]:
    pair = make(NAME, issuer=authority)
    tls = {
        "tls_certificate": pair.certificate_file,
        "tls_key": pair.key_file,
        "tls_client_ca": authority.certificate_file,
    }
    with running_server(song_server_settings.model_copy(update=tls)) as server:
        yield server


def is_served(server: SongServer | Process, credentials: grpc.ChannelCredentials | None) -> bool:
    """Whether a client with these credentials, or without TLS, is answered at all."""
    options = (("grpc.ssl_target_name_override", NAME), *OWN_CONNECTION)
    if credentials:
        channel = grpc.secure_channel(server.address, credentials, options)
    else:
        channel = grpc.insecure_channel(server.address)
    with channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017
            return False
        return True


def test_with_tls_who_trusts_the_authority_is_served(secured: SongServer, authority: Pair) -> None:
    assert is_served(secured, grpc.ssl_channel_credentials(authority.certificate_file.read_bytes()))


def test_with_tls_plaintext_is_refused(secured: SongServer) -> None:
    assert not is_served(secured, None)


def test_with_tls_a_client_of_another_authority_refuses_the_server(secured: SongServer, make: Make) -> None:
    stranger = make("stranger")

    assert not is_served(secured, grpc.ssl_channel_credentials(stranger.certificate_file.read_bytes()))


def test_with_mutual_tls_a_client_with_a_certificate_is_served(mutual: SongServer, make: Make, authority: Pair) -> None:
    assert is_served(mutual, make("client", issuer=authority).credentials(authority))


def test_with_mutual_tls_a_client_without_certificate_is_refused(mutual: SongServer, authority: Pair) -> None:
    assert not is_served(mutual, grpc.ssl_channel_credentials(authority.certificate_file.read_bytes()))
    assert not is_served(mutual, None)


def test_with_mutual_tls_a_client_of_another_authority_is_refused(
    mutual: SongServer, make: Make, authority: Pair
) -> None:
    client = make("client", issuer=make("stranger"))

    assert not is_served(mutual, client.credentials(authority))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tls_certificate"}, "tls_certificate and tls_key need each other: set both or none"),
        ({"tls_key"}, "tls_certificate and tls_key need each other: set both or none"),
        ({"tls_client_ca"}, "tls_client_ca needs tls_certificate and tls_key"),
    ],
)
def test_half_of_tls_is_an_error(make: Make, given: set[str], message: str) -> None:
    pair = make(NAME)
    files = {
        "tls_certificate": pair.certificate_file,
        "tls_key": pair.key_file,
        "tls_client_ca": pair.certificate_file,
    }

    with pytest.raises(SettingsError, match=message):
        load_settings({name: files[name] for name in given})


def test_a_file_that_is_not_there_is_named(make: Make, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"

    with pytest.raises(SettingsError, match=f"cannot read {missing}: name a PEM file that the server may read"):
        load_settings({"tls_certificate": missing, "tls_key": make(NAME).key_file})


def test_a_key_of_another_certificate_is_an_error(make: Make) -> None:
    certificate, key = make(NAME).certificate_file, make("another").key_file

    with pytest.raises(SettingsError, match=f"{certificate} and {key} are no PEM certificate and its key"):
        load_settings({"tls_certificate": certificate, "tls_key": key})


def test_an_encrypted_key_is_an_error_and_not_a_question(make: Make) -> None:
    pair = make(NAME, encryption=BestAvailableEncryption(b"secret"))

    with pytest.raises(SettingsError, match="are no PEM certificate and its key, unencrypted"):
        load_settings({"tls_certificate": pair.certificate_file, "tls_key": pair.key_file})


def test_a_certificate_that_has_ended_is_an_error(make: Make) -> None:
    pair = make(NAME, lasts=timedelta(seconds=-1))

    with pytest.raises(SettingsError, match=f"{pair.certificate_file} has ended on .*: renew it"):
        load_settings({"tls_certificate": pair.certificate_file, "tls_key": pair.key_file})


def test_a_certificate_that_has_not_begun_is_an_error(make: Make) -> None:
    pair = make(NAME, begins=timedelta(minutes=30))

    with pytest.raises(SettingsError, match=f"{pair.certificate_file} begins on .*: wait, or set the clock"):
        load_settings({"tls_certificate": pair.certificate_file, "tls_key": pair.key_file})


def test_a_key_that_no_client_takes_is_an_error(make: Make) -> None:
    pair = make(NAME, curve=ec.SECP256K1())

    with pytest.raises(SettingsError, match=f"{pair.key_file}: make a key of P-256, P-384 or P-521, or of RSA"):
        load_settings({"tls_certificate": pair.certificate_file, "tls_key": pair.key_file})


@pytest.mark.parametrize("setting", ["tls_certificate", "tls_key", "tls_client_ca"])
def test_a_file_that_is_no_pem_is_named(make: Make, tmp_path: Path, setting: str) -> None:
    pair = make(NAME)
    files = {
        "tls_certificate": pair.certificate_file,
        "tls_key": pair.key_file,
        "tls_client_ca": pair.certificate_file,
    }
    files[setting] = tmp_path / "notes.txt"
    files[setting].write_text("buy milk")

    with pytest.raises(SettingsError, match=str(files[setting])):
        load_settings(files)
