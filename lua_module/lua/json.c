/* json.c -- JSON text to tables and facts, by lua-cjson. */
#include "lua/json.h"

#include <langinfo.h>
#include <lauxlib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/date.h"
#include "core/fail.h"
#include "core/json_repair.h"

enum { MAX_DEPTH = 64 };

/* ---- lua-cjson and the locale ------------------------------------------- */

/*
 * lua-cjson reads numbers by strtod(3), so in the locale of the moment, and
 * translates the decimal point (fpconv.c).  It knows one for the whole process:
 * that of the locale in which it was last loaded or given an instance.  Where
 * the locale has changed since, fractions are syntax errors, and with a
 * decimal comma [1,5] is one number.  A point of two bytes (ps_AF) makes it
 * abort the process when it is loaded.
 *
 * So where lua-cjson and the locale do not agree on the point, it is given
 * texts in which no number has one and none stands next to a comma; and it is
 * loaded and given instances so that what it knows stays as it was.
 */

static bool has_point(void) {
	return strcmp(nl_langinfo(RADIXCHAR), ".") == 0;
}

/* True when the codec at idx reads fractions in this locale.  [-0, +0] */
static bool agrees(lua_State *L, int idx) {
	bool right;
	lua_getfield(L, idx, "decode");
	lua_pushliteral(L, "0.5");
	right = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_tonumber(L, -1) == 0.5;
	lua_pop(L, 1);
	return right;
}

/* Like lua_call; c: in the locale "C" of this thread. */
static void call_in(lua_State *L, int args, int results, bool c) {
	locale_t locale, was;
	int status;
	if (!c) {
		lua_call(L, args, results);
		return;
	}
	locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	was = uselocale(locale);
	status = lua_pcall(L, args, results, 0);
	uselocale(was);
	freelocale(locale);
	if (status != LUA_OK)
		lua_error(L);
}

static struct span digits(struct span s) {
	size_t n = 0;
	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return (struct span){ s.p, n };
}

/* Reads the exponent at the start of s: e, a sign, digits; 0 if there is none.
   The value is capped, since a double's range is small. */
static int exponent(struct span s, size_t *length) {
	bool is_signed = s.n > 1 && (s.p[1] == '-' || s.p[1] == '+');
	size_t head = is_signed ? 2 : 1;
	struct span number;
	int64_t value;
	*length = 0;
	if (s.n <= head || (s.p[0] | 0x20) != 'e')
		return 0;
	number = digits(span_from(s, head));
	if (number.n == 0)
		return 0;
	*length = head + number.n;
	if (!span_uint(number, &value) || value > 100000)
		value = 100000;
	return s.p[1] == '-' ? -(int)value : (int)value;
}

/* Appends the number at the start of s without a point, and returns its length.
   12.5e3 becomes 125e2, 0.5 becomes 5e-1: the same value. */
static size_t add_number(luaL_Buffer *b, struct span s) {
	struct span whole = digits(s), rest = span_from(s, whole.n), part;
	size_t length = 0;
	char e[16];
	int power;
	part = rest.n > 1 && rest.p[0] == '.' ? digits(span_from(rest, 1))
	                                      : NO_SPAN;
	if (part.n == 0 || (whole.n > 1 && whole.p[0] == '0')) {
		luaL_addlstring(b, whole.p, whole.n);
		return whole.n;
	}
	power = exponent(span_from(rest, 1 + part.n), &length);
	rest = part;
	if (whole.p[0] != '0')
		luaL_addlstring(b, whole.p, whole.n);
	else /* no leading zero, unless it is the only digit */
		while (rest.n > 1 && rest.p[0] == '0')
			rest = span_from(rest, 1);
	luaL_addlstring(b, rest.p, rest.n);
	(void)snprintf(e, sizeof e, "e%d", power - (int)part.n);
	luaL_addstring(b, e);
	return whole.n + 1 + part.n + length;
}

/* The length of the string at the start of s, with its quotes. */
static size_t string_length(struct span s) {
	size_t n = 1;
	while (n < s.n && s.p[n] != '"')
		n += s.p[n] == '\\' ? 2 : 1;
	return n < s.n ? n + 1 : s.n;
}

/* Pushes the text at idx without decimal points, and with a space before each
   comma.  [-0, +1] */
