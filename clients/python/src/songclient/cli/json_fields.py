"""How the fields of a song are written in JSON: as in proto3 JSON, and as in a table where they are texts or numbers.

What is plain is set here; all else is for the parser of proto3 JSON, which takes five times as long.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from songclient import Date, Song
from songclient.cli.fields import SETTERS, Setter, setter_for

ERRORS = (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError)
"""What reading a message from JSON raises: also what odd values do to its parser."""
SET_BY_SERVER = frozenset({"id", "etag", "create_time", "update_time", "created_by"})
"""Fields that an export has, and an import gives anew."""
FIELDS = {name: field for field in Song.DESCRIPTOR.fields for name in (field.name, field.json_name)}
MOST_NAMES = 1000
"""Names that are remembered: of what has more, they are no columns."""

SetValue = Callable[[Song, Any], None]
"""Sets what a value in JSON says in a song; raises one of `ERRORS` if it cannot be read."""


class SongFiller:
    """Sets the fields of songs, by the names of the contract or those of columns; what it finds of a name it keeps."""

    def __init__(self, mapped: Mapping[str, str]) -> None:
        """Read fields; `mapped` has those of names that do not tell."""
        self._mapped = mapped
        self._known: dict[str, SetValue] = {}
        self.ignored: list[str] = []
        """The names that a song has no field for."""

    def fill(self, song: Song, values: Mapping[str, Any]) -> None:
        """Set a song's fields. Raises one of `ERRORS`."""
        known = self._known
        for name, value in values.items():
            if value is None:
                continue
            try:
                (known.get(name) or self._find(name))(song, value)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error

    def _find(self, name: str) -> SetValue:
        field = FIELDS.get(name) if name not in self._mapped else None
        if field is not None:
            found = _by_contract(field)
        elif setter := setter_for(self._mapped.get(name, name)):
            found = _as_in_table(setter)
        else:
            found = _ignore
            if len(self._known) < MOST_NAMES:
                self.ignored.append(name)
        if len(self._known) < MOST_NAMES:
            self._known[name] = found
        return found


def _ignore(_: Song, __: Any) -> None:
    pass


def _as_in_table(setter: Setter) -> SetValue:
    def set_value(song: Song, value: Any) -> None:
        for each in value if isinstance(value, list) else [value]:
            if each is not None and each != "":
                setter(song, each if isinstance(each, str) else json.dumps(each))

    return set_value


def _by_contract(field: FieldDescriptor) -> SetValue:
    name = field.name
    if name in SET_BY_SERVER:
        return _ignore
    quick, in_table = _QUICK.get(name) or _plain(field), _as_in_table(SETTERS[name])
    is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING and not field.is_repeated

    def set_value(song: Song, value: Any) -> None:
        try:
            if quick(song, value):
                return
        except (TypeError, ValueError):
            # The parser says better why.
            song.ClearField(name)  # type: ignore[arg-type] # a name of the contract
        if isinstance(value, str | int | float) and not is_text:
            in_table(song, value)
        else:
            json_format.ParseDict({name: value}, song)

    return set_value


def _plain(field: FieldDescriptor) -> Callable[[Song, Any], bool]:
    """Give what sets a field to a value of just its type, and says whether it was one."""
    name = field.name
    kind = _KINDS.get(field.cpp_type)

    def set_list(song: Song, value: Any) -> bool:
        if type(value) is list:
            getattr(song, name).extend(value)
            return True
        return False

    def set_one(song: Song, value: Any) -> bool:
        if type(value) is kind:
            setattr(song, name, value)
            return True
        return False

    return set_list if field.is_repeated else set_one


def _duration(song: Song, value: Any) -> bool:
    """Set it from "205s", as proto3 JSON has it."""
    if isinstance(value, str) and value.endswith("s"):
        SETTERS["duration"](song, value[:-1])
        return True
    return False


def _release_date(song: Song, value: Any) -> bool:
    if type(value) is dict:
        song.release_date.CopyFrom(Date(**value))
        return True
    return False


def _external_ids(song: Song, value: Any) -> bool:
    if type(value) is dict:
        song.external_ids.update(value)
        return True
    return False


_KINDS = {
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_BOOL: bool,
}
_QUICK = {"duration": _duration, "release_date": _release_date, "external_ids": _external_ids}
