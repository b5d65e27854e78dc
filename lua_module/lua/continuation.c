/* continuation.c -- continuation tokens. */
#include "lua/continuation.h"

#include <lauxlib.h>

#include "core/arm.h"
#include "lua/enums.h"
#include "lua/fields.h"
#include "lua/json.h"
#include "lua/signer.h"
#include "lua/session.h"

enum { VERSION = 1, MAX_WORD = 64, MAC = 64 /* hexadecimal digits */ };

static const char *const sources[] = { [POLL_RESOURCE] = "resource",
	                               [POLL_LOCATION] = "location",
	                               [POLL_ASYNC] = "azure-asyncoperation",
	                               [POLL_BOTH] = "both" };

/* The members of a token.  Strings have `least` to `most` bytes. */
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
	{ "from", LUA_TSTRING, false, 1, OPTIONS_MAX_TEXT },
	{ "description", LUA_TSTRING, false, 0, OPTIONS_MAX_TEXT },
	{ "action_required", LUA_TSTRING, false, 0, OPTIONS_MAX_TEXT },
	{ "if_match", LUA_TSTRING, false, 1, OPTIONS_MAX_HEADER },
	{ "client_request_id", LUA_TSTRING, true, 1, OPTIONS_MAX_HEADER },
	{ "poll", LUA_TSTRING, true, 1, MAX_WORD },
	{ "poll_url", LUA_TSTRING, false, 1, POLL_MAX_URL },
	{ "changed", LUA_TBOOLEAN, true, 0, 0 },
	{ "hmac_sha256", LUA_TSTRING, false, MAC, MAC },
};

enum { MEMBERS = sizeof members / sizeof *members };

/* ---- signing ------------------------------------------------------------ */

/* The text between the other members and the HMAC, and after it. */
#define MAC_BEGINS ",\"hmac_sha256\":\""
#define MAC_ENDS "\"}"
enum { MAC_MEMBER = sizeof MAC_BEGINS + MAC + sizeof MAC_ENDS - 2 };

/* Calls azpec_signing's function with the key at index key, the text on the top
   and mac; the result is on the top.  A failure is the program's, not the
   token's, so it is raised, as what cannot be done.  [-0, +1] */
static void call_signing(lua_State *L, struct client *c, const char *function,
                         int key, struct span mac, const char *done) {
	int text = lua_gettop(L);
	bool ok = signer_push(L, c);
	if (ok) {
		lua_getfield(L, -1, function);
		lua_replace(L, -2);
		lua_pushvalue(L, key);
		lua_pushvalue(L, text);
		lua_pushlstring(L, mac.p ? mac.p : "", mac.n);
		ok = session_pcall(L, c, 3, 1);
		if (!ok)
			session_text(L, c);
	}
	if (!ok)
		luaL_error(L, "the continuation token cannot be %s: %s", done,
		           lua_tostring(L, -1));
}

/* Appends the HMAC to the token on the top, by the key at index key. */
static void sign(lua_State *L, struct client *c, int key) {
	size_t n;
	const char *text = lua_tolstring(L, -1, &n);
	call_signing(L, c, "hmac", key, NO_SPAN, "signed");
	lua_pushlstring(L, text, n - 1);
	lua_pushliteral(L, MAC_BEGINS);
	lua_rotate(L, -3, -1); /* the HMAC is at the end */
	lua_pushliteral(L, MAC_ENDS);
	lua_concat(L, 4);
	lua_replace(L, -2);
}

