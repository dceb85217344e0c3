"""How two versions of a song become one."""

from songs.v1.song_pb2 import Song

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
