"""What a server must never do, whatever it is sent: judged of every answer, of its log, and of its memory."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable

INTERNAL, UNKNOWN, UNAVAILABLE = 13, 2, 14
NEVER = {INTERNAL: "INTERNAL", UNKNOWN: "UNKNOWN", UNAVAILABLE: "UNAVAILABLE"}
TRACEBACK = re.compile(rb'Traceback \(most recent|File "[^"]+", line \d')
PYTHON = re.compile(r"Exception|Unexpected|<class|serializ|\berror in\b|object at 0x")
"""In a message of a status that is not ours: it is not the transport that has refused what is no gRPC.

grpcio tells of headers and frames that it cannot read as INTERNAL or UNAVAILABLE, in words of its own, and of what
Python raises as UNKNOWN.
"""
GROWTH = 1.1
ALLOWANCE = 24 * 2**20
"""Bytes of memory, besides, by which a server may grow: its caches fill, and its allocator keeps some."""


class Judge:
    """Collects what was answered, and what is wrong with it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def answer(self, kind: str, status: int, message: str, *, ours: bool, sent: bytes) -> None:
        """Judges the status of a call.

        Args:
            kind: What was sent: messages, metadata or frames.
            status: The number of the gRPC status.
            message: Its message.
            ours: Whether the status has one of our codes: it went through our code.
            sent: What was sent, to send it again.
        """
        with self._lock:
            self.counts[f"{kind}: {status}{'' if ours or not status else ' ' + without_numbers(message)[:60]}"] += 1
        transport = kind != "messages" and not ours and status != UNKNOWN and not PYTHON.search(message)
        if status in NEVER and not transport:
            self.fault(f"{NEVER[status]} ({message}) for {kind}", sent)
        if TRACEBACK.search(message.encode()):
            self.fault(f"a traceback in a message: {message}", sent)

    def wire(self, kind: str, received: bytes, sent: bytes) -> None:
        """Judges the bytes that came back."""
        if TRACEBACK.search(received):
            self.fault(f"a traceback on the wire for {kind}", sent)

    def fault(self, fault: str, sent: bytes = b"") -> None:
        """Notes what is wrong."""
        with self._lock:
            self.faults.append(f"{fault}\n    sent: {sent[:2000].hex()}" if sent else fault)

    def log(self, lines: Iterable[str]) -> None:
        """Judges what a server has logged: incidents, tracebacks, and what is not in the form of its log."""
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                # A library's own words: counted, and none of Python's.
                self.counts[f"log: {without_numbers(line)[:80]}"] += 1
                event = {}
            if event.get("level") in ("error", "critical") or TRACEBACK.search(line.encode()):
                self.fault(f"in the log: {line[:3000]}")

    def memory(self, before: int, after: int) -> None:
        """Judges how the memory of a server has grown, in bytes, once it was warm."""
        self.counts["memory before, MiB"] = before >> 20
        self.counts["memory after, MiB"] = after >> 20
        if after > before * GROWTH + ALLOWANCE:
            self.fault(f"memory has grown from {before >> 20} to {after >> 20} MiB")


def without_numbers(text: str) -> str:
    return re.sub(r"[0-9]+", "#", ascii(text)[1:-1])
