"""The calls of ApiKeyService."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from songclient.aio.connection import AsyncConnection
from songclient.scopes import privilege_for
from songs.v1.access_pb2 import Privilege, Scope
from songs.v1.api_key_pb2 import ApiKey
from songs.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    ListApiKeysRequest,
    RevokeApiKeyRequest,
)
from songs.v1.api_key_service_pb2_grpc import ApiKeyServiceStub


class AsyncApiKeyCalls:
    """Makes and ends API keys, with which machines call in the user's stead."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._api_keys = ApiKeyServiceStub(connection.channel)

    async def create_api_key(
        self,
        name: str,
        scopes: Iterable[Scope.ValueType],
        *,
        privilege: Privilege.ValueType | None = None,
        lifetime: timedelta = timedelta(days=90),
        timeout: float | None = None,
    ) -> CreateApiKeyResponse:
        """Make a key, and give with it what is known of it: `key` is shown only now.

        It may call the methods of its scopes, as far as its privilege allows, for up to 366 days.
        Without `privilege` it has what these methods need. Raises InvalidUserDetails, or
        PrivilegeError for more privilege than the user has.
        """
        scopes = list(scopes)
        if privilege is None:
            privilege = privilege_for(scopes)
        request = CreateApiKeyRequest(name=name, privilege=privilege, scopes=scopes)
        request.expire_time.FromDatetime(datetime.now(UTC) + lifetime)
        return await self._connection.call(self._api_keys.CreateApiKey, request, timeout)

    async def list_api_keys(self, *, timeout: float | None = None) -> list[ApiKey]:
        """List the user's keys that have not ended, the latest first."""
        return list((await self._connection.call(self._api_keys.ListApiKeys, ListApiKeysRequest(), timeout)).api_keys)

    async def revoke_api_key(self, api_key_id: str, *, timeout: float | None = None) -> None:
        """End one of the user's keys. Raises ApiKeyNotFound, or InvalidDataFormat for no id."""
        request = RevokeApiKeyRequest(api_key_id=api_key_id)
        await self._connection.call(self._api_keys.RevokeApiKey, request, timeout)
