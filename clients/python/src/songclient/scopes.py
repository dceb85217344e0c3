"""What the scopes of an API key need, as the contract says."""

from collections.abc import Collection

from songclient.channel import SERVICES
from songs.v1 import access_pb2
from songs.v1.access_pb2 import Privilege, Scope


def privilege_for(scopes: Collection[Scope.ValueType]) -> Privilege.ValueType:
    """Give the least privilege with which all methods of some scopes may be called."""
    methods = [method.GetOptions().Extensions for service in SERVICES for method in service.methods]
    needed = [options[access_pb2.access] for options in methods if options[access_pb2.scope] in scopes]
    return max(needed, default=Privilege.PRIVILEGE_LISTENER)
