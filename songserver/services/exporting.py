"""ExportMe: all that is kept about a user, in bounded memory."""

from collections.abc import AsyncIterator

from songs.v1.user_service_pb2 import ExportMeResponse
from songserver.rpc import Caller
from songserver.storage.api_keys import ApiKeys
from songserver.storage.audit import Audit
from songserver.storage.imports import Imports
from songserver.storage.sessions import Sessions
from songserver.storage.songs import Songs
from songserver.storage.users import Users


class Exporting:
    """Reads what each collection has of a user. (But for what is kept as hashes only: passwords, tokens, attempts.)"""

    def __init__(
        self, users: Users, sessions: Sessions, api_keys: ApiKeys, audit: Audit, imports: Imports, songs: Songs
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._api_keys = api_keys
        self._audit = audit
        self._imports = imports
        self._songs = songs

    async def run(self, caller: Caller) -> AsyncIterator[ExportMeResponse]:
        """Gives one thing after the other, the account first."""
        user_id = caller.user_id
        yield ExportMeResponse(user=await self._users.find(user_id))
        for session in await self._sessions.of_user(user_id, caller.session_id):
            yield ExportMeResponse(session=session)
        for api_key in await self._api_keys.of_user(user_id):
            yield ExportMeResponse(api_key=api_key)
        async for event in self._audit.of_user(user_id):
            yield ExportMeResponse(audit_event=event)
        for import_info in await self._imports.of_user(user_id):
            yield ExportMeResponse(import_info=import_info)
        async for song in self._songs.of_creator(user_id):
            yield ExportMeResponse(song=song)
