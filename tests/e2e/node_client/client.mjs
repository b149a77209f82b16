// A driver around node-opcua's client: one JSON request a line on stdin, one JSON answer a line
// on stdout, so that the Python tests can use a client that shares no code with biogate.
import readline from "node:readline";
import {
  AttributeIds, ClientMonitoredItem, DataType, DataValue, MessageSecurityMode, OPCUAClient,
  SecurityPolicy, TimestampsToReturn, UserTokenType, Variant, makeBrowsePath, resolveNodeId,
} from "node-opcua-client";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";

let client, session, subscription;

const plainValue = (value) => {
  if (value === null || value === undefined) return null;
  if (ArrayBuffer.isView(value) && !Buffer.isBuffer(value)) return Array.from(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object" && value.constructor?.name === "LocalizedText") return value.text;
  if (typeof value === "object" && value.toJSON) return value.toJSON();
  return value;
};

const plain = (dataValue) => ({
  value: plainValue(dataValue.value?.value),
  type: DataType[dataValue.value?.dataType ?? 0],
  status: dataValue.statusCode.value,
  statusName: dataValue.statusCode.name,
  sourceTimestamp: dataValue.sourceTimestamp?.toISOString() ?? null,
  serverTimestamp: dataValue.serverTimestamp?.toISOString() ?? null,
});

const operations = {
  async connect({ url, mode, policy, user, password, pki, timeout }) {
    const clientCertificateManager = new OPCUACertificateManager({
      rootFolder: pki, automaticallyAcceptUnknownCertificate: true,
    });
    await clientCertificateManager.initialize();
    client = OPCUAClient.create({
      applicationName: "NodeClient",
      endpointMustExist: false,
      securityMode: MessageSecurityMode[mode ?? "None"],
      securityPolicy: SecurityPolicy[policy ?? "None"],
      connectionStrategy: { maxRetry: 0 },
      clientCertificateManager,
      requestedSessionTimeout: timeout ?? 30000,
    });
    await client.connect(url);
    session = await client.createSession(
      user ? { type: UserTokenType.UserName, userName: user, password } : undefined);
    return { endpoints: client.endpoint?.endpointUrl ?? null };
  },
  async endpoints({ url }) {
    const probe = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 } });
    await probe.connect(url);
    const endpoints = await probe.getEndpoints();
    await probe.disconnect();
    return endpoints.map((e) => ({
      mode: MessageSecurityMode[e.securityMode], policy: e.securityPolicyUri,
      tokens: e.userIdentityTokens.map((t) => UserTokenType[t.tokenType]),
    }));
  },
  async read({ nodes, attribute }) {
    const values = await session.read(
      nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds[attribute ?? "Value"] })));
    return values.map(plain);
  },
  async write({ node, value, type }) {
    const status = await session.write({
      nodeId: node, attributeId: AttributeIds.Value,
      value: new DataValue({ value: new Variant({ dataType: DataType[type ?? "Double"], value }) }),
    });
    return { status: status.value, statusName: status.name };
  },
  async browse({ node }) {
    const result = await session.browse({
      nodeId: node, browseDirection: 0, includeSubtypes: true, nodeClassMask: 0, resultMask: 63,
      referenceTypeId: resolveNodeId("HierarchicalReferences"),
    });
    return result.references.map((r) => ({
      nodeId: r.nodeId.toString(), name: r.browseName.toString(),
      type: r.typeDefinition?.toString() ?? null,
    }));
  },
  async translate({ start, path }) {
    const result = await session.translateBrowsePath(makeBrowsePath(start, path));
    return {
      status: result.statusCode.name,
      nodeId: result.targets?.[0]?.targetId.toString() ?? null,
    };
  },
  async subscribe({ nodes, count, interval, sampling, queueSize }) {
    subscription = await session.createSubscription2({
      requestedPublishingInterval: interval ?? 100, requestedLifetimeCount: 600,
      requestedMaxKeepAliveCount: 10, publishingEnabled: true, priority: 0,
      maxNotificationsPerPublish: 0,
    });
    const seen = [];
    await new Promise((resolve, reject) => {
      for (const nodeId of nodes) {
        const item = ClientMonitoredItem.create(subscription,
          { nodeId, attributeId: AttributeIds.Value },
          { samplingInterval: sampling ?? 100, discardOldest: true, queueSize: queueSize ?? 10 },
          TimestampsToReturn.Both);
        item.on("changed", (dataValue) => {
          seen.push({ node: nodeId, ...plain(dataValue) });
          if (seen.length >= count) resolve();
        });
        item.on("err", (message) => reject(new Error(message)));
      }
    });
    await subscription.terminate();
    return seen;
  },
  async close() {
    await session?.close();
    await client?.disconnect();
    return {};
  },
};

const lines = readline.createInterface({ input: process.stdin });
for await (const line of lines) {
  const { op, ...args } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await operations[op](args) };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
  if (op === "close") break;
}
process.exit(0);
