"""Server reflection (grpc.reflection.v1 and v1alpha): what grpcurl and its like ask for the contract.

grpcio's servicer knows v1alpha only, finds no methods, and tells the descriptors without comments and JSON names, which
Python's generated code has lost. Here both versions are served (their messages are the same on the wire), methods are
found, and what is told is the contract as protoc wrote it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import aio as library

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class Reflection:
    """Tells clients of the services of a server."""

    def __init__(self, services: Sequence[str]) -> None:
        """
        Args:
            services: The full names of the services.
        """
        pool = descriptor_pool.Default()
        pool.AddSerializedFile(_reflection_v1().SerializeToString())
        self._servicer = library.ReflectionServicer([*services, *SERVICES], pool)
        contract = FileDescriptorSet.FromString((files("songs.v1") / "contract.binpb").read_bytes())
        self._files: Mapping[str, bytes] = {file.name: file.SerializeToString() for file in contract.file}
        self._service_of_method: Mapping[str, str] = {
            f"{file.package}.{service.name}.{method.name}": f"{file.package}.{service.name}"
            for file in contract.file
            for service in file.service
            for method in service.method
        }

    def add_to(self, server: aio.Server) -> None:
        """Adds both versions of the service to a server."""
        handler = grpc.stream_stream_rpc_method_handler(
            self._info,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}) for name in SERVICES]
        )

    async def _info(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for response in self._servicer.ServerReflectionInfo(self._finding(requests), context):
            told = response.file_descriptor_response.file_descriptor_proto
            for index, file in enumerate(told):
                told[index] = self._files.get(FileDescriptorProto.FromString(file).name, file)
            yield response

    async def _finding(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            if service := self._service_of_method.get(request.file_containing_symbol):
                request.file_containing_symbol = service
            yield request


def _reflection_v1() -> FileDescriptorProto:
    """The file of version 1, which differs from v1alpha in its name only."""
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    return text_format.Parse(text_format.MessageToString(file).replace("v1alpha", "v1"), FileDescriptorProto())
