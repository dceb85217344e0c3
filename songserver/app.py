"""The composition root: settings in, all methods out, each with the way to its servicer. Nothing else wires.

`wired` is what a worker's engine carries, `wire` is what it is made of. What is done once, however many workers serve,
is in `groundwork.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from songs.v1 import api_key_service_pb2, audit_service_pb2, song_service_pb2, user_service_pb2
from songs.v1.access_pb2 import PRIVILEGE_PUBLIC, Privilege
from songserver.accounts import Accounts
from songserver.auth.callers import Callers
from songserver.auth.credentials import Bounds, Credentials
from songserver.auth.key_ring import KeyRing
from songserver.auth.tokens import Tokens
from songserver.config import Settings
from songserver.health import SERVICE as HEALTH_SERVICE
from songserver.health import Health
from songserver.interceptors.auth import Auth
from songserver.interceptors.errors import errors
from songserver.interceptors.limits import Limits
from songserver.interceptors.rates import Rates
from songserver.interceptors.telemetry import telemetry
from songserver.interceptors.validation import Validation
from songserver.paging import PageTokens
from songserver.reflection import Reflection
from songserver.rpc import Handler, Interceptor, Method, handlers
from songserver.rules import Rules
from songserver.services.api_key_service import ApiKeyService
from songserver.services.audit_service import AuditService
from songserver.services.batch_creation import BatchCreation
from songserver.services.exporting import Exporting
from songserver.services.importing import Importing
from songserver.services.song_exporting import SongExporting
from songserver.services.song_service import SongService
from songserver.services.user_service import UserService
from songserver.services.watching import Watching
from songserver.storage.api_keys import ApiKeys
from songserver.storage.attempts import Attempts
from songserver.storage.changes import Changes
from songserver.storage.imports import Imports
from songserver.storage.mongo import Mongo, database_within
from songserver.storage.redirects import Redirects
from songserver.storage.sessions import Sessions
from songserver.storage.song_batches import SongBatches
from songserver.storage.song_bulk import SongBulk
from songserver.storage.song_changes import SongChanges
from songserver.storage.song_counts import SongCounts
from songserver.storage.song_duplicates import SongDuplicates
from songserver.storage.song_export import SongExport
from songserver.storage.song_lists import SongLists
from songserver.storage.song_merges import SongMerges
from songserver.storage.song_search import SongSearch
from songserver.storage.songs import Songs
from songserver.storage.vocabulary import Vocabulary

SERVICES = (
    song_service_pb2.DESCRIPTOR.services_by_name["SongService"],
    user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
    api_key_service_pb2.DESCRIPTOR.services_by_name["ApiKeyService"],
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
)
"""The services of the contract."""
METHODS = [method for service in SERVICES for method in service.methods]
"""Their methods."""
WATCH_PATH = "/songs.v1.SongService/WatchSongs"
"""Calls that go on for hours, and mostly wait."""


class Wired(NamedTuple):
    """What any engine carries."""

    methods: list[tuple[Method, Handler]]
    """Each method with the way to its servicer."""
    health: Health


@asynccontextmanager
async def wired(settings: Settings, mongo: Mongo, accounts: Accounts) -> AsyncIterator[Wired]:
    """Makes all servicers, follows what changes of accounts and keys, and counts calls if anyone wants to know.

    Args:
        settings: The settings.
        mongo: The database, on which the groundwork is done.
        accounts: What making users takes.

    Raises:
        KeysError: If the keys cannot be used.
    """
    keys = KeyRing(settings.keys_kept_in, settings.access_token_lifetime)
    changes = Changes(mongo)
    song_changes = SongChanges(mongo)
    vocabulary = Vocabulary(mongo)
    watching = Watching(song_changes, PageTokens(keys.page_token_secret))
    health = Health([service.full_name for service in SERVICES], watching.stop)
    async with AsyncExitStack() as stack:
        outermost: list[Interceptor] = []
        if settings.metrics_listen:
            # 4 MB and 40 ms of imports.
            from prometheus_client import CollectorRegistry  # noqa: PLC0415

            from songserver.interceptors.metrics import Metrics  # noqa: PLC0415

            metrics = Metrics(map(Method.of, METHODS), CollectorRegistry())
            stack.callback(asyncio.create_task(metrics.tell_in_flight()).cancel)
            outermost.append(metrics)
        stack.push_async_callback(accounts.audit.settle)
        stack.push_async_callback(song_changes.close)
        stack.push_async_callback(vocabulary.settle)
        methods = wire(settings, mongo, accounts, keys, changes, watching, vocabulary, outermost)
        await stack.enter_async_context(keys.following())
        await stack.enter_async_context(changes.following())
        yield Wired(methods + wire_standard(settings, health, accounts.rules), health)


def wire(
    settings: Settings,
    mongo: Mongo,
    accounts: Accounts,
    keys: KeyRing,
    changes: Changes,
    watching: Watching,
    vocabulary: Vocabulary,
    outermost: Sequence[Interceptor],
) -> list[tuple[Method, Handler]]:
    """Makes the servicers of the contract and all they need, and gives their methods with the way to them."""
    users = accounts.users
    sessions = Sessions(mongo, settings.session_lifetime)
    redirects = Redirects(mongo)
    songs = Songs(mongo, vocabulary, redirects)
    api_keys = ApiKeys(mongo)
    tokens = Tokens(
        keys,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        lifetime=settings.access_token_lifetime,
    )
    callers = Callers(users, sessions, api_keys, settings.session_memory)
    changes.tell(callers.forget)
    credentials = Credentials(
        users,
        accounts.passwords,
        Attempts(mongo, settings.sign_in_lockout),
        Bounds(settings.sign_in_failures, settings.sign_in_failures_by_peer),
    )
    page_tokens = PageTokens(keys.page_token_secret)
    rules = accounts.rules
    audit = accounts.audit
    batches = SongBatches(mongo, vocabulary)
    imports = Imports(mongo)
    importing = Importing(batches, imports, rules, audit)
    song_service = SongService(
        songs,
        SongLists(mongo),
        SongSearch(mongo, vocabulary),
        SongCounts(mongo),
        importing,
        SongExporting(SongExport(mongo), page_tokens),
        watching,
        SongBulk(mongo, vocabulary, redirects),
        BatchCreation(batches, songs, rules),
        SongDuplicates(mongo),
        SongMerges(mongo, redirects),
        page_tokens,
        rules,
        audit,
    )
    user_service = UserService(
        users,
        sessions,
        accounts.passwords,
        credentials,
        accounts.account_rules,
        tokens,
        callers,
        page_tokens,
        rules,
        Privilege.Value(f"PRIVILEGE_{settings.sign_up_privilege.upper()}"),
        api_keys,
        audit,
        imports,
        Exporting(users, sessions, api_keys, audit, imports, songs),
    )
    api_key_service = ApiKeyService(api_keys, callers, audit)
    audit_service = AuditService(audit, page_tokens)
    # The order matters: metrics, if wanted, count all that is below; what fails anywhere is told by `errors`, and
    # logged by `telemetry`; who may not call learns nothing, so auth comes before validation.
    interceptors: list[Interceptor] = [
        *outermost,
        errors,
        telemetry,
        *([Rates(settings.peer_calls, settings.peer_calls_burst)] if settings.peer_calls else []),
        Limits(settings.max_calls, settings.mongodb_timeout, database_within, {WATCH_PATH: settings.max_watches}),
        Auth(tokens, callers),
        Validation(rules),
    ]
    return [
        way
        for service, servicer in zip(
            SERVICES, (song_service, user_service, api_key_service, audit_service), strict=True
        )
        for way in handlers(servicer, service, interceptors)
    ]


def wire_standard(settings: Settings, health: Health, rules: Rules) -> list[tuple[Method, Handler]]:
    """Gives the methods of the standard services. They are for everyone, however many and fast the calls are."""
    interceptors: list[Interceptor] = [errors, Validation(rules)]
    methods = handlers(health, HEALTH_SERVICE, interceptors, PRIVILEGE_PUBLIC)
    if settings.reflection:
        reflection = Reflection([service.full_name for service in (*SERVICES, HEALTH_SERVICE)])
        for service in reflection.descriptors:
            methods += handlers(reflection, service, interceptors, PRIVILEGE_PUBLIC)
    return methods
