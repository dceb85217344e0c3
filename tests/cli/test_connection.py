"""What stands before the command: where the server is, how to reach it, what to print."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from songclient import Overloaded, Privilege
from songclient.cli.exits import explain
from songserver.config import Settings
from songserver.testing import running_server
from tests.cli.conftest import Songctl

NAME = "songs.test"


@pytest.fixture
def pem(tmp_path: Path) -> tuple[str, str]:
    """The files of a certificate that vouches for itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(files[0]), str(files[1])


def test_a_server_with_mutual_tls_is_reached(
    song_server_settings: Settings, pem: tuple[str, str], tmp_path: Path
) -> None:
    certificate, key = pem
    secure = song_server_settings.model_copy(
        update={
            "tls_certificate": Path(certificate),
            "tls_key": Path(key),
            "tls_client_ca": Path(certificate),
        }
    )
    with running_server(secure) as server:
        songctl = Songctl(
            server,
            {"SONGCTL_SERVER": server.address, "SONGCTL_SESSION": str(tmp_path / "sessions")},
        )
        username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
        login = ("login", username)
        env = {"SONGCTL_PASSWORD": password}
        trusting = ("--ca", certificate, "--server-name", NAME)
        songctl(*trusting, "--cert", certificate, "--key", key, *login, env=env)
        for refused in ((), ("--tls",), trusting):
            stderr = songctl.error(*refused, *login, env=env)
            assert server.address in stderr
            assert len(stderr.splitlines()) == 1


def test_a_certificate_needs_its_key(songctl: Songctl, pem: tuple[str, str]) -> None:
    for option in (("--cert", pem[0]), ("--key", pem[1])):
        assert "go together" in songctl.error(*option, "whoami", exit_code=2)


def test_the_option_comes_before_the_environment(songctl: Songctl) -> None:
    stderr = songctl.error("--server", "127.0.0.1:1", "login", "ann", env={"SONGCTL_PASSWORD": "correct horse"})
    assert "127.0.0.1:1" in stderr
    assert songctl.server.address not in stderr


def test_a_timeout_ends_a_call(songctl: Songctl) -> None:
    username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    call = ("--timeout", "0.00001", "login", username)
    stderr = songctl.error(*call, env={"SONGCTL_PASSWORD": password})
    assert "in time" in stderr
    assert "x>0" in songctl.error("--timeout", "0", "whoami", exit_code=2)


def test_a_session_that_cannot_be_kept_is_told(songctl: Songctl, tmp_path: Path) -> None:
    username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    file = tmp_path / "file"
    file.write_text("")
    stderr = songctl.error("login", username, env={"SONGCTL_PASSWORD": password, "SONGCTL_SESSION": str(file)})
    assert str(file) in stderr
    assert len(stderr.splitlines()) == 1


def test_a_person_is_told_when_to_try_again() -> None:
    error = Overloaded("too much", status=grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=0.5)
    assert explain(error) == ["too much (wait 0.5 s)"]


def test_the_version_is_that_of_the_distribution(songctl: Songctl) -> None:
    assert songctl("--version").stdout.startswith("songctl, version 0.")
