"""How the words of a query match a song: as a whole, as the beginning of a word, or but for a few letters."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from songs.v1.song_overview_pb2 import TextRange
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import FieldMatch
from songserver.text import canonical_isrc, folded
from songserver.words import LONGEST_WORD, Span, Word, pairs, romanized, scan, words

MOST_TERMS = 16
"""Words of a query that count."""
SEARCHED = ("title", "artists", "album", "genres", "isrc")
"""The fields in which words are searched, the best first."""

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")


class Term(NamedTuple):
    """A word of a query."""

    letters: str
    is_whole: bool = False
    """Whether no word that only begins with it matches: of two CJK characters, and of a whole ISRC."""
    near: Mapping[str, int] = MappingProxyType({})
    """Words that match although letters are wrong, and how many are."""

    def errors(self, token: str) -> int | None:
        """Gives how many letters are wrong in a token of a song; None if it does not match."""
        if token == self.letters or (not self.is_whole and token.startswith(self.letters)):
            return 0
        return self.near.get(token)

    def first_in(self, tokens: Sequence[str]) -> tuple[int, int] | None:
        """Gives how many letters are wrong at the least in the tokens of a song, and which is the first with no more
        wrong ones; None if none matches.
        """
        if self.is_whole:
            return (0, tokens.index(self.letters)) if self.letters in tokens else None
        for at, token in enumerate(tokens):
            if token.startswith(self.letters):
                return 0, at
        return min(((self.near[token], at) for at, token in enumerate(tokens) if token in self.near), default=None)


class Query(NamedTuple):
    """What was typed."""

    terms: Sequence[Term]
    """Its words, each once."""
    phrase: str
    """All its words, in the form in which songs are ordered by their titles."""

    @classmethod
    def of(cls, text: str) -> "Query":
        """Reads a query."""
        isrc = canonical_isrc(text)
        if _ISRC.fullmatch(isrc):
            return cls([Term(isrc.lower(), is_whole=True)], isrc.lower())
        terms = {term.letters: term for word in scan(text) for term in _terms(word)}
        return cls(list(terms.values())[:MOST_TERMS], " ".join(words(text)) or folded(text))


def _terms(word: Word) -> Iterator[Term]:
    if not word.is_cjk:
        yield Term(word.letters[:LONGEST_WORD], is_whole=len(word.letters) >= LONGEST_WORD)
    elif len(word.letters) == 1:
        yield Term(word.letters)
    else:
        for pair in pairs(word.letters):
            yield Term(pair, is_whole=True)


class Row(NamedTuple):
    """What of a song its rank depends on."""

    song_id: str
    title: str
    """As songs are ordered by it."""
    tokens: Sequence[str]
    """What it is found by, in the order of its fields."""
    ends: Sequence[int]
    """How many tokens there are up to the end of its title, of its artists, and of its album."""
    popularity: int


class Rank(NamedTuple):
    """How well a song matches: the least comes first."""

    errors: int
    """Letters that are wrong."""
    place: int
    """0: the title is the query; 1: it begins with it; 2: all words are in the title; 3: in title and artists; 4: in
    these and the album; 5: elsewhere too."""
    partial: int
    """Words of the query that are not whole words of the song."""
    unpopularity: int
    song_id: str


def rank(row: Row, query: Query) -> Rank | None:
    """Tells how well a song matches; None if it does not have all words."""
    errors = partial = last = 0
    for term in query.terms:
        found = term.first_in(row.tokens)
        if found is None:
            return None
        wrong, at = found
        errors += wrong
        partial += term.letters not in row.tokens
        last = max(last, at)
    if row.title == query.phrase:
        place = 0
    elif row.title.startswith(query.phrase) and not errors:
        place = 1
    else:
        place = 2 + sum(last >= end for end in row.ends)
    return Rank(errors, place, partial, -row.popularity, row.song_id)


def matches(song: Song, query: Query) -> list[FieldMatch]:
    """Tells where the words of a query are in a song."""
    found = []
    for field in SEARCHED:
        value = getattr(song, field)
        for index, text in enumerate([value] if isinstance(value, str) else value):
            if ranges := ranges_in(text, query):
                found.append(FieldMatch(field=field, index=index, ranges=ranges))
    return found


def ranges_in(text: str, query: Query) -> list[TextRange]:
    """Gives the parts of a text that the words of a query match, in their order."""
    if text.isascii():
        # Most of a song's texts have none of the words, which this tells ten times as quickly.
        letters = text.lower().replace("'", "")
        if not any(word in letters for term in query.terms for word in (term.letters, *term.near)):
            return []
    spans = sorted(span for word in scan(text) for term in query.terms for span in _spans(word, term))
    ranges: list[TextRange] = []
    for span in spans:
        if ranges and span.start <= ranges[-1].end:
            ranges[-1].end = max(ranges[-1].end, span.end)
        else:
            ranges.append(TextRange(start=span.start, end=span.end))
    return ranges


def _spans(word: Word, term: Term) -> Iterator[Span]:
    """The parts of a word that a term matches."""
    if word.is_cjk and not term.letters.isascii():
        at = word.letters.find(term.letters)
        while at >= 0:
            yield Span(word.spans[at].start, word.spans[at + len(term.letters) - 1].end)
            at = word.letters.find(term.letters, at + 1)
        return
    letters = romanized(word)[:LONGEST_WORD]
    if not letters or (errors := term.errors(letters)) is None:
        return
    is_part = not errors and not word.is_cjk and len(term.letters) < len(letters)
    # Which characters of CJK the Latin letters are is not known; of a word with a wrong letter, all of it is meant.
    yield Span(word.spans[0].start, word.spans[len(term.letters) - 1 if is_part else -1].end)
