"""The server's exceptions, and the table from their codes to gRPC's.

Services and stores raise these; `interceptors/errors.py` alone turns them into what goes over the wire. What each code
means is written in `protos/songs/v1/status.proto`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from grpc import StatusCode as GrpcStatus

from songs.v1 import status_pb2
from songs.v1.status_pb2 import StatusCode
from songserver.foreseen import Foreseen

GRPC_STATUS: Mapping[StatusCode.ValueType, GrpcStatus] = {
    status_pb2.SUCCESS: GrpcStatus.OK,
    status_pb2.INVALID_DATA_FORMAT: GrpcStatus.INVALID_ARGUMENT,
    status_pb2.DB_OPERATION_FAILURE: GrpcStatus.UNAVAILABLE,
    status_pb2.REQUEST_PARSE_ERROR: GrpcStatus.INVALID_ARGUMENT,
    status_pb2.INVALID_PAGE_NUMBER: GrpcStatus.INVALID_ARGUMENT,
    status_pb2.OVERLOADED: GrpcStatus.RESOURCE_EXHAUSTED,
    status_pb2.INTERNAL_ERROR: GrpcStatus.INTERNAL,
    status_pb2.TOO_MANY_CALLS: GrpcStatus.RESOURCE_EXHAUSTED,
    status_pb2.SERVER_STOPPING: GrpcStatus.UNAVAILABLE,
    status_pb2.SIGN_IN_FAILURE: GrpcStatus.UNAUTHENTICATED,
    status_pb2.USERNAME_EXISTS: GrpcStatus.ALREADY_EXISTS,
    status_pb2.USER_PARSE_ERROR: GrpcStatus.INVALID_ARGUMENT,
    status_pb2.PRIVILEGE_ERROR: GrpcStatus.PERMISSION_DENIED,
    status_pb2.INVALID_USER_DETAILS: GrpcStatus.INVALID_ARGUMENT,
    status_pb2.USER_NOT_FOUND: GrpcStatus.NOT_FOUND,
    status_pb2.TOO_MANY_ATTEMPTS: GrpcStatus.RESOURCE_EXHAUSTED,
    status_pb2.SESSION_NOT_FOUND: GrpcStatus.NOT_FOUND,
    status_pb2.API_KEY_NOT_FOUND: GrpcStatus.NOT_FOUND,
    status_pb2.LAST_ADMIN: GrpcStatus.FAILED_PRECONDITION,
    status_pb2.SONG_EXISTS: GrpcStatus.ALREADY_EXISTS,
    status_pb2.INVALID_SONG_DETAILS: GrpcStatus.INVALID_ARGUMENT,
    status_pb2.SONG_NOT_FOUND: GrpcStatus.NOT_FOUND,
    status_pb2.STALE_ETAG: GrpcStatus.ABORTED,
    status_pb2.BATCH_REFUSED: GrpcStatus.ABORTED,
    status_pb2.RESUME_TOKEN_EXPIRED: GrpcStatus.FAILED_PRECONDITION,
    status_pb2.TOO_MANY_SONGS: GrpcStatus.FAILED_PRECONDITION,
    status_pb2.IMPORT_TAKEN_OVER: GrpcStatus.ABORTED,
}
"""The gRPC status of each code. DB_OPERATION_FAILURE becomes DEADLINE_EXCEEDED where the caller's deadline ran out."""


TOLD = 3
"""Violations that the message of an error names."""
VIOLATIONS_SIZE = 3000
"""Bytes that the violations in its details may take; if there are more, its metadata counts them all. All details stay
under 4 kB: over 8 kB of trailers, grpc fails the call with RESOURCE_EXHAUSTED instead."""
VIOLATION_SIZE = 200
"""Bytes of a field's path, and of a description: they may hold what the client has sent."""


class Violation(NamedTuple):
    """One broken rule of a request."""

    field: str
    """The path of the field in the request, such as `song.artists[1]`."""
    description: str
    """What would be right."""


