"""Judges messages by the buf.validate rules in their descriptors, with the validator of protovalidate's authors.

The argument is a file with a descriptor set. Each line of standard input is the name of a message and its bytes as hex
digits. The answer is a line with a JSON list of violations, each as [field path, id of the rule, text].
"""

import json
import sys

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def path_of(violation):
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else []:
        separator = "." if path else ""
        path += separator + element.field_name
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path


def judge(message):
    try:
        return [[path_of(v), v.proto.rule_id, v.proto.message] for v in protovalidate.collect_violations(message)]
    except protovalidate.EvaluationError as error:
        # A time or duration beyond its range cannot be compared.
        return [["", "", str(error)]]


def main():
    pool = descriptor_pool.DescriptorPool()
    with open(sys.argv[1], "rb") as file:
        for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(proto)
    for line in sys.stdin:
        name, _, digits = line.rstrip("\n").partition(" ")
        message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name)).FromString(bytes.fromhex(digits))
        print(json.dumps(judge(message)), flush=True)


main()
