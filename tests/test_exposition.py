"""What a supervisor tells of its workers, whatever they do. How that is served: operations/test_metrics.py."""

import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from songserver.exposition import Exposition
from songserver.worker import ServingStatus


class Idle:
    """A supervisor that has nothing to tell."""

    restarts = 0
    status: ServingStatus = "SERVING"
    pids: Mapping[int, int] = {}


def test_a_file_that_a_worker_is_making_is_waited_for(tmp_path: Path) -> None:
    made = MmapedDict(str(tmp_path / "made"))
    made.write_value(mmap_key("calls_total", "calls_total", [], [], "Calls."), 3.0, 0.0)
    made.close()
    folder = tmp_path / "folder"
    folder.mkdir()
    counter = folder / "counter_1.db"
    counter.touch()
    writing = threading.Timer(0.03, lambda: shutil.copyfile(tmp_path / "made", counter))
    writing.start()

    samples = [sample for metric in Exposition(Idle(), folder).collect() for sample in metric.samples]

    writing.join()
    assert [sample.value for sample in samples if sample.name == "calls_total"] == [3.0]