static void push_without_points(lua_State *L, int idx) {
	struct span s;
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	for (s.p = lua_tolstring(L, idx, &s.n); s.n > 0;) {
		size_t n = 1;
		if (*s.p >= '0' && *s.p <= '9') {
			s = span_from(s, add_number(&b, s));
			continue;
		}
		if (*s.p == '"')
			n = string_length(s);
		else if (*s.p == ',')
			luaL_addchar(&b, ' ');
		luaL_addlstring(&b, s.p, n);
		s = span_from(s, n);
	}
	luaL_pushresult(&b);
}

/* Replaces the text on the top by decode(text); returns a status of lua_pcall.
   [-1, +1] */
static int decode(lua_State *L, int codec) {
	int text = lua_gettop(L), status;
	bool agreed = has_point();
	lua_getfield(L, codec, "decode");
	lua_pushvalue(L, text);
	if (agreed && (status = lua_pcall(L, 1, 1, 0)) == LUA_ERRRUN)
		agreed = agrees(L, codec);
	if (!agreed) {
		lua_settop(L, text);
		lua_getfield(L, codec, "decode");
		push_without_points(L, text);
		status = lua_pcall(L, 1, 1, 0);
	}
	lua_remove(L, text);
	return status;
}

/* ---- lua-cjson and memory ----------------------------------------------- */

/* Out of memory, lua-cjson ends the process (strbuf.c).  It needs as much
   memory as the text is long, so that much is allocated first and freed
   again. */
static bool has_room(const struct mem *mem, size_t n) {
	void *block = mem_resize(mem, NULL, 0, n);
	mem_resize(mem, block, n, 0);
	return block != NULL;
}

enum {
	SPARE = 16 * 1024,           /* for small blocks */
	ENCODED = 64 * 1024 - SPARE, /* for an encoded text */
};

static void check_room(lua_State *L, size_t n) {
	struct mem mem;
	mem.alloc = lua_getallocf(L, &mem.ud);
	if (has_room(&mem, n + SPARE))
		return;
	lua_gc(L, LUA_GCCOLLECT);
	if (has_room(&mem, n + SPARE))
		return;
	lua_pushliteral(L, "not enough memory");
	lua_error(L);
}

/* ---- the codec ---------------------------------------------------------- */

/* Calls codec[name](value), a setting of azpec's own instance. */
static void configure(lua_State *L, const char *name, int value) {
	lua_getfield(L, -1, name);
	lua_pushinteger(L, value);
	lua_call(L, 1, 0);
}

/* Loads lua-cjson and pushes it.  A host that requires it later loads it again,
   in the locale of that time. package.loaded is on the top.  [-0, +1] */
static void load_cjson(lua_State *L) {
	bool two_bytes = strlen(nl_langinfo(RADIXCHAR)) > 1;
	if (lua_getglobal(L, "require") == LUA_TNIL)
		luaL_error(L, "azpec needs lua-cjson: neither is it "
		              "loaded nor is there a `require`");
	lua_pushliteral(L, "cjson");
	call_in(L, 1, 1, two_bytes);
	lua_pushnil(L);
	lua_setfield(L, -3, "cjson");
}

/* Pushes lua-cjson: from package.loaded, or by require.  [-0, +1] */
static void push_cjson(lua_State *L) {
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	if (lua_getfield(L, -1, "cjson") == LUA_TNIL) {
		lua_pop(L, 1);
		load_cjson(L);
	}
	lua_remove(L, -2); /* remove package.loaded */
}

void json_push_codec(lua_State *L) {
	luaL_checkstack(L, 10, "json");
	check_room(L, 0);
	push_cjson(L);
	lua_getfield(L, -1, "new");
	call_in(L, 0, 1, !agrees(L, lua_gettop(L) - 1));
	lua_remove(L, -2); /* remove the shared module */
	configure(L, "decode_max_depth", MAX_DEPTH);
	configure(L, "encode_max_depth", MAX_DEPTH);
	lua_getfield(L, -1, "decode_invalid_numbers");
	lua_pushboolean(L, 0);
	lua_call(L, 1, 0);
}

/* ---- facts -------------------------------------------------------------- */

/* lua-cjson's null is the only light userdata in a table. */
static bool is_null(lua_State *L, int idx) {
	return lua_islightuserdata(L, idx);
}

