// A helper for node:test: an emulator of Azure for the tests of a file or a suite, for each test as it was at the start.
//
//   import { withEmulator } from "./azpec_emulator.mjs";
//   const azure = withEmulator();
//   test("approves what arrives", async () => {
//     const id = await azure.emulator.arrive({ description: "ticket 4711" });
//     await myAutomation(azure.emulator.tls_endpoint);
//     assert.equal((await azure.emulator.requests("update"))[0].status, 202);
//   });
//
// The variable AZPEC names the command, for a shell, where it is not "azpec".  NODE_EXTRA_CA_CERTS, which Node.js reads
// when it starts, has to name a file for TLS: give it to --ca-file in `options`, or trust emulator.ca_file in your client.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { after, before, beforeEach } from "node:test";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

export class Emulator {
  // Returns when the emulator listens.  options: more of the command line, such as ["--option", "operation_polls=1"].
  static async start(options = []) {
    const command = `exec ${process.env.AZPEC ?? "azpec"} emulator --control --exit-with-stdin "$@"`;
    const child = spawn("sh", ["-c", command, "sh", ...options], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = await Promise.race([once(createInterface(child.stdout), "line"), once(child, "exit").then(() => [])]);
    if (line === undefined) throw new Error("the emulator did not start");
    return Object.assign(new Emulator(), JSON.parse(line),
      { child, client_secret: "emulator+secret/with&every%kind of=character~1" });
  }

  // One request to /_emulator/; throws the emulator's own text.
  async control(method, what, body) {
    const sent = request(`${this.endpoint}/_emulator/${what}`, { method, agent: false });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [answer] = await once(sent, "response");
    const read = await text(answer);
    const value = read === "" ? undefined : JSON.parse(read);
    if (answer.statusCode >= 300) throw new Error(value.error.message);
    return value;
  }

  // One more connection appears; returns its id.
  async arrive(fields = {}) { return (await this.control("POST", "connections", fields)).id; }

  // The requests that fit fail: fail({ kind: "update", times: 2 }, { status: 503 }).
  async fail(match, action) { await this.control("POST", "faults", [{ match, action }]); }

  // The requests that came, oldest first.
  async requests(kind) {
    return (await this.control("GET", "log")).filter((e) => (kind === undefined ? e.kind !== "control" : e.kind === kind));
  }

  // Moves the emulator's clock: operations end, tokens expire.
  async advance(seconds) { await this.control("POST", "clock", { advance: seconds }); }

  // Returns the state, or replaces it.
  async state(state) { return this.control(state ? "PUT" : "GET", "state", state); }

  // Makes all as it was at the start.
  async reset() {
    for (const what of ["faults", "options", "clock", "state", "log"]) await this.control("DELETE", what);
  }

  // Ends the emulator, which removes its file.
  async close() {
    const gone = once(this.child, "exit");
    this.child.stdin.end();
    await gone;
  }
}

export function withEmulator(options) {
  const azure = {};
  before(async () => { azure.emulator = await Emulator.start(options); });
  beforeEach(() => azure.emulator.reset());
  after(() => azure.emulator.close());
  return azure;
}
