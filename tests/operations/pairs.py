"""Certificates made for a test."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NAME = "songs.example"


class Pair:
    """A certificate and its key, as files in PEM form."""

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        issuer: "Pair | None" = None,
        encryption: KeySerializationEncryption | None = None,
        curve: ec.EllipticCurve | None = None,
        begins: timedelta = timedelta(hours=-2),
        lasts: timedelta = timedelta(hours=1),
        common_name: str | None = None,
        names: Sequence[x509.GeneralName] | None = None,
    ) -> None:
        self.key = ec.generate_private_key(curve or ec.SECP256R1())
        common_name = name if common_name is None else common_name
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(issuer.subject if issuer else self.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + lasts)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        names = [x509.DNSName(name)] if names is None else names
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not common_name)
        certificate = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())
        self.certificate_file = directory / f"{name}.pem"
        self.pem = certificate.public_bytes(Encoding.PEM)
        self.certificate_file.write_bytes(self.pem)
        self.key_file = directory / f"{name}.key"
        self.key_file.write_bytes(
            self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
        )

    def credentials(self, authority: "Pair") -> grpc.ChannelCredentials:
        """Gives the credentials of a client that has this certificate."""
        return grpc.ssl_channel_credentials(authority.pem, self.key_file.read_bytes(), self.pem)


Make = Callable[..., Pair]