/* Pushes the member of the table at idx, its name in any letter case, as Azure
   Resource Manager compares names; nil where it is absent.  [-0, +1] */
static int push_member(lua_State *L, int idx, const char *name) {
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

/* The same; nil also for null and if there is no table.  [-0, +1] */
static int push_field(lua_State *L, int idx, const char *name) {
	if (lua_type(L, idx) != LUA_TTABLE) {
		lua_pushnil(L);
		return LUA_TNIL;
	}
	push_member(L, idx, name);
	if (is_null(L, -1)) {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
	return lua_type(L, -1);
}

/* True when the member exists, even if it is null.  [-0, +0] */
static bool has_field(lua_State *L, int idx, const char *name) {
	bool has;
	lua_pushstring(L, name);
	has = lua_istable(L, idx) && lua_rawget(L, idx) != LUA_TNIL;
	lua_pop(L, 1);
	return has;
}

/* A string; absent for every other type. */
static struct span string_at(lua_State *L, int idx) {
	struct span s = NO_SPAN;
	if (lua_type(L, idx) == LUA_TSTRING)
		s.p = lua_tolstring(L, idx, &s.n);
	return s;
}

/* The value is anchored in its table, so the span stays valid. */
static struct span string_field(lua_State *L, int idx, const char *name) {
	struct span s;
	push_field(L, idx, name);
	s = string_at(L, -1);
	lua_pop(L, 1);
	return s;
}

/* Digits with an optional fraction, which is ignored. */
static bool text_integer(struct span s, int64_t *out) {
	struct span whole = { s.p, 0 }, fraction;
	int64_t ignored;
	while (whole.n < s.n && s.p[whole.n] != '.')
		whole.n++;
	fraction = span_from(s, whole.n < s.n ? whole.n + 1 : s.n);
	return span_uint(whole, out) &&
	       (whole.n == s.n || span_uint(fraction, &ignored));
}

/* A number, or a string with one, below FACTS_MAX; otherwise -1. */
static int64_t integer_at(lua_State *L, int idx) {
	int64_t v = -1;
	int type = lua_type(L, idx);
	if (type == LUA_TNUMBER) {
		lua_Number n = lua_tonumber(L, idx);
		if (n >= 0 && n < (lua_Number)FACTS_MAX)
			v = (int64_t)n;
	} else if (type == LUA_TSTRING) {
		struct span s;
		s.p = lua_tolstring(L, idx, &s.n);
		if (!text_integer(span_trim(s), &v) || v >= FACTS_MAX)
			v = -1;
	}
	return v;
}

static int64_t integer_field(lua_State *L, int idx, const char *name) {
	int64_t v;
	push_field(L, idx, name);
	v = integer_at(L, -1);
	lua_pop(L, 1);
	return v;
}

/* ---- several members at once -------------------------------------------- */

#define NAME(literal)                                                          \
	{ literal, sizeof(literal) - 1 }

/* If the key beneath the value on the top is one of these n members, stores the
   value in its place.  [-0, +0] */
static void take_member(lua_State *L, const struct span *names, int n,
                        int place) {
	struct span key = NO_SPAN;
	if (lua_type(L, -2) != LUA_TSTRING)
		return;
	key.p = lua_tolstring(L, -2, &key.n);
	for (int i = 0; i < n; i++)
		if (key.n == names[i].n &&
		    (span_eq(key, names[i]) ||
		     (lua_isnil(L, place + i) && span_ieq(key, names[i]))))
			lua_copy(L, -1, place + i);
}

/* Pushes n members of the value at idx like n calls of push_field, but in one
   walk, because most members are absent.  Returns the index of the first.  [-0,
   +n] */
static int push_fields(lua_State *L, int idx, const struct span *names, int n) {
	int place = lua_gettop(L) + 1;
	luaL_checkstack(L, n + 4, "json");
	lua_settop(L, place + n - 1);
	if (!lua_istable(L, idx))
		return place;
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
		take_member(L, names, n, place);
	for (int i = place; i < place + n; i++)
		if (is_null(L, i)) {
			lua_pushnil(L);
			lua_replace(L, i);
		}
	return place;
}

/* ---- a resource --------------------------------------------------------- */

enum { STATE_STATUS, STATE_DESCRIPTION, STATE_ACTIONS, STATE_ACTION, STATES };
static const struct span state_members[STATES] = {
	[STATE_STATUS] = NAME("status"),
	[STATE_DESCRIPTION] = NAME("description"),
	[STATE_ACTIONS] = NAME("actionsRequired"),
	[STATE_ACTION] = NAME("actionRequired"),
};

static void read_state(lua_State *L, int idx, struct resource_facts *f) {
	int at = push_fields(L, idx, state_members, STATES);
	f->connection_status = string_at(L, at + STATE_STATUS);
	f->description = string_at(L, at + STATE_DESCRIPTION);
	f->action_required = string_at(L, at + STATE_ACTIONS);
	if (!f->action_required.p)
		f->action_required = string_at(L, at + STATE_ACTION);
	lua_settop(L, at - 1);
}

/* The members that an error in a resource may have, behind its own. */
enum { ERRORS = 3 };
#define ERROR_MEMBERS(at)                                                      \
	[at] = NAME("error"), [(at) + 1] = NAME("odata.error"),                \
	[(at) + 2] = NAME("error_description")

/* None of the ERRORS values at idx is there. */
static bool has_no_error(lua_State *L, int idx) {
	return lua_isnil(L, idx) && lua_isnil(L, idx + 1) &&
	       lua_isnil(L, idx + 2);
}

enum { PROPERTY_STATE, PROPERTY_CONNECTION, PROPERTIES };
static const struct span property_members[PROPERTIES + ERRORS] = {
	[PROPERTY_STATE] = NAME("provisioningState"),
	[PROPERTY_CONNECTION] = NAME("privateLinkServiceConnectionState"),
	ERROR_MEMBERS(PROPERTIES),
};

static void read_properties(lua_State *L, int idx, struct resource_facts *f) {
	int at = push_fields(L, idx, property_members, PROPERTIES + ERRORS);
	f->provisioning_state = string_at(L, at + PROPERTY_STATE);
	f->is_mere = f->is_mere && has_no_error(L, at + PROPERTIES);
	read_state(L, at + PROPERTY_CONNECTION, f);
	lua_settop(L, at - 1);
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
	        : array           ? PAGE_BAD_ITEM
	                          : PAGE_NO_ARRAY;
	return array && objects;
}

enum {
	RESOURCE_STATUS,
	RESOURCE_PERCENT,
	RESOURCE_ID,
	RESOURCE_ETAG,
	RESOURCE_PROPERTIES,
	RESOURCES
};
static const struct span resource_members[RESOURCES + ERRORS] = {
	[RESOURCE_STATUS] = NAME("status"),
	[RESOURCE_PERCENT] = NAME("percentComplete"),
	[RESOURCE_ID] = NAME("id"),
	[RESOURCE_ETAG] = NAME("etag"),
	[RESOURCE_PROPERTIES] = NAME("properties"),
	ERROR_MEMBERS(RESOURCES),
};

static void read_resource(lua_State *L, int idx, struct resource_facts *f) {
	int at = push_fields(L, idx, resource_members, RESOURCES + ERRORS);
	bool status = !lua_isnil(L, at + RESOURCE_STATUS);
	int64_t percent = integer_at(L, at + RESOURCE_PERCENT);
	*f = NO_RESOURCE;
	f->status = string_at(L, at + RESOURCE_STATUS);
	f->bad_status = status && f->status.n == 0;
	f->percent = percent >= 0 && percent <= 100 ? (int)percent : -1;
	f->id = string_at(L, at + RESOURCE_ID);
	f->etag = string_at(L, at + RESOURCE_ETAG);
	f->is_resource = lua_istable(L, at + RESOURCE_PROPERTIES) ||
	                 (f->id.p && !status);
	f->is_mere = lua_istable(L, at + RESOURCE_PROPERTIES) &&
	             has_no_error(L, at + RESOURCES);
	read_properties(L, at + RESOURCE_PROPERTIES, f);
	lua_settop(L, at - 1);
}

void json_read_resource(lua_State *L, int idx, struct facts *f) {
	idx = lua_absindex(L, idx);
	f->document = DOCUMENT_RESOURCE;
	read_resource(L, idx, &f->as.resource);
}

/* Of another type than text it names no page, but the list has not ended. */
static bool read_link(lua_State *L, int idx, const char *name, struct span *to,
                      enum page_flaw *flaw) {
	int type = push_field(L, idx, name);
	*to = string_at(L, -1);
	lua_pop(L, 1);
	if (type != LUA_TNIL && type != LUA_TSTRING)
		*flaw = PAGE_BAD_LINK;
	return *flaw != PAGE_BAD_LINK;
}

/* A page is empty if its `value` is null, or absent and there is a nextLink. */
void json_read_page(lua_State *L, int idx, struct facts *f) {
	bool empty;
	idx = lua_absindex(L, idx);
	empty = push_field(L, idx, "value") == LUA_TNIL && !f->error &&
	        (has_field(L, idx, "value") || has_field(L, idx, "nextLink"));
	if ((empty || is_list(L, lua_gettop(L), &f->flaw)) &&
	    read_link(L, idx, "nextLink", &f->as.page.next_link, &f->flaw)) {
		f->document = DOCUMENT_PAGE;
		f->as.page.empty = empty || lua_rawlen(L, -1) == 0;
	}
	lua_pop(L, 1);
}

/* The service writes "resultTruncated" as a text. */
void json_read_rows(lua_State *L, int idx, struct facts *f) {
	struct page_facts *page = &f->as.page;
	idx = lua_absindex(L, idx);
	push_field(L, idx, "data");
	if (is_list(L, lua_gettop(L), &f->flaw) &&
	    read_link(L, idx, "$skipToken", &page->skip_token, &f->flaw)) {
		f->document = DOCUMENT_PAGE;
		page->empty = lua_rawlen(L, -1) == 0;
		page->truncated =
			page->skip_token.n == 0 &&
			span_ieq(string_field(L, idx, "resultTruncated"),
		                 SPAN("true"));
	}
	lua_pop(L, 1);
}

/* "Z", or an offset behind the time. */
static bool has_zone(struct span s) {
	span_cut(&s, ':');
	return span_cspn(s, "Zz+-") < s.n;
}

/* The Azure CLI's expiresOn has no zone: it is local time. */
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

/* The output of programs: {accessToken, expires_on, expiresOn}, or {token,
   expiresOn}. */
static void read_program_token(lua_State *L, int idx, struct token_facts *f) {
	f->access_token = string_field(L, idx, "accessToken");
	if (!f->access_token.p)
		f->access_token = string_field(L, idx, "token");
	f->subscription = string_field(L, idx, "subscription");
	f->tenant = string_field(L, idx, "tenant");
	struct span local = string_field(L, idx, "expiresOn");
	if (span_eq(local, SPAN("N/A"))) /* az 2.8, for a managed identity */
		local = NO_SPAN;
	if (f->expires_on < 0)
		f->expires_on = local_expiry(local);
	if (f->expires_on < 0 && f->expires_text.n == 0)
		f->expires_text = local;
}

/* True for a number or a string. */
static bool is_said(lua_State *L, int idx, const char *name) {
	int type = push_field(L, idx, name);
	lua_pop(L, 1);
	return type == LUA_TNUMBER || type == LUA_TSTRING;
}

static void read_token(lua_State *L, int idx, struct token_facts *f) {
	f->access_token = string_field(L, idx, "access_token");
	f->refresh_token = string_field(L, idx, "refresh_token");
	f->id_token = string_field(L, idx, "oidcToken");
	if (!f->id_token.p)
		f->id_token = string_field(L, idx, "value");
	f->timestamp = string_field(L, idx, "timestamp");
	f->expires_in = integer_field(L, idx, "expires_in");
	f->expires_on = integer_field(L, idx, "expires_on");
	f->refresh_in = integer_field(L, idx, "refresh_in");
	f->trace_id = string_field(L, idx, "trace_id");
	f->correlation_id = string_field(L, idx, "correlation_id");
	f->expires_text = string_field(L, idx, "expires_on");
	if (f->expires_in < 0 && f->expires_on < 0 && !f->expires_text.p &&
	    is_said(L, idx, "expires_in"))
		f->expires_in = 0; /* negative, or not a number: invalid */
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

void json_read_program(lua_State *L, int idx, struct facts *f) {
	idx = lua_absindex(L, idx);
	f->document = DOCUMENT_TOKEN;
	read_token(L, idx, &f->as.token);
	if (!f->as.token.access_token.p)
		read_program_token(L, idx, &f->as.token);
}

/* ---- a policy token ------------------------------------------------------ */

/* The last piece of an id, or all of a name. */
static struct span last_piece(struct span s) {
	struct span rest = s;
	while (rest.p) {
		s = rest;
		span_cut(&rest, '/');
	}
	return s;
}

/* Who evaluated: the policy's assignment.  The result is at idx. */
static struct span name_of_policy(lua_State *L, int idx) {
	struct span name = NO_SPAN;
	if (push_field(L, idx, "policyInfo") == LUA_TTABLE) {
		name = string_field(L, -1, "policyAssignmentDisplayName");
		if (name.n == 0)
			name = string_field(L, -1, "policyAssignmentName");
		if (name.n == 0)
			name = last_piece(
				string_field(L, -1, "policyAssignmentId"));
	}
	lua_pop(L, 1);
	return name;
}

/* Does the result at idx let nothing through?  what: its own word for that. */
static bool is_against(lua_State *L, int idx, struct span *what) {
	*what = string_field(L, idx, "policyAction");
	if (span_ieq(*what, SPAN("Deny")) || span_ieq(*what, SPAN("Error")))
		return true;
	*what = string_field(L, idx, "result");
	return span_ieq(*what, SPAN("Failed"));
}

static void add_span(luaL_Buffer *b, struct span s) {
	luaL_addlstring(b, s.p ? s.p : "", s.n);
}

/* "policy 'name': Deny: its message". */
static void add_reason(lua_State *L, int idx, struct span what,
                       luaL_Buffer *b) {
	struct span name = name_of_policy(L, idx);
	struct span message = string_field(L, idx, "message");
	luaL_addstring(b, luaL_bufflen(b) > 0 ? "; policy '" : "policy '");
	add_span(b, name.n > 0 ? name : SPAN("?"));
	luaL_addstring(b, "': ");
	add_span(b, what);
	luaL_addstring(b, message.n > 0 ? ": " : "");
	add_span(b, message);
}

/* The later of two times that may be absent. */
static int64_t later(int64_t a, struct span text) {
	int64_t b = date_token(text);
	return a > b ? a : b;
}

/* What the evaluations say, into f and as a text at the top.  The answer is at
   idx, its results behind it.  [-0, +1] */
static void read_results(lua_State *L, int idx, struct policy_facts *f) {
	int list = idx + 1, one = idx + 2;
	lua_Integer n =
		lua_istable(L, list) ? (lua_Integer)lua_rawlen(L, list) : 0;
	struct span what;
	luaL_Buffer b;
	lua_settop(L, one); /* its place, beneath the buffer */
	luaL_buffinit(L, &b);
	add_span(&b, string_field(L, idx, "message"));
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, list, i);
		lua_replace(L, one);
		if (!lua_istable(L, one) || !is_against(L, one, &what))
			continue;
		if (!f->unmet) {
			f->policy = name_of_policy(L, one);
			f->verdict = what;
		}
		f->unmet = true;
		f->denied |= span_ieq(what, SPAN("Deny"));
		f->retry_after = later(f->retry_after,
		                       string_field(L, one, "retryAfter"));
		add_reason(L, one, what, &b);
	}
	luaL_pushresult(&b);
}

/* The text is anchored in the answer, which nobody is shown. */
static void read_policy(lua_State *L, int idx, struct policy_facts *f) {
	f->result = string_field(L, idx, "result");
	f->token = string_field(L, idx, "token");
	f->token_id = string_field(L, idx, "tokenId");
	f->retry_after = date_token(string_field(L, idx, "retryAfter"));
	push_field(L, idx, "results");
	read_results(L, idx, f);
	f->reason = string_at(L, -1);
	lua_pushvalue(L, -1);
	lua_rawset(L, idx);
}

void json_read_policy(lua_State *L, int idx, struct facts *f) {
	struct policy_facts *policy = &f->as.policy;
	int top = lua_gettop(L);
	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 10, "json");
	f->document = DOCUMENT_POLICY;
	*policy = NO_POLICY;
	policy->status = string_field(L, idx, "status");
	if (push_field(L, idx, "properties") != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_pushvalue(L, idx);
	}
	if (lua_istable(L, -1))
		read_policy(L, lua_gettop(L), policy);
	lua_settop(L, top);
}

