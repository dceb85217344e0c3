"""Tells without the validator that a value keeps its rules, where that is plain to see.

The validator takes 20 us for a song of ten fields, as long as all else that the server does with a song to import. So
the plainest rules of the contract are read here as well: lengths, bounds, patterns, and that a text has neither control
characters nor piles of marks. Whatever is not plain goes to the validator as ever, and it alone says what is wrong. A
test holds the two against each other.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

Sure: TypeAlias = Callable[[Any], bool]
"""Whether a value surely keeps its rules."""

FEW: Final = 30
"""Characters among which there cannot be 31 marks."""
SECOND: Final = 1_000_000_000
"""Nanoseconds."""
MOST_REMEMBERED: Final = 10_000
"""Values that are remembered."""

_EXPRESSIONS: Final[dict[str, Sure]] = {
    r"this.matches('[[:cntrl:]]|\\p{M}{31}') ?": lambda text: (
        text.isprintable() and (text.isascii() or len(text) <= FEW)
    ),
    r"this.matches('\\p{M}{31}') ?": lambda text: text.isascii() or len(text) <= FEW,
}
"""What the contract says in expressions, by how they begin."""
_PATTERN: Final = re.compile(r"this\.matches\('\^([A-Za-z0-9\[\](){},.*_:-]+)\$'\)")
"""An expression that is nothing but a pattern for a whole text, of the kind that means the same to Python."""

_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Remembered:
    """Values that the validator has found good: of dates there are few."""

    def __init__(self) -> None:
        self._good: set[bytes] = set()

    def __call__(self, value: Any) -> bool:
        """Whether this message was found good before."""
        return value.SerializeToString() in self._good

    def learn(self, value: Any) -> None:
        """Remembers a message that is good."""
        if len(self._good) == MOST_REMEMBERED:
            self._good.clear()
        self._good.add(value.SerializeToString())


def never(_: Any) -> bool:
    """Is sure of nothing."""
    return False


def sure_of(field: FieldDescriptor) -> Sure:
    """Gives what tells whether a value that is set surely keeps the rules of its field."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return _all([])
    if not field.is_repeated:
        if not rules.WhichOneof("type") and field.message_type and (rules.cel or rules.cel_expression):
            return Remembered()
        return _sure_of_one(rules)
    if rules.cel or rules.cel_expression:
        return never
    if rules.WhichOneof("type") == "map":
        return _sure_of_map(rules.map)
    return _sure_of_items(rules.repeated)


def _sure_of_items(rules: validate_pb2.RepeatedRules) -> Sure:
    least, most = rules.min_items, rules.max_items or float("inf")
    if rules.unique:
        return never
    if rules.items.ignore == validate_pb2.IGNORE_ALWAYS:
        return lambda items: least <= len(items) <= most
    sure = _sure_of_one(rules.items)
    return lambda items: least <= len(items) <= most and all(map(sure, items))


def _sure_of_map(rules: validate_pb2.MapRules) -> Sure:
    least, most = rules.min_pairs, rules.max_pairs or float("inf")
    sure_of_key, sure_of_value = _sure_of_one(rules.keys), _sure_of_one(rules.values)
    return lambda pairs: (
        least <= len(pairs) <= most and all(map(sure_of_key, pairs)) and all(map(sure_of_value, pairs.values()))
    )


def _sure_of_one(rules: validate_pb2.FieldRules) -> Sure:
    kind = rules.WhichOneof("type")
    said = {name.name: value for name, value in getattr(rules, kind).ListFields()} if kind else {}
    tests: list[Sure] = []
    if kind == "string" and said.keys() <= {"min_len", "max_len"}:
        least, most = said.get("min_len", 0), said.get("max_len", float("inf"))
        tests.append(lambda text: least <= len(text) <= most)
    elif kind == "string" and said == {"uuid": True}:
        tests.append(lambda text: bool(_UUID.fullmatch(text)))
    elif kind in ("int32", "double") and said.keys() <= {"gte", "lte", "finite"} and {"gte", "lte"} <= said.keys():
        low, high = said["gte"], said["lte"]
        tests.append(lambda number: low <= number <= high)
    elif kind == "duration" and said.keys() == {"gt", "lte"} and not said["gt"].ByteSize() and not said["lte"].nanos:
        longest = said["lte"].seconds
        tests.append(lambda time: 0 < time.seconds < longest and 0 <= time.nanos < SECOND)
    elif said:
        return never
    for expression in [*rules.cel_expression, *(rule.expression for rule in rules.cel)]:
        known = next((test for begin, test in _EXPRESSIONS.items() if expression.startswith(begin)), None)
        pattern = _PATTERN.fullmatch(expression)
        if known is None and pattern is None:
            return never
        tests.append(known or re.compile(pattern[1]).fullmatch)  # type: ignore[index, arg-type] # one of them is there
    return _all(tests)


def _all(tests: Iterable[Sure]) -> Sure:
    match list(tests):
        case []:
            return lambda _: True
        case [one]:
            return one
        case [one, other]:
            return lambda value: one(value) and other(value)
        case several:
            return lambda value: all(test(value) for test in several)
