#!/usr/bin/env python3
"""Writes schema.rs from Kafka's own message schemas.

usage: generate.py DIR > schema.rs   (DIR holds common/message/*.json of kafka-clients' sources jar)
"""
import json
import re
import sys

APIS = {
    "Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8,
    "OffsetFetch": 9, "FindCoordinator": 10, "DescribeGroups": 15, "ListGroups": 16,
    "ApiVersions": 18, "CreateTopics": 19, "DeleteTopics": 20, "DeleteRecords": 21,
    "InitProducerId": 22, "OffsetForLeaderEpoch": 23, "DescribeConfigs": 32,
    "IncrementalAlterConfigs": 44, "DescribeCluster": 60, "ConsumerGroupDescribe": 69,
    "DescribeTopicPartitions": 75, "StreamsGroupHeartbeat": 88, "StreamsGroupDescribe": 89,
}
FIXED = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8,
         "float64": 8, "uuid": 16}


def versions(text):
    if text in (None, "none"):
        return (32767, -1)
    if text.endswith("+"):
        return (int(text[:-1]), 32767)
    first, _, last = text.partition("-")
    return (int(first), int(last or first))


def kind(type_, field, commons):
    if type_.startswith("[]"):
        return "Kind::Array(&%s)" % kind(type_[2:], dict(field, nullableVersions="none"), commons)
    if type_ in FIXED:
        return "Kind::Fixed(%d)" % FIXED[type_]
    if type_ == "string":
        return "Kind::Text"
    if type_ in ("bytes", "records"):
        return "Kind::Bytes"
    nullable = versions(field.get("nullableVersions"))[0]
    return "Kind::Struct(%d, &[%s])" % (nullable, fields(field.get("fields") or commons[type_], commons))


def fields(list_, commons):
    out = []
    for field in list_:
        assert "flexibleVersions" not in field, field
        first, last = versions(field["versions"])
        tag = "None"
        if "tag" in field:
            tag = "Some((%d, %d))" % (versions(field["taggedVersions"])[0], field["tag"])
        out.append("Field { versions: (%d, %d), tag: %s, kind: %s }"
                   % (first, last, tag, kind(field["type"], field, commons)))
    return ", ".join(out)


def main():
    print("//! What every message looks like, so that it can be walked before it is decoded.")
    print("//! Written by generate.py from the schemas in kafka-clients 4.3.1; not edited by hand.")
    print("\nuse super::{Field, Kind, Message};\nuse crate::wire::ApiKey;\n")
    for direction in ("Request", "Response"):
        print("pub(super) const fn %s(api: ApiKey) -> Message {\n    match api {" % direction.lower())
        for name in APIS:
            text = open("%s/common/message/%s%s.json" % (sys.argv[1], name, direction)).read()
            schema = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
            commons = {c["name"]: c["fields"] for c in schema.get("commonStructs", [])}
            print("        ApiKey::%s => Message { flexible_from: %d, fields: &[%s] }," % (
                name, versions(schema["flexibleVersions"])[0], fields(schema["fields"], commons)))
        print("    }\n}\n")


main()
