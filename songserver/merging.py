"""How two versions of a song become one."""

from collections.abc import Sequence

from songs.v1.song_pb2 import Song
from songserver.text import folded

EXTERNAL_IDS = "external_ids"


def filled(song: Song, other: Song) -> Song:
    """Gives a song with those fields and external ids that it has not, and another one has. Neither is changed.

    It keeps all rules if both do, but for the number of external ids.
    """
    better = Song()
    better.CopyFrom(song)
    for field, value in other.ListFields():
        if field.name == EXTERNAL_IDS:
            for name, external_id in other.external_ids.items():
                if name not in song.external_ids:
                    better.external_ids[name] = external_id
        elif field.is_repeated:
            if not getattr(song, field.name):
                getattr(better, field.name).extend(value)
        elif field.message_type:
            if not song.HasField(field.name):  # type: ignore[arg-type] # a name of the contract
                getattr(better, field.name).CopyFrom(value)
        elif not (song.HasField(field.name) if field.has_presence else getattr(song, field.name)):  # type: ignore[arg-type]
            setattr(better, field.name, value)
    return better


MOST = 50
"""Genres, tags and external ids that a song may have of each."""


def united(song: Song, others: Sequence[Song]) -> Song:
    """Gives a song with what others have: fields that it has not, all genres, tags and external ids, as far as it may
    have so many, and the highest popularity. None of them is changed.
    """
    whole = song
    for other in others:
        before = set(whole.external_ids)
        whole = filled(whole, other)
        for name in sorted(set(whole.external_ids) - before)[MOST - len(before) :]:
            del whole.external_ids[name]
        for mine, more in ((whole.genres, other.genres), (whole.tags, other.tags)):
            known = {folded(word) for word in mine}
            mine.extend([word for word in more if folded(word) not in known][: MOST - len(mine)])
        whole.popularity = max(whole.popularity, other.popularity)
    return whole
