// node-opcua's server with the benchmark's address space. Takes the options of benchmarks.serve:
//   node server.mjs --port 4842 --vars 1000 --sim-hz 10 --tree
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy,
} from "node-opcua";

const SLICES = 10;
const { values: options } = parseArgs({
  options: {
    port: { type: "string" }, vars: { type: "string", default: "1000" },
    "sim-hz": { type: "string", default: "10" }, tree: { type: "boolean", default: false },
    hold: { type: "boolean", default: false },
  },
});
const variables = Number(options.vars);
const simHz = Number(options["sim-hz"]);
const rootFolder = mkdtempSync(join(tmpdir(), "bench-node-opcua-"));

const serverCertificateManager = new OPCUACertificateManager({
  rootFolder, automaticallyAcceptUnknownCertificate: true,
});
await serverCertificateManager.initialize();

const server = new OPCUAServer({
  host: "127.0.0.1", hostname: "127.0.0.1", port: Number(options.port),
  securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
  securityModes: [
    MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt,
  ],
  serverCertificateManager,
  serverInfo: { applicationUri: "urn:benchmark" },
  maxConnectionsPerEndpoint: 2000,
  serverCapabilities: {
    maxSessions: 2000, maxSubscriptions: 2000, maxSubscriptionsPerSession: 50,
    minSupportedSampleRate: 50,
  },
});
await server.initialize();
const addressSpace = server.engine.addressSpace;
const namespace = addressSpace.registerNamespace("urn:bench:vars");

const addVariable = (parent, name, value) => namespace.addVariable({
  organizedBy: parent, nodeId: `s=${name}`, browseName: name.split(".").pop(),
  dataType: "Double", minimumSamplingInterval: 0,
  accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite",
  value: { dataType: DataType.Double, value },
});
const addFolder = (parent, name) => namespace.addFolder(
  parent, { browseName: name.split(".").pop(), nodeId: `s=${name}` });

const objects = addressSpace.rootFolder.objects;
const folder = addFolder(objects, "Vars");
const changing = Array.from({ length: variables }, (_, n) => addVariable(folder, `Var${n}`, n));
if (options.tree) {
  const tree = addFolder(objects, "Tree");
  for (let f = 0; f < 100; f++) {
    const branch = addFolder(tree, `Tree.F${f}`);
    for (let v = 0; v < 99; v++) addVariable(branch, `Tree.F${f}.V${v}`, 0);
  }
}
await server.start();

const stop = async () => {
  await server.shutdown();
  rmSync(rootFolder, { recursive: true, force: true });
  process.exit(0);
};
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
// Slices keep to a grid of time, as in benchmarks/served/space.py: what is late is caught up with.
let slice = 0;
let next;
const change = () => {
  while (next <= performance.now()) {
    const number = Math.floor(slice / SLICES) + 1;
    const part = slice % SLICES;
    const end = Math.floor((variables * (part + 1)) / SLICES);
    for (let n = Math.floor((variables * part) / SLICES); n < end; n++) {
      changing[n].setValueFromSource({ dataType: DataType.Double, value: n + number });
    }
    slice += 1;
    next += 1000 / simHz / SLICES;
  }
  setTimeout(change, Math.max(0, next - performance.now()));
};
const go = () => {
  if (next !== undefined) return;
  next = performance.now();
  if (simHz > 0) change();
};
process.on("SIGUSR2", go);
if (!options.hold) go();
console.log("READY");
