"""Writes the tables of the documentation that follow from the code: access, codes, settings.

`python docs/tables.py` writes them between their markers (`make protos` does); with `--check` it fails if one is stale.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from songs.v1.access_pb2 import PRIVILEGE_PUBLIC, Privilege, Scope
from songs.v1.status_pb2 import StatusCode
from songserver.app import SERVICES
from songserver.config import Settings, environment_name
from songserver.errors import GRPC_STATUS
from songserver.flags import describe_default, flag_name
from songserver.rpc import Method

ROOT = Path(__file__).parents[1]


def access() -> str:
    """Who may call what, as the contract's options access and scope say."""
    rows = [
        (
            service.name,
            method.name,
            Privilege.Name(method.access).removeprefix("PRIVILEGE_"),
            _scope(method),
        )
        for service in SERVICES
        for method in map(Method.of, service.methods)
    ]
    return _table(("service", "method", "privilege", "API keys with"), rows)


def _scope(method: Method) -> str:
    if method.access == PRIVILEGE_PUBLIC:
        return ""
    return Scope.Name(method.scope).removeprefix("SCOPE_") if method.scope else "none"


def codes() -> str:
    """The codes, their numbers, and the gRPC status of each."""
    rows = [
        (f"`{name}`", str(number), GRPC_STATUS[StatusCode.ValueType(number)].name)
        for name, number in sorted(StatusCode.items(), key=lambda item: -item[1])
    ]
    return _table(("code", "number", "gRPC status"), rows)


def settings() -> str:
    """All settings, with their environment variables and defaults."""
    rows = [
        (f"`{flag_name(name)}`", f"`{environment_name(name)}`", describe_default(field), str(field.description))
        for name, field in Settings.model_fields.items()
    ]
    return _table(("flag", "environment", "default", "what it sets"), rows)


TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "access": ("README.md", access),
    "codes": ("README.md", codes),
    "settings": ("docs/settings.md", settings),
}
"""Each table, by the name in its markers: the file that it stands in, and what makes it."""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> int:
    """Writes or checks the tables; gives the exit status."""
    stale = []
    for name, (file, make) in TABLES.items():
        path = ROOT / file
        before, begin, rest = path.read_text().partition(f"<!-- table: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        text = f"{before}{begin}\n{make()}\n\n{end}{after}"
        if text != path.read_text():
            stale.append(f"{file}: {name}")
            if "--check" not in arguments:
                path.write_text(text)
    if stale and "--check" in arguments:
        sys.exit(f"not as the code is, run `make protos`: {', '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
