"""Certificates of a running server: new ones are taken, broken ones are not; and how it names those of its clients."""

import contextlib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from cryptography import x509

from songs.v1 import song_service_pb2 as pb
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songserver.certificates import INTERVAL
from tests.operations.conftest import OWN_CONNECTION, PATIENCE, Process, serving, until
from tests.operations.pairs import NAME, Make, Pair
from tests.operations.test_tls import is_served

TAKEN = "new certificates"
REFUSED = "certificates that cannot be used: the old ones stay"


@pytest.fixture
def pair(make: Make, authority: Pair) -> Pair:
    return make(NAME, issuer=authority)


@pytest.fixture
def secured(arguments: tuple[str, ...], environment: dict[str, str], pair: Pair) -> Iterator[Process]:
    """A server with TLS and two workers."""
    flags = (f"--tls-certificate={pair.certificate_file}", f"--tls-key={pair.key_file}", "--workers=2")
    with serving(*arguments, *flags, environment=environment) as server:
        yield server


@pytest.fixture
def mutual(arguments: tuple[str, ...], environment: dict[str, str], pair: Pair, authority: Pair) -> Iterator[Process]:
    """A server with mutual TLS."""
    flags = (f"--tls-certificate={pair.certificate_file}", f"--tls-key={pair.key_file}")
    client_ca = f"--tls-client-ca={authority.certificate_file}"
    with serving(*arguments, *flags, client_ca, environment=environment) as server:
        yield server


def shown(server: Process) -> str:
    """The certificate that a new connection is shown, which may be to any worker."""
    host, _, port = server.address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)))


def channel_to(server: Process, credentials: grpc.ChannelCredentials) -> grpc.Channel:
    return grpc.secure_channel(server.address, credentials, (("grpc.ssl_target_name_override", NAME), *OWN_CONNECTION))


def status_of(channel: grpc.Channel, *metadata: tuple[str, str]) -> grpc.StatusCode:
    """Makes a call that fails for want of a token, if it gets through; it is a line in the log."""
    with pytest.raises(grpc.RpcError) as caught:
        SongServiceStub(channel).GetSong(pb.GetSongRequest(), timeout=PATIENCE, metadata=metadata)
    code: grpc.StatusCode = caught.value.code()
    return code


def test_new_certificates_are_taken_by_all_workers_and_connections_go_on(
    secured: Process, pair: Pair, authority: Pair, make: Make
) -> None:
    workers = secured.workers()
    with channel_to(secured, grpc.ssl_channel_credentials(authority.pem)) as channel:
        assert status_of(channel) is grpc.StatusCode.UNAUTHENTICATED
        old, key = pair.certificate_file.read_text(), pair.key_file.read_text()
        new = make(NAME, issuer=authority).certificate_file.read_text()
        until(lambda: {shown(secured) for _ in range(20)} == {new})

        assert new != old
        assert status_of(channel) is grpc.StatusCode.UNAUTHENTICATED
    assert secured.workers() == workers
    (told,) = secured.logged(TAKEN)
    assert told["valid_until"]
    # Neither the log nor the command line of a worker shows a key.
    commands = [" ".join(worker.cmdline()) for worker in workers]
    for line in [*secured.log, *commands]:
        assert "PRIVATE KEY" not in line
        assert key.splitlines()[1] not in line


def test_broken_ones_are_refused_and_a_worker_that_is_restarted_has_the_old_ones(
    secured: Process, pair: Pair, authority: Pair, make: Make
) -> None:
    old, key = pair.certificate_file.read_text(), pair.key_file.read_text()
    pair.key_file.write_text(make("another").key_file.read_text())
    until(lambda: bool(secured.logged(REFUSED)))
    workers = secured.workers()
    for worker in workers:
        worker.kill()
    until(lambda: len(secured.workers() - workers) == 2)
    until(lambda: len(seen(secured)) > 0)

    assert seen(secured) == {old}
    (told,) = secured.logged(REFUSED)
    assert "the key is another certificate's" in told["reason"]

    pair.key_file.unlink()
    until(lambda: len(secured.logged(REFUSED)) == 2)
    assert f"cannot read {pair.key_file}" in secured.logged(REFUSED)[1]["reason"]

    pair.key_file.write_text(key)
    new = make(NAME, issuer=authority).certificate_file.read_text()
    until(lambda: seen(secured) == {new})


def seen(server: Process) -> set[str]:
    """What ten new connections are shown, as far as there are any."""
    found = set()
    for _ in range(10):
        with contextlib.suppress(OSError):
            found.add(shown(server))
    return found


def test_a_pair_that_comes_file_by_file_is_taken_when_it_is_whole(
    secured: Process, pair: Pair, authority: Pair, make: Make, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    new = Pair(tmp_path / "new", NAME, issuer=authority)
    pair.certificate_file.write_text(new.certificate_file.read_text())
    time.sleep(INTERVAL / 2)
    pair.key_file.write_text(new.key_file.read_text())
    until(lambda: bool(secured.logged(TAKEN)))

    assert secured.logged(REFUSED) == []


def test_new_authorities_are_whose_clients_may_connect(mutual: Process, authority: Pair, make: Make) -> None:
    other = make("other")
    of_one, of_other = make("one", issuer=authority), make("two", issuer=other)
    assert is_served(mutual, of_one.credentials(authority))
    assert not is_served(mutual, of_other.credentials(authority))

    authority.certificate_file.write_text(other.certificate_file.read_text())
    until(lambda: is_served(mutual, of_other.credentials(authority)))

    assert not is_served(mutual, of_one.credentials(authority))


NAMED: list[tuple[str, dict[str, Any], str | None]] = [
    ("DNS", {}, "DNS"),
    (
        "URI",
        {"names": [x509.DNSName("songs.example"), x509.UniformResourceIdentifier("spiffe://songs.example/radio")]},
        "spiffe://songs.example/radio",
    ),
    ("CN", {"names": [], "common_name": "The Radio"}, "The Radio"),
    ("odd", {"names": [x509.DNSName('a";Cert="b, URI=spiffe://c')]}, 'a";Cert="b, URI=spiffe://c'),
    ("none", {"names": [x509.RFC822Name("radio@songs.example")], "common_name": ""}, None),
]
"""Certificates, and the names that they give."""


def test_the_log_has_the_name_of_each_client(mutual: Process, authority: Pair, make: Make) -> None:
    forged = ("x-forwarded-client-cert", f'Hash=a;Cert="{quote(make("forged").pem)}"')
    for file, options, _ in NAMED:
        with channel_to(mutual, make(file, issuer=authority, **options).credentials(authority)) as channel:
            assert status_of(channel, forged) is grpc.StatusCode.UNAUTHENTICATED
    until(lambda: len(mutual.logged("call")) == len(NAMED))

    assert [line.get("client") for line in mutual.logged("call")] == [name for _, _, name in NAMED]


def test_without_mutual_tls_clients_have_no_name(secured: Process, authority: Pair, make: Make) -> None:
    forged = ("x-forwarded-client-cert", f'Hash=a;Cert="{quote(make("forged").pem)}"')
    with channel_to(secured, grpc.ssl_channel_credentials(authority.pem)) as channel:
        assert status_of(channel, forged) is grpc.StatusCode.UNAUTHENTICATED
    until(lambda: len(secured.logged("call")) == 1)

    assert "client" not in secured.logged("call")[0]
