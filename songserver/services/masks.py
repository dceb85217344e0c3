"""Field masks: which fields of a message an update changes (AIP-134)."""

from collections.abc import Collection
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from songserver.errors import InvalidDataFormat, Violation

M = TypeVar("M", bound=Message)


def masked(current: M, update: M, mask: FieldMask, editable: Collection[str]) -> M:
    """Gives a copy of a message with the fields that a mask names taken from an update.

    Args:
        current: The message as it is.
        update: The new values; a field that is named and not set in it is emptied.
        mask: The names of top-level fields; none for all editable fields that are set in `update`, `*` for all.
        editable: The fields that may be changed.

    Raises:
        InvalidDataFormat: If the mask names a field that cannot be changed.
    """
    wrong = [path for path in mask.paths if path not in editable and path != "*"]
    if wrong:
        hint = f"must name fields that can be changed: {', '.join(sorted(editable))}, or *"
        raise InvalidDataFormat(
            f"update_mask names {', '.join(map(repr, wrong[:5]))}, which cannot be changed",
            violations=[Violation("update_mask", hint)],
        )
    if "*" in mask.paths:
        names = set(editable)
    else:
        names = set(mask.paths) or {field.name for field, _ in update.ListFields() if field.name in editable}
    changes = type(update)()
    changes.CopyFrom(update)
    changes.DiscardUnknownFields()
    for field in update.DESCRIPTOR.fields:
        if field.name not in names:
            changes.ClearField(field.name)
    result = type(current)()
    result.CopyFrom(current)
    for name in names:
        result.ClearField(name)
    result.MergeFrom(changes)
    return result
