"""Connections secured by TLS, from one side and from both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from songclient import TLS, ServerUnavailable, SongClient
from songserver.testing import running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from songserver.config import Settings
    from songserver.testing import SongServer

    OpenClient = Callable[..., SongClient]


class Authority:
    """Signs certificates, and writes them with their keys into a directory as PEM."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests' authority")])
        certificate = self._sign(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate = self._write("ca.pem", certificate.sign(self._key, hashes.SHA256()))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Makes a certificate for a host name; gives the files of the certificate and of the key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        key_file = self._directory / f"{name}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return self._write(f"{name}.pem", certificate.sign(self._key, hashes.SHA256())), key_file

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._directory / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=[False, True], ids=["tls", "mutual"])
def mutual(request: pytest.FixtureRequest) -> bool:
    """Whether the server asks clients for a certificate too."""
    return bool(request.param)


@pytest.fixture
def secured(song_server_settings: Settings, authority: Authority, mutual: bool) -> Iterator[SongServer]:  # noqa: FBT001 - a fixture
    certificate, key = authority.issue("songs.example")
    tls: dict[str, Any] = {"tls_certificate": certificate, "tls_key": key}
    if mutual:
        tls["tls_client_ca"] = authority.certificate
    with running_server(song_server_settings.model_copy(update=tls)) as server:
        yield server


def test_who_trusts_the_authority_and_has_a_certificate_gets_in(
    secured: SongServer, authority: Authority, open_client: OpenClient
) -> None:
    certificate, key = authority.issue("client.example")
    tls = TLS.from_files(authority.certificate, certificate=certificate, key=key, server_name="songs.example")
    username, password = secured.sign_up("ada")

    assert open_client(secured.address, username=username, password=password, tls=tls).get_me().username == "ada"


def test_who_has_no_certificate_gets_in_only_where_none_is_asked_for(
    secured: SongServer,
    authority: Authority,
    open_client: OpenClient,
    mutual: bool,  # noqa: FBT001 - a fixture
) -> None:
    tls = TLS(authority.certificate.read_bytes(), server_name="songs.example")
    username, password = secured.sign_up("ada")
    client = open_client(secured.address, username=username, password=password, tls=tls)

    if mutual:
        with pytest.raises(ServerUnavailable):
            client.get_me()
    else:
        assert client.get_me().username == "ada"


@pytest.mark.parametrize("server_name", [None, "elsewhere.example"])
def test_a_server_of_another_name_is_not_trusted(
    secured: SongServer, authority: Authority, open_client: OpenClient, server_name: str | None
) -> None:
    certificate, key = authority.issue("client.example")
    tls = TLS.from_files(authority.certificate, certificate=certificate, key=key, server_name=server_name)

    with pytest.raises(ServerUnavailable, match=secured.address):
        open_client(secured.address, tls=tls).sign_up("ada", "battery staple")


def test_a_server_of_an_unknown_authority_is_not_trusted(secured: SongServer, open_client: OpenClient) -> None:
    with pytest.raises(ServerUnavailable):
        open_client(secured.address, tls=TLS(server_name="songs.example")).sign_up("ada", "battery staple")


def test_the_key_is_not_shown() -> None:
    tls = TLS(b"roots", b"certificate", b"the key")

    assert "the key" not in repr(tls)


def test_a_certificate_needs_its_key_and_the_other_way_round() -> None:
    with pytest.raises(ValueError, match="key is missing"):
        TLS(certificate=b"PEM")
    with pytest.raises(ValueError, match="certificate is missing"):
        TLS(key=b"PEM")
