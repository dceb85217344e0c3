"""`songserver keys rotate` beside a running server, with a MongoDB of its own: no restart, and nobody is signed out."""

import re
import subprocess
from pathlib import Path

import grpc

from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest
from songs.v1.audit_service_pb2_grpc import AuditServiceStub
from songs.v1.user_service_pb2 import GetMeRequest, GetSigningKeysRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.auth.keys import load_keys
from tests.operations.conftest import PATIENCE, SONGSERVER, channel_to, serving, sign_in, until

OLD = "20240229T120000Z"
WORKERS = {"SONGSERVER_WORKERS": "2"}


def kids(channel: grpc.Channel) -> list[str]:
    answer = UserServiceStub(channel).GetSigningKeys(GetSigningKeysRequest(), timeout=PATIENCE)
    return [key.kid for key in answer.keys]


def kids_of_many(address: str) -> set[tuple[str, ...]]:
    """What is told on ten connections, which are to all workers."""
    found = set()
    for _ in range(10):
        with channel_to(address) as channel:
            found.add(tuple(kids(channel)))
    return found


def songserver(*arguments: str) -> str:
    return subprocess.run([*SONGSERVER, *arguments], capture_output=True, text=True, check=True).stdout


def test_keys_are_changed_under_a_running_server(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    load_keys(keys)
    next(keys.glob("*.pem")).rename(keys / f"{OLD}.pem")
    arguments = [f"--data-directory={tmp_path}"]

    with serving(*arguments, environment=WORKERS) as process, grpc.insecure_channel(process.address) as channel:
        told = process.said(r"made the account 'admin' with the password (\S+)")
        assert told
        signed_in = sign_in(channel, "admin", told[1])

        made = re.match(r"made the key (\S+),", songserver("keys", "rotate", *arguments))

        assert made
        until(lambda: kids_of_many(process.address) == {(OLD, made[1])})
        assert UserServiceStub(channel).GetMe(GetMeRequest(), metadata=signed_in, timeout=PATIENCE).user.id
        request = ListAuditEventsRequest(filter=AuditFilter(action="keys-rotate"))
        events = AuditServiceStub(channel).ListAuditEvents(request, metadata=signed_in, timeout=PATIENCE).events
        assert [event.target_id for event in events] == [made[1]]
        assert re.fullmatch(r"\d+ entries, each as it was written; .*\n", songserver("audit", "verify", *arguments))

        # As after a leak: whoever has the old key can make no more tokens.
        (keys / f"{OLD}.pem").unlink()
        until(lambda: kids_of_many(process.address) == {(made[1],)})
        assert sign_in(channel, "admin", told[1])
