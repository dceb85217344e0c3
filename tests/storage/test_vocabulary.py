"""The words that songs have: noted before the songs are there, bounded in memory, true again after `reindex`."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from songs.v1.song_pb2 import Song, SongFilter
from songserver.storage import reindexing, vocabulary
from songserver.storage.mongo import Mongo
from songserver.storage.redirects import Redirects
from songserver.storage.reindexing import reindex, reindex_if_needed
from songserver.storage.song_search import SongSearch
from songserver.storage.songs import NewSong, Songs
from songserver.storage.vocabulary import ERRORS_FROM, Known, Near, Vocabulary, errors_allowed, neighbours

LETTERS = "abcde"


def new(title: str, **fields: Any) -> NewSong:
    return NewSong.of(Song(title=title, artists=["A"], **fields), "user")


async def noted(mongo: Mongo) -> dict[str, int]:
    """The words that are noted, with their songs."""
    return {each["_id"]: each["songs"] async for each in mongo.collection("vocabulary").find()}


async def titles(mongo: Mongo, text: str) -> list[str]:
    """What another process finds."""
    found = await SongSearch(mongo, Vocabulary(mongo)).page(text, SongFilter(), 20)
    return [song.title for song in found.songs]


@pytest.mark.asyncio
async def test_a_song_is_found_by_its_first_letters_once_it_is_there(mongo: Mongo) -> None:
    songs = Songs(mongo, Vocabulary(mongo), Redirects(mongo))
    for number in range(20):
        word = f"word{random.Random(number).randbytes(4).hex()}"
        await songs.create(new(word))
        for length in (1, 5, len(word) - 1):
            assert word in await titles(mongo, word[:length])


@pytest.mark.asyncio
async def test_a_song_is_found_by_the_words_that_it_has_got(mongo: Mongo) -> None:
    songs = Songs(mongo, Vocabulary(mongo), Redirects(mongo))
    song = await songs.create(new("Before"))
    song.title = "Afterwards"

    await songs.replace(song)

    assert (await titles(mongo, "bef"), await titles(mongo, "afterw")) == ([], ["Afterwards"])


@pytest.mark.asyncio
async def test_the_songs_of_a_word_are_noted_about(mongo: Mongo) -> None:
    words = Vocabulary(mongo)
    for number in range(1000):
        await words.learn([new(f"Same {number % 50}").document])
    await words.settle()

    counts = await noted(mongo)
    assert 1000 / vocabulary.GROWTH / 2 <= counts["same"] <= 1000
    assert 20 / vocabulary.GROWTH / 2 <= counts["7"] <= 20


@pytest.mark.asyncio
async def test_how_many_songs_have_a_word_is_told_soon(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "PAUSE", 0.01)
    words = Vocabulary(mongo)
    await words.learn([new("Same").document])
    await words.learn([new(f"Same {number}", popularity=9).document for number in range(99)])

    assert words._telling
    await words._telling

    assert (await noted(mongo))["same"] == 100
    assert await mongo.collection("vocabulary").find_one({"_id": "same", "reach": (9).bit_length()})


@pytest.mark.asyncio
async def test_what_another_process_has_noted_is_not_noted_again(mongo: Mongo) -> None:
    documents = [new(f"Same {number}").document for number in range(8)]
    await Vocabulary(mongo).learn(documents)
    before = await mongo.collection("vocabulary").find().sort("_id").to_list()
    another = Vocabulary(mongo)

    await another.learn(documents[:2])
    await another.settle()

    assert await mongo.collection("vocabulary").find().sort("_id").to_list() == before


@pytest.mark.asyncio
async def test_a_database_that_is_away_stops_no_song(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    words = Vocabulary(mongo)
    await words.learn([new("Same").document])
    await words.learn([new("Same").document for _ in range(9)])

    async def fail(*_: object, **__: object) -> None:
        raise AutoReconnect

    monkeypatch.setattr(words, "_quick", type("Broken", (), {"bulk_write": fail}))
    with capture_logs() as logs:
        await words.settle()

    assert [entry["log_level"] for entry in logs] == ["warning"]


@pytest.mark.asyncio
async def test_isrcs_are_no_words(mongo: Mongo) -> None:
    await Vocabulary(mongo).learn([new("Title", isrc="USRC17607839").document])

    assert set(await noted(mongo)) == {"title", "a"}


@pytest.mark.asyncio
async def test_words_with_the_most_popular_songs_come_first(mongo: Mongo) -> None:
    words = Vocabulary(mongo)
    for title, popularity in (("sand sand1", 0), *[("sand", 0)] * 8, ("sun", 5), ("star", 1000)):
        await words.learn([new(title, popularity=popularity).document])
    await words.settle()

    assert [word for word, _ in await words.beginning_with("s", 10)] == ["star", "sun", "sand", "sand1"]
    assert [word for word, _ in await words.beginning_with("s", 2)] == ["star", "sun"]
    assert await words.beginning_with("sand1", 10) == [Known("sand1", 1)]
    assert await words.beginning_with("sandy", 10) == []


@pytest.mark.asyncio
async def test_what_is_remembered_is_bounded(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "REMEMBERED", 10)
    words = Vocabulary(mongo)
    for start in range(0, 100, 5):
        await words.learn([new(f"w{number}").document for number in range(start, start + 5)])

    assert len(words._young) + len(words._old) <= 30
    assert len(await noted(mongo)) == 101


@pytest.mark.asyncio
async def test_words_that_two_processes_note_at_once_are_there_once(mongo: Mongo) -> None:
    documents = [new(f"word{number} other{number}").document for number in range(200)]

    await asyncio.gather(*(Vocabulary(mongo).learn(documents) for _ in range(8)))

    assert len(await noted(mongo)) == 401


@pytest.mark.asyncio
async def test_what_could_not_be_noted_is_noted_the_next_time(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    words = Vocabulary(mongo)
    document = new("Lost").document

    async def fail(*_: object, **__: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as broken:
        broken.setattr(words, "_quick", type("Broken", (), {"insert_many": fail}))
        with pytest.raises(TimeoutError):
            await words.learn([document])
    await words.learn([document])

    assert "lost" in await noted(mongo)


@pytest.mark.asyncio
async def test_words_are_noted_anew_before_they_could_be_removed(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that no song has any more goes, but not if a process relies on its being there."""
    words = Vocabulary(mongo)
    await words.learn([new("Gone").document])
    monkeypatch.setattr(vocabulary, "MEMORY", -1.0)
    await reindex(mongo)
    assert await noted(mongo) == {}

    await words.learn([new("Gone").document])

    assert "gone" in await noted(mongo)


