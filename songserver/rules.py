"""Brings a message into its canonical form and checks it against the rules that the contract states.

The rules are protovalidate's (`buf.validate`); the canonical forms and the code that a broken rule answers are options
of `protos/songs/v1/reading.proto`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from songs.v1 import reading_pb2, status_pb2
from songs.v1.reading_pb2 import Form
from songs.v1.status_pb2 import StatusCode
from songserver.errors import InvalidRequest, Violation
from songserver.text import canonical, canonical_isrc, canonical_name

FORMS: Mapping[Form.ValueType, Callable[[str], str]] = {
    reading_pb2.FORM_TEXT: canonical,
    reading_pb2.FORM_ISRC: canonical_isrc,
    reading_pb2.FORM_NAME: canonical_name,
}

TIMES_TOO_LONG = 4
"""How many times as long as its rule allows a text may come: a character can be written as up to four code points, and
an ISRC with hyphens and blanks."""


class _Text(NamedTuple):
    """A field of text that has a canonical form."""

    name: str
    form: Callable[[str], str]
    most: int
    """Characters beyond which it is refused before anything is done with it."""


class _Plan(NamedTuple):
    """What there is to do with messages of one type before their rules are checked."""

    texts: list[_Text]
    repeated_texts: list[_Text]
    messages: list[tuple[str, "_Plan"]]
    repeated_messages: list[tuple[str, "_Plan"]]
    bounds: list[tuple[str, int]]
    """Repeated fields, and how many items they may have."""


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
        _check_sizes(message, plan, at)
        _canonicalize(message, plan)
        broken = self._validator.collect_violations(message)
        if broken:
            codes, violations = zip(*(_read(violation, descriptor, at) for violation in broken), strict=True)
            raise InvalidRequest(codes[0], violations)


def _plan(descriptor: Descriptor) -> _Plan:
    plan = _Plan([], [], [], [], [])
    for field in descriptor.fields:
        rules = field.GetOptions().Extensions[validate_pb2.field]
        most_items = rules.map.max_pairs or rules.repeated.max_items
        if most_items:
            plan.bounds.append((field.name, most_items))
        if validate_pb2.IGNORE_ALWAYS in (rules.ignore, rules.repeated.items.ignore):
            continue  # whoever looks at it later has it checked then
        form = FORMS.get(field.GetOptions().Extensions[reading_pb2.form])
        if form:
            most = TIMES_TOO_LONG * (rules.string.max_len or rules.repeated.items.string.max_len)
            (plan.repeated_texts if field.is_repeated else plan.texts).append(_Text(field.name, form, most))
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            inner = _plan(field.message_type)
            if any(inner):
                (plan.repeated_messages if field.is_repeated else plan.messages).append((field.name, inner))
    return plan


def _check_sizes(message: Message, plan: _Plan, at: str) -> None:
    """Refuses what is far too much, before all of it is looked at: the time that takes is the client's to choose."""
    for name, most in plan.bounds:
        count = len(getattr(message, name))
        if count > most:
            raise _refusal(message, name, at, f"must contain no more than {most} item(s), and has {count}")
    for name, _, most in plan.texts:
        length = len(getattr(message, name))
        if length > most:
            raise _refusal(message, name, at, f"must be at most {most // TIMES_TOO_LONG} characters, and has {length}")
    for name, _, most in plan.repeated_texts:
        for index, text in enumerate(getattr(message, name)):
            if len(text) > most:
                text_at = f"{name}[{index}]"
                raise _refusal(message, name, at, f"must be at most {most // TIMES_TOO_LONG} characters", text_at)
    for name, inner in plan.messages:
        if message.HasField(name):
            _check_sizes(getattr(message, name), inner, _join(at, name))


def _refusal(message: Message, name: str, at: str, description: str, place: str = "") -> InvalidRequest:
    descriptor = cast(Descriptor, message.DESCRIPTOR)
    code = _field_code(descriptor.fields_by_name[name]) or _message_code(descriptor)
    violation = Violation(_join(at, place or name), description)
    return InvalidRequest(code or status_pb2.INVALID_DATA_FORMAT, [violation])


def _canonicalize(message: Message, plan: _Plan) -> None:
    for name, form, _ in plan.texts:
        text = getattr(message, name)
        if text and (better := form(text)) != text:
            setattr(message, name, better)
    for name, form, _ in plan.repeated_texts:
        texts = getattr(message, name)
        for index, text in enumerate(texts):
            if (better := form(text)) != text:
                texts[index] = better
    for name, inner in plan.messages:
        if message.HasField(name):
            _canonicalize(getattr(message, name), inner)
    for name, inner in plan.repeated_messages:
        for item in getattr(message, name):
            _canonicalize(item, inner)


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
