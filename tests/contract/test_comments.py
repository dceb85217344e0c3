"""The contract tells what everything in it means."""

import re

from songs.v1.song_pb2 import Song
from songserver.app import SERVICES


def test_everything_in_the_contract_has_a_comment(comments: dict[str, str]) -> None:
    for name in ("songs.v1.Song", "songs.v1.Song.title", "songs.v1.StatusCode.SUCCESS", "songs.v1.access"):
        assert name in comments
    assert {f"songs.v1.Song.{field.name}" for field in Song.DESCRIPTOR.fields} <= set(comments)
    assert {method.full_name for service in SERVICES for method in service.methods} <= set(comments)

    assert [name for name, comment in comments.items() if not comment] == []


def test_comments_name_only_what_there_is(comments: dict[str, str]) -> None:
    names = {name.rpartition(".")[2] for name in comments}
    codes = {name for name in names if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name)}
    grpc = {"INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ALREADY_EXISTS", "PERMISSION_DENIED"}
    grpc |= {"NOT_FOUND", "FAILED_PRECONDITION"}
    for name, comment in comments.items():
        assert set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", comment)) <= codes | grpc, name