/* ---- a cloud's metadata ------------------------------------------------- */

static bool same_place(struct span a, struct span b) {
	return span_ieq(url_without_slashes(a), url_without_slashes(b));
}

/* The audience equal to the endpoint; otherwise the first. */
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
	for (lua_Unsigned i = 1; i <= n; i++) { /* of older versions */
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

/* Pushes text as a Lua string, with invalid characters repaired. */
static void push_text(lua_State *L, struct span text) {
	if (json_fault_count(text) == 0) {
		lua_pushlstring(L, text.p, text.n);
	} else {
		luaL_Buffer b;
		char *out = luaL_buffinitsize(L, &b, 3 * text.n);
		luaL_pushresultsize(&b, json_repair(out, text));
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
	push_text(L, text);
	check_room(L, text.n);
	status = decode(L, codec);
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
	check_room(L, ENCODED);
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
			lua_rawset(L, idx); /* clearing a field during lua_next
			                       is allowed */
		}
		lua_pop(L, 1);
	}
}

/* The service sends actionsRequired, its documentation says actionRequired.
   The one that is absent or null gets the other's value.  The state is at
   idx. */
static void mirror(lua_State *L, int idx) {
	int at = push_fields(L, idx, state_members, STATES);
	int plural = at + STATE_ACTIONS, singular = at + STATE_ACTION;
	if (lua_isnil(L, plural) != lua_isnil(L, singular)) {
		bool add = lua_isnil(L, singular);
		lua_pushvalue(L, add ? plural : singular);
		lua_setfield(L, idx,
		             add ? "actionRequired" : "actionsRequired");
	}
	lua_settop(L, at - 1);
}

