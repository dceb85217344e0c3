"""Songs that come many at a time: each is checked by itself, and what is wrong with it stops no other."""

from collections.abc import Iterable
from typing import TypeAlias

from google.rpc.error_details_pb2 import BadRequest

from songs.v1.song_bulk_pb2 import NewSongItem
from songs.v1.song_service_pb2 import ImportItem
from songserver.breath import Breath
from songserver.errors import InvalidRequest
from songserver.rules import Rules
from songserver.storage.songs import NewSong

Checked: TypeAlias = NewSong | InvalidRequest
"""An item that can be stored, or why it cannot."""


async def check(items: Iterable[ImportItem | NewSongItem], rules: Rules, user_id: str) -> list[Checked]:
    """Brings songs into canonical form and checks their rules.

    Args:
        items: The songs; changed in place.
        rules: The rules.
        user_id: Who makes them.
    """
    checked: list[Checked] = []
    breath = Breath()
    for item in items:
        try:
            rules.check(item)
            checked.append(NewSong.of(item.song, user_id, item.request_id))
        except InvalidRequest as error:
            checked.append(error)
        await breath.take()
    return checked


def field_violations(error: InvalidRequest) -> list[BadRequest.FieldViolation]:
    """Gives what is wrong with an item, as its result has it."""
    return [
        BadRequest.FieldViolation(field=violation.field, description=violation.description)
        for violation in error.violations
    ]
