"""Client of the song server.

    from songclient import Song, SongClient

    with SongClient("127.0.0.1:50051", username="admin", password="the password") as client:
        client.create_song(Song(title="Orange Horizon", artists=["The Harbour Lights"]))
        for song in client.search_songs("orange hor"):
            print(song.title, "by", ", ".join(song.artists))

`AsyncSongClient` is the same for asyncio. What goes wrong is a `SongClientError`, with a class of
its own for each code of the contract (`SongExists`, `SignInFailed`, ...).
"""

from google.type.date_pb2 import Date

from songclient.aio.client import AsyncSongClient
from songclient.channel import TLS
from songclient.errors import (
    ApiKeyNotFound,
    DbOperationFailed,
    DeadlineExceeded,
    ImportTakenOver,
    InternalError,
    InvalidDataFormat,
    InvalidPageNumber,
    InvalidSongDetails,
    InvalidUserDetails,
    LastAdmin,
    Overloaded,
    PrivilegeError,
    RequestParseError,
    ResumeTokenExpired,
    ServerStopping,
    ServerUnavailable,
    SessionNotFound,
    SignInFailed,
    SongClientError,
    SongExists,
    SongNotFound,
    StaleEtag,
    TooManyAttempts,
    TooManyCalls,
    TooManySongs,
    UsernameExists,
    UserNotFound,
    UserParseError,
    Violation,
)
from songclient.sync.client import SongClient
from songs.v1.access_pb2 import Privilege, Scope
from songs.v1.api_key_pb2 import ApiKey
from songs.v1.api_key_service_pb2 import CreateApiKeyResponse
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.audit_service_pb2 import AuditFilter
from songs.v1.song_bulk_pb2 import BatchCreateResult, BulkFailure, DeleteSongsResponse, UpdateSongsResponse
from songs.v1.song_duplicates_pb2 import DuplicateGroup, DuplicateKind
from songs.v1.song_overview_pb2 import CountSongsResponse, SongFacet, Suggestion, SuggestionKind
from songs.v1.song_pb2 import Song, SongFilter, SongOrder
from songs.v1.song_service_pb2 import (
    ExistingSongs,
    ImportAction,
    ImportResult,
    ListSongsResponse,
    SearchSongsResponse,
    SongResult,
)
from songs.v1.song_streams_pb2 import ExportSongsResponse, SongChange, WatchSongsResponse
from songs.v1.status_pb2 import StatusCode
from songs.v1.user_pb2 import Session, SessionInfo, User
from songs.v1.user_service_pb2 import ExportMeResponse, JsonWebKey

__all__ = [
    "TLS",
    "ApiKey",
    "ApiKeyNotFound",
    "AsyncSongClient",
    "AuditEvent",
    "AuditFilter",
    "BatchCreateResult",
    "BulkFailure",
    "CountSongsResponse",
    "CreateApiKeyResponse",
    "Date",
    "DbOperationFailed",
    "DeadlineExceeded",
    "DeleteSongsResponse",
    "DuplicateGroup",
    "DuplicateKind",
    "ExistingSongs",
    "ExportMeResponse",
    "ExportSongsResponse",
    "ImportAction",
    "ImportResult",
    "ImportTakenOver",
    "InternalError",
    "InvalidDataFormat",
    "InvalidPageNumber",
    "InvalidSongDetails",
    "InvalidUserDetails",
    "JsonWebKey",
    "LastAdmin",
    "ListSongsResponse",
    "Overloaded",
    "Privilege",
    "PrivilegeError",
    "RequestParseError",
    "ResumeTokenExpired",
    "Scope",
    "SearchSongsResponse",
    "ServerStopping",
    "ServerUnavailable",
    "Session",
    "SessionInfo",
    "SessionNotFound",
    "SignInFailed",
    "Song",
    "SongChange",
    "SongClient",
    "SongClientError",
    "SongExists",
    "SongFacet",
    "SongFilter",
    "SongNotFound",
    "SongOrder",
    "SongResult",
    "StaleEtag",
    "StatusCode",
    "Suggestion",
    "SuggestionKind",
    "TooManyAttempts",
    "TooManyCalls",
    "TooManySongs",
    "UpdateSongsResponse",
    "User",
    "UserNotFound",
    "UserParseError",
    "UsernameExists",
    "Violation",
    "WatchSongsResponse",
]
