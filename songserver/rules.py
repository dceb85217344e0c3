"""Brings a message into its canonical form and checks it against the rules that the contract states.

The rules are protovalidate's (`buf.validate`); the canonical forms and the code that a broken rule answers are options
of `protos/songs/v1/reading.proto`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from songs.v1 import reading_pb2, status_pb2
from songs.v1.reading_pb2 import Form
from songs.v1.status_pb2 import StatusCode
from songserver.errors import InvalidRequest, Violation
from songserver.sure import Remembered, Sure, sure_of
from songserver.text import canonical, canonical_isrc, canonical_name

FORMS: Mapping[Form.ValueType, Callable[[str], str]] = {
    reading_pb2.FORM_TEXT: canonical,
    reading_pb2.FORM_ISRC: canonical_isrc,
    reading_pb2.FORM_NAME: canonical_name,
}

TIMES_TOO_LONG = 4
"""How many times as long as its rule allows a text may come: a character can be written as up to four code points, and
an ISRC with hyphens and blanks."""


class _Field(NamedTuple):
    """What there is to do with a field that is set, before its rules are checked."""

    form: Callable[[str], str] | None
    """Of a text that has a canonical form."""
    most: int
    """Characters beyond which such a text is refused before anything is done with it."""
    most_items: int
    """Items beyond which a repeated field is; 0: no bound."""
    is_repeated: bool
    inner: "_Plan | None"
    """Of a message: what there is to do with it."""
    sure: Sure


class _Plan(NamedTuple):
    """What there is to do with messages of one type before their rules are checked."""

    fields: dict[str, _Field]
    needed: frozenset[str]
    """Fields without which a message does not surely keep its rules."""
    is_plain: bool
    """Whether there are no rules but those of fields."""


class Rules:
    """The rules of all messages of the contract; what it learns of a message's type it keeps."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()
        self._plans: dict[str, _Plan] = {}

    def check(self, message: Message, at: str = "") -> None:
        """Brings the message into its canonical form, in place, and checks all its rules.

        Args:
            message: The message.
            at: Where it stands in the request; the paths of violations begin with it.

        Raises:
            InvalidRequest: With all violations, if it breaks any; its code is the first one's.
        """
        descriptor = cast(Descriptor, message.DESCRIPTOR)
        plan = self._plans.get(descriptor.full_name)
        if plan is None:
            plan = self._plans[descriptor.full_name] = _plan(descriptor)
        if _canonicalize(message, plan, at):
            return
        broken = self._validator.collect_violations(message)
        if broken:
            codes, violations = zip(*(_read(violation, descriptor, at) for violation in broken), strict=True)
            raise InvalidRequest(codes[0], violations)
        _learn(message, plan)


def _plan(descriptor: Descriptor) -> _Plan:
    fields = {field.name: _plan_field(field) for field in descriptor.fields}
    options = descriptor.GetOptions().Extensions[validate_pb2.message]
    oneofs = [oneof.GetOptions().Extensions[validate_pb2.oneof].required for oneof in descriptor.oneofs]
    needed = {field.name for field in descriptor.fields if not _may_be_unset(field, fields[field.name].sure)}
    return _Plan(fields, frozenset(needed), is_plain=not options.ListFields() and not any(oneofs))


def _plan_field(field: FieldDescriptor) -> _Field:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    form = FORMS.get(field.GetOptions().Extensions[reading_pb2.form])
    inner = None
    # What is looked at later has its form then.
    if validate_pb2.IGNORE_ALWAYS in (rules.ignore, rules.repeated.items.ignore):
        form = None
    elif field.message_type and _says_something(field.message_type):
        inner = _plan(field.message_type)
    return _Field(
        form,
        TIMES_TOO_LONG * (rules.string.max_len or rules.repeated.items.string.max_len),
        rules.map.max_pairs or rules.repeated.max_items,
        field.is_repeated,
        inner,
        sure_of(field),
    )


def _says_something(descriptor: Descriptor) -> bool:
    """Whether the contract has rules for a message, or for one in it."""
    if descriptor.GetOptions().map_entry:
        return False
    return descriptor.GetOptions().HasExtension(validate_pb2.message) or any(
        field.GetOptions().HasExtension(validate_pb2.field)
        or (field.message_type and _says_something(field.message_type))
        for field in descriptor.fields
    )


