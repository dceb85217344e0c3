"""The embedded MongoDB keeps its promises: data stays, mongod comes back, and never outlives us."""

import asyncio
import fcntl
import os
import re
import signal
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
import structlog.testing
from pymongo.asynchronous.client_session import AsyncClientSession

from songserver.storage.embedded import (
    MAX_LOG_SIZE,
    EmbeddedMongo,
    EmbeddedMongoError,
)
from tests.storage.mongods import (
    hurried,
    is_found,
    is_gone,
    kill,
    orphan,
    running,
    server,
    songs_at,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedMongo, Path, str]]:
    """One that runs for all tests which leave it as it is; the thread that started it has ended."""
    directory = tmp_path_factory.mktemp("shared") / "not" / "there" / "yet"
    mongo = hurried(directory)
    uris: list[str] = []
    thread = threading.Thread(target=lambda: uris.append(asyncio.run(mongo.start())))
    thread.start()
    thread.join()
    yield mongo, directory, uris[0]
    asyncio.run(mongo.stop())


@pytest.mark.asyncio
async def test_transactions_work(shared: tuple[EmbeddedMongo, Path, str]) -> None:
    async with songs_at(shared[2]) as songs:

        async def two_songs(session: AsyncClientSession) -> None:
            await songs.insert_one({"title": "one"}, session=session)
            assert await songs.count_documents({}) == 0
            await songs.insert_one({"title": "two"}, session=session)

        async with songs.database.client.start_session() as session:
            await session.with_transaction(two_songs)
        assert await songs.count_documents({}) == 2


@pytest.mark.asyncio
async def test_change_streams_work(shared: tuple[EmbeddedMongo, Path, str]) -> None:
    async with songs_at(shared[2]) as songs, await songs.watch() as changes:
        await songs.insert_one({"title": "news"})
        change = await asyncio.wait_for(changes.next(), 5)
    assert change["fullDocument"]["title"] == "news"


def test_nobody_else_can_connect_or_read(shared: tuple[EmbeddedMongo, Path, str]) -> None:
    mongo, directory, uri = shared
    path = Path(unquote(uri.removeprefix("mongodb://").split("/?")[0]))
    assert path.parent == directory
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.parents[1].stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "db").stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "mongod.log").stat().st_mode) == 0o600
    process = psutil.Process(mongo.pid)
    assert process.net_connections("inet") == []
    unix = [str(connection.laddr) for connection in process.net_connections("unix")]
    assert set(filter(None, unix)) == {"./mongod.sock"}


def test_mongod_outlives_the_thread_that_started_it(
    shared: tuple[EmbeddedMongo, Path, str],
) -> None:
    assert shared[0].pid is not None
    assert not is_gone(shared[0].pid, within=0.1)


@pytest.mark.asyncio
async def test_second_server_on_the_directory_is_refused_and_told_by_whom(
    shared: tuple[EmbeddedMongo, Path, str],
) -> None:
    before = time.monotonic()
    with pytest.raises(EmbeddedMongoError, match=f"in use by another server, process {os.getpid()}:"):
        await EmbeddedMongo(shared[1]).start()
    with pytest.raises(EmbeddedMongoError, match="in use by another server"):
        await shared[0].start()
    assert time.monotonic() - before < 5
    async with songs_at(shared[2]) as songs:
        await songs.find_one({})


@pytest.mark.asyncio
async def test_data_survives_a_clean_restart_and_the_log_does_not_grow_for_ever(
    tmp_path: Path,
) -> None:
    mongo = EmbeddedMongo(tmp_path)
    async with running(mongo) as songs:
        await songs.insert_one({"title": "kept"})
    assert mongo.pid is not None
    assert is_gone(mongo.pid, within=0)
    assert '"Shutting down","attr":{"exitCode":0}' in (tmp_path / "mongod.log").read_text()

    os.truncate(tmp_path / "mongod.log", MAX_LOG_SIZE + 1)
    mongo = hurried(tmp_path)
    started = time.monotonic()
    async with running(mongo) as songs:
        assert time.monotonic() - started < 8, "it waited for somebody"
        assert await songs.count_documents({"title": "kept"}) == 1
    assert (tmp_path / "mongod.log.1").stat().st_size == MAX_LOG_SIZE + 1
    assert (tmp_path / "mongod.log").stat().st_size < MAX_LOG_SIZE


