"""How long connections live, on each engine."""

from contextlib import AbstractContextManager
from pathlib import Path
from queue import Queue

import grpc
import pytest

from songserver.config import Settings
from tests.engines.conftest import ENGINES, START_TIME, on_envoy, on_grpcio


def carried(engine: str, settings: Settings, folder: Path) -> AbstractContextManager[str]:
    return on_envoy(settings, folder) if engine == "envoy" else on_grpcio(settings)


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_connection_without_calls_is_closed_and_the_next_call_opens_another(engine: str, tmp_path: Path) -> None:
    states: Queue[grpc.ChannelConnectivity] = Queue()
    settings = Settings(listen="127.0.0.1:0", max_connection_idle=0.3)
    with carried(engine, settings, tmp_path) as address, grpc.insecure_channel(address) as channel:
        channel.subscribe(states.put)
        tell: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/throwaway.Service/Tell")
        for _ in range(2):
            assert tell(b"", timeout=20)
            while states.get(timeout=START_TIME) is not grpc.ChannelConnectivity.READY:
                pass
            assert states.get(timeout=START_TIME) is grpc.ChannelConnectivity.IDLE
