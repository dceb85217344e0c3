"""`songserver audit verify`."""

import re
from typing import Any

import pymongo

from songserver.testing import SongServer
from tests.commands.conftest import Run


def test_audit_verify_tells_of_a_log_that_is_whole_and_of_one_that_is_not(
    run: Run, database: tuple[str, ...], song_server: SongServer
) -> None:
    for name in ("ada", "bob", "carl"):
        song_server.sign_up(name)
    said = run("audit", "verify", *database).output
    whole = re.fullmatch(r"3 entries, each as it was written; the last one is (3:[0-9a-f]{64})\n", said)
    assert whole
    assert run("audit", "verify", *database, f"--head={whole[1]}").exit_code == 0

    settings = song_server.settings
    assert settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        client[settings.mongodb_database]["audit"].delete_one({"_id": 2})
    result = run("audit", "verify", *database)

    assert result.exit_code == 1
    assert "2" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: the audit log was tampered with: ")


def test_audit_verify_wants_a_head_that_is_one(run: Run, database: tuple[str, ...]) -> None:
    result = run("audit", "verify", *database, "--head=3")

    assert result.exit_code == 2
    assert "'3' is no NUMBER:HASH" in result.stderr
