"""The contract as one descriptor set, with its comments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

CONTRACT = Path(__file__).parents[2] / "generated" / "songs" / "v1" / "contract.binpb"
NESTED = {
    "message_type": (4, "nested_type", "enum_type", "field", "oneof_decl"),
    "nested_type": (3, "nested_type", "enum_type", "field", "oneof_decl"),
    "enum_type": (5, "value"),
    "service": (6, "method"),
    "extension": (7,),
    "field": (2,),
    "oneof_decl": (8,),
    "value": (2,),
    "method": (2,),
}
"""What each kind of part is numbered in the descriptor of what holds it, and what it holds (descriptor.proto)."""


def parts(
    holder: Any, kinds: tuple[str, ...], name: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every part of a descriptor, with its full name and its path as SourceCodeInfo has it."""
    for kind in kinds:
        number, *held = NESTED[kind]
        # The enum type of a message has another number than that of a file.
        number = 4 if kind == "enum_type" and path else number
        for index, part in enumerate(getattr(holder, kind)):
            if kind == "nested_type" and part.options.map_entry:
                continue
            if kind == "oneof_decl" and part.name.startswith("_"):  # what protoc makes of an `optional` field
                continue
            full_name, at = f"{name}.{part.name}", (*path, number, index)
            yield full_name, at  # type: ignore[misc]
            yield from parts(part, tuple(held), full_name, at)  # type: ignore[arg-type]


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Every part of a file with the comment before it, which is empty where there is none."""
    told = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    kinds = ("message_type", "enum_type", "service", "extension")
    for name, path in parts(file, kinds, file.package, ()):
        yield name, told.get(path, "").strip()


@pytest.fixture(scope="session")
def comments() -> dict[str, str]:
    """The comment of every message, field, enum, value, service, method and option of the contract, by full name."""
    files = FileDescriptorSet.FromString(CONTRACT.read_bytes()).file
    return dict(pair for file in files if file.package == "songs.v1" for pair in comments_of(file))
