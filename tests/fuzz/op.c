/*
 * op.c -- a libFuzzer harness of one operation: answers made of the input, and
 * what must hold whatever they are.  It aborts where that does not:
 *
 *   - a token goes to the endpoint's own origin only;
 *   - success comes of an answer that shows it, about the resource asked for;
 *   - no second write before a look, after one that may have been carried out;
 *   - a write that was accepted is not passed over when the operation fails;
 *   - where a policy token is acquired first, no write goes without one, and no
 *     other request has one;
 *   - the deadline ends it.
 *
 * Bodies are read as the module reads them, by json.c and lua-cjson; all that
 * Lua can free meanwhile is freed before the operation is fed.
 *
 * The input: a byte for the kind of operation, then for each request a byte
 * for what happens to it, one for its header, one for its body.  A header or a
 * body is a template, or one with some bytes replaced, or taken from the input
 * as it is.
 */
#include "fuzz.h"

#include <lauxlib.h>

#include "core/op.h"
#include "lua/json.h"
#include "lua/json_error.h"

#define HOST "https://management.azure.com"
#define ACCOUNT                                                                \
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/"         \
	"batchAccounts/acct"
#define ID ACCOUNT "/privateEndpointConnections/pe.1"
#define CONNECTION HOST ID "?api-version=2022-06-01"
#define MONITOR HOST ACCOUNT "/privateEndpointConnectionResults/1"

enum { MAX_STEPS = 60, MAX_RAW = 512, MAX_REPLACED = 4 };

static const int statuses[] = { 200, 200, 200, 201, 202, 204, 301, 400,
	                        401, 403, 404, 405, 409, 410, 412, 429,
	                        500, 501, 503, 504, 505, 206 };

static const char *const heads[] = {
	NULL,
	"Azure-AsyncOperation: " MONITOR "\n",
	"Location: " MONITOR "\nRetry-After: 1\n",
	"Azure-AsyncOperation: " MONITOR "\nLocation: " MONITOR "\n",
	"Location: https://evil.example/x\n",
	"Location: " CONNECTION "\n",
	"ETag: \"1\"\n",
	"ETag: W/\"2\"\nContent-Type: application/json\n",
};

#define RESOURCE(id, state, status)                                            \
	"{\"id\":\"" id "\",\"etag\":\"\\\"1\\\"\",\"properties\":{"           \
	"\"provisioningState\":\"" state                                       \
	"\",\"privateLinkServiceConnectionState\":{\"status\":\"" status       \
	"\"}}}"

static const char *const bodies[] = {
	NULL,
	RESOURCE(ID, "Succeeded", "Approved"),
	RESOURCE(ID, "Succeeded", "Pending"),
	RESOURCE(ID, "Updating", "Pending"),
	RESOURCE(ID, "Failed", "Approved"),
	RESOURCE("/other", "Succeeded", "Approved"),
	"{\"id\":\"" ID "\",\"properties\":{}}",
	"{\"status\":\"Succeeded\"}",
	"{\"status\":\"InProgress\"}",
	"{\"status\":\"Failed\",\"error\":{\"code\":\"C\"}}",
	"{\"error\":{\"code\":\"C\",\"message\":\"m\"}}",
	"{\"error\":{\"code\":\"MissingApiVersionParameter\"}}",
	"{\"error\":{\"code\":\"RequestDisallowedByPolicy\",\"additionalInfo\":"
	"[{"
	"\"info\":{\"missingPolicyTokenDetails\":{\"shouldDeny\":true}}}]}}",
	"{\"result\":\"Succeeded\",\"token\":\"PoP 0123456789abcdef\"}",
	"{\"status\":\"Succeeded\",\"properties\":{\"result\":\"Succeeded\","
	"\"token\":\"PoP fedcba9876543210\",\"tokenId\":\"7\"}}",
	"{\"result\":\"Failed\",\"retryAfter\":\"2024-01-01T00:00:05Z\","
	"\"results\":[{\"policyAction\":\"Error\",\"message\":\"m\"}]}",
	"{}",
	"<html>",
	"{\"id\":",
};

static struct {
	struct op op;
	struct url origin;
	struct op_config cfg;
	int64_t t;
	enum op_kind kind;
	bool write, own; /* of the request on its way */
	bool open;       /* a write may have been carried out, unseen */
	bool maybe;      /* ... at any time */
	bool taken;      /* one was accepted */
	bool shown;      /* the last answer shows a success */
} world;

