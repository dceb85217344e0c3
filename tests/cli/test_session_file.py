"""The files that keep sessions."""

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from songclient import Session
from songclient.cli.session_file import RENEWAL_MARGIN, SessionFile, sessions_directory


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_session_is_kept_for_its_user_alone(tmp_path: Path) -> None:
    kept = SessionFile(tmp_path / "state" / "songctl", "localhost:1")
    kept.save(Session(access_token="a", refresh_token="r"))
    assert kept.load() == Session(access_token="a", refresh_token="r")
    assert mode(kept.path) == 0o600
    assert mode(kept.path.parent) == 0o700
    assert [path.name for path in kept.path.parent.iterdir()] == [kept.path.name]


def test_each_server_has_a_session_of_its_own(tmp_path: Path) -> None:
    first, second = (SessionFile(tmp_path, f"localhost:{port}") for port in (1, 2))
    first.save(Session(access_token="a"))
    second.save(Session(access_token="b"))
    first.save(None)
    first.save(None)
    assert first.load() is None
    assert second.load() == Session(access_token="b")


def test_an_address_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    assert SessionFile(tmp_path, "unix:/../../x").path.parent == tmp_path


@pytest.mark.parametrize("text", ["", "{", '{"access_token": 5}', "\udcff"])
def test_a_file_that_holds_no_session_is_none(tmp_path: Path, text: str) -> None:
    kept = SessionFile(tmp_path, "localhost:1")
    kept.path.write_bytes(text.encode(errors="surrogateescape"))
    assert kept.load() is None


def test_a_session_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    kept = SessionFile(tmp_path, "localhost:1")
    kept.save(Session(access_token="a"))
    kept.path.unlink()
    kept.path.mkdir()
    with pytest.raises(IsADirectoryError):
        kept.save(Session(access_token="b"))
    assert [path.name for path in tmp_path.iterdir()] == [kept.path.name]


def ending_in(seconds: float, token: str) -> Session:
    session = Session(access_token=token)
    session.access_token_expire_time.FromNanoseconds(int((time.time() + seconds) * 1e9))
    return session


def test_one_renews_a_session_and_the_others_wait_for_it(tmp_path: Path) -> None:
    kept = SessionFile(tmp_path, "localhost:1")
    kept.save(ending_in(RENEWAL_MARGIN / 2, "old"))
    with ThreadPoolExecutor(1) as other, ExitStack() as first, ExitStack() as second:
        assert kept.load_to_renew(first) == (kept.load(), True)
        waiting = other.submit(kept.load_to_renew, second)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        kept.save(ending_in(600, "new"))
        first.close()
        renewed, due = waiting.result(10)
        assert renewed is not None
        assert (renewed.access_token, due) == ("new", False)
        with ExitStack() as third:
            kept.save(ending_in(RENEWAL_MARGIN / 2, "old again"))
            assert other.submit(kept.load_to_renew, third).result(10) == (kept.load(), True)


def test_a_session_that_lasts_needs_no_lock(tmp_path: Path) -> None:
    kept = SessionFile(tmp_path, "localhost:1")
    kept.save(ending_in(600, "new"))
    with ExitStack() as renewal:
        assert kept.load_to_renew(renewal) == (kept.load(), False)
    assert [path.name for path in tmp_path.iterdir()] == [kept.path.name]


def test_the_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.delenv("SONGCTL_SESSION", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert sessions_directory() == Path("/home/ann/.local/state/songctl")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert sessions_directory() == Path("/state/songctl")
    monkeypatch.setenv("SONGCTL_SESSION", str(tmp_path))
    assert sessions_directory() == tmp_path
