"""`make fuzz`: mutated messages, metadata and HTTP/2 frames against a real server; fails if one does what it must not.

    python -m tests.security.fuzzing [--seconds 60] [--seed N] [--engine grpcio|envoy]

What must not be: `judge.py`. What is sent follows from the seed, which is printed (but for what servers choose, such as
ids); the input that brought a fault about is printed with it.
"""

import random
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import click
import psutil

from tests.operations.conftest import serving
from tests.security.fuzzing.fuzzer import Fuzzer
from tests.security.fuzzing.judge import Judge
from tests.security.fuzzing.target import Target

THREADS = 6
"""Most of them wait: for an answer to what is broken there may be none."""
WARM = 0.3
"""Part of the time after which a server's caches are full."""
TOLD = 20
"""Faults that are printed at the most."""


def fuzz(target: Target, judge: Judge, seed: int, seconds: float) -> None:
    """Sends for so many seconds."""
    begin = time.monotonic()

    def send(thread: int) -> None:
        fuzzer = Fuzzer(target, judge)
        number = 0
        while time.monotonic() - begin < seconds:
            chance = random.Random(f"{seed}/{thread}/{number}")
            number += 1
            try:
                chance.choice(fuzzer.kinds)(chance)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
                judge.fault("the fuzzer or the server broke: " + "".join(traceback.format_exception(error))[-3000:])
                if not psutil.pid_exists(target.process.pid):
                    return

    threads = [threading.Thread(target=send, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds * WARM)
    before = target.memory()
    for thread in threads:
        thread.join()
    judge.memory(before, target.memory())


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), default=60)
@click.option("--seed", type=int, help="The one to repeat; without it a new one.")
@click.option("--engine", type=click.Choice(["grpcio", "envoy"]), default="grpcio")
def main(seconds: float, seed: int | None, engine: str) -> None:
    """Sends what hurts to a server of its own."""
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    click.echo(f"{seconds:g} s against {engine}, seed {seed}")
    judge = Judge()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        arguments = [f"--data-directory={data}", f"--engine={engine}", "--log-level=warning", "--mongodb-timeout=10"]
        # What is refused by number would not be looked at.
        arguments += ["--sign-in-failures-by-peer=1000", "--sign-in-failures=100", "--peer-calls=1000000"]
        arguments += ["--peer-calls-burst=1000000", "--access-token-lifetime=86400"]
        with serving(*arguments, environment={"MONGODB_URI": ""}) as process:
            target = Target(process, data, engine)
            fuzz(target, judge, seed, seconds)
            target.check(judge)
            target.channel.close()
            if process.stop() != 0:
                judge.fault("it did not end well")
            judge.log(process.log)
    for told, count in sorted(judge.counts.items()):
        click.echo(f"{count:8} {told}")
    for fault in judge.faults[:TOLD]:
        click.echo(f"FAULT {fault}")
    click.echo(f"{len(judge.faults)} faults; again with ENGINE={engine} SEED={seed}")
    sys.exit(bool(judge.faults))


if __name__ == "__main__":
    main()
