// Microsoft's clients for JavaScript against the emulator: client.mjs CONFIG.json prints one JSON object, with what each
// scenario gave or {"error": {...}}.
import { readFileSync } from "node:fs";
import { ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential } from "@azure/identity";
import { BatchManagementClient } from "@azure/arm-batch";
import { ResourceGraphClient } from "@azure/arm-resourcegraph";
import { SubscriptionClient } from "@azure/arm-subscriptions";

const config = JSON.parse(readFileSync(process.argv[2]));
const endpoint = config.tls_endpoint;
const authority = { authorityHost: endpoint, disableInstanceDiscovery: true };
const retry = { retryOptions: { maxRetries: 0 } };
const signIn = (secret) => new ClientSecretCredential(config.tenant_id, config.client_id, secret, authority);
const credential = signIn(config.client_secret);
const batch = new BatchManagementClient(credential, config.subscription_id, { endpoint, ...retry });
const connections = batch.privateEndpointConnectionOperations;
const [, , , , group, , , , account, , name] = config.sample.split("/");
const quick = { updateIntervalInMs: 10 };
const link = (status, description) => ({ privateLinkServiceConnectionState: { status, description } });

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

const scenarios = {
  list: async () => (await all(connections.listByBatchAccount(config.many_group, config.many))).map((c) => c.name),
  pages: async () => (await all(connections.listByBatchAccount(config.many_group, config.many, { maxresults: 7 }))).length,
  get: () => connections.get(group, account, name),
  stale: () => connections.beginUpdateAndWait(group, account, name, link("Approved"), { ifMatch: '"0x1"', ...quick }),
  approve: () => connections.beginUpdateAndWait(group, account, name, link("Approved", "by @azure/arm-batch"), quick),
  remove: async () => {
    await connections.beginDeleteAndWait(group, account, name, quick);
    return "deleted";
  },
  gone: () => connections.get(group, account, name),
  links: async () => (await all(batch.privateLinkResourceOperations.listByBatchAccount(group, account))).map((l) => l.groupId),
  account: async () => (await batch.batchAccountOperations.get(group, account)).accountEndpoint,
  accounts: async () => (await all(batch.batchAccountOperations.list())).map((a) => a.name),
  operations: async () => (await all(batch.operations.list())).length,
  subscriptions: async () =>
    (await all(new SubscriptionClient(credential, { endpoint, ...retry }).subscriptions.list())).map((s) => s.subscriptionId),
  tenants: async () =>
    (await all(new SubscriptionClient(credential, { endpoint, ...retry }).tenants.list())).map((t) => t.tenantId),
  graph: async () => {
    const client = new ResourceGraphClient(credential, { baseUri: endpoint, endpoint });
    const query = "resources | where type =~ 'microsoft.batch/batchaccounts' | project id, name = name | order by id asc";
    const names = [];
    let skipToken;
    do {
      const page = await client.resources({ query, subscriptions: [config.subscription_id], options: { top: 2, skipToken } });
      names.push(...page.data.map((row) => row.name));
      skipToken = page.skipToken;
    } while (skipToken);
    return names;
  },
  bad_secret: () => signIn("wrong").getToken("https://management.azure.com/.default"),
  managed_identity: async () =>
    (await new ManagedIdentityCredential().getToken("https://management.azure.com/.default")).token.split(".").length,
  workload_identity: async () => {
    const identity = new WorkloadIdentityCredential({ tenantId: config.tenant_id, clientId: config.client_id,
      tokenFilePath: config.federated_token_file, ...authority });
    return (await identity.getToken("https://management.azure.com/.default")).token.split(".").length;
  },
};

const results = {};
for (const [title, scenario] of Object.entries(scenarios)) {
  try {
    results[title] = await scenario();
  } catch (error) {
    results[title] = { error: { name: error.name, status: error.statusCode, code: error.code, message: error.message } };
  }
}
console.log(JSON.stringify(results));
