"""What a seeded fuzzer makes of good input: messages of any type filled at random, and bytes that are changed."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.security.messages import HURTING, INTEGERS

M = TypeVar("M", bound=Message)

TELLING = [
    b"\0",
    b"\xff",
    b"\x80" * 10,
    b"\xff" * 9 + b"\x01",  # the greatest varint
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\xf5\x80\x80\x80",
    b"\r\n",
    b"%00",
    b"\n" * 100,
]
"""Bytes on which readers have tripped."""
DEEPEST = 3
Known = Mapping[str, Sequence[Any]]
"""Values that suit, by the name of a field; those of the others are under the empty name."""


def message_of(message_type: type[M], chance: random.Random, known: Known) -> M:
    """Gives a message: some of all are as a client may send them, and others hurt in every third field."""
    maker = _Maker(chance, known, chance.choice([0.2, 0.5, 0.8]), chance.choice([0, 0, 0.05, 0.3]))
    return maker.message(message_type)


class _Maker:
    def __init__(self, chance: random.Random, known: Known, filled: float, hurt: float) -> None:
        self._chance = chance
        self._known = known
        self._filled = filled
        self._hurt = hurt

    def message(self, message_type: type[M], depth: int = 0) -> M:
        message = message_type()
        field: Any
        for field in message_type.DESCRIPTOR.fields:
            name = field.name
            # Without a song, or who it is about, hardly any call goes far.
            filled = self._filled if field.message_type is None and "id" not in name else max(self._filled, 0.8)
            if self._chance.random() > filled or (field.message_type is not None and depth >= DEEPEST):
                continue
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                getattr(message, name)[self._text("key")] = self._text("value")
            elif field.is_repeated:
                count = self._chance.choice([1, 1, 2, 60])
                getattr(message, name).extend(self._value(field, depth) for _ in range(count))
            elif field.message_type is not None:
                getattr(message, name).CopyFrom(self._value(field, depth))
            else:
                setattr(message, name, self._value(field, depth))
        return message

    def _value(self, field: Any, depth: int) -> Any:
        if field.message_type is not None:
            return self.message(GetMessageClass(field.message_type), depth + 1)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._chance.randbytes(self._chance.randrange(40))
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return self._text(field.name)
        if field.cpp_type in INTEGERS:
            if self._chance.random() < self._hurt:
                return self._chance.choice([-1, 100, 2**31 - 1, *INTEGERS[field.cpp_type]])
            return self._chance.choice(self._known.get(field.name, [0, 1, 2, 3]))
        return self._chance.choice([0, 1])

    def _text(self, name: str) -> str:
        if self._chance.random() < self._hurt:
            return self._chance.choice(HURTING)
        text: str = self._chance.choice(self._known.get(name, self._known[""]))
        return text


def mutated(data: bytes, chance: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Gives the data with a few changes: bits, bytes, parts left out, repeated, moved, or taken from others."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        at = chance.randrange(len(changed) + 1)
        end = min(len(changed), at + chance.choice([1, 2, 4, 16, 200]))
        match chance.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at:end] = chance.randbytes(end - at)
            case 2:
                changed[at:at] = chance.choice(TELLING)
            case 3:
                del changed[at:end]
            case 4:
                changed[at:at] = changed[at:end] * chance.choice([1, 2, 30])
            case 5 if others:
                other = chance.choice(others)
                changed[at:] = other[chance.randrange(len(other) + 1) :]
            case _:
                del changed[at:]
    return bytes(changed)
