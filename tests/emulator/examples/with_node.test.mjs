// What a user's tests do with scripts/examples/azpec_emulator.mjs; run by tests/emulator/examples_spec.lua.
import assert from "node:assert/strict";
import { test } from "node:test";

const { withEmulator } = await import(`${process.env.EXAMPLES}/azpec_emulator.mjs`);
const azure = withEmulator(["--option", "operation_polls=1"]);

test("a request arrives, a fault is met once, and the log tells of both", async () => {
  const { emulator } = azure;
  const id = await emulator.arrive({ description: "ticket 4711" });
  assert.match(id, /\/batchAccounts\/sampleacct\//);
  await emulator.fail({ kind: "keys", times: 1 }, { status: 503 });
  const keys = `${emulator.endpoint}/${emulator.tenant_id}/discovery/v2.0/keys`;
  assert.deepEqual([(await fetch(keys)).status, (await fetch(keys)).status], [503, 200]);
  assert.equal((await emulator.requests("keys")).length, 2);
  await emulator.advance(3600);
});

test("nothing of the test before is left", async () => {
  assert.equal((await azure.emulator.state()).accounts[0].connections.length, 1);
  assert.deepEqual(await azure.emulator.requests(), []);
  const { now } = await azure.emulator.control("POST", "clock", { advance: 0 });
  assert.ok(now < Date.now() / 1000 + 1000);
});

test("a wrong state is refused with its field", async () => {
  await assert.rejects(azure.emulator.state({ nonsense: 1 }), /unknown field 'nonsense'/);
});
