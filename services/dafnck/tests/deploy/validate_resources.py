"""Checks objects against the schemas of custom resource definitions: FOLDER-OF-DEFINITIONS FILE. Unknown fields are refused."""

import pathlib
import sys

import jsonschema
import yaml


def closed(schema):
    """The schema with no other fields than those that it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(part) for key, part in schema.items()}
    return {"additionalProperties": False, **parts} if "properties" in schema else parts


def main():
    folder, objects = map(pathlib.Path, sys.argv[1:])
    schemas = {}
    for file in folder.glob("*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        for version in spec["versions"]:
            name = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
            schemas[name] = closed(version["schema"]["openAPIV3Schema"])
    checked = 0
    for document in yaml.safe_load_all(objects.read_text()):
        schema = schemas.get((document["apiVersion"], document["kind"]))
        if schema:
            jsonschema.validate(document, schema)
            checked += 1
    print(checked)


main()
