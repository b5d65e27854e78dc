/* json.c -- JSON text to tables and facts, by lua-cjson. */
#include "json.h"

#include <lauxlib.h>
#include <time.h>

#include "core/date.h"
#include "core/fail.h"
#include "core/mend.h"

enum { MAX_DEPTH = 64 };

/* Calls codec[name](value), a setting of our own instance. */
static void configure(lua_State *L, const char *name, int value) {
	lua_getfield(L, -1, name);
	lua_pushinteger(L, value);
	lua_call(L, 1, 0);
}

/* Pushes lua-cjson: from package.loaded, or by require.  [-0, +1] */
static void push_cjson(lua_State *L) {
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	if (lua_getfield(L, -1, "cjson") == LUA_TNIL) {
		lua_pop(L, 1);
		if (lua_getglobal(L, "require") == LUA_TNIL)
			luaL_error(L, "azpec needs lua-cjson: neither is it "
			              "loaded nor is there a `require`");
		lua_pushliteral(L, "cjson");
		lua_call(L, 1, 1);
	}
	lua_remove(L, -2); /* the loaded ones */
}

void json_push_codec(lua_State *L) {
	luaL_checkstack(L, 6, "json");
	push_cjson(L);
	lua_getfield(L, -1, "new");
	lua_call(L, 0, 1);
	lua_remove(L, -2); /* the shared module */
	configure(L, "decode_max_depth", MAX_DEPTH);
	configure(L, "encode_max_depth", MAX_DEPTH);
	lua_getfield(L, -1, "decode_invalid_numbers");
	lua_pushboolean(L, 0);
	lua_call(L, 1, 0);
}

/* ---- facts -------------------------------------------------------------- */

/* lua-cjson's null is a light userdata, and nothing else in a table is. */
static bool is_null(lua_State *L, int idx) {
	return lua_islightuserdata(L, idx);
}

int json_push_member(lua_State *L, int idx, const char *name) {
	struct span key = span_of(name);
	idx = lua_absindex(L, idx);
	lua_pushlstring(L, key.p, key.n);
	if (lua_rawget(L, idx) != LUA_TNIL)
		return lua_type(L, -1);
	for (; lua_next(L, idx); lua_pop(L, 1)) {
		struct span s = NO_SPAN;
		if (lua_type(L, -2) == LUA_TSTRING)
			s.p = lua_tolstring(L, -2, &s.n);
		if (s.p && span_ieq(s, key)) {
			lua_remove(L, -2);
			return lua_type(L, -1);
		}
	}
	lua_pushnil(L);
	return LUA_TNIL;
}

/* The same; nil also where it is null, or there is no table.  [-0, +1] */
static int push_field(lua_State *L, int idx, const char *name) {
	if (lua_type(L, idx) != LUA_TTABLE) {
		lua_pushnil(L);
		return LUA_TNIL;
	}
	json_push_member(L, idx, name);
	if (is_null(L, -1)) {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
	return lua_type(L, -1);
}

/* Is it there, were it null?  [-0, +0] */
static bool has_field(lua_State *L, int idx, const char *name) {
	bool has;
	lua_pushstring(L, name);
	has = lua_istable(L, idx) && lua_rawget(L, idx) != LUA_TNIL;
	lua_pop(L, 1);
	return has;
}

/* A string field; absent for every other type.  It stays anchored in its
   table, so the span outlives the pop. */
static struct span string_field(lua_State *L, int idx, const char *name) {
	struct span s = NO_SPAN;
	if (push_field(L, idx, name) == LUA_TSTRING)
		s.p = lua_tolstring(L, -1, &s.n);
	lua_pop(L, 1);
	return s;
}

/* A number, or a string of digits, below FACTS_MAX; -1 for all else. */
static int64_t integer_field(lua_State *L, int idx, const char *name) {
	int64_t v = -1;
	int type = push_field(L, idx, name);
	if (type == LUA_TNUMBER) {
		lua_Number n = lua_tonumber(L, -1);
		if (n >= 0 && n < (lua_Number)FACTS_MAX)
			v = (int64_t)n;
	} else if (type == LUA_TSTRING) {
		struct span s;
		s.p = lua_tolstring(L, -1, &s.n);
		if (!span_uint(s, &v) || v >= FACTS_MAX)
			v = -1;
	}
	lua_pop(L, 1);
	return v;
}

static int percent_field(lua_State *L, int idx) {
	int64_t n = integer_field(L, idx, "percentComplete");
	return n >= 0 && n <= 100 ? (int)n : -1;
}

static void read_state(lua_State *L, int properties, struct resource_facts *f) {
	push_field(L, properties, "privateLinkServiceConnectionState");
	f->connection_status = string_field(L, -1, "status");
	f->description = string_field(L, -1, "description");
	f->action_required = string_field(L, -1, "actionsRequired");
	if (!f->action_required.p)
		f->action_required = string_field(L, -1, "actionRequired");
	lua_pop(L, 1);
}

/* An array of objects; lua-cjson makes {} of an empty one. */
static bool is_list(lua_State *L, int idx, enum page_flaw *flaw) {
	bool objects = true, array = lua_istable(L, idx);
	if (array)
		for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
			array = array && lua_isinteger(L, -2);
			objects = objects && lua_istable(L, -1);
		}
	*flaw = lua_isnil(L, idx) ? PAGE_NO_VALUE
	        : array           ? PAGE_ODD_ITEM
	                          : PAGE_NO_ARRAY;
	return array && objects;
}