void json_polish(lua_State *L, int idx) {
	int top = lua_gettop(L);
	idx = lua_absindex(L, idx);
	drop_nulls(L, idx);
	push_field(L, idx, "properties");
	if (push_field(L, -1, "privateLinkServiceConnectionState") ==
	    LUA_TTABLE)
		mirror(L, top + 2);
	lua_settop(L, top);
}

/* s without what is secret, in scratch.  Raises rather than show a secret. */
static struct span redacted(lua_State *L, struct span s, struct secrets secrets,
                            struct buf *scratch) {
	buf_clear(scratch);
	redact_add(scratch, s, secrets, buf_max(scratch));
	if (scratch->failed)
		luaL_error(L, "not enough memory");
	return buf_span(scratch);
}

/* The string at the top, and its key beneath it, in the table at idx. */
static void redact_string(lua_State *L, int idx, struct secrets secrets,
                          struct buf *scratch) {
	struct span s;
	s.p = lua_tolstring(L, -1, &s.n);
	if (span_eq(s, redacted(L, s, secrets, scratch)))
		return;
	lua_pushvalue(L, -2);
	lua_pushlstring(L, scratch->p, scratch->n);
	lua_rawset(L, idx);
}

/* Replaces one name that holds a secret; false: none does.  A table that is
   walked must get no new member, so the walk ends there. */
static bool redact_name(lua_State *L, int idx, struct secrets secrets,
                        struct buf *scratch) {
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		struct span s = NO_SPAN;
		if (lua_type(L, -2) == LUA_TSTRING)
			s.p = lua_tolstring(L, -2, &s.n);
		if (span_eq(s, redacted(L, s, secrets, scratch)))
			continue;
		lua_pushlstring(L, scratch->p, scratch->n);
		lua_insert(L, -2);
		lua_rawset(L, idx); /* the value under its new name */
		lua_pushnil(L);
		lua_rawset(L, idx); /* remove the old name */
		return true;
	}
	return false;
}

void json_redact(lua_State *L, int idx, struct secrets secrets,
                 struct buf *scratch) {
	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 6, "json");
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (lua_istable(L, -1))
			json_redact(L, -1, secrets, scratch);
		else if (lua_type(L, -1) == LUA_TSTRING)
			redact_string(L, idx, secrets, scratch);
	}
	while (redact_name(L, idx, secrets, scratch))
		;
}
