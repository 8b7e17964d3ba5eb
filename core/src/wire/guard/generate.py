#!/usr/bin/env python3
"""Writes schema.rs from Kafka's own message schemas.

usage: generate.py DIR > schema.rs   (DIR holds common/message/*.json of kafka-clients' sources jar)
"""
import json
import re
import sys

APIS = {
    "Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8,
    "OffsetFetch": 9, "FindCoordinator": 10, "DescribeGroups": 15, "ListGroups": 16, "SaslHandshake": 17,
    "ApiVersions": 18, "CreateTopics": 19, "DeleteTopics": 20, "DeleteRecords": 21,
    "InitProducerId": 22, "OffsetForLeaderEpoch": 23, "AddPartitionsToTxn": 24, "AddOffsetsToTxn": 25,
    "EndTxn": 26, "TxnOffsetCommit": 28, "DescribeConfigs": 32, "SaslAuthenticate": 36,
    "IncrementalAlterConfigs": 44, "DescribeCluster": 60, "ConsumerGroupDescribe": 69,
    "DescribeTopicPartitions": 75, "StreamsGroupHeartbeat": 88, "StreamsGroupDescribe": 89,
}
FIXED = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8,
         "float64": 8, "uuid": 16}
# Before indentation, which adds up to 30 columns.
WIDTH = 80


def versions(text):
    if text in (None, "none"):
        return (32767, -1)
    if text.endswith("+"):
        return (int(text[:-1]), 32767)
    first, _, last = text.partition("-")
    return (int(first), int(last or first))


def field_of(first, last, tag, kind_):
    if tag:
        assert last == 32767
        return "Tagged(%d, %d, %d, %s)" % (first, *tag, kind_)
    if last == 32767:
        return "Since(%d, %s)" % (first, kind_)
    return "Between(%d, %d, %s)" % (first, last, kind_)


def kind(type_, field, commons):
    if type_.startswith("[]"):
        return "Array(&%s)" % kind(type_[2:], dict(field, nullableVersions="none"), commons)
    if type_ in FIXED:
        return "Fixed(%d)" % FIXED[type_]
    if type_ == "string":
        return "Text"
    if type_ in ("bytes", "records"):
        return "Bytes"
    nullable = versions(field.get("nullableVersions"))[0]
    list_ = fields(field.get("fields") or commons[type_], commons)
    return "Struct(%d, &[\n%s\n])" % (nullable, list_)


def fields(list_, commons):
    out = []
    for field in list_:
        assert "flexibleVersions" not in field, field
        first, last = versions(field["versions"])
        tag = None
        if "tag" in field:
            tag = (versions(field["taggedVersions"])[0], field["tag"])
        out.append(field_of(first, last, tag, kind(field["type"], field, commons)))
    return fill(out)


def fill(entries):
    """Fields as many a line as fit; one with fields of its own takes its lines alone."""
    lines, open_ = [], False
    for entry in entries:
        entry += ","
        alone = "\n" in entry
        if open_ and not alone and len(lines[-1]) + 1 + len(entry) <= WIDTH:
            lines[-1] += " " + entry
        else:
            lines.append(entry)
        open_ = not alone
    return indented("\n".join(lines), 1)


def indented(text, levels):
    return re.sub("^(?=.)", "    " * levels, text, flags=re.M)


def main():
    print("//! What every message looks like, so that it can be walked before it is decoded.")
    print("//! Written by generate.py from the schemas in kafka-clients 4.3.1; not edited by hand.")
    print("\nuse super::Field::{Between, Since, Tagged};\nuse super::Kind::{Array, Bytes, Fixed, Struct, Text};\nuse super::Message;\nuse crate::wire::ApiKey;\n")
    for direction in ("Request", "Response"):
        print("pub(super) const fn %s(api: ApiKey) -> Message {\n    match api {" % direction.lower())
        for name in APIS:
            text = open("%s/common/message/%s%s.json" % (sys.argv[1], name, direction)).read()
            schema = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
            commons = {c["name"]: c["fields"] for c in schema.get("commonStructs", [])}
            flexible_from = versions(schema["flexibleVersions"])[0]
            list_ = fields(schema["fields"], commons)
            arm = "ApiKey::%s => Message { flexible_from: %d, fields: &[\n%s\n] }," % (
                name, flexible_from, list_)
            print(indented(arm.replace("[\n\n]", "[]"), 2))
        print("    }\n}" + "\n" * (direction == "Request"))


main()