static void read_resource(lua_State *L, int idx, struct resource_facts *f) {
	int status = push_field(L, idx, "status");
	lua_pop(L, 1);
	*f = NO_RESOURCE;
	f->status = string_field(L, idx, "status");
	f->odd_status = status != LUA_TNIL && f->status.n == 0;
	f->percent = percent_field(L, idx);
	f->id = string_field(L, idx, "id");
	f->etag = string_field(L, idx, "etag");
	f->is_resource = push_field(L, idx, "properties") == LUA_TTABLE ||
	                 (f->id.p && status == LUA_TNIL);
	f->provisioning_state = string_field(L, -1, "provisioningState");
	read_state(L, -1, f);
	lua_pop(L, 1);
}

void json_read_resource(lua_State *L, int idx, struct facts *f) {
	idx = lua_absindex(L, idx);
	f->document = DOCUMENT_RESOURCE;
	read_resource(L, idx, &f->as.resource);
}

/* A page whose `value` is null, or absent where a nextLink is there, is
   empty. */
void json_read_page(lua_State *L, int idx, struct facts *f) {
	bool empty;
	idx = lua_absindex(L, idx);
	empty = push_field(L, idx, "value") == LUA_TNIL && !f->error &&
	        (has_field(L, idx, "value") || has_field(L, idx, "nextLink"));
	if (empty || is_list(L, lua_gettop(L), &f->flaw)) {
		f->document = DOCUMENT_PAGE;
		f->as.page.empty = empty || lua_rawlen(L, -1) == 0;
		f->as.page.next_link = string_field(L, idx, "nextLink");
	}
	lua_pop(L, 1);
}

/* "Z", or an offset behind the time. */
static bool has_zone(struct span s) {
	size_t colon = 0;
	while (colon < s.n && s.p[colon] != ':')
		colon++;
	for (size_t i = colon; i < s.n; i++)
		if (s.p[i] == 'Z' || s.p[i] == 'z' || s.p[i] == '+' ||
		    s.p[i] == '-')
			return true;
	return false;
}

/* The Azure CLI's expiresOn has no zone: it is this machine's. */
static int64_t local_expiry(struct span text) {
	int64_t utc = date_token(text);
	bool zone = has_zone(text);
	time_t t = (time_t)(utc / 1000);
	struct tm parts;
	if (utc < 0)
		return -1;
	if (zone || !gmtime_r(&t, &parts))
		return utc / 1000;
	parts.tm_isdst = -1;
	return (int64_t)mktime(&parts);
}

/* What programs print: {accessToken, expires_on, expiresOn}, or {token,
   expiresOn}. */
