"""Server reflection (grpc.reflection.v1 and v1alpha): what grpcurl and its like ask for the contract.

grpcio's servicer knows v1alpha only, finds no methods, and tells the descriptors without comments and JSON names, which
Python's generated code has lost. Here both versions are served (their messages are the same on the wire), methods are
found, and what is told is the contract as protoc wrote it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import aio as library

from songserver.rpc import Call

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
        self.descriptors: Sequence[ServiceDescriptor] = [pool.FindServiceByName(name) for name in SERVICES]
        """Both versions of the service; their messages are the same on the wire."""
        self._servicer = library.ReflectionServicer([*services, *SERVICES], pool)
        contract = FileDescriptorSet.FromString((files("songs.v1") / "contract.binpb").read_bytes())
        self._files: Mapping[str, bytes] = {file.name: file.SerializeToString() for file in contract.file}
        self._service_of_method: Mapping[str, str] = {
            f"{file.package}.{service.name}.{method.name}": f"{file.package}.{service.name}"
            for file in contract.file
            for service in file.service
            for method in service.method
        }

    async def ServerReflectionInfo(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:  # noqa: N802
        """Answers each request of a stream."""
        async for response in self._servicer.ServerReflectionInfo(self._finding(requests), call):
            told = response.file_descriptor_response.file_descriptor_proto
            for index, file in enumerate(told):
                told[index] = self._files.get(FileDescriptorProto.FromString(file).name, file)
            yield response

    async def _finding(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for read in requests:
            # The library knows v1alpha's classes only.
            request = reflection_pb2.ServerReflectionRequest.FromString(read.SerializeToString())
            if service := self._service_of_method.get(request.file_containing_symbol):
                request.file_containing_symbol = service
            yield request


def _reflection_v1() -> FileDescriptorProto:
    """The file of version 1, which differs from v1alpha in its name only."""
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    return text_format.Parse(text_format.MessageToString(file).replace("v1alpha", "v1"), FileDescriptorProto())
