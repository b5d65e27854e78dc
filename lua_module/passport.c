/* passport.c -- continuation tokens. */
#include "passport.h"

#include <lauxlib.h>

#include "core/arm.h"
#include "enums.h"
#include "fields.h"
#include "json.h"

enum { VERSION = 1, MAX_WORD = 64 };

static const char *const operations[] = {
	[OP_UPDATE] = "update", [OP_DELETE] = "delete", [OP_ENSURE] = "ensure"
};
static const char *const sources[] = { [POLL_RESOURCE] = "resource",
	                               [POLL_LOCATION] = "location",
	                               [POLL_ASYNC] = "azure-asyncoperation",
	                               [POLL_BOTH] = "both" };

/* What it consists of.  Strings have `least` to `most` bytes. */
static const struct member {
	const char *name;
	int type;
	bool always;
	size_t least, most;
} members[] = {
	{ "azpec", LUA_TNUMBER, true, 0, 0 },
	{ "operation", LUA_TSTRING, true, 1, MAX_WORD },
	{ "endpoint", LUA_TSTRING, true, 1, POLL_MAX_URL },
	{ "id", LUA_TSTRING, true, 1, POLL_MAX_URL },
	{ "api_version", LUA_TSTRING, true, 1, MAX_WORD },
	{ "status", LUA_TSTRING, false, 1, MAX_WORD },
	{ "description", LUA_TSTRING, false, 0, OPTIONS_MAX_TEXT },
	{ "action_required", LUA_TSTRING, false, 0, OPTIONS_MAX_TEXT },
	{ "if_match", LUA_TSTRING, false, 1, OPTIONS_MAX_HEADER },
	{ "client_request_id", LUA_TSTRING, true, 1, OPTIONS_MAX_HEADER },
	{ "poll", LUA_TSTRING, true, 1, MAX_WORD },
	{ "poll_url", LUA_TSTRING, false, 1, POLL_MAX_URL },
	{ "changed", LUA_TBOOLEAN, true, 0, 0 },
};

enum { MEMBERS = sizeof members / sizeof *members };

/* ---- writing ------------------------------------------------------------ */

void passport_push(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	const struct op *o = &p->job.op;
	lua_getiuservalue(L, idx, UV_CLIENT);
	lua_getiuservalue(L, -1, CUV_CODEC);
	lua_remove(L, -2);
	lua_createtable(L, 0, 14);
	fields_integer(L, "azpec", VERSION);
	fields_given(L, "operation", span_of(operations[o->spec.kind]));
	fields_given(L, "endpoint", p->client->defaults.endpoint);
	fields_given(L, "id", o->spec.id);
	fields_given(L, "api_version", o->spec.api_version);
	fields_given(L, "status", o->spec.status);
	fields_given(L, "description", o->spec.description);
	fields_given(L, "action_required", o->spec.action_required);
	fields_given(L, "if_match", o->spec.if_match);
	fields_given(L, "client_request_id", o->spec.client_request_id);
	fields_given(L, "poll", span_of(sources[o->poll.source]));
	if (o->poll.source != POLL_RESOURCE)
		fields_given(L, "poll_url", buf_span(&o->poll.url));
	fields_boolean(L, "changed", o->changed);
	json_encode(L, lua_absindex(L, -2));
	lua_remove(L, -2); /* the codec */
}

/* ---- reading: what it consists of ---------------------------------------- */

static const struct member *member_named(struct span name) {
	for (size_t i = 0; i < MEMBERS; i++)
		if (span_eq(name, span_of(members[i].name)))
			return &members[i];
	return NULL;
}

/* Key at -2, value at -1. */
static const char *check_member(lua_State *L) {
	struct span key = NO_SPAN;
	const struct member *m;
	size_t n;
	if (lua_type(L, -2) == LUA_TSTRING)
		key.p = lua_tolstring(L, -2, &key.n);
	m = member_named(key);
	if (!m)
		return "it has a member that is not known";
	if (lua_type(L, -1) != m->type)
		return lua_pushfstring(L, "its %s is not a %s", m->name,
		                       lua_typename(L, m->type));
	n = m->type == LUA_TSTRING ? lua_rawlen(L, -1) : 0;
	if (n < m->least)
		return lua_pushfstring(L, "its %s is empty", m->name);
	if (n > m->most)
		return lua_pushfstring(L, "its %s is too long", m->name);
	return NULL;
}

/* How many members an object without tables in it has: one a colon. */
static int count_colons(struct span text) {
	bool quoted = false;
	int count = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (quoted && text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			quoted = !quoted;
		else if (text.p[i] == ':' && !quoted)
			count++;
	}
	return count;
}