static void read_program_token(lua_State *L, int idx, struct token_facts *f) {
	f->access_token = string_field(L, idx, "accessToken");
	if (!f->access_token.p)
		f->access_token = string_field(L, idx, "token");
	struct span local = string_field(L, idx, "expiresOn");
	if (f->expires_on < 0)
		f->expires_on = local_expiry(local);
	if (f->expires_on < 0 && f->expires_text.n == 0)
		f->expires_text = local;
}

/* A number or a text, whatever it says. */
static bool is_said(lua_State *L, int idx, const char *name) {
	int type = push_field(L, idx, name);
	lua_pop(L, 1);
	return type == LUA_TNUMBER || type == LUA_TSTRING;
}

static void read_token(lua_State *L, int idx, struct token_facts *f) {
	f->access_token = string_field(L, idx, "access_token");
	f->refresh_token = string_field(L, idx, "refresh_token");
	f->timestamp = string_field(L, idx, "timestamp");
	f->expires_in = integer_field(L, idx, "expires_in");
	f->expires_on = integer_field(L, idx, "expires_on");
	f->refresh_in = integer_field(L, idx, "refresh_in");
	f->trace_id = string_field(L, idx, "trace_id");
	f->correlation_id = string_field(L, idx, "correlation_id");
	f->expires_text = string_field(L, idx, "expires_on");
	if (!f->access_token.p)
		read_program_token(L, idx, f);
	if (f->expires_in < 0 && f->expires_on < 0 && !f->expires_text.p &&
	    is_said(L, idx, "expires_in"))
		f->expires_in = 0; /* below zero, or none: it makes no sense */
}

static void read_device(lua_State *L, int idx, struct device_facts *f) {
	f->device_code = string_field(L, idx, "device_code");
	f->user_code = string_field(L, idx, "user_code");
	f->verification_uri = string_field(L, idx, "verification_uri");
	f->prompt = string_field(L, idx, "message");
	f->expires_in = integer_field(L, idx, "expires_in");
	f->interval = integer_field(L, idx, "interval");
}

void json_read_token(lua_State *L, int idx, struct facts *f) {
	idx = lua_absindex(L, idx);
	if (string_field(L, idx, "device_code").p) {
		f->document = DOCUMENT_DEVICE;
		read_device(L, idx, &f->as.device);
	} else {
		f->document = DOCUMENT_TOKEN;
		read_token(L, idx, &f->as.token);
	}
}

/* ---- a cloud's metadata ------------------------------------------------- */

static bool same_place(struct span a, struct span b) {
	return span_ieq(url_without_slashes(a), url_without_slashes(b));
}

/* The audience that is the endpoint itself, or the first. */
static struct span find_audience(lua_State *L, int list, struct span endpoint) {
	struct span first = NO_SPAN;
	if (!lua_istable(L, list))
		return first;
	for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TSTRING; i++) {
		struct span s; /* anchored in the list */
		s.p = lua_tolstring(L, -1, &s.n);
		lua_pop(L, 1);
		if (same_place(s, endpoint))
			return s;
		first = first.p ? first : s;
	}
	lua_pop(L, 1);
	return first;
}

