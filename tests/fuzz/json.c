/*
 * json.c -- bodies of replies and what programs print, through lua-cjson and
 * all that reads facts:
 *
 *   - nothing is raised, and Lua's stack is left as it was;
 *   - each fact lies in a string of the decoded value, and still does when all
 *     that Lua can free has been freed;
 *   - numbers are within their range;
 *   - a secret that is in a string is not in what json_redact leaves;
 *   - what was decoded can be encoded, and that is JSON.
 *
 * The input: the text.
 */
#include "fuzz.h"

#include <lauxlib.h>

#include "lua/json.h"
#include "lua/json_error.h"

enum { CODEC = 1, VALUE };

#define SECRET "s3cret/of+the~fuzzer"

int luaopen_cjson(lua_State *L);

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

static uint64_t sum; /* of all bytes that facts point to */

static void look_at(struct span s) {
	for (size_t i = 0; i < s.n; i++)
		sum += (unsigned char)s.p[i];
}

static void look_at_number(int64_t n) {
	if (n < -1 || n >= FACTS_MAX)
		wrong("the number %lld", (long long)n);
}

static void look_at_error(const struct facts *f) {
	look_at(f->code);
	look_at(f->message);
	look_at(f->target);
	look_at(f->more);
	look_at(f->oauth_error);
	look_at(f->oauth_description);
}

static void look_at_resource(const struct resource_facts *f) {
	look_at(f->status);
	look_at(f->id);
	look_at(f->provisioning_state);
	look_at(f->etag);
	look_at(f->connection_status);
	look_at(f->description);
	look_at(f->action_required);
	if (f->percent < -1 || f->percent > 100)
		wrong("%d percent", f->percent);
}

static void look_at_token(const struct token_facts *f) {
	look_at(f->access_token);
	look_at(f->refresh_token);
	look_at(f->expires_text);
	look_at(f->trace_id);
	look_at(f->correlation_id);
	look_at(f->timestamp);
	look_at_number(f->expires_in);
	look_at_number(f->expires_on);
	look_at_number(f->refresh_in);
}

static void look_at_device(const struct device_facts *f) {
	look_at(f->device_code);
	look_at(f->user_code);
	look_at(f->verification_uri);
	look_at(f->prompt);
	look_at_number(f->expires_in);
	look_at_number(f->interval);
}

static void look_at_document(const struct facts *f) {
	switch (f->document) {
	case DOCUMENT_NONE:
		break;
	case DOCUMENT_RESOURCE:
		look_at_resource(&f->as.resource);
		break;
	case DOCUMENT_PAGE:
		look_at(f->as.page.next_link);
		look_at(f->as.page.skip_token);
		break;
	case DOCUMENT_TOKEN:
		look_at_token(&f->as.token);
		break;
	case DOCUMENT_DEVICE:
		look_at_device(&f->as.device);
		break;
	case DOCUMENT_CLOUD:
		look_at(f->as.cloud.login_endpoint);
		look_at(f->as.cloud.identity_provider);
		look_at(f->as.cloud.audience);
		break;
	case DOCUMENT_POLICY:
		look_at(f->as.policy.status);
		look_at(f->as.policy.result);
		look_at(f->as.policy.token);
		look_at(f->as.policy.token_id);
		look_at(f->as.policy.reason);
		break;
	}
}

static void read_cloud(lua_State *L, int idx, struct facts *f) {
	json_read_cloud(L, idx, SPAN("https://management.azure.com"), f);
}

/* Each reads the value once more, into the same facts. */
static void read_all(lua_State *L) {
	static void (*const readers[])(lua_State *, int, struct facts *) = {
		json_read_resource, json_read_page, json_read_token, read_cloud
	};
	for (size_t i = 0; i < COUNT(readers); i++) {
		struct facts f = NO_FACTS;
		json_read_error(L, VALUE, &f);
		readers[i](L, VALUE, &f);
		lua_gc(L, LUA_GCCOLLECT);
		look_at_error(&f);
		look_at_document(&f);
		if (lua_gettop(L) != VALUE)
			wrong("reader %zu leaves %d values", i, lua_gettop(L));
	}
}

/* In any string of the table at the top. */
static void expect_redacted(lua_State *L) {
	luaL_checkstack(L, 6, "fuzz");
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		struct span s = NO_SPAN;
		if (lua_type(L, -1) == LUA_TSTRING)
			s.p = lua_tolstring(L, -1, &s.n);
		if (has_span(s, SPAN(SECRET)))
			wrong("the secret stays: %.*s", (int)s.n, s.p);
		if (lua_istable(L, -1))
			expect_redacted(L);
	}
}

static void redact(lua_State *L) {
	static const struct span secret[] = { LITERAL(SECRET) };
	struct buf scratch;
	buf_init(&scratch, test_mem(), BUF_MAX);
	json_redact(L, VALUE, (struct secrets){ secret, 1 }, &scratch);
	buf_free(&scratch);
	expect_redacted(L);
}

/* Is there a number like 1e999 in the value at the top?  It is read as an
   infinity, which lua-cjson does not write. */
static bool has_infinity(lua_State *L) {
	bool has = false;
	luaL_checkstack(L, 6, "fuzz");
	if (lua_type(L, -1) == LUA_TNUMBER)
		return lua_tonumber(L, -1) - lua_tonumber(L, -1) != 0;
	if (!lua_istable(L, -1))
		return false;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		has |= has_infinity(L);
	return has;
}

/* Encoded, and decoded again. */
static void encode(lua_State *L) {
	struct facts f;
	struct span text;
	lua_settop(L, VALUE);
	if (has_infinity(L))
		return;
	lua_pushvalue(L, VALUE);
	json_encode(L, CODEC);
	text.p = lua_tolstring(L, -1, &text.n);
	json_decode(L, CODEC, text, &f);
	if (!f.json)
		wrong("its own text is no JSON: %.*s", (int)text.n, text.p);
	lua_settop(L, VALUE);
}

static int read_text(lua_State *L) {
	struct span *text = lua_touserdata(L, -1);
	struct facts f;
	lua_settop(L, 1);
	json_decode(L, CODEC, *text, &f);
	if (f.json && f.broken)
		wrong("JSON, and broken");
	if (!f.json)
		return 0;
	read_all(L);
	json_push_details(L, VALUE);
	lua_settop(L, VALUE);
	redact(L);
	json_polish(L, VALUE);
	encode(L);
	return 0;
}

static void fuzz(void) {
	lua_State *L = lua();
	struct span text = take_rest();
	char *own = exactly(text);
	text.p = own;
	lua_pushcfunction(L, read_text);
	lua_pushvalue(L, CODEC);
	lua_pushlightuserdata(L, &text);
	if (lua_pcall(L, 2, 0, 0))
		wrong("raised: %s", lua_tostring(L, -1));
	if (lua_gettop(L) != CODEC)
		wrong("%d values stay", lua_gettop(L));
	lua_gc(L, LUA_GCCOLLECT);
	free(own);
}
