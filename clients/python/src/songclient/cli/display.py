"""What is shown to a person of a song and of a user."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from songclient import Date, Privilege, Song, User
from songclient.cli.output import Fields


def song_row(song: Song) -> Fields:
    """Give what a list shows of a song."""
    return {
        "title": song.title,
        "artists": "; ".join(song.artists),
        "album": song.album,
        "date": date_text(song.release_date),
        "length": duration_text(song.duration),
        "id": song.id,
    }


def song_details(song: Song) -> Fields:
    """Give all of a song."""
    return {
        "title": song.title,
        "artists": "; ".join(song.artists),
        "album": song.album,
        "album artists": "; ".join(song.album_artists),
        "track": _number(song.track_number),
        "disc": _number(song.disc_number),
        "genres": "; ".join(song.genres),
        "release date": date_text(song.release_date),
        "duration": duration_text(song.duration),
        "isrc": song.isrc,
        "language": song.language,
        "label": song.label,
        "bpm": f"{song.bpm:g}" if song.bpm else "",
        "explicit": str(song.explicit).lower() if song.HasField("explicit") else "",
        "tags": "; ".join(song.tags),
        "external ids": "; ".join(f"{k}={v}" for k, v in sorted(song.external_ids.items())),
        "lyrics": song.lyrics,
        "popularity": _number(song.popularity),
        "id": song.id,
        "etag": song.etag,
        "created": time_text(song.create_time),
        "changed": time_text(song.update_time),
        "created by": song.created_by,
    }


def user_row(user: User) -> Fields:
    """Give all of a user."""
    return {
        "username": user.username,
        "display name": user.display_name,
        "privilege": privilege_text(user.privilege),
        "since": f"{user.create_time.ToDatetime():%Y-%m-%d}",
        "id": user.id,
    }


def privilege_text(privilege: Privilege.ValueType) -> str:
    """Give a privilege as "listener", "editor" or "admin"."""
    return Privilege.Name(privilege).removeprefix("PRIVILEGE_").lower()


def date_text(date: Date) -> str:
    """Give a date as YYYY, YYYY-MM or YYYY-MM-DD; empty if there is none."""
    parts = [f"{date.year:04}", *(f"{part:02}" for part in (date.month, date.day) if part)]
    return "-".join(parts) if date.year else ""


def duration_text(duration: Duration) -> str:
    """Give a length of time, to the second, as 3:25 or 1:02:03; empty if there is none."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}" if minutes or seconds else ""


def time_text(time: Timestamp) -> str:
    """Give a time, to the second, in UTC; empty if there is none."""
    return f"{time.ToDatetime():%Y-%m-%d %H:%M:%SZ}" if time.seconds else ""


def _number(number: int) -> str:
    return str(number) if number else ""