/* Verifies the HMAC before any member is read. */
static const char *check_signature(lua_State *L, struct client *c, int key,
                                   struct span text) {
	static const struct span begins = { MAC_BEGINS, sizeof MAC_BEGINS - 1 },
				 ends = { MAC_ENDS, sizeof MAC_ENDS - 1 };
	struct span member, mac;
	if (text.n <= MAC_MEMBER)
		return "it is not signed";
	member = span_from(text, text.n - MAC_MEMBER);
	mac = (struct span){ member.p + begins.n, MAC };
	if (!span_istarts(member, begins) ||
	    !span_eq(span_from(member, begins.n + MAC), ends))
		return "it is not signed";
	lua_pushlstring(L, text.p, text.n - MAC_MEMBER);
	lua_pushliteral(L, "}");
	lua_concat(L, 2);
	call_signing(L, c, "is_hmac", key, mac, "checked");
	if (!lua_toboolean(L, -1))
		return "it is not signed with this key, or was changed";
	lua_pop(L, 2);
	return NULL;
}

void continuation_push_key(lua_State *L, int idx, int options) {
	idx = lua_absindex(L, idx);
	if (options_push_key(L, options, "key") != LUA_TNIL)
		return;
	lua_pop(L, 1);
	lua_getiuservalue(L, idx, CUV_TOKEN_KEY);
}

/* ---- writing ------------------------------------------------------------ */

/* The character at s, n bytes of UTF-8, as JSON escapes: RFC 8259, 7. */
static void add_escaped(luaL_Buffer *b, const char *s, size_t n) {
	uint32_t c = (uint8_t)*s & (0xffu >> (n + 1));
	char text[16];
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((uint8_t)s[i] & 0x3f);
	if (c < 0x10000)
		(void)snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
	else
		(void)snprintf(text, sizeof text, "\\u%04x\\u%04x",
		               (unsigned)(0xd7c0 + (c >> 10)),
		               (unsigned)(0xdc00 + (c & 0x3ff)));
	luaL_addstring(b, text);
}

/* Tokens are printed on terminals, and into logs, where Azure Pipelines takes
   "##vso[" for a command.  So "##", and what is not ASCII, as control and bidi
   characters, is escaped.  In JSON both are only possible in a string. */
static void escape(lua_State *L) {
	struct span s;
	luaL_Buffer b;
	s.p = lua_tolstring(L, -1, &s.n);
	luaL_buffinit(L, &b);
	while (s.n > 0) {
		size_t n = span_utf8(s);
		bool doubled = s.n > 1 && s.p[0] == '#' && s.p[1] == '#';
		if (n > 1)
			add_escaped(&b, s.p, n);
		else if (doubled)
			luaL_addstring(&b, "\\u0023");
		else
			luaL_addchar(&b, *s.p);
		s = span_from(s, n > 1 ? n : 1);
	}
	luaL_pushresult(&b);
	lua_remove(L, -2);
}

void continuation_push(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	const struct op *o = &p->job.op;
	int key = lua_gettop(L);
	lua_getiuservalue(L, idx, UV_CLIENT);
	lua_getiuservalue(L, -1, CUV_CODEC);
	lua_remove(L, -2);
	lua_createtable(L, 0, MEMBERS);
	fields_integer(L, "azpec", VERSION);
	fields_given(L, "operation", span_of(op_calls[o->spec.kind]));
	fields_given(L, "endpoint", p->client->defaults.endpoint);
	fields_given(L, "id", o->spec.id);
	fields_given(L, "api_version", o->spec.api_version);
	fields_given(L, "status", o->spec.status);
	if (o->change.found.n > 0)
		fields_given(L, "from", buf_span(&o->change.found));
	fields_given(L, "description", o->spec.description);
	fields_given(L, "action_required", o->spec.action_required);
	fields_given(L, "if_match", o->spec.if_match);
	fields_given(L, "client_request_id", o->spec.client_request_id);
	fields_given(L, "poll", span_of(sources[o->poll.source]));
	if (o->poll.source != POLL_RESOURCE)
		fields_given(L, "poll_url", buf_span(&o->poll.url));
	fields_boolean(L, "changed", o->changed);
	json_encode(L, lua_absindex(L, -2));
	lua_remove(L, -2); /* remove the codec */
	escape(L);
	if (!lua_isnil(L, key))
		sign(L, p->client, key);
	lua_replace(L, key);
}