/* text: what the table at the top was decoded from.  Of two members with one
   name, lua-cjson keeps the last. */
static const char *check_members(lua_State *L, struct span text) {
	int count = 0;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *why = check_member(L);
		if (why)
			return why;
		count++;
	}
	if (count != count_colons(text))
		return "it has a member twice";
	for (size_t i = 0; i < MEMBERS; i++) {
		bool has = options_push(L, lua_gettop(L), members[i].name) !=
		           LUA_TNIL;
		lua_pop(L, 1);
		if (members[i].always && !has)
			return lua_pushfstring(L, "it has no %s",
			                       members[i].name);
	}
	return NULL;
}

static bool is_of_version(lua_State *L) {
	bool is = options_push(L, lua_gettop(L), "azpec") == LUA_TNUMBER &&
	          lua_tonumber(L, -1) == VERSION;
	lua_pop(L, 1);
	return is;
}

/* ---- reading: what it says ---------------------------------------------- */

static struct span field(lua_State *L, const char *name) {
	return options_string(L, lua_gettop(L), name);
}

static int index_of(struct span s, const char *const *names, int count) {
	for (int i = 0; i < count; i++)
		if (span_eq(s, span_of(names[i])))
			return i;
	return -1;
}

static const char *other_subscription(lua_State *L, struct span its,
                                      struct span ours) {
	lua_pushlstring(L, its.p, its.n);
	lua_pushlstring(L, ours.p, ours.n);
	return lua_pushfstring(L,
	                       "it belongs to subscription %s, but "
	                       "subscription_id is %s",
	                       lua_tostring(L, -2), lua_tostring(L, -1));
}

/* The client it is shown to must be of the same cloud and subscription. */
static const char *check_binding(lua_State *L, const struct lclient *c,
                                 struct span endpoint, struct span id) {
	struct arm_id parts;
	struct span ours = c->defaults.subscription_id;
	struct url u;
	if (!url_parse(endpoint, &u) || !url_same_origin(&u, &c->origins[0]))
		return "it belongs to another endpoint";
	if (arm_parse_id(id, &parts))
		return "its id is not a private endpoint connection's";
	if (ours.p && !span_ieq(parts.subscription, ours))
		return other_subscription(L, parts.subscription, ours);
	return NULL;
}

/* It comes from outside: what becomes a header field must not end it. */
static const char *read_asked(lua_State *L, struct op_spec *spec) {
	spec->api_version = field(L, "api_version");
	spec->status = field(L, "status");
	spec->description = field(L, "description");
	spec->action_required = field(L, "action_required");
	spec->if_match = field(L, "if_match");
	spec->client_request_id = field(L, "client_request_id");
	if (!http_printable(spec->if_match) ||
	    !http_printable(spec->client_request_id))
		return "a field of it cannot stand in a request";
	if (arm_check_api_version(spec->api_version))
		return "its api_version makes no sense";
	if (spec->kind != OP_DELETE && !enums_is_status(spec->status))
		return "its status makes no sense";
	return NULL;
}

/* The decoded table is at the top. */
static const char *read(lua_State *L, const struct lclient *c,
                        struct op_spec *spec, enum poll_source *source,
                        struct span *url, bool *changed) {
	int operation = index_of(field(L, "operation"), operations, 3);
	int poll = index_of(field(L, "poll"), sources, 4);
	const char *why;
	if (operation < 0 || poll < 0)
		return "its operation is unknown";
	spec->kind = (enum op_kind)operation;
	spec->id = field(L, "id");
	*source = (enum poll_source)poll;
	*url = field(L, "poll_url");
	options_push(L, lua_gettop(L), "changed");
	*changed = lua_toboolean(L, -1);
	lua_pop(L, 1);
	why = check_binding(L, c, field(L, "endpoint"), spec->id);
	if (!why && *source != POLL_RESOURCE &&
	    !url_on(*url, c->origins, c->core.cfg.origin_count))
		why = "its polling URL is on another origin";
	return why ? why : read_asked(L, spec);
}

const char *passport_read(lua_State *L, int codec, const struct lclient *c,
                          struct op_spec *spec, enum poll_source *source,
                          struct span *url, bool *changed) {
	struct facts facts;
	struct span text;
	const char *why;
	text.p = lua_tolstring(L, -1, &text.n); /* the caller has it, too */
	json_decode(L, codec, text, &facts);
	lua_remove(L, -2);
	if (!facts.json)
		return "it is not JSON";
	if (!is_of_version(L))
		return "it is of another version";
	why = check_members(L, text);
	return why ? why : read(L, c, spec, source, url, changed);
}