/* The template with bytes from the input in the place of some of its own. */
static void replace(char *out, const char *template) {
	size_t n = strlen(template);
	if (n > MAX_RAW)
		wrong("a template is too long");
	memcpy(out, template, n + 1);
	for (int i = 1 + take() % MAX_REPLACED; i > 0 && n > 0; i--) {
		size_t at = (take() | (size_t)take() << 8) % n;
		out[at] = (char)take();
	}
}

/* A template, or text from the input; it ends at a NUL. */
static const char *text(const char *const *templates, size_t count) {
	static char raw[2][MAX_RAW + 2];
	static int turn;
	size_t which = take(), n = 0;
	const char *template = templates[which % count];
	char *out = raw[turn++ % 2];
	if (which < 150 || (which < 200 && !template))
		return template;
	if (which < 200) {
		replace(out, template);
		return out;
	}
	for (uint8_t c = take(); c && n < MAX_RAW; c = take())
		out[n++] = (char)c;
	out[n] = '\0';
	return out;
}

/* The host is read as text: the parser is part of what is tested. */
static void check_origin(struct span url) {
	struct span rest;
	if (!span_istarts(url, SPAN(HOST)))
		wrong("the token goes elsewhere");
	rest = span_from(url, sizeof HOST - 1);
	if (span_istarts(rest, SPAN(":443")))
		rest = span_from(rest, 4);
	if (rest.n > 0 && *rest.p != '/' && *rest.p != '?')
		wrong("the token goes to a host that begins alike");
}

static void check_request(const struct request *q) {
	check_origin(buf_span(&q->url));
	world.write = q->method == HTTP_PATCH || q->method == HTTP_DELETE;
	if (request_field(q, POLICY_HEADER).p && !world.write)
		wrong("the policy token is on another request");
	if (world.write && world.op.spec.policy == POLICY_ALWAYS &&
	    request_field(q, POLICY_HEADER).n == 0)
		wrong("a write without a policy token");
	world.own = span_eq(buf_span(&q->url), SPAN(CONNECTION));
	if (world.write && !world.own)
		wrong("a write of something else");
	if (world.write && world.open)
		wrong("a second write before a look");
	if (world.write && world.taken)
		wrong("a second write after one that was accepted");
}

static bool is_word(struct span word) {
	return poll_verdict_of(word) == POLL_SUCCEEDED;
}

/* Our resource, final, and as asked or without its status. */
static bool shows_it(const struct resource_facts *f) {
	return f->is_resource && span_ieq(f->id, SPAN(ID)) &&
	       (f->provisioning_state.n == 0 ||
	        is_word(f->provisioning_state)) &&
	       (f->connection_status.n == 0 ||
	        span_ieq(f->connection_status, SPAN("Approved")));
}

static bool shows_absence(const struct answer *a) {
	const struct reply *r = a->http;
	const struct resource_facts *f = resource_of(a);
	if (r->status == 404)
		return world.own && (a->facts.json || r->body.n == 0);
	return r->status == 204 || r->body.n == 0 || is_word(f->status) ||
	       is_word(f->provisioning_state);
}

static void note(const struct answer *a) {
	const struct reply *r = a->http;
	const struct resource_facts *f = resource_of(a);
	bool ok = r->error == NET_OK && r->status >= 200 && r->status < 300;
	world.shown = r->error == NET_OK &&
	              (world.kind == OP_DELETE ? shows_absence(a)
	                                       : ok && shows_it(f));
	if (!world.write) {
		if (world.own && ok && span_ieq(f->id, SPAN(ID)))
			world.open = false;
		return;
	}
	world.taken |= ok && (r->body.n == 0 || a->facts.json);
	if (r->error != NET_OK ? r->sent
	                       : r->status == 408 ||
	                                 (r->status >= 500 &&
	                                  r->status != 501 && r->status != 505))
		world.open = world.maybe = true;
}

int luaopen_cjson(lua_State *L);

/* One for all inputs; lua-cjson is at index 1. */
static lua_State *lua(void) {
	static lua_State *L;
	if (L)
		return L;
	L = luaL_newstate();
	if (!L)
		wrong("no memory");
	luaL_requiref(L, "cjson", luaopen_cjson, 0);
	lua_settop(L, 0);
	json_push_codec(L);
	return L;
}

/* The decoded body stays on Lua's stack, as long as the facts are used: as in
   loop.c. */
