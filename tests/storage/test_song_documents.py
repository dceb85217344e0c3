"""A song as a document: what it is found by."""

from hypothesis import given
from hypothesis import strategies as st

from songs.v1.song_pb2 import Song
from songserver.storage.song_documents import to_document
from songserver.words import MOST_TOKENS

WORD = st.sampled_from([f"word{number}" for number in range(80)])
TEXT = st.lists(WORD, min_size=1, max_size=30).map(" ".join)
TEXTS = st.lists(TEXT, max_size=4)


@given(TEXT, TEXTS, TEXT, TEXTS)
def test_a_song_is_found_by_its_first_words_each_once_field_by_field(
    title: str, artists: list[str], album: str, genres: list[str]
) -> None:
    document = to_document(Song(title=title, artists=artists, album=album, genres=genres, etag="1"))

    def different(*texts: str) -> list[str]:
        return list(dict.fromkeys(" ".join(texts).split()))

    assert document["words"] == different(title, *artists, album, *genres)[:MOST_TOKENS]
    fields = different(title), different(title, *artists), different(title, *artists, album)
    assert document["ends"] == [min(len(words), MOST_TOKENS) for words in fields]
