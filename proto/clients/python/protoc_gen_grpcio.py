"""A protoc plugin that runs the generators inside of grpcio-tools, which has none as an executable.

Writes the messages (`_pb2.py`), their types (`_pb2.pyi`) and the stubs (`_pb2_grpc.py`).
"""

import pathlib
import sys
import tempfile

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def main() -> None:
    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        descriptors, out = root / "descriptors.binpb", root / "out"
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        out.mkdir()
        arguments = [f"--descriptor_set_in={descriptors}"]
        arguments += [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", *arguments, *request.file_to_generate]) != 0:
            response.error = "grpc_tools.protoc failed; see its messages above"
        for file in sorted(out.rglob("*.py*")):
            response.file.add(name=file.relative_to(out).as_posix(), content=file.read_text())
    sys.stdout.buffer.write(response.SerializeToString())


if __name__ == "__main__":
    main()