class SongServerError(Foreseen):
    """A call, or one item of it, that fails for a foreseen reason."""

    code: StatusCode.ValueType

    def __init__(
        self,
        message: str,
        *,
        violations: Sequence[Violation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """
        Args:
            message: For a person to read: what was wrong, with what value, and what to do.
            violations: All broken rules of the request.
            metadata: What a program may want to know, for `ErrorInfo.metadata`.
            retry_after: Seconds after which trying again may help.
        """
        super().__init__(message)
        self.message = message
        self.violations = violations
        self.metadata = metadata or {}
        self.retry_after = retry_after


class StandardError(Exception):
    """How a call of a standard service fails (health, reflection): with a gRPC status, and no code of ours."""

    def __init__(self, status: GrpcStatus, message: str) -> None:
        """
        Args:
            status: One that the service's own documentation names.
            message: For a person to read.
        """
        super().__init__(message)
        self.status = status
        self.message = message


class InvalidRequest(SongServerError):
    """The request breaks rules of the contract; the contract says which code that answers."""

    def __init__(self, code: StatusCode.ValueType, violations: Sequence[Violation]) -> None:
        detailed = list(_fitting(violations))
        told = [f"{field} {description}" for field, description in detailed[:TOLD]]
        if len(violations) > TOLD:
            told.append(f"and {len(violations) - TOLD} more")
        cut_short = {"violations": str(len(violations))} if len(detailed) < len(violations) else {}
        super().__init__("; ".join(told), violations=detailed, metadata=cut_short)
        self.code = code


def _fitting(violations: Sequence[Violation]) -> Iterator[Violation]:
    """The first violations, as far as they have room, each cut to its size."""
    room = VIOLATIONS_SIZE
    for field, description in violations:
        violation = Violation(cut(field, VIOLATION_SIZE), cut(description, VIOLATION_SIZE))
        room -= sum(len(text.encode()) for text in violation)
        if room < 0:
            return
        yield violation


def cut(text: str, size: int) -> str:
    """Gives the beginning of a text that takes up to so many bytes as UTF-8."""
    return text if len(text) * 4 <= size else text.encode()[:size].decode(errors="ignore")


class InvalidDataFormat(SongServerError):
    """A page token, field mask, filter, id or header cannot be read."""

    code = status_pb2.INVALID_DATA_FORMAT


class InvalidPageNumber(SongServerError):
    """The page number is past the bound or past the last page."""

    code = status_pb2.INVALID_PAGE_NUMBER


class RequestParseError(SongServerError):
    """The bytes are not the method's request message."""

    code = status_pb2.REQUEST_PARSE_ERROR


class DatabaseFailure(SongServerError):
    """MongoDB is away, failing over or too slow."""

    code = status_pb2.DB_OPERATION_FAILURE


class Overloaded(SongServerError):
    """The server has as many calls in flight as it takes."""

    code = status_pb2.OVERLOADED


class TooManyCalls(SongServerError):
    """One peer makes more calls than the operator allows it."""

    code = status_pb2.TOO_MANY_CALLS


class ServerStopping(SongServerError):
    """The server stops, and ends what would go on and on."""

    code = status_pb2.SERVER_STOPPING

    def __init__(self) -> None:
        super().__init__("this server stops: call again, and go on with the last resume_token")


class SignInFailure(SongServerError):
    """Wrong credentials, or a token that is missing, expired, forged or revoked."""

    code = status_pb2.SIGN_IN_FAILURE


class RefreshTokenReused(SignInFailure):
    """A refresh token came a second time: two parties hold the session, which is ended."""

    def __init__(self, session_id: str, user_id: str) -> None:
        super().__init__("this refresh token was used before, so the session is ended: sign in again")
        self.session_id = session_id
        self.user_id = user_id


class TooManyAttempts(SongServerError):
    """Too many wrong passwords, for one account or from one peer: no more are looked at for a while."""

    code = status_pb2.TOO_MANY_ATTEMPTS


class SessionNotFound(SongServerError):
    """The caller has no open session with this id."""

    code = status_pb2.SESSION_NOT_FOUND


class UserParseError(SongServerError):
    """The claims of a token are not a user's."""

    code = status_pb2.USER_PARSE_ERROR


class PrivilegeError(SongServerError):
    """Signed in, but without the privilege that the call needs."""

    code = status_pb2.PRIVILEGE_ERROR


class UsernameExists(SongServerError):
    """Another user has this name."""

    code = status_pb2.USERNAME_EXISTS


class UserNotFound(SongServerError):
    """No user has this id or name."""

    code = status_pb2.USER_NOT_FOUND


class ApiKeyNotFound(SongServerError):
    """The caller has no API key with this id."""

    code = status_pb2.API_KEY_NOT_FOUND

    def __init__(self, api_key_id: str) -> None:
        super().__init__(f"you have no API key {api_key_id}: ListApiKeys has those that there are")


class TooManyApiKeys(SongServerError):
    """The user has as many API keys as one may have."""

    code = status_pb2.INVALID_USER_DETAILS

    def __init__(self, most: int) -> None:
        super().__init__(f"you have {most} API keys, which is as many as a user may have: revoke one")


class LastAdmin(SongServerError):
    """It would leave nobody to manage users."""

    code = status_pb2.LAST_ADMIN

    def __init__(self) -> None:
        super().__init__("this is the last admin who can sign in: make another one first")


class SongExists(SongServerError):
    """The same song is in the catalogue already."""

    code = status_pb2.SONG_EXISTS

    def __init__(self, song_id: str) -> None:
        super().__init__(
            f"the same song (title, artists, album, disc and track) is there already, as {song_id}",
            metadata={"song_id": song_id},
        )
        self.song_id = song_id


class SongNotFound(SongServerError):
    """No song has this id."""

    code = status_pb2.SONG_NOT_FOUND

    def __init__(self, song_id: str) -> None:
        super().__init__(f"no song has the id {song_id}")


class StaleEtag(SongServerError):
    """The song has changed since its etag was read."""

    code = status_pb2.STALE_ETAG

    def __init__(self, song_id: str) -> None:
        super().__init__(f"song {song_id} has changed since this etag: read it and try again")


class ResumeTokenExpired(SongServerError):
    """MongoDB knows no more what has changed since then."""

    code = status_pb2.RESUME_TOKEN_EXPIRED

    def __init__(self) -> None:
        super().__init__("what has changed since this resume_token is not known any more: list again, then watch anew")


class TooManySongs(SongServerError):
    """More songs match than may be changed at once."""

    code = status_pb2.TOO_MANY_SONGS

    def __init__(self, most: int) -> None:
        super().__init__(
            f"more than max_songs, {most}, match, so none is changed: narrow the filter, or raise max_songs"
        )


class ImportTakenOver(SongServerError):
    """Another stream has gone on with the import."""

    code = status_pb2.IMPORT_TAKEN_OVER

    def __init__(self, import_id: str) -> None:
        super().__init__(f"another stream has gone on with the import {import_id}: leave it to that one")
