"""How many cores this process may use."""

import math
import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""The bandwidth of a container's cgroup (version 2): microseconds of CPU in a period, and the period."""


def available_cores() -> int:
    """Gives the cores that this process may use, at least 1: by its affinity, and by the limit of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CPU_MAX.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # there is no cgroup, or "max": no limit
        return cores
