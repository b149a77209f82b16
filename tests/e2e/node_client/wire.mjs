// Raw requests through node-opcua's client: one JSON request a line on stdin, one JSON answer a line
// on stdout, in the order in which the server answers. Messages are given and shown by the field
// names of the specification, so that the Python tests say the same to any client.
import readline from "node:readline";
import * as opcua from "node-opcua-client";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";
import { OpaqueStructure } from "node-opcua-extension-object";
import { findBuiltInType, getStandardDataTypeFactory } from "node-opcua-factory";
import { coerceNodeId } from "node-opcua-nodeid";
import { NumericRange } from "node-opcua-numeric-range";
import { coerceStatusCode } from "node-opcua-status-code";

const { DataType, DataValue, LocalizedText, MessageSecurityMode, OPCUAClient, QualifiedName } = opcua;
const { SecurityPolicy, UserTokenType, Variant, VariantArrayType } = opcua;

const upper = (name) => name[0].toUpperCase() + name.slice(1);
const fieldsOf = (schema) =>
  [...(schema.getBaseSchema?.() ? fieldsOf(schema.getBaseSchema()) : []), ...schema.fields];
const long = ([high, low]) => ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
const milliseconds = (date) => (date && date.getFullYear() > 1601 ? date.getTime() : null);
const bytes = (value) => (value ? Buffer.from(value).toString("hex") : null);
const number = (value) => (Number.isFinite(value) ? value : String(value));
const text = (nodeId) => nodeId.toString();

const show = {
  Null: () => null, Boolean: (v) => v, String: (v) => v ?? null, XmlElement: (v) => v ?? null,
  Guid: (v) => v, Float: number, Double: number,
  Int64: (v) => BigInt.asIntN(64, long(v)).toString(), UInt64: (v) => long(v).toString(),
  DateTime: milliseconds, ByteString: bytes, NodeId: text, ExpandedNodeId: text,
  StatusCode: (v) => v.value,
  QualifiedName: (v) => (v.name === null ? null : `${v.namespaceIndex}:${v.name}`),
  LocalizedText: (v) => v.text ?? null,
  NumericRange: (v) => (v.isEmpty() ? null : v.toEncodeableString()),
  ExtensionObject: (v) => {
    if (!v) return null;
    if (v instanceof OpaqueStructure) return { $: text(v.nodeId), Body: bytes(v.buffer) };
    return { $: v.schema.name, ...shown(v) };
  },
  Variant: (v) => {
    if (v.dataType === DataType.Null) return null;
    const name = DataType[v.dataType];
    if (v.arrayType === VariantArrayType.Scalar) return [name, show[name](v.value)];
    const values = Array.from(v.value ?? [], show[name]);
    return v.arrayType === VariantArrayType.Matrix ? [name, values, v.dimensions] : [name, values];
  },
  DataValue: (v) => ({
    Value: v.value ? show.Variant(v.value) : null, StatusCode: v.statusCode.value,
    SourceTimestamp: milliseconds(v.sourceTimestamp), ServerTimestamp: milliseconds(v.serverTimestamp),
  }),
  DiagnosticInfo: (v) => ({ SymbolicId: v.symbolicId, AdditionalInfo: v.additionalInfo ?? null }),
};
for (const name of ["SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32"]) show[name] = (v) => v;

function shown(object) {
  const of = (field) => {
    if (field.allowSubTypes) return show[field.basicDataType ?? "ExtensionObject"];
    if (field.category === "enumeration") return (v) => v;
    if (field.fieldType in show) return show[field.fieldType];
    if (field.category === "complex") return shown;
    return show[findBuiltInType(field.fieldType).name];
  };
  return Object.fromEntries(fieldsOf(object.schema).map((field) => {
    const value = object[field.name];
    const one = of(field);
    if (field.isArray) return [upper(field.originalName), Array.from(value ?? [], one)];
    return [upper(field.originalName), value === undefined || value === null ? null : one(value)];
  }));
}

