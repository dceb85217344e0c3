"""What of a message may be shown: all but the fields that the contract calls `sensitive`."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.text_encoding import CEscape

from songs.v1 import reading_pb2

M = TypeVar("M", bound=Message)

REDACTED = "[redacted]"
SHOWN = 2000
"""Characters of a message that are shown at the most."""
LARGE = 65_536
"""Bytes of a message of which nothing but its size is shown: to look through it would take too long."""


def redacted(message: M) -> M:
    """Gives a copy of a message without its secrets, however deep they stand."""
    copy = type(message)()
    copy.CopyFrom(message)
    for holder, field in list(_secrets(copy)):
        if field.type != FieldDescriptor.TYPE_STRING:
            holder.ClearField(field.name)
        elif field.is_repeated:
            texts = getattr(holder, field.name)
            texts[:] = [REDACTED] * len(texts)
        else:
            setattr(holder, field.name, REDACTED)
    return copy


def shown(message: Message) -> str:
    """Gives a message for a person to read, as JSON, without its secrets and cut to a bounded size."""
    if message.ByteSize() > LARGE:
        return f"{message.DESCRIPTOR.full_name} of {message.ByteSize()} bytes"
    fields = MessageToDict(redacted(message), preserving_proto_field_name=True)
    return orjson.dumps(fields).decode()[:SHOWN]


def secrets_of(message: Message) -> Iterator[str]:
    """Gives the texts in a message that are secrets."""
    for holder, field in _secrets(message):
        if field.type == FieldDescriptor.TYPE_STRING:
            value = getattr(holder, field.name)
            yield from value if field.is_repeated else (value,)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Gives a text, such as a traceback, without these secrets, also as Python, JSON or protobuf quote them."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], CEscape(secret.encode(), as_utf8=False)):
            text = text.replace(form, REDACTED)
    return text


def _secrets(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    """Every sensitive field that is set, with the message that holds it."""
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[reading_pb2.sensitive]:
            yield message, field
        elif field.message_type is not None:
            for inner in _parts(field, value):
                if isinstance(inner, Message):
                    yield from _secrets(inner)


def _parts(field: FieldDescriptor, value: Any) -> Iterable[object]:
    """The values of a field of a message type: of a map, a list, or the one."""
    if not field.is_repeated:
        return (value,)
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    return value.values() if is_map else value  # type: ignore[no-any-return]