static struct facts facts_of(const struct reply *r) {
	lua_State *L = lua();
	struct facts f;
	struct buf scratch;
	lua_settop(L, 1);
	json_decode(L, 1, buf_span(&r->body), &f);
	json_read_error(L, -1, &f);
	if (lua_istable(L, -1) &&
	    (r->status >= 300 || (f.error && !op_acquires(&world.op)))) {
		buf_init(&scratch, test_mem(), MAX_RAW);
		json_redact(L, -1, (struct secrets){ NULL, 0 }, &scratch);
		buf_free(&scratch);
		json_read_error(L, -1, &f);
	}
	if (op_acquires(&world.op)) {
		json_read_policy(L, -1, &f);
	} else {
		json_read_resource(L, -1, &f);
		if (lua_istable(L, -1))
			json_polish(L, -1);
	}
	lua_gc(L, LUA_GCCOLLECT);
	return f;
}

static void happen(void) {
	uint8_t what = take();
	struct reply *r;
	struct answer a;
	op_sent(&world.op, now_at(world.t));
	if (what < 8)
		r = no_reply(what < 2   ? NET_CONNECT
		             : what < 4 ? NET_CERT
		             : what < 6 ? NET_RECV
		                        : NET_TIMEOUT,
		             what >= 4);
	else
		r = reply_of(statuses[what % COUNT(statuses)],
		             text(heads, COUNT(heads)),
		             text(bodies, COUNT(bodies)));
	world.t += take();
	a = answer_of(r, facts_of(r), world.t);
	note(&a);
	op_feed(&world.op, &a);
	lua_settop(lua(), 1);
}

static void check_end(enum op_want want) {
	const struct op *o = &world.op;
	if (want == OP_DONE && !world.shown)
		wrong("a success that nobody saw");
	if (want == OP_FAIL && o->fail.kind == FAIL_NONE)
		wrong("a failure of no kind");
	if (want == OP_FAIL && world.taken && o->fail.kind != FAIL_OPERATION &&
	    !op_unknown(o))
		wrong("nothing is said of an accepted write");
}

/* One turn.  True: it is over. */
static bool turn(void) {
	struct request q;
	int64_t until;
	enum op_want want;
	request_init(&q, test_mem());
	want = op_next(&world.op, now_at(world.t), &q, &until);
	if (want == OP_SEND)
		check_request(&q);
	request_free(&q);
	switch (want) {
	case OP_TOKEN:
		op_grant(&world.op, 1 + take(), now_at(world.t));
		return false;
	case OP_SEND:
		happen();
		return false;
	case OP_WAIT:
		if (until <= world.t || until > world.op.deadline)
			wrong("it waits for ever, or not at all");
		world.t = until;
		return false;
	default:
		check_end(want);
		return true;
	}
}

static void begin(uint8_t how) {
	static const enum op_kind kinds[] = { OP_UPDATE, OP_DELETE, OP_ENSURE };
	struct op_spec spec = { .url = SPAN(CONNECTION),
		                .id = SPAN(ID),
		                .api_version = SPAN("2022-06-01"),
		                .timeout = 60000,
		                .seed = 7 };
	world.kind = spec.kind = kinds[how % 3];
	if (spec.kind != OP_DELETE)
		spec.status = SPAN("Approved");
	if (how & 16)
		spec.if_match = SPAN("\"0\"");
	spec.policy = (enum policy_when)((how >> 5) % POLICY_WHENS);
	if (how & 8)
		spec.change_reference = SPAN("/c/\"7");
	url_parse(SPAN(HOST "/"), &world.origin);
	world.cfg = (struct op_config){ .mem = test_mem(),
		                        .origins = &world.origin,
		                        .origin_count = 1,
		                        .retry = RETRY_DEFAULT,
		                        .try_timeout = 10000 };
	if (!op_init(&world.op, &world.cfg, &spec))
		wrong("no memory");
}

static void fuzz(void) {
	bool over = false;
	memset(&world, 0, sizeof world);
	lua_gc(lua(), LUA_GCCOLLECT);
	world.t = 1000;
	begin(take());
	for (int i = 0; i < MAX_STEPS && !over; i++)
		over = turn();
	if (!over) {
		world.t = world.op.deadline;
		for (int i = 0; i < 3 && !over; i++)
			over = turn();
		if (!over)
			wrong("its deadline does not end it");
	}
	op_free(&world.op);
}
