// A client that opens no connection: it waits for the server's (Reverse Connect, Part 6, 7.1.3).
// Prints one JSON line when it listens, then one for each session that it has come to. With
// security it needs the server's certificate beforehand: a line on stdin names the file.
import fs from "node:fs";
import readline from "node:readline";
import {
  AttributeIds, ClientReverseConnect, MessageSecurityMode, OPCUAClient, SecurityPolicy,
} from "node-opcua-client";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";

const [port, serverUri, mode, policy, pki, rounds] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const clientCertificateManager = new OPCUACertificateManager({
  rootFolder: pki, automaticallyAcceptUnknownCertificate: true,
});
await clientCertificateManager.initialize();
const listener = new ClientReverseConnect(`opc.tcp://127.0.0.1:${port}`);
await listener.start();
say({ listening: listener.listeningPort });
let serverCertificate;
if (mode !== "None") {
  const lines = readline.createInterface({ input: process.stdin });
  serverCertificate = fs.readFileSync(await new Promise((taken) => lines.once("line", taken)));
  lines.close();
}
for (let round = 0; round < Number(rounds); round += 1) {
  const client = OPCUAClient.create({
    applicationName: "ReverseClient",
    endpointMustExist: false,
    securityMode: MessageSecurityMode[mode],
    securityPolicy: SecurityPolicy[policy],
    connectionStrategy: { maxRetry: 0 },
    clientCertificateManager,
    serverCertificate,
  });
  await client.connectReverse(listener, { serverUri });
  const session = await client.createSession();
  const state = await session.read({ nodeId: "i=2259", attributeId: AttributeIds.Value });
  say({ state: state.value.value, status: state.statusCode.name });
  await session.close();
  await client.disconnect();
}
await listener.stop();
