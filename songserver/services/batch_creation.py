"""BatchCreateSongs: some songs from one message, each on its own account, or all of them or none."""

from collections.abc import Iterator, Mapping, Sequence

from songs.v1 import status_pb2
from songs.v1.song_bulk_pb2 import BatchCreateResult, NewSongItem
from songs.v1.song_pb2 import Song
from songserver.errors import InvalidRequest, SongExists
from songserver.rules import Rules
from songserver.services.checking import Checked, check, field_violations
from songserver.storage.song_batches import Fate, Outcome, Plan, SongBatches, make_plan
from songserver.storage.songs import NewSong, Songs


class _RefusedError(Exception):
    """Not all songs can be made, and so none is."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan


class BatchCreation:
    """Makes the songs of a batch."""

    def __init__(self, batches: SongBatches, songs: Songs, rules: Rules) -> None:
        self._batches = batches
        self._songs = songs
        self._rules = rules

    async def run(self, items: Sequence[NewSongItem], user_id: str, *, atomic: bool) -> list[BatchCreateResult]:
        """Makes songs, and tells what became of each.

        Args:
            items: The songs.
            user_id: Who makes them.
            atomic: All or none.

        Raises:
            DatabaseFailure: If MongoDB is away; then none is made.
        """
        checked = await check(items, self._rules, user_id)
        news = [item for item in checked if isinstance(item, NewSong)]
        songs = {new.song.id: new.song for new in news}
        if atomic and len(news) < len(checked):
            # Only to tell which of the others could not be made either.
            plan = await make_plan(news, await self._batches.find(news, whole=False), None)
            return _refused(checked, plan, songs)

        async def refuse(plan: Plan) -> None:
            if atomic and any(outcome.fate is Fate.THERE for outcome in _outcomes(plan)):
                raise _RefusedError(plan)

        await self._batches.prepare(news)
        try:
            plan = await self._batches.store(news, None, refuse, look_first=True)
        except _RefusedError as refusal:
            return _refused(checked, refusal.plan, songs)
        # Some may have been made by the same requests before.
        earlier = [song_id for fate, song_id in _outcomes(plan) if fate is Fate.CREATED and song_id not in songs]
        if earlier:
            songs |= await self._songs.get_many(earlier)
        return [_result(outcome, songs) for outcome in _in_order(checked, plan)]


def _outcomes(plan: Plan) -> Iterator[Outcome]:
    """What becomes of songs where those that are there stay as they are."""
    return (outcome for outcome in plan.outcomes if isinstance(outcome, Outcome))


def _in_order(checked: Sequence[Checked], plan: Plan) -> Iterator[Outcome | InvalidRequest]:
    """What becomes of all items."""
    outcomes = _outcomes(plan)
    return (item if isinstance(item, InvalidRequest) else next(outcomes) for item in checked)


def _result(outcome: Outcome | InvalidRequest, songs: Mapping[str, Song]) -> BatchCreateResult:
    if isinstance(outcome, InvalidRequest):
        violations = field_violations(outcome)
        return BatchCreateResult(status_code=outcome.code, message=outcome.message, field_violations=violations)
    if outcome.fate is Fate.THERE:
        error = SongExists(outcome.song_id)
        return BatchCreateResult(status_code=error.code, song_id=error.song_id, message=error.message)
    result = BatchCreateResult(song=songs.get(outcome.song_id, Song(id=outcome.song_id)))
    result.song.ClearField("lyrics")
    return result


def _refused(checked: Sequence[Checked], plan: Plan, songs: Mapping[str, Song]) -> list[BatchCreateResult]:
    """The results where none is made: of songs that could be, too."""
    results = [_result(outcome, songs) for outcome in _in_order(checked, plan)]
    for result in results:
        if result.status_code == status_pb2.SUCCESS:
            result.Clear()
            result.status_code = status_pb2.BATCH_REFUSED
            result.message = "others of this batch cannot be added, so none is"
        elif result.song_id in songs:
            result.song_id = ""
            result.message = "the same song comes before it in this batch"
    return results
