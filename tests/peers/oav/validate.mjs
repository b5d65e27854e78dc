// validate.mjs CONFIG.json: holds recordings to the REST description of Microsoft.Batch by oav's live validator. Prints
// one JSON object: for each api-version the differences as a sorted list of "METHOD request|response CODE MEMBER".
//
// No package has the description itself, but @azure/arm-batch was generated from it and has its parts: each operation's
// path, parameters and answers, and each model. From those a description is made again, for one api-version each.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { LiveValidator } = require("oav/dist/lib/liveValidation/liveValidator.js");
const config = JSON.parse(readFileSync(process.argv[2]));

// ---- the operations of a package ------------------------------------------------------------------------------------

// The two generations of generated clients name their groups of operations differently.
const groupsOf = (client) => ["privateEndpointConnection", "privateLinkResource", "batchAccount"].map((name) =>
  client[`${name}Operations`] ?? client[name]);

// What each method of the groups is about to send: its description, instead of a request.
async function operations(name) {
  const { BatchManagementClient } = require(name);
  const client = new BatchManagementClient({ getToken: async () => null, signRequest: async (r) => r }, "s");
  const found = [];
  const keep = async (_, operation) => {
    if (!operation.path.startsWith("{")) found.push(operation);
    throw new Error("kept");
  };
  client.sendOperationRequest = client.sendLRORequest = keep;
  for (const group of groupsOf(client)) {
    for (const method of ["listByBatchAccount", "listByResourceGroup", "list", "get", "beginUpdate", "beginDelete"]) {
      if (!group[method]) continue;
      const call = group[method]("g", "a", "n", {});
      await (call.next ? call.next() : call).catch((error) => {
        if (error.message !== "kept") throw error;
      });
    }
  }
  return found;
}

// ---- a description in OpenAPI 2.0 -----------------------------------------------------------------------------------

const types = { Enum: { type: "string" }, String: { type: "string" }, Number: { type: "number" },
  Boolean: { type: "boolean" }, DateTime: { type: "string", format: "date-time" } };

function schema(mapper, definitions, models) {
  const { name, className, element, value, allowedValues } = mapper.type;
  if (name === "Composite") return reference(className, definitions, models);
  if (name === "Sequence") return { type: "array", items: schema(element, definitions, models) };
  if (name === "Dictionary") return { type: "object", additionalProperties: schema(value, definitions, models) };
  const { Pattern, MaxLength, MinLength } = mapper.constraints ?? {};
  return { ...types[name], enum: allowedValues, pattern: Pattern?.source, maxLength: MaxLength, minLength: MinLength };
}

// A model's members by their names in JSON, where "a.b" is a member of an object. A list's items have no name in the
// older generation.
function reference(className, definitions, models) {
  if (!definitions[className]) {
    const top = definitions[className] = { type: "object", properties: {} };
    for (const member of Object.values(models[className].type.modelProperties)) {
      const names = (member.serializedName || "value").split(".");
      const last = names.pop();
      let at = top;
      for (const name of names) at = at.properties[name] ??= { type: "object", properties: {} };
      at.properties[last] = { ...schema(member, definitions, models), readOnly: member.readOnly };
      if (member.required) (at.required ??= []).push(last);
    }
  }
  return { $ref: `#/definitions/${className}` };
}

const apiVersion = { in: "query", name: "api-version", required: true, type: "string" };

function parameters(operation, definitions, models) {
  const list = [apiVersion];
  for (const [place, kind] of [["path", "url"], ["query", "query"], ["header", "header"]]) {
    for (const { mapper } of operation[`${kind}Parameters`] ?? []) {
      const name = mapper.serializedName;
      if (["$host", "api-version", "Accept", "accept-language", "Content-Type"].includes(name)) continue;
      const required = place === "path" || mapper.required;
      list.push({ in: place, name, required, ...schema(mapper, definitions, models) });
    }
  }
  if (operation.requestBody) {
    const body = operation.requestBody.mapper;
    list.push({ in: "body", name: "parameters", required: true, schema: schema(body, definitions, models) });
  }
  return list;
}

// The older generation describes an error without the object around it, which its library takes away.
const isDescribed = (mapper, models) =>
  mapper && !(mapper.type.className === "CloudError" && !models.CloudError.type.modelProperties.error);

function answers(operation, definitions, models) {
  return Object.fromEntries(Object.entries(operation.responses).map(([status, { bodyMapper }]) => {
    const body = isDescribed(bodyMapper, models) ? schema(bodyMapper, definitions, models) : undefined;
    return [status, { description: "", schema: body }];
  }));
}

function description(version, found) {
  const paths = {}, definitions = {};
  for (const [n, operation] of found.entries()) {
    const models = operation.serializer.modelMappers;
    const path = operation.path.startsWith("/") ? operation.path : `/${operation.path}`;
    (paths[path] ??= {})[operation.httpMethod.toLowerCase()] = { operationId: `Operation_${n}`,
      parameters: parameters(operation, definitions, models), responses: answers(operation, definitions, models),
      "x-ms-long-running-operation": "202" in operation.responses };
  }
  return { swagger: "2.0", info: { title: "Batch", version }, host: "management.azure.com", schemes: ["https"],
    consumes: ["application/json"], produces: ["application/json"], paths, definitions };
}

// ---- the traffic ----------------------------------------------------------------------------------------------------

async function validator(version, name) {
  const folder = `${config.folder}/specification/batch/resource-manager/Microsoft.Batch/stable/${version}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/Batch.json`, JSON.stringify(description(version, await operations(name))));
  const made = new LiveValidator({ directory: config.folder, git: { shouldClone: false }, isArmCall: true,
    swaggerPathsPattern: [`specification/**/${version}/*.json`], loadValidatorInBackground: false,
    loadValidatorInInitialize: true }, () => {});
  await made.initialize();
  return made;
}

// The last names in the paths, without an operation's own.
const places = (paths) => paths.map((path) => path.split("/").findLast((part) => !/[$?]/.test(part)));

async function differences(live, { request, response }) {
  const result = await live.validateLiveRequestResponse({
    liveRequest: { method: request.method, url: request.url, headers: request.headers ?? {}, body: request.body },
    liveResponse: { statusCode: String(response.status), headers: response.headers ?? {}, body: response.body } });
  if (result.runtimeException) throw new Error(result.runtimeException.message);
  const { requestValidationResult: sent, responseValidationResult: came } = result;
  if (sent.runtimeException) return [`${request.method} ${sent.runtimeException.code} ${places([request.url])}`];
  const told = [];
  for (const [part, { errors }] of [["request", sent], ["response", came]]) {
    for (const { code, pathsInPayload } of errors) {
      const title = `${request.method} ${part} ${code}`;
      told.push(...pathsInPayload.length ? places(pathsInPayload).map((place) => `${title} ${place}`) : [title]);
    }
  }
  return told;
}

const results = {};
for (const { version, name, recording } of config.recordings) {
  const live = await validator(version, name);
  const told = new Set();
  for (const exchange of JSON.parse(readFileSync(recording)).exchanges) {
    if (!exchange.request.url.startsWith("/subscriptions/")) continue;
    for (const text of await differences(live, exchange)) told.add(text);
  }
  results[version] = [...told].sort();
}
console.log(JSON.stringify(results));