@pytest.mark.asyncio
async def test_killed_mongod_comes_back_at_the_same_address_with_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    mongo = hurried(tmp_path)
    with structlog.testing.capture_logs() as logs:
        async with running(mongo) as songs:
            for number in range(2):
                await songs.insert_one({"_id": number})
                pid = kill(mongo)
                async with asyncio.timeout(10):
                    while not await is_found(songs, number):  # noqa: ASYNC110  # nothing tells us
                        await asyncio.sleep(0.01)
                assert mongo.pid != pid
            assert await songs.distinct("_id") == [0, 1]
    died = [entry for entry in logs if entry["event"] == "mongod died, restarting it"]
    assert [entry["reason"] for entry in died] == ["exit status -9"] * 2
    assert [entry["delay_seconds"] for entry in died] == [0.1, 0.2]


@pytest.mark.asyncio
async def test_killed_server_leaves_no_mongod_and_the_next_start_recovers(tmp_path: Path) -> None:
    with server(tmp_path, "serve") as (process, pid, uri):
        async with songs_at(uri) as songs:
            await songs.insert_one({"title": "acknowledged"})
        process.kill()
        assert is_gone(pid, within=10)
    assert (tmp_path / "mongod.sock").exists()
    assert (tmp_path / "db" / "mongod.lock").read_text() == f"{pid}\n"
    async with running(hurried(tmp_path)) as songs:
        assert await songs.count_documents({"title": "acknowledged"}) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["serve", "leave_without_stop"])
async def test_leaving_by_ctrl_c_or_without_stop_shuts_mongod_down_cleanly(tmp_path: Path, way: str) -> None:
    with server(tmp_path, way) as (process, pid, _):
        if way == "serve":
            os.killpg(process.pid, signal.SIGINT)
        await asyncio.to_thread(process.wait, 20)
        assert is_gone(pid, within=0)
    said = (tmp_path / "mongod.log").read_text()
    assert re.findall(r'"Received signal","attr":{"signal":(\d+)', said) == ["15"]
    assert '"Shutting down","attr":{"exitCode":0}' in said


@pytest.mark.asyncio
async def test_directory_may_be_moved_even_to_a_path_too_long_for_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(hurried(tmp_path / "old")) as songs:
        await songs.insert_one({"title": "moved"})
    new = tmp_path / ("long" * 25)
    (tmp_path / "old").rename(new)

    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    mongo = hurried(new)
    uri = await mongo.start()
    folder = Path(unquote(uri.removeprefix("mongodb://").split("/?")[0])).parent
    try:
        assert folder != new
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        async with songs_at(uri) as songs:
            assert await songs.count_documents({"title": "moved"}) == 1
    finally:
        await mongo.stop()
    assert not folder.exists()

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(new))
    with pytest.raises(EmbeddedMongoError, match="set XDG_RUNTIME_DIR to a shorter one"):
        await mongo.start()


@pytest.mark.asyncio
@pytest.mark.parametrize("frozen", [False, True])
async def test_mongod_left_behind_by_an_earlier_server_is_stopped_first(tmp_path: Path, *, frozen: bool) -> None:
    with orphan(tmp_path) as process:
        if frozen:
            process.send_signal(signal.SIGSTOP)
        mongo = EmbeddedMongo(tmp_path, stop_timeout=0.2 if frozen else 10)
        async with running(mongo) as songs:
            await songs.insert_one({})
            assert process.wait(5) == (-signal.SIGKILL if frozen else 0)


@pytest.mark.asyncio
async def test_somebody_elses_process_on_the_data_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    with (tmp_path / "db" / "mongod.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        with pytest.raises(EmbeddedMongoError, match=rf"process {os.getpid()} uses .* stop that"):
            await EmbeddedMongo(tmp_path).start()


@pytest.mark.asyncio
async def test_mongod_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    mongo = EmbeddedMongo(tmp_path, stop_timeout=0.2)
    await mongo.start()
    pid = kill(mongo, signal.SIGSTOP)
    await mongo.stop()
    assert is_gone(pid, within=0)
    await mongo.stop()


@pytest.mark.alone
@pytest.mark.asyncio
async def test_stop_while_a_dead_mongod_waits_for_its_restart(tmp_path: Path) -> None:
    mongo = hurried(tmp_path)
    with structlog.testing.capture_logs() as logs:
        await mongo.start()
        pid = kill(mongo)
        while not logs:  # noqa: ASYNC110  # a log sets no event
            await asyncio.sleep(0.005)
        await mongo.stop()
    assert mongo.pid == pid


@pytest.mark.asyncio
async def test_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    mongo = hurried(tmp_path)
    assert mongo.pid is None
    start = asyncio.create_task(mongo.start())
    while mongo.pid is None:  # noqa: ASYNC110  # nothing tells us
        await asyncio.sleep(0.001)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert is_gone(mongo.pid, within=0)
    async with running(mongo) as songs:
        assert await songs.count_documents({}) == 0
