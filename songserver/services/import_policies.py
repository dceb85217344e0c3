"""What an import does with songs that are there already."""

from collections.abc import Mapping
from typing import NamedTuple

from songs.v1 import song_service_pb2 as pb
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import ExistingSongs, ImportAction
from songserver.errors import SongExists
from songserver.merging import filled
from songserver.rules import Rules
from songserver.storage.song_batches import Combine
from songserver.storage.song_documents import SERVER_SET


class Policy(NamedTuple):
    """What becomes of a song that is there and one that is to be imported."""

    combine: Combine | None
    """None: it stays as it is."""
    action: ImportAction.ValueType = pb.IMPORT_ACTION_UNSPECIFIED
    """What a change by it is called."""


def policies(rules: Rules) -> Mapping[ExistingSongs.ValueType, Policy]:
    """Gives the policy of each value of the contract."""

    def merge(current: Song, song: Song) -> Song:
        better = filled(current, song)
        # Together they may have too many external ids.
        rules.check(better, at="song")
        return better

    skip = Policy(None)
    return {
        pb.EXISTING_SONGS_UNSPECIFIED: skip,
        pb.EXISTING_SONGS_SKIP: skip,
        pb.EXISTING_SONGS_REPLACE: Policy(_replace, pb.IMPORT_ACTION_REPLACED),
        pb.EXISTING_SONGS_MERGE: Policy(merge, pb.IMPORT_ACTION_MERGED),
        pb.EXISTING_SONGS_FAIL: Policy(_fail),
    }


def _replace(current: Song, song: Song) -> Song:
    better = Song()
    better.CopyFrom(song)
    for name in SERVER_SET:
        better.ClearField(name)  # type: ignore[arg-type] # names of the contract
    kept = Song(id=current.id, etag=current.etag, created_by=current.created_by)
    kept.create_time.CopyFrom(current.create_time)
    kept.update_time.CopyFrom(current.update_time)
    if not song.lyrics:
        kept.lyrics = current.lyrics
    better.MergeFrom(kept)
    return better


def _fail(current: Song, _: Song) -> Song:
    raise SongExists(current.id)
