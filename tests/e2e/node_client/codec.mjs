// node-opcua's codec behind a pipe: one JSON request a line on stdin, one JSON answer a line on
// stdout. It says what it read from the bytes, field by field in wire order, and writes it again,
// so that the Python tests can compare both with a codec that shares no code with it.
import readline from "node:readline";
import { BinaryStream } from "node-opcua-binary-stream";
import {
  DataType, DataValue, DiagnosticInfo, Variant, VariantArrayType,
} from "node-opcua-client";
import { OpaqueStructure } from "node-opcua-extension-object";
import { findBuiltInType, getStandardDataTypeFactory } from "node-opcua-factory";
import { NodeIdType, makeNodeId } from "node-opcua-nodeid";

const bits = (value) => {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleLE(value);
  return buffer.toString("hex");
};
const pair = ([high, low]) => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
const hex = (value) => (value ? Buffer.from(value).toString("hex") : null);
const identifier = (id) => [
  id.namespace, NodeIdType[id.identifierType],
  id.identifierType === NodeIdType.BYTESTRING ? hex(id.value) : id.value,
];

// One entry for each built-in type (Part 6, 5.1.2) and NumericRange; floating point numbers are the bytes of
// a Double, integers of 64 bits decimal text.
const describe = {
  Null: () => null,
  Boolean: (v) => v,
  Float: bits,
  Double: bits,
  Int64: (v) => BigInt.asIntN(64, pair(v)).toString(),
  UInt64: (v) => pair(v).toString(),
  String: (v) => v ?? null,
  XmlElement: (v) => v ?? null,
  DateTime: (v) => v?.getTime() ?? null,
  Guid: (v) => v,
  ByteString: hex,
  NodeId: identifier,
  ExpandedNodeId: (v) => [...identifier(v), v.namespaceUri || null, v.serverIndex],
  StatusCode: (v) => v.value,
  QualifiedName: (v) => [v.namespaceIndex, v.name],
  NumericRange: (v) => (v.isEmpty() ? null : v.toEncodeableString()),
  LocalizedText: (v) => [v.locale ?? null, v.text ?? null],
  ExtensionObject: (v) => {
    if (!v) return null;
    if (v instanceof OpaqueStructure) return [identifier(v.nodeId), hex(v.buffer)];
    return [v.schema.name, structure(v)];
  },
  DataValue: (v) => [
    describe.Variant(v.value ?? new Variant()), v.statusCode.value,
    v.sourceTimestamp?.getTime() ?? null, v.sourcePicoseconds,
    v.serverTimestamp?.getTime() ?? null, v.serverPicoseconds,
  ],
  Variant: (v) => {
    const name = DataType[v.dataType];
    const one = describe[name];
    if (v.arrayType === VariantArrayType.Scalar) return [name, one(v.value)];
    const values = v.value ? Array.from(v.value, one) : null;
    return [name, values, v.arrayType === VariantArrayType.Matrix ? v.dimensions : null];
  },
  DiagnosticInfo: (v) => [
    v.symbolicId, v.namespaceURI, v.locale, v.localizedText, v.additionalInfo ?? null,
    v.innerStatusCode.value, v.innerDiagnosticInfo ? describe.DiagnosticInfo(v.innerDiagnosticInfo) : null,
  ],
};
for (const name of ["SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32"]) describe[name] = (v) => v;

const fieldsOf = (schema) =>
  [...(schema.getBaseSchema() ? fieldsOf(schema.getBaseSchema()) : []), ...schema.fields];

const describeField = (field) => {
  if (field.allowSubTypes) return describe[field.basicDataType ?? "ExtensionObject"];
  if (field.category === "enumeration") return (v) => v;
  if (field.fieldType in describe) return describe[field.fieldType];
  if (field.category === "complex") return structure;
  return describe[findBuiltInType(field.fieldType).name];
};

function structure(object) {
  return fieldsOf(object.schema).map((field) => {
    const value = object[field.name];
    if (field.isArray) return value ? Array.from(value, describeField(field)) : [];
    return value === undefined ? null : describeField(field)(value);
  });
}

const blank = {
  Variant: () => new Variant(),
  DataValue: () => new DataValue({}),
  DiagnosticInfo: () => new DiagnosticInfo(),
};

function through(bytes, object, description) {
  const input = new BinaryStream(bytes);
  object.decode(input);
  const output = new BinaryStream(Buffer.alloc(4 * bytes.length + 4096));
  object.encode(output);
  return {
    name: object.schema.name, read: input.length, value: description(object),
    hex: output.buffer.subarray(0, output.length).toString("hex"),
  };
}

const operations = {
  builtIn: ({ type, hex }) => through(Buffer.from(hex, "hex"), blank[type](), describe[type]),
  // `id`: the numeric identifier of the structure's Default Binary encoding in namespace 0.
  structure: ({ id, hex }) => through(
    Buffer.from(hex, "hex"), getStandardDataTypeFactory().constructObject(makeNodeId(id)), structure),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...args } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: operations[op](args) };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
