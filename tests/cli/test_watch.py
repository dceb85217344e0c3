"""songctl watch, as a process that goes on until it is interrupted."""

import json
import signal

from tests.cli.conftest import DEADLINE, Songctl
from tests.cli.test_songs import add


def test_changes_are_printed_as_they_happen(editor: Songctl) -> None:
    process = editor.start("--json", "watch", "--artist", "Ann")
    assert process.stdout
    heartbeat = json.loads(process.stdout.readline())
    add(editor, "Other", "Bob")
    song = add(editor, "One")
    told = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE)

    assert heartbeat["change"] == "SONG_CHANGE_HEARTBEAT"
    assert (told["change"], told["song"]["title"]) == ("SONG_CHANGE_CREATED", "One")
    assert process.returncode == 130

    editor("rm", song["id"], "--yes")
    process = editor.start("watch", "--artist", "Ann", "--resume-token", told["resume_token"])
    assert process.stdout
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE)
    assert line.split("\t")[1:3] == ["deleted", song["id"]]


def test_a_token_that_is_none_is_refused(editor: Songctl) -> None:
    assert "resume_token" in editor.error("watch", "--resume-token", "made up")
