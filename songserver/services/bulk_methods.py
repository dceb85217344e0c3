"""Many songs at once: made, changed, removed. The rules: `protos/songs/v1/song_bulk.proto`."""

from collections import Counter
from contextlib import nullcontext

from songs.v1 import song_bulk_pb2 as pb
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2_grpc import SongServiceServicer
from songs.v1.status_pb2 import StatusCode
from songserver.paging import PAGE_BYTES
from songserver.redaction import shown
from songserver.rpc import Call
from songserver.rules import Rules
from songserver.services.auditing import noted
from songserver.services.batch_creation import BatchCreation
from songserver.services.masks import masked
from songserver.storage.audit import Audit
from songserver.storage.song_bulk import SongBulk
from songserver.storage.song_documents import EDITABLE

MAX_SONGS = 1000
"""Songs that are changed or removed by one call, unless it says how many."""
TOLD_FAILURES = 100


class BulkMethods(SongServiceServicer):
    """The methods of SongService that change many songs."""

    _bulk: SongBulk
    _batch_creation: BatchCreation
    _rules: Rules
    _audit: Audit

    async def UpdateSongs(self, request: pb.UpdateSongsRequest, call: Call) -> pb.UpdateSongsResponse:
        def edit(song: Song) -> Song:
            changed = masked(song, request.song, request.update_mask, EDITABLE)
            self._rules.check(changed, at="song")
            return changed

        # With the least that a song has: what is wrong now would be wrong with each.
        edit(Song(title="-", artists=["-"]))
        song_ids = await self._bulk.select(request.filter, request.max_songs or MAX_SONGS)
        response = pb.UpdateSongsResponse(matched=len(song_ids))

        counts = Counter(unknown=len(song_ids))
        fields = " ".join(sorted(request.update_mask.paths))
        entries = noted(self._audit, call, counts, filter=shown(request.filter), fields=fields)
        async with nullcontext() if request.dry_run else entries:
            async for edited in self._bulk.edit(song_ids, request.filter, edit, dry_run=request.dry_run):
                counts["unknown"] -= edited.looked_at
                counts["changed"] += edited.changed
                counts["failed"] += len(edited.failures)
                for song_id, error in edited.failures.items():
                    if len(response.failures) < TOLD_FAILURES:
                        response.failures.add(song_id=song_id, status_code=error.code, message=error.message)
        response.changed, response.failed = counts["changed"], counts["failed"]
        return response

    async def DeleteSongs(self, request: pb.DeleteSongsRequest, call: Call) -> pb.DeleteSongsResponse:
        song_ids = await self._bulk.select(request.filter, request.max_songs or MAX_SONGS)
        if request.dry_run:
            return pb.DeleteSongsResponse(matched=len(song_ids), deleted=len(song_ids))
        counts = Counter(unknown=len(song_ids))
        async with noted(self._audit, call, counts, filter=shown(request.filter)):
            async for batch in self._bulk.delete(song_ids, request.filter):
                counts["unknown"] -= batch.looked_at
                counts["deleted"] += batch.changed
        return pb.DeleteSongsResponse(matched=len(song_ids), deleted=counts["deleted"])

    async def BatchCreateSongs(self, request: pb.BatchCreateSongsRequest, call: Call) -> pb.BatchCreateSongsResponse:
        counts = Counter(unknown=len(request.items))
        async with noted(self._audit, call, counts, atomic=str(request.atomic).lower()):
            results = await self._batch_creation.run(request.items, call.caller.user_id, atomic=request.atomic)
            counts.clear()
            counts.update(StatusCode.Name(result.status_code) for result in results)
        response = pb.BatchCreateSongsResponse(results=results)
        if response.ByteSize() > PAGE_BYTES:
            for result in response.results:
                if result.HasField("song"):
                    result.song.CopyFrom(Song(id=result.song.id, etag=result.song.etag))
        return response