def _may_be_unset(field: FieldDescriptor, sure: Sure) -> bool:
    """Whether a field surely keeps its rules where it is not set."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if rules.required:
        return False
    if field.has_presence or rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return True
    return bool(sure({} if field.is_repeated else field.default_value))


def _refusal(message: Message, name: str, at: str, description: str, place: str = "") -> InvalidRequest:
    descriptor = cast(Descriptor, message.DESCRIPTOR)
    code = _field_code(descriptor.fields_by_name[name]) or _message_code(descriptor)
    violation = Violation(_join(at, place or name), description)
    return InvalidRequest(code or status_pb2.INVALID_DATA_FORMAT, [violation])


def _canonicalize(message: Message, plan: _Plan, at: str) -> bool:
    """Brings a message into its canonical form; says whether it surely keeps its rules.

    Refuses what is far too much, before all of it is looked at: the time that takes is the client's to choose.
    """
    sure = plan.is_plain
    needed = len(plan.needed)
    for descriptor, value in message.ListFields():
        name = descriptor.name
        field = plan.fields[name]
        if field.most_items and len(value) > field.most_items:
            told = f"must contain no more than {field.most_items} item(s), and has {len(value)}"
            raise _refusal(message, name, at, told)
        if name in plan.needed:
            needed -= 1
        better = value
        if field.inner:
            for each in value if field.is_repeated else (value,):
                sure = _canonicalize(each, field.inner, _join(at, name)) and sure
        elif field.form:
            better = _canonical(message, name, field, value, at)
        sure = sure and bool(field.sure(better))
    return sure and not needed


def _canonical(message: Message, name: str, field: _Field, value: Any, at: str) -> Any:
    """Brings a text, or several, into canonical form; gives what it is then."""
    assert field.form
    if not field.is_repeated:
        if len(value) > field.most:
            told = f"must be at most {field.most // TIMES_TOO_LONG} characters, and has {len(value)}"
            raise _refusal(message, name, at, told)
        better = field.form(value)
        if better != value:
            setattr(message, name, better)
        return better
    for index, text in enumerate(value):
        if len(text) > field.most:
            told = f"must be at most {field.most // TIMES_TOO_LONG} characters"
            raise _refusal(message, name, at, told, f"{name}[{index}]")
        better = field.form(text)
        if better != text:
            value[index] = better
    return value


def _learn(message: Message, plan: _Plan) -> None:
    """Remembers what is good of a message that keeps its rules."""
    for descriptor, value in message.ListFields():
        field = plan.fields[descriptor.name]
        if isinstance(field.sure, Remembered):
            field.sure.learn(value)
        elif field.inner:
            for each in value if field.is_repeated else (value,):
                _learn(each, field.inner)


def _read(violation: protovalidate.Violation, root: Descriptor, at: str) -> tuple[StatusCode.ValueType, Violation]:
    """Gives the code that a violation answers, and the path of its field with what would be right."""
    proto = violation.proto
    path = at
    code = _message_code(root)
    descriptor: Descriptor | None = root
    for element in proto.field.elements if proto.field else ():
        field = descriptor.fields_by_name.get(element.field_name) if descriptor else None
        if field is not None:
            code = _message_code(descriptor) or code
            code = _field_code(field) or code
        descriptor = field.message_type if field is not None else None
        path = _join(path, element.field_name)
        if element.subscript is not None:
            value = element.subscript.value
            path += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
    if descriptor is not None and not proto.rule:
        # A rule on a whole message is named for the field that it is about.
        path = _join(path, proto.rule_id)
    return code or status_pb2.INVALID_DATA_FORMAT, Violation(path, proto.message)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _message_code(descriptor: Descriptor | None) -> StatusCode.ValueType:
    """The code that the contract gives a message's broken rules; SUCCESS where it says none."""
    if descriptor is None:
        return status_pb2.SUCCESS
    return descriptor.GetOptions().Extensions[reading_pb2.message_error_code]


def _field_code(field: FieldDescriptor) -> StatusCode.ValueType:
    return field.GetOptions().Extensions[reading_pb2.error_code]