/* ---- reading: what it consists of --------------------------------------- */

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
		return "it has an unknown member";
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

/* The number of members of an object without nested tables: one per colon. */
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

/* text: the table on the top was decoded from it.  Of two members with the same
   name lua-cjson keeps the last. */
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

/* The token must be for the client's cloud, and for the wanted connection; if
   the caller names none, for one of the client's subscription. */
static const char *check_binding(lua_State *L, const struct client *c,
                                 struct span endpoint, struct span id,
                                 struct span wanted) {
	struct arm_id parts;
	struct span ours = c->core.chain.names_subscription
	                           ? c->defaults.subscription_id
	                           : NO_SPAN; /* a found one binds nobody */
	struct url u;
	if (!url_parse(endpoint, &u) || !url_same_origin(&u, &c->origins[0]))
		return "it belongs to another endpoint";
	if (arm_parse_id(id, &parts))
		return "its id is not a private endpoint connection's";
	if (wanted.p)
		return span_ieq(wanted, id)
		               ? NULL
		               : "it belongs to another connection";
	if (ours.p && !span_ieq(parts.subscription, ours))
		return other_subscription(L, parts.subscription, ours);
	return NULL;
}

/* The token comes from outside: a value for a header field must not end the
   field. */
static const char *read_asked(lua_State *L, struct op_spec *spec) {
	spec->api_version = field(L, "api_version");
	spec->status = field(L, "status");
	spec->description = field(L, "description");
	spec->action_required = field(L, "action_required");
	spec->if_match = field(L, "if_match");
	spec->client_request_id = field(L, "client_request_id");
	if (!http_printable(spec->if_match) ||
	    !http_printable(spec->client_request_id))
		return "one of its fields cannot be sent in a request";
	if (arm_check_api_version(spec->api_version))
		return "its api_version is invalid";
	if (spec->kind != OP_DELETE && !enums_is_status(spec->status))
		return "its status is invalid";
	return NULL;
}

/* Reads the decoded table on the top. */
static const char *read(lua_State *L, const struct client *c,
                        struct span wanted, struct op_spec *spec,
                        struct op_begun *begun) {
	int operation = index_of(field(L, "operation"), op_calls, OP_RESUMABLE);
	int poll = index_of(field(L, "poll"), sources, 4);
	const char *why;
	if (operation < 0 || poll < 0)
		return "its operation is unknown";
	spec->kind = (enum op_kind)operation;
	spec->id = field(L, "id");
	begun->source = (enum poll_source)poll;
	begun->url = field(L, "poll_url");
	begun->from = field(L, "from");
	options_push(L, lua_gettop(L), "changed");
	begun->changed = lua_toboolean(L, -1);
	lua_pop(L, 1);
	why = check_binding(L, c, field(L, "endpoint"), spec->id, wanted);
	if (!why && begun->source != POLL_RESOURCE &&
	    !url_on(begun->url, c->origins, c->core.cfg.origin_count))
		why = "its polling URL is on another origin";
	return why ? why : read_asked(L, spec);
}

const char *continuation_read(lua_State *L, int codec, int key,
                              struct client *c, struct span wanted,
                              struct op_spec *spec, struct op_begun *begun) {
	struct facts facts;
	struct span text;
	const char *why;
	text.p = lua_tolstring(L, -1, &text.n); /* the caller has it as well */
	text = span_trim(text); /* a file ends with a line end */
	why = lua_isnil(L, key) ? NULL : check_signature(L, c, key, text);
	if (why)
		return why;
	json_decode(L, codec, text, &facts);
	lua_remove(L, -2);
	if (!facts.json)
		return "it is not JSON";
	if (!is_of_version(L))
		return "it has another version";
	why = check_members(L, text);
	return why ? why : read(L, c, wanted, spec, begun);
}
