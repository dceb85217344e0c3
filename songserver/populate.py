"""Invented songs and users, to try a server out or to put a load on it. The same seed invents the same songs."""

import random
from collections.abc import Iterator
from itertools import cycle, islice

from google.protobuf.duration_pb2 import Duration
from google.type.date_pb2 import Date

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.song_pb2 import Song
from songs.v1.user_pb2 import User
from songserver.accounts import Accounts
from songserver.errors import UsernameExists
from songserver.storage.songs import NewSong, Songs

ADJECTIVES = "Amber Broken Crystal Distant Electric Faded Golden Hollow Iron Jade Lonely Midnight Northern".split()
NOUNS = "Anchor Bridge Canyon Dream Ember Forest Garden Horizon Island Journey Lantern Mirror Ocean Window".split()
PLACES = "Berlin Cairo Dakar Havana Istanbul Kyoto Lisbon Montréal Oslo Porto São-Paulo Tbilisi Vienna Zürich".split()
GENRES = "Ambient Blues Classical Dub Electronic Folk Hip-Hop Jazz Metal Pop Punk Reggae Rock Soul".split()
LANGUAGES = ("", "en", "de", "fr", "pt-BR", "ja", "zxx")
BATCH = 500
"""Songs that are stored at once."""


async def populate(
    songs: Songs, accounts: Accounts, *, song_count: int, user_count: int, password: str, seed: int
) -> tuple[int, int]:
    """Fills a database; what is there already stays.

    Args:
        songs: Where songs go.
        accounts: Where users go.
        song_count: How many songs to invent.
        user_count: How many editors to make: `user-1`, `user-2` and so on.
        password: The password of each of them.
        seed: What the songs are drawn from.

    Returns:
        How many songs and how many users were made.
    """
    counts = {"songs": str(song_count), "users": str(user_count)}
    await accounts.audit.note(AuditEvent(action="populate", details=counts))
    names = [f"user-{number}" for number in range(1, user_count + 1)]
    users = [await _make_user(accounts, name, password) for name in names]
    creators = [user.id for user in users if user] or [""]
    made = 0
    invented = invent_songs(seed)
    for start in range(0, song_count, BATCH):
        songs_of_batch = islice(invented, min(BATCH, song_count - start))
        batch = [NewSong.of(song, creator) for song, creator in zip(songs_of_batch, cycle(creators), strict=False)]
        made += sum(outcome.is_new for outcome in await songs.create_many(batch))
    return made, sum(user is not None for user in users)


async def _make_user(accounts: Accounts, name: str, password: str) -> User | None:
    try:
        return await accounts.create(name, password, PRIVILEGE_EDITOR)
    except UsernameExists:
        return None


def invent_songs(seed: int) -> Iterator[Song]:
    """Invents songs without end, album after album, tagged "invented"."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    while True:
        artist = f"{draw.choice(ADJECTIVES)} {draw.choice(NOUNS)} {draw.choice(PLACES)}"
        album = f"{draw.choice(NOUNS)} of {draw.choice(PLACES)} {draw.randint(1, 999)}"
        genre, language, year = draw.choice(GENRES), draw.choice(LANGUAGES), draw.randint(1960, 2026)
        for track_number in range(1, draw.randint(4, 14)):
            yield Song(
                title=f"{draw.choice(ADJECTIVES)} {draw.choice(NOUNS)}",
                artists=[artist],
                album=album,
                album_artists=[artist],
                track_number=track_number,
                disc_number=1,
                genres=[genre],
                language=language,
                release_date=Date(year=year),
                duration=Duration(seconds=draw.randint(90, 480)),
                tags=["invented"],
                popularity=draw.randint(0, 100),
            )