static void read_cloud(lua_State *L, int idx, struct span endpoint,
                       struct cloud_facts *f) {
	if (push_field(L, idx, "authentication") == LUA_TTABLE) {
		f->login_endpoint = string_field(L, -1, "loginEndpoint");
		f->identity_provider = string_field(L, -1, "identityProvider");
		push_field(L, -1, "audiences");
		f->audience = find_audience(L, lua_gettop(L), endpoint);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

void json_read_cloud(lua_State *L, int idx, struct span endpoint,
                     struct facts *f) {
	lua_Unsigned n = lua_istable(L, idx) ? lua_rawlen(L, idx) : 0;
	struct cloud_facts *cloud = &f->as.cloud;
	idx = lua_absindex(L, idx);
	f->document = DOCUMENT_CLOUD;
	*cloud = (struct cloud_facts){ .audience = NO_SPAN };
	read_cloud(L, idx, endpoint, cloud);
	for (lua_Unsigned i = 1; i <= n; i++) { /* of the older versions */
		lua_rawgeti(L, idx, (lua_Integer)i);
		if (n == 1 || same_place(string_field(L, lua_gettop(L),
		                                      "resourceManager"),
		                         endpoint))
			read_cloud(L, lua_gettop(L), endpoint, cloud);
		lua_pop(L, 1);
	}
}

/* ---- text to tables ----------------------------------------------------- */

static struct span without_bom(struct span s) {
	return span_istarts(s, SPAN("\xef\xbb\xbf")) ? span_from(s, 3) : s;
}

/* Pushes text as Lua's string, with the faults in its strings mended. */
static void push_text(lua_State *L, struct span text) {
	if (mend_count(text) == 0) {
		lua_pushlstring(L, text.p, text.n);
	} else {
		luaL_Buffer b;
		char *out = luaL_buffinitsize(L, &b, 3 * text.n);
		luaL_pushresultsize(&b, mend_copy(out, text));
	}
}

void json_decode(lua_State *L, int codec, struct span text,
                 struct facts *facts) {
	int status;
	*facts = NO_FACTS;
	text = span_trim(without_bom(text));
	if (text.n == 0) {
		lua_pushnil(L);
		return;
	}
	luaL_checkstack(L, 10, "json");
	lua_getfield(L, codec, "decode");
	push_text(L, text);
	status = lua_pcall(L, 1, 1, 0);
	if (status == LUA_ERRMEM)
		lua_error(L);
	facts->broken = status != LUA_OK;
	facts->json = status == LUA_OK && lua_istable(L, -1);
	if (!facts->json) {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
}

void json_encode(lua_State *L, int codec) {
	lua_getfield(L, codec, "encode");
	lua_insert(L, -2);
	lua_call(L, 1, 1);
}

/* ---- results ------------------------------------------------------------ */

static void drop_nulls(lua_State *L, int idx) {
	luaL_checkstack(L, 4, "json");
	lua_pushnil(L);
	while (lua_next(L, idx)) {
		if (lua_istable(L, -1)) {
			drop_nulls(L, lua_gettop(L));
		} else if (is_null(L, -1)) {
			lua_pushvalue(L, -2);
			lua_pushnil(L);
			lua_rawset(L, idx); /* clearing while walking is fine */
		}
		lua_pop(L, 1);
	}
}

static void mirror(lua_State *L, int idx, const char *from, const char *to) {
	bool there = push_field(L, idx, to) != LUA_TNIL;
	lua_pop(L, 1);
	if (!there && push_field(L, idx, from) != LUA_TNIL)
		lua_setfield(L, idx, to);
	else if (!there)
		lua_pop(L, 1);
}

void json_polish(lua_State *L, int idx) {
	idx = lua_absindex(L, idx);
	drop_nulls(L, idx);
	push_field(L, idx, "properties");
	if (push_field(L, -1, "privateLinkServiceConnectionState") ==
	    LUA_TTABLE) {
		mirror(L, lua_gettop(L), "actionRequired", "actionsRequired");
		mirror(L, lua_gettop(L), "actionsRequired", "actionRequired");
	}
	lua_pop(L, 2);
}

/* The string at the top, and its key beneath it, in the table at idx. */
static void redact_string(lua_State *L, int idx, struct span secret,
                          struct buf *scratch) {
	struct span s;
	s.p = lua_tolstring(L, -1, &s.n);
	buf_clear(scratch);
	fail_redact(scratch, s, (struct secrets){ &secret, 1 }, scratch->max);
	if (scratch->failed || span_eq(s, buf_span(scratch)))
		return;
	lua_pushvalue(L, -2);
	lua_pushlstring(L, scratch->p, scratch->n);
	lua_rawset(L, idx);
}

void json_redact(lua_State *L, int idx, struct span secret,
                 struct buf *scratch) {
	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 6, "json");
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (lua_istable(L, -1))
			json_redact(L, -1, secret, scratch);
		else if (lua_type(L, -1) == LUA_TSTRING)
			redact_string(L, idx, secret, scratch);
	}
}
