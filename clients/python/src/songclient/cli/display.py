"""What is shown to a person of a song, a user, a session, an API key, an audit event."""

from collections.abc import Callable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from songclient import ApiKey, AuditEvent, Date, Privilege, Scope, SessionInfo, Song, User
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
        "privilege": privilege_text(user.privilege) + (", disabled" if user.disabled else ""),
        "since": f"{user.create_time.ToDatetime():%Y-%m-%d}",
        "id": user.id,
    }


def session_row(session: SessionInfo) -> Fields:
    """Give all of a session."""
    return {
        "": "here" if session.current else "",
        "begun": time_text(session.create_time),
        "last renewed": time_text(session.refresh_time),
        "from": session.peer,
        "client": session.user_agent,
        "id": session.id,
    }


def api_key_row(key: ApiKey) -> Fields:
    """Give what is known of an API key."""
    return {
        "name": key.name,
        "privilege": privilege_text(key.privilege),
        "scopes": " ".join(map(scope_text, key.scopes)),
        "ends": time_text(key.expire_time),
        "last used": time_text(key.last_use_time),
        "id": key.id,
    }


def event_row(event: AuditEvent, name: Callable[[str], str]) -> Fields:
    """Give what a list shows of an audit event; the rest (request, API key, hashes) is in its JSON.

    `name` gives what an id is called.
    """
    return {
        "no.": str(event.sequence),
        "time": time_text(event.time),
        "action": event.action,
        "by": name(event.actor_id) if event.actor_id else "operator",
        "on": name(event.target_id) if event.target_id else "",
        "what": " ".join(f"{key}={text}" for key, text in sorted(event.details.items())),
        "from": event.peer,
    }


def scope_text(scope: Scope.ValueType) -> str:
    """Give a scope as "songs-read"."""
    return Scope.Name(scope).removeprefix("SCOPE_").lower().replace("_", "-")


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
