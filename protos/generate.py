"""Makes `generated/` from the contract: messages, stubs and types for Python, and `contract.binpb` for all others.

    python protos/generate.py OUT            writes it below the import root OUT (`make protos`: generated/)
    python protos/generate.py --image FILE [FOLDER]
                                             writes the contract, or the one in FOLDER, as one descriptor set for buf

`contract.binpb` is the whole contract as one descriptor set, with its comments and all that it imports: what reflection
tells, and what protoc in any language takes with `--descriptor_set_in`. It has to: no package carries
`buf/validate/validate.proto` as text; protovalidate has its descriptor, and that is what goes in here.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import google.rpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

PROTOS = Path(__file__).parent
COMMON_PROTOS = Path(next(iter(google.rpc.__path__))).parents[1]
WELL_KNOWN_PROTOS = Path(protoc.__file__).parent / "_proto"


def compile_contract(
    outputs: list[str], files: str = "*.proto", more: Sequence[str] = (), folder: Path = PROTOS
) -> int:
    """Runs protoc with these output flags over the contract's files and more; gives its exit status."""
    with tempfile.NamedTemporaryFile(suffix=".binpb") as descriptors:
        rules = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
        descriptors.write(FileDescriptorSet(file=[rules]).SerializeToString())
        descriptors.flush()
        contract = sorted(str(path.relative_to(folder)) for path in folder.rglob(files))
        roots = [f"--proto_path={root}" for root in (folder, COMMON_PROTOS, WELL_KNOWN_PROTOS)]
        flags = [f"--descriptor_set_in={descriptors.name}", *roots, *outputs]
        status: int = protoc.main(["protoc", *flags, *contract, *more])
        return status


def compile_image(file: str, folder: Path) -> int:
    """Writes the contract in a folder as one descriptor set; gives protoc's exit status."""
    image = [f"--descriptor_set_out={file}", "--include_imports", "--include_source_info"]
    # What a client reads the details of an error with.
    return compile_contract(image, more=["google/rpc/status.proto"], folder=folder)


def main(arguments: list[str]) -> int:
    """Does what the arguments say; gives the exit status."""
    match arguments:
        case ["--image", file, *folder]:
            return compile_image(file, Path(*folder) if folder else PROTOS)
        case [out]:
            messages = [f"--python_out={out}", f"--mypy_out=quiet:{out}"]
            stubs = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}"]
            return (
                compile_contract(messages, more=["buf/validate/validate.proto"])
                or compile_contract(stubs, "*_service.proto")
                or compile_image(f"{out}/songs/v1/contract.binpb", PROTOS)
            )
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