const pair = (value) => {
  const unsigned = BigInt.asUintN(64, BigInt(value));
  return [Number(unsigned >> 32n), Number(unsigned & 0xffffffffn)];
};
const take = {
  Int64: pair, UInt64: pair,
  DateTime: (v) => (v === null ? null : new Date(v)),
  ByteString: (v) => (v === null ? null : Buffer.from(v, "hex")),
  NodeId: (v) => coerceNodeId(v || "i=0"), ExpandedNodeId: (v) => opcua.coerceExpandedNodeId(v || "i=0"),
  StatusCode: (v) => coerceStatusCode(v),
  QualifiedName: (v) => {
    const [, namespaceIndex, name] = /^(\d+):(.*)$/.exec(v ?? "0:");
    return new QualifiedName({ namespaceIndex: Number(namespaceIndex), name: v === null ? null : name });
  },
  LocalizedText: (v) => new LocalizedText({ text: v }),
  NumericRange: (v) => new RawRange(v),
  ExtensionObject: (v) => v && taken(getStandardDataTypeFactory().getStructureInfoByTypeName(v.$).constructor, v),
  Variant: (v) => {
    if (v === null) return new Variant();
    const [name, value, dimensions] = v;
    const one = take[name] ?? ((x) => x);
    if (!Array.isArray(value)) {
      return new Variant({
        dataType: DataType[name], arrayType: VariantArrayType.Scalar, value: one(value),
      });
    }
    return new Variant({
      dataType: DataType[name], value: value.map(one), dimensions,
      arrayType: dimensions ? VariantArrayType.Matrix : VariantArrayType.Array,
    });
  },
  DataValue: (v) => new DataValue({
    value: take.Variant(v.Value ?? null), statusCode: take.StatusCode(v.StatusCode ?? 0),
    sourceTimestamp: take.DateTime(v.SourceTimestamp ?? null),
    serverTimestamp: take.DateTime(v.ServerTimestamp ?? null),
  }),
};

// An IndexRange goes out as it was given, well-formed or not.
class RawRange extends NumericRange {
  constructor(value) {
    super();
    this.given = value;
  }
  toEncodeableString() { return this.given; }
}

function taken(Class, given) {
  const object = new Class({});
  for (const field of fieldsOf(object.schema)) {
    const value = given[upper(field.originalName)];
    if (value === undefined) continue;
    const name = field.fieldType in take ? field.fieldType
      : field.category === "basic" ? findBuiltInType(field.fieldType).name : null;
    const one = field.allowSubTypes ? take[field.basicDataType ?? "ExtensionObject"]
      : name in take ? take[name]
      : field.category === "complex" ? (v) => taken(constructorOf(field), v)
      : (v) => v;
    object[field.name] = field.isArray ? (value && value.map(one)) : one(value);
  }
  return object;
}
const constructorOf = (field) =>
  getStandardDataTypeFactory().getStructureInfoByTypeName(field.fieldType).constructor;

const sessions = new Map();

const operations = {
  async connect({ url, mode, policy, user, password, pki }) {
    const clientCertificateManager = new OPCUACertificateManager({
      rootFolder: pki, automaticallyAcceptUnknownCertificate: true,
    });
    await clientCertificateManager.initialize();
    const client = OPCUAClient.create({
      applicationName: "Wire", endpointMustExist: false, keepSessionAlive: false,
      securityMode: MessageSecurityMode[mode], securityPolicy: SecurityPolicy[policy],
      connectionStrategy: { maxRetry: 0 }, clientCertificateManager, requestedSessionTimeout: 60000,
    });
    await client.connect(url);
    try {
      const session = await client.createSession(
        user ? { type: UserTokenType.UserName, userName: user, password } : undefined);
      const handle = `${sessions.size}`;
      sessions.set(handle, { client, session });
      return handle;
    } catch (error) {
      await client.disconnect();
      throw error;
    }
  },
  async request({ session, service, fields }) {
    const Class = opcua[`${service}Request`]
      ?? getStandardDataTypeFactory().getStructureInfoByTypeName(`${service}Request`).constructor;
    const request = taken(Class, fields);
    const one = sessions.get(session).session;
    const response = await new Promise((resolve, reject) =>
      one._performMessageTransaction(request, (error, answer) => (error ? reject(error) : resolve(answer))));
    return shown(response);
  },
  async changeUser({ session, user, password, certificate, privateKey }) {
    const status = await sessions.get(session).session.changeUser(
      certificate
        ? { type: UserTokenType.Certificate, certificateData: Buffer.from(certificate, "hex"), privateKey }
        : user ? { type: UserTokenType.UserName, userName: user, password } : undefined);
    return status?.value ?? 0;
  },
  async disconnect({ session, keepSubscriptions }) {
    const { client, session: one } = sessions.get(session);
    await one.close(!keepSubscriptions);
    await client.disconnect();
    return null;
  },
};

async function answer({ id, op, ...args }) {
  let reply;
  try {
    reply = { id, ok: await operations[op](args) };
  } catch (error) {
    const fault = error.response?.responseHeader?.serviceResult?.value;
    reply = { id, fault: fault ?? null, error: String(error.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}

for await (const line of readline.createInterface({ input: process.stdin })) void answer(JSON.parse(line));
process.exit(0);
