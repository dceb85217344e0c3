"""What a seeded fuzzer makes of good input: messages of any type filled at random, and bytes that are changed."""

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.security.messages import HURTING, INTEGERS

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


def filled(message_type: type[Message], chance: random.Random, known: Sequence[str], depth: int = 0) -> Message:
    """Gives a message with about two in three of its fields set, now and then to what hurts."""
    message = message_type()
    field: Any
    for field in message_type.DESCRIPTOR.fields:
        if chance.random() < 0.33 or (field.message_type is not None and depth >= DEEPEST):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)[_text(chance, known)] = _text(chance, known)
        elif field.is_repeated:
            values = [_value(field, chance, known, depth) for _ in range(chance.choice([1, 1, 2, 60]))]
            getattr(message, field.name).extend(values)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(_value(field, chance, known, depth))
        else:
            setattr(message, field.name, _value(field, chance, known, depth))
    return message


def _value(field: Any, chance: random.Random, known: Sequence[str], depth: int) -> Any:
    kind = field.cpp_type
    if field.message_type is not None:
        return filled(GetMessageClass(field.message_type), chance, known, depth + 1)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return chance.randbytes(chance.randrange(40))
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _text(chance, known)
    if kind in INTEGERS:
        return chance.choice([0, 1, 2, 3, 4, 100, 2020, *INTEGERS[kind]])
    return chance.choice([0, 1])


def _text(chance: random.Random, known: Sequence[str]) -> str:
    return chance.choice(HURTING) if chance.random() < 0.2 else chance.choice(known)


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
