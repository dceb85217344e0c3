"""Songs that are there more than once: found, and made one. The rules: `protos/songs/v1/song_duplicates.proto`."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from songs.v1 import song_duplicates_pb2 as pb
from songs.v1.song_service_pb2_grpc import SongServiceServicer
from songserver.errors import InvalidDataFormat, Violation
from songserver.merging import united
from songserver.rpc import Call
from songserver.services.auditing import event_of
from songserver.storage.audit import Audit
from songserver.storage.song_duplicates import LIKENESSES, SongDuplicates
from songserver.storage.song_merges import SongMerges

DIFFERENCE = 2.0
"""Seconds that durations may differ, where the client does not say."""


class DuplicateMethods(SongServiceServicer):
    """The methods of SongService that are about duplicates."""

    _duplicates: SongDuplicates
    _merges: SongMerges
    _audit: Audit

    async def FindDuplicates(
        self, request: pb.FindDuplicatesRequest, call: Call
    ) -> AsyncIterator[pb.FindDuplicatesResponse]:
        given = request.HasField("duration_difference")
        difference = request.duration_difference.ToNanoseconds() / 1e9 if given else DIFFERENCE
        for kind in request.kinds or LIKENESSES:
            async with aclosing(self._duplicates.find(request.filter, kind, difference)) as found:
                async for groups in found:
                    yield pb.FindDuplicatesResponse(groups=groups)

    async def MergeSongs(self, request: pb.MergeSongsRequest, call: Call) -> pb.MergeSongsResponse:
        song_id, merged_ids = request.id.lower(), [merged_id.lower() for merged_id in request.merged_ids]
        if len({song_id, *merged_ids}) <= len(merged_ids):
            raise InvalidDataFormat(
                "merged_ids has the same song twice, or the one to keep: name each once",
                violations=[Violation("merged_ids", "must have each song once, and not the one to keep")],
            )
        # Looked at first, since a change that fails makes those anew that are recorded together with it.
        await self._merges.find([song_id, *merged_ids], request.etag)
        song = await self._audit.record(
            event_of(call, song_id, merged_ids=" ".join(merged_ids)),
            lambda: self._merges.merge(song_id, merged_ids, request.etag, united),
        )
        return pb.MergeSongsResponse(song=song)
