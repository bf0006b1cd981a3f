"""The fields in use of the messages of Prometheus remote write 1.0 and 2.0 and of remote read.

Field numbers: prometheus.io, "Prometheus Remote-Write Specification" 1.0 and 2.0. Descriptors are built at import: no
compiler and no generated code are needed, and the protobuf library parses.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto
STRING, DOUBLE, INT64, UINT32 = Field.TYPE_STRING, Field.TYPE_DOUBLE, Field.TYPE_INT64, Field.TYPE_UINT32
REPEATED, OPTIONAL = Field.LABEL_REPEATED, Field.LABEL_OPTIONAL

# message → its fields: (name, number, type or message, repeated)
V1 = {
    "Label": (("name", 1, STRING, False), ("value", 2, STRING, False)),
    "Sample": (("value", 1, DOUBLE, False), ("timestamp", 2, INT64, False)),
    "TimeSeries": (("labels", 1, "Label", True), ("samples", 2, "Sample", True)),
    "Request": (("timeseries", 1, "TimeSeries", True),),
}
V2 = {
    "Sample": (("value", 1, DOUBLE, False), ("timestamp", 2, INT64, False)),
    "TimeSeries": (("labels_refs", 1, UINT32, True), ("samples", 2, "Sample", True)),
    "Request": (("symbols", 4, STRING, True), ("timeseries", 5, "TimeSeries", True)),
}
READ = {
    "Matcher": (("type", 1, Field.TYPE_INT32, False), ("name", 2, STRING, False), ("value", 3, STRING, False)),
    "Hints": (("step_ms", 1, INT64, False),),
    "Query": (
        ("start_timestamp_ms", 1, INT64, False), ("end_timestamp_ms", 2, INT64, False),
        ("matchers", 3, "Matcher", True), ("hints", 4, "Hints", False),
    ),
    "Request": (("queries", 1, "Query", True),),
    "Result": (("timeseries", 1, "TimeSeries", True),),
    "Response": (("results", 1, "Result", True),),
} | {name: V1[name] for name in ("Label", "Sample", "TimeSeries")}  # fmt: skip


def message_class(package: str, messages: dict[str, Any], name: str = "Request") -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message_name, fields in messages.items():
        message = file.message_type.add(name=message_name)
        for field_name, number, kind, repeated in fields:
            field = message.field.add(name=field_name, number=number, label=REPEATED if repeated else OPTIONAL)
            if isinstance(kind, str):
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


RequestV1 = message_class("rts.remote_write.v1", V1)
RequestV2 = message_class("rts.remote_write.v2", V2)
ReadRequest = message_class("rts.remote_read", READ)
ReadResponse = message_class("rts.remote_read", READ, "Response")
