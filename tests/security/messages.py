"""Hypothesis strategies for messages that hurt, built from their descriptors."""

from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.services.test_foreign_text import HOSTILE, WORLDWIDE

M = TypeVar("M", bound=Message)

SURROGATE = "\ue000"
"""Stands for half of a surrogate pair, which no message in Python takes: as UTF-8 it is as long. See `to_wire`."""
HURTING = [
    "",
    "\0",
    "a\0b",
    " ",
    "\n",
    "\x1b[2J",
    "\x7f",
    SURROGATE,
    f"a{SURROGATE}b",
    "\ufeff",
    "\ufffe\uffff",
    "\U0010ffff",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\u202e\u202d\u2066abc\u2069",
    "\u05d0\u0627abc",
    "e\u0301",
    "\u0301" * 30,
    "\u0301" * 31,
    "a" + "\u0315\u0300" * 5_000,
    "\ufdfa" * 100,  # 18 times as long in NFKC
    "\u0390" * 512,  # 3 times as long once it is case-folded
    "\uac00" * 512,
    "\U0001d160" * 512,
    "a" * 129,
    "a" * 257,
    "a" * 513,
    "a " * 20_000,
    "\U0001f3b5" * 50_001,
    "0",
    "-1",
    "null",
    "*",
    "title",
    "etag",
    "song.title",
    *HOSTILE,
    *WORLDWIDE,
]
MANY = [2, 17, 51, 1001, 5000]
MOST_BYTES = 1_000_000
"""Of what is repeated: a message that is larger than 4 MiB does not reach our code."""
INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}


def to_wire(message: Message) -> bytes:
    """Gives the bytes of a message, with halves of surrogate pairs where there are `SURROGATE`s."""
    return message.SerializeToString().replace(SURROGATE.encode(), b"\xed\xa0\x80")


def texts(known: Sequence[str]) -> st.SearchStrategy[str]:
    """Gives texts that hurt, any texts, and some that the server knows."""
    return st.sampled_from([*known, *HURTING]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def messages(message_type: type[M], known: Sequence[str]) -> st.SearchStrategy[M]:
    """Gives messages of a type: each field may be set, to what hurts or to what is usual.

    Args:
        message_type: The type.
        known: Texts that mean something to the server, such as the id of a song.
    """
    fields = {field.name: _values(field, known) for field in message_type.DESCRIPTOR.fields}
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: message_type(**values))


def _values(field: Any, known: Sequence[str]) -> st.SearchStrategy[Any]:
    if not field.is_repeated:
        return _value(field, known)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (_value(field.message_type.fields_by_name[name], known) for name in ("key", "value"))
        return st.dictionaries(key, value, max_size=5) | _many(value).map(
            lambda many: {f"k{number}": item for number, item in enumerate(many)}
        )
    item = _value(field, known)
    return st.lists(item, max_size=4) | _many(item)


def _many(item: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.tuples(item, st.sampled_from(MANY)).map(lambda pair: _repeated(*pair))


def _repeated(item: Any, count: int) -> list[Any]:
    size = item.ByteSize() if isinstance(item, Message) else len(str(item).encode())
    return [item] * min(count, MOST_BYTES // (size + 1))


def _value(field: Any, known: Sequence[str]) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return messages(GetMessageClass(field.message_type), known)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return st.binary(max_size=100) if field.type == FieldDescriptor.TYPE_BYTES else texts(known)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind in INTEGERS:
        least, most = INTEGERS[kind]
        return st.integers(least, most) | st.integers(max(least, -2), 12) | st.sampled_from([least, most, 2100])
    return st.floats(width=32 if kind == FieldDescriptor.CPPTYPE_FLOAT else 64)


def text_fields(message_type: type[Message]) -> list[tuple[str, Message]]:
    """Gives a message for each field of text of a type, however deep: its path, and the message with only it set."""
    found = []
    field: Any
    whole: Any
    for field in message_type.DESCRIPTOR.fields:
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for path, inner in text_fields(GetMessageClass(field.message_type)):
                whole = [inner] if field.is_repeated else inner
                found.append((f"{field.name}.{path}", message_type(**{field.name: whole})))
        elif field.type == FieldDescriptor.TYPE_STRING:
            whole = [SURROGATE] if field.is_repeated else SURROGATE
            found.append((field.name, message_type(**{field.name: whole})))
        elif field.message_type is not None:
            found.append((field.name, message_type(**{field.name: {SURROGATE: SURROGATE}})))
    return found
