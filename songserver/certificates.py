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


async def followed(settings: Callable[[], Settings]) -> AsyncIterator[Certificates]:
    """Gives what the files have whenever that has changed and can be used. What cannot be used is logged.

    Args:
        settings: Gives the settings, which may change too.
    """
    latest = taken = _read_or_why(settings())
    while True:
        await asyncio.sleep(INTERVAL)
        before, latest = latest, _read_or_why(settings())
        if latest is None or latest != before or latest == taken:
            continue
        taken = latest
        try:
            if isinstance(latest, CertificatesError):
                raise latest
            until = _check(latest, settings())
        except CertificatesError as error:
            log.error("certificates that cannot be used: the old ones stay", reason=str(error))  # noqa: TRY400
        else:
            log.info("new certificates", valid_until=until.isoformat())
            yield latest


def _read_or_why(settings: Settings) -> "Certificates | CertificatesError | None":
    try:
        return _read(settings)
    except CertificatesError as error:
        return error
