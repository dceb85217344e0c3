"""ApiKeyService: what each operation on API keys means. Its rules: `protos/songs/v1/api_key_service.proto`."""

from songs.v1 import api_key_service_pb2 as pb
from songs.v1.access_pb2 import Privilege, Scope
from songs.v1.api_key_pb2 import ApiKey
from songs.v1.api_key_service_pb2_grpc import ApiKeyServiceServicer
from songserver.auth.api_keys import make_api_key
from songserver.auth.callers import Callers
from songserver.errors import ApiKeyNotFound, PrivilegeError
from songserver.rpc import Call
from songserver.services.auditing import event_of
from songserver.storage.api_keys import ApiKeys
from songserver.storage.audit import Audit


class ApiKeyService(ApiKeyServiceServicer):
    """Makes, lists and revokes the caller's keys. That no key may do so, the contract says: no method has a scope."""

    def __init__(self, api_keys: ApiKeys, callers: Callers, audit: Audit) -> None:
        self._api_keys = api_keys
        self._callers = callers
        self._audit = audit

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, call: Call) -> pb.CreateApiKeyResponse:
        caller = call.caller
        if request.privilege > caller.privilege:
            raise PrivilegeError(
                f"a key with {Privilege.Name(request.privilege)} would have more than you, who have "
                f"{Privilege.Name(caller.privilege)}: ask for less"
            )
        key, presented = make_api_key()
        wanted = ApiKey(
            id=presented.api_key_id,
            name=request.name,
            privilege=request.privilege,
            scopes=sorted(request.scopes),
            expire_time=request.expire_time,
        )
        event = event_of(
            call,
            wanted.id,
            privilege=Privilege.Name(wanted.privilege),
            scopes=" ".join(map(Scope.Name, wanted.scopes)),
            expire_time=wanted.expire_time.ToJsonString(),
        )
        made = await self._audit.record(event, lambda: self._api_keys.create(caller.user_id, wanted, presented.digest))
        return pb.CreateApiKeyResponse(api_key=made, key=key)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, call: Call) -> pb.ListApiKeysResponse:
        return pb.ListApiKeysResponse(api_keys=await self._api_keys.of_user(call.caller.user_id))

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, call: Call) -> pb.RevokeApiKeyResponse:
        api_key_id = request.api_key_id.lower()

        async def end() -> None:
            if not await self._api_keys.end(call.caller.user_id, api_key_id):
                raise ApiKeyNotFound(api_key_id)

        try:
            await self._audit.record(event_of(call, api_key_id), end)
        finally:
            # Also after a failure: it may have been made all the same.
            self._callers.forget(api_key_id)
        return pb.RevokeApiKeyResponse()
