"""The certificate of the server, its key, and the authorities of its clients: read, checked, and looked at again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from songserver.config import Settings
from songserver.foreseen import Foreseen

INTERVAL = 1.0
"""Seconds between two looks at the files. What is new counts once it has stood for one: pairs come file by file."""
RSA_BITS = 2048
"""That an RSA key has at least, and all TLS libraries take."""

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""Of which a key may be too."""

log = structlog.get_logger()


class CertificatesError(Foreseen):
    """The files cannot be used; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the files have, in PEM form."""

    chain: str
    """The server's certificate, and those between it and its authority."""
    key: str = field(repr=False)
    authorities: str | None
    """Whose clients may connect; None: everybody's."""


def read_certificates(settings: Settings) -> Certificates | None:
    """Reads and checks the files of the settings; gives None if they name none.

    Raises:
        CertificatesError: If they cannot be used.
    """
    found = _read(settings)
    if found:
        _check(found, settings)
    return found


async def followed(settings: Callable[[], Settings], known: Certificates | None) -> AsyncIterator[Certificates]:
    """Gives what the files have whenever that has changed and can be used. What cannot be used is logged.

    Args:
        settings: Gives the settings, which may change too.
        known: What the files had when they were read before.
    """
    latest: Certificates | str | None = known
    taken = latest
    while True:
        await asyncio.sleep(INTERVAL)
        before, latest = latest, _read_or_why(settings())
        if latest is None or latest != before or latest == taken:
            continue
        taken = latest
        try:
            if isinstance(latest, str):
                raise CertificatesError(latest)  # noqa: TRY301 - told like what is wrong in them
            until = _check(latest, settings())
        except CertificatesError as error:
            log.error("certificates that cannot be used: the old ones stay", reason=str(error))  # noqa: TRY400
        else:
            log.info("new certificates", valid_until=until.isoformat())
            yield latest


def _read_or_why(settings: Settings) -> Certificates | str | None:
    try:
        return _read(settings)
    except CertificatesError as error:
        return str(error)


def _read(settings: Settings) -> Certificates | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    authorities = _text(settings.tls_client_ca) if settings.tls_client_ca else None
    return Certificates(_text(settings.tls_certificate), _text(settings.tls_key), authorities)


def _text(file: Path) -> str:
    try:
        # What is no text is no PEM, as `_check` will say.
        return file.read_text(errors="replace")
    except OSError as error:
        raise CertificatesError(f"cannot read {file}: name a PEM file that the server may read") from error


def _check(found: Certificates, settings: Settings) -> datetime:
    """Looks into the files, of which gRPC would only say that it cannot bind; gives until when they are good."""
    # 20 ms of imports, for who has TLS.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    certificate_file, key_file = settings.tls_certificate, settings.tls_key
    try:
        certificate, *_ = x509.load_pem_x509_certificates(found.chain.encode())
        key = load_pem_private_key(found.key.encode(), None)
        if key.public_key() != certificate.public_key():
            raise ValueError("the key is another certificate's")  # noqa: TRY301
    except (ValueError, TypeError) as error:
        raise CertificatesError(
            f"{certificate_file} and {key_file} are no PEM certificate and its key, unencrypted: {error}"
        ) from error
    strong = isinstance(key, rsa.RSAPrivateKey) and key.key_size >= RSA_BITS
    if not strong and not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES):
        raise CertificatesError(
            f"{key_file}: make a key of P-256, P-384 or P-521, or of RSA with {RSA_BITS} bits or more"
        )
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begins > datetime.now(UTC):
        raise CertificatesError(f"{certificate_file} begins on {begins}: wait, or set the clock")
    if ends <= datetime.now(UTC):
        raise CertificatesError(f"{certificate_file} has ended on {ends}: renew it")
    if found.authorities is not None:
        try:
            x509.load_pem_x509_certificates(found.authorities.encode())
        except ValueError as error:
            raise CertificatesError(f"{settings.tls_client_ca} has no PEM certificates: {error}") from error
    return ends