@pytest.mark.asyncio
async def test_reindexing_makes_words_true_again(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindexing, "BATCH", 2)
    monkeypatch.setattr(vocabulary, "MEMORY", 0.0)
    songs = Songs(mongo, Vocabulary(mongo), Redirects(mongo))
    for title in ("One", "Two", "Two", "Three"):
        await songs.create(new(title, album=str(random.random()), popularity=7))
    await mongo.collection("songs").delete_one({"keys.title": "one"})
    await mongo.collection("songs").update_one({"keys.title": "three"}, {"$set": {"words": ["x"]}})

    done = await reindex(mongo)

    assert (done.songs, done.changed) == (3, 1)
    counts = await noted(mongo)
    assert counts["two"] == 2
    assert "one" not in counts
    assert await titles(mongo, "thre") == ["Three"]
    assert (await reindex(mongo)).changed == 0


@pytest.mark.asyncio
async def test_songs_of_a_server_without_vocabulary_are_made_ready_at_a_start(mongo: Mongo) -> None:
    """A catalogue of before could be found by nothing: its documents had other words, and none was noted."""
    songs = Songs(mongo, Vocabulary(mongo), Redirects(mongo))
    await songs.create(new("Earlier", genres=["Folk"]))
    await mongo.collection("songs").update_many(
        {}, {"$set": {"words": ["e", "ea", "ear", "earlier"]}, "$unset": {"ends": 1}}
    )
    await mongo.collection("vocabulary").delete_many({})

    await reindex_if_needed(mongo)

    assert await titles(mongo, "fol earl") == ["Earlier"]


@pytest.mark.asyncio
async def test_an_empty_catalogue_needs_nothing(mongo: Mongo) -> None:
    await reindex_if_needed(mongo)

    assert await noted(mongo) == {}


@given(st.text(LETTERS, min_size=3, max_size=9), st.data())
def test_words_with_a_wrong_letter_are_neighbours(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from(LETTERS))
    kind = data.draw(st.sampled_from(["missing", "more", "other", "swapped"]))
    other = {
        "missing": word[:at] + word[at + 1 :],
        "more": word[:at] + letter + word[at:],
        "other": word[:at] + letter + word[at + 1 :],
        "swapped": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    }[kind]

    assert set(neighbours(word)) & set(neighbours(other))


@pytest.mark.parametrize(
    ("letters", "allowed"),
    [("ab", 0), ("abc", 1), ("abcde", 1), ("abcdef", 2), ("abc1", 0), ("1969", 0), ("夜空夜空", 0)],
)
def test_the_fewer_letters_the_fewer_may_be_wrong(letters: str, allowed: int) -> None:
    assert errors_allowed(letters) == allowed
    assert len(ERRORS_FROM) == 2


@pytest.mark.asyncio
async def test_the_nearest_words_come_first(mongo: Mongo) -> None:
    words = Vocabulary(mongo)
    await words.learn([new("horizon horizons horizontal orizon horse origin morizons").document])

    near = await words.near("horizn", 10)

    assert {each.word: each.errors for each in near} == {
        "horizon": 1,
        "horizons": 1,
        "horizontal": 1,
        "orizon": 2,
        "morizons": 2,
    }
    assert near[:2] == [Near("horizon", 1, 1), Near("horizons", 1, 1)]
    assert await words.near("horizn", 1) == near[:1]
    assert await words.near("夜空", 10) == []
