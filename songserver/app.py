"""The composition root: settings in, a wired server out. Nothing else wires.

Read it from the bottom: `serving` is a whole server, `wire` is what it is made of.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from grpc import aio
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health_pb2, health_pb2_grpc

from songs.v1 import api_key_service_pb2, audit_service_pb2, song_service_pb2, user_service_pb2
from songs.v1.access_pb2 import Privilege
from songserver.accounts import Accounts, FirstAdmin
from songserver.auth.account_rules import AccountRules
from songserver.auth.callers import Callers
from songserver.auth.credentials import Bounds, Credentials
from songserver.auth.keys import load_keys
from songserver.auth.passwords import Passwords
from songserver.auth.tokens import Tokens
from songserver.config import Settings
from songserver.engines import grpcio
from songserver.errors import DatabaseFailure
from songserver.health import Health
from songserver.interceptors.auth import Auth
from songserver.interceptors.errors import errors
from songserver.interceptors.limits import Limits
from songserver.interceptors.telemetry import telemetry
from songserver.interceptors.validation import Validation
from songserver.paging import PageTokens
from songserver.reflection import Reflection
from songserver.rpc import Handler, Interceptor, Method, handlers
from songserver.rules import Rules
from songserver.services.api_key_service import ApiKeyService
from songserver.services.audit_service import AuditService
from songserver.services.exporting import Exporting
from songserver.services.importing import Importing
from songserver.services.song_service import SongService
from songserver.services.user_service import UserService
from songserver.storage.api_keys import ApiKeys
from songserver.storage.attempts import Attempts
from songserver.storage.audit import Audit
from songserver.storage.changes import Changes
from songserver.storage.embedded import EmbeddedMongo
from songserver.storage.indexes import make_indexes
from songserver.storage.mongo import Mongo, database_within
from songserver.storage.sessions import Sessions
from songserver.storage.song_lists import SongLists
from songserver.storage.song_search import SongSearch
from songserver.storage.songs import Songs
from songserver.storage.users import Users

SERVICES = (
    song_service_pb2.DESCRIPTOR.services_by_name["SongService"],
    user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
    api_key_service_pb2.DESCRIPTOR.services_by_name["ApiKeyService"],
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
)
"""The services of the contract."""
LOCAL = ("127.", "localhost:", "[::1]:", "unix:")
"""How an address begins that only this machine can reach."""
ADMIN_PASSWORD_FILE = "admin-password"  # noqa: S105 - a name, not a password
MONGODB_WAIT = 30.0
"""Seconds that MongoDB has to be there at a start."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs."""

    address: str
    """Where it listens, host:port."""
    accounts: Accounts
    first_admin: FirstAdmin | None
    """The admin that was made at this start, on a fresh database of our own."""


def wire(settings: Settings, mongo: Mongo, accounts: Accounts, changes: Changes) -> list[tuple[Method, Handler]]:
    """Makes the servicers and all they need, and gives their methods with the way to them."""
    users = accounts.users
    sessions = Sessions(mongo, settings.session_lifetime)
    songs = Songs(mongo)
    api_keys = ApiKeys(mongo)
    keys = load_keys(settings.keys_directory or settings.data_directory / "keys")
    tokens = Tokens(
        keys,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        lifetime=settings.access_token_lifetime,
    )
    callers = Callers(users, sessions, settings.session_memory)
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
    importing = Importing(songs, rules, audit)
    song_service = SongService(songs, SongLists(mongo), SongSearch(mongo), importing, page_tokens, rules, audit)
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
        Exporting(users, sessions, api_keys, audit, songs),
    )
    api_key_service = ApiKeyService(api_keys, callers, audit)
    audit_service = AuditService(audit, page_tokens)
    # The order matters: what fails anywhere is told by the first, and logged by the second; who may not call learns
    # nothing, so auth comes before validation.
    interceptors: list[Interceptor] = [
        errors,
        telemetry,
        Limits(settings.max_calls, settings.mongodb_timeout, database_within),
        Auth(tokens, callers),
        Validation(rules),
    ]
    return [
        wired
        for service, servicer in zip(
            SERVICES, (song_service, user_service, api_key_service, audit_service), strict=True
        )
        for wired in handlers(servicer, service, interceptors)
    ]


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Mongo]:
    """Connects to the MongoDB of the settings, or runs one of our own; makes the indexes.

    Raises:
        EmbeddedMongoError: If our own cannot be started.
        DatabaseFailure: If MongoDB is not there within `MONGODB_WAIT`.
    """
    async with AsyncExitStack() as stack:
        if settings.mongodb_uri:
            uri = settings.mongodb_uri.get_secret_value()
        else:
            uri = await stack.enter_async_context(EmbeddedMongo(settings.data_directory / "mongodb"))
        mongo = Mongo(uri, settings.mongodb_database, settings.mongodb_timeout)
        stack.push_async_callback(mongo.close)
        await _until_there(mongo)
        await make_indexes(mongo)
        yield mongo


async def _until_there(mongo: Mongo) -> None:
    give_up = time.monotonic() + MONGODB_WAIT
    while True:
        try:
            return await mongo.ping()
        except DatabaseFailure as failure:
            if failure.retry_after is None or time.monotonic() > give_up:
                raise
            log.warning("waiting for MongoDB", seconds_left=round(give_up - time.monotonic()))
            await asyncio.sleep(1)


def make_accounts(settings: Settings, mongo: Mongo) -> Accounts:
    """Makes what making users takes."""
    passwords = Passwords(
        time_cost=settings.argon2_time_cost,
        memory_cost=settings.argon2_memory_cost,
        threads=settings.argon2_threads,
    )
    return Accounts(Users(mongo), passwords, Rules(), AccountRules(), Audit(mongo))


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """Runs a whole server: MongoDB, servicers, health, reflection.

    On the way out health goes first, then calls in flight finish within the grace, then MongoDB closes.

    Raises:
        EmbeddedMongoError, DatabaseFailure: If there is no MongoDB.
        KeysError: If the keys cannot be used.
        ListenError: If the address cannot be served on.
    """
    async with AsyncExitStack() as stack:
        mongo = await stack.enter_async_context(database(settings))
        accounts = make_accounts(settings, mongo)
        stack.callback(accounts.passwords.close)
        await accounts.users.add_skeletons()
        server = grpcio.make_server(settings)
        changes = Changes(mongo)
        grpcio.add_methods(server, wire(settings, mongo, accounts, changes))
        await stack.enter_async_context(changes.following())
        names = [service.full_name for service in SERVICES]
        health = Health(mongo, names)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        _add_standard_services(server, settings, names)
        address = grpcio.add_port(server, settings)
        if not settings.tls_certificate and not address.startswith(LOCAL):
            log.warning("passwords and tokens go over the network in the clear: set tls_certificate", address=address)
        first_admin = None
        if not settings.mongodb_uri:
            # Before anyone can sign up, and once nothing can fail any more before it is told.
            first_admin = await accounts.make_first_admin(settings.data_directory / ADMIN_PASSWORD_FILE)
        await server.start()
        stack.push_async_callback(server.stop, settings.shutdown_grace)
        stack.push_async_callback(health.stop)
        await health.start()
        yield Running(address, accounts, first_admin)


def _add_standard_services(server: aio.Server, settings: Settings, names: list[str]) -> None:
    if settings.reflection:
        Reflection([*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]).add_to(server)
    if settings.channelz:
        channelz.add_channelz_servicer(server)
