/* options.c -- checks what callers pass in. */
#include "options.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arm.h"
#include "enums.h"
#include "fields.h"

enum {
	FOR_NAMES = FOR_GROUP | FOR_ACCOUNT | FOR_CONNECTION | FOR_LINK,
};

/* ---- what a table may hold ---------------------------------------------- */

enum opt_type {
	OPT_STRING,
	OPT_SECONDS, /* a number, not negative */
	OPT_COUNT,   /* a positive integer */
	OPT_TABLE,
	OPT_FLAG,
	OPT_FUNCTION,
	OPT_CREDENTIAL,
};

static const struct {
	const char *name;
	enum opt_type type;
	int calls;
} fields[] = {
	{ "subscription_id", OPT_STRING, FOR_CLIENT | FOR_NAMES },
	{ "credential", OPT_CREDENTIAL, FOR_CLIENT },
	{ "cloud", OPT_STRING, FOR_CLIENT },
	{ "endpoint", OPT_STRING, FOR_CLIENT },
	{ "authority_host", OPT_STRING, FOR_CLIENT },
	{ "scope", OPT_STRING, FOR_CLIENT },
	{ "discover", OPT_FLAG, FOR_CLIENT },
	{ "api_version", OPT_STRING, FOR_CLIENT },
	{ "retry", OPT_TABLE, FOR_CLIENT },
	{ "ca_file", OPT_STRING, FOR_CLIENT },
	{ "ca_path", OPT_STRING, FOR_CLIENT },
	{ "proxy", OPT_STRING, FOR_CLIENT },
	{ "trusted_origins", OPT_TABLE, FOR_CLIENT },
	{ "application_id", OPT_STRING, FOR_CLIENT },
	{ "max_connections", OPT_COUNT, FOR_CLIENT },
	{ "on_event", OPT_FUNCTION, FOR_CLIENT },
	{ "timeout", OPT_SECONDS,
	  FOR_CLIENT | FOR_CALL | FOR_RESUME | FOR_IDENTITY },
	{ "poll_interval", OPT_SECONDS, FOR_CLIENT | FOR_CALL | FOR_RESUME },
	{ "wait", OPT_FUNCTION,
	  FOR_CLIENT | FOR_CALL | FOR_RESUME | FOR_IDENTITY },
	{ "client_request_id", OPT_STRING, FOR_CALL },
	{ "traceparent", OPT_STRING, FOR_CALL | FOR_RESUME },
	{ "write", OPT_FLAG, FOR_RESUME },
	{ "id", OPT_STRING, (FOR_NAMES & ~FOR_GROUP) | FOR_RESUME },
	{ "resource_group_name", OPT_STRING, FOR_NAMES },
	{ "account_name", OPT_STRING, FOR_NAMES & ~FOR_GROUP },
	{ "private_endpoint_connection_name", OPT_STRING, FOR_CONNECTION },
	{ "private_link_resource_name", OPT_STRING, FOR_LINK },
	{ "status", OPT_STRING, FOR_UPDATE },
	{ "description", OPT_STRING, FOR_UPDATE },
	{ "action_required", OPT_STRING, FOR_UPDATE },
	{ "if_match", OPT_STRING, FOR_MATCH },
	{ "maxresults", OPT_COUNT, FOR_LIST },
};

static const char *const expected[] = {
	[OPT_STRING] = "string",
	[OPT_SECONDS] = "number of seconds",
	[OPT_COUNT] = "positive integer",
	[OPT_TABLE] = "table",
	[OPT_FLAG] = "boolean",
	[OPT_FUNCTION] = "function",
	[OPT_CREDENTIAL] = "azpec.credential",
};

int options_bad(lua_State *L, const char *name, const char *why) {
	return luaL_error(L, "bad field '%s' (%s)", name, why);
}

bool options_callable(lua_State *L, int idx) {
	if (lua_isfunction(L, idx))
		return true;
	if (luaL_getmetafield(L, idx, "__call") == LUA_TNIL)
		return false;
	lua_pop(L, 1);
	return true;
}

/* The value on the top of the stack. */
static bool fits(lua_State *L, enum opt_type type) {
	switch (type) {
	case OPT_STRING:
		return lua_type(L, -1) == LUA_TSTRING;
	case OPT_SECONDS:
		return lua_type(L, -1) == LUA_TNUMBER &&
		       lua_tonumber(L, -1) >= 0 && lua_tonumber(L, -1) <= 1e9;
	case OPT_COUNT:
		return lua_type(L, -1) == LUA_TNUMBER &&
		       lua_tointeger(L, -1) > 0 &&
		       lua_tointeger(L, -1) <= 1000000;
	case OPT_FLAG:
		return lua_isboolean(L, -1);
	case OPT_TABLE:
		return lua_istable(L, -1);
	case OPT_FUNCTION:
		return options_callable(L, -1);
	case OPT_CREDENTIAL:
		return luaL_testudata(L, -1, "azpec.credential") != NULL;
	}
	return false;
}

static const char *shown(lua_State *L, int idx) {
	return lua_type(L, idx) == LUA_TNUMBER ? lua_tostring(L, idx)
	                                       : luaL_typename(L, idx);
}

/* The key at -2 of a table that is walked: a name of ours, or none. */
struct span options_key(lua_State *L) {
	struct span s = NO_SPAN;
	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_error(L, "unknown field (a %s) among the options",
		           luaL_typename(L, -2));
	s.p = lua_tolstring(L, -2, &s.n);
	return s;
}

/* Key at -2, value at -1. */
static void check_field(lua_State *L, int calls) {
	struct span key = options_key(L);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (!(fields[i].calls & calls) ||
		    !span_eq(key, span_of(fields[i].name)))
			continue;
		if (!fits(L, fields[i].type))
			luaL_error(L, "bad field '%s' (%s expected, got %s)",
			           key.p, expected[fields[i].type],
			           shown(L, -1));
		return;
	}
	luaL_error(L, "unknown field '%s'", key.p);
}

void options_check(lua_State *L, int idx, int calls) {
	luaL_checktype(L, idx, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, idx)) {
		check_field(L, calls);
		lua_pop(L, 1);
	}
}

static bool one_of(struct span key, const char *const *names) {
	for (; names && *names; names++)
		if (span_eq(key, span_of(*names)))
			return true;
	return false;
}

/* ---- values ------------------------------------------------------------- */

int options_push(lua_State *L, int idx, const char *name) {
	lua_pushstring(L, name);
	return lua_rawget(L, idx);
}

/* Anchored in the table: the span outlives the pop. */
struct span options_string(lua_State *L, int idx, const char *name) {
	struct span s = NO_SPAN;
	if (options_push(L, idx, name) == LUA_TSTRING)
		s.p = lua_tolstring(L, -1, &s.n);
	lua_pop(L, 1);
	return s;
}

static struct span required(lua_State *L, int idx, const char *name) {
	struct span s = options_string(L, idx, name);
	if (!s.p)
		options_bad(L, name, "string expected, got nil");
	if (s.n == 0)
		options_bad(L, name, "must not be empty");
	return s;
}

static int64_t rounded_up(lua_Number n) {
	int64_t whole = (int64_t)n;
	return (lua_Number)whole < n ? whole + 1 : whole;
}

static int64_t milliseconds(lua_State *L, int idx, const char *name,
                            int64_t otherwise) {
	int64_t ms = otherwise;
	if (options_push(L, idx, name) == LUA_TNUMBER)
		ms = rounded_up(lua_tonumber(L, -1) * 1000);
	lua_pop(L, 1);
	return ms;
}

const char *options_env(const char *name) {
	const char *s = getenv(name);
	return s && *s ? s : NULL;
}

struct span options_env_name(const char *name) {
	struct span s = span_trim(span_of(options_env(name)));
	return s.n > 0 ? s : NO_SPAN;
}

char *const *options_environ(void) {
	return environ;
}

static struct span string_or_env(lua_State *L, int idx, const char *name,
                                 const char *variable) {
	struct span s = options_string(L, idx, name);
	return s.p ? s : options_env_name(variable);
}

/* A path given to libcurl: as a C string. */
static const char *path(lua_State *L, int idx, const char *name) {
	struct span s = options_string(L, idx, name);
	if (s.p && (s.n == 0 || strlen(s.p) != s.n))
		options_bad(L, name, "a path expected");
	return s.p;
}

/* What stands in a header field must not end it. */
static struct span header(lua_State *L, int idx, const char *name) {
	struct span s = options_string(L, idx, name);
	if (!s.p)
		return s;
	if (s.n == 0 || s.n > OPTIONS_MAX_HEADER)
		options_bad(L, name, "1 to 1024 characters expected");
	if (!http_printable(s))
		options_bad(L, name, "printable ASCII expected");
	return s;
}

/* ---- azpec.client ------------------------------------------------------- */

/* Public and national clouds, by the names of Azure's own tools. */
static const struct cloud {
	const char *name, *endpoint, *authority_host, *scope;
} clouds[] = {
	{ "AzureCloud", "https://management.azure.com",
	  "https://login.microsoftonline.com",
	  "https://management.azure.com/.default" },
	{ "AzureUSGovernment", "https://management.usgovcloudapi.net",
	  "https://login.microsoftonline.us",
	  "https://management.usgovcloudapi.net/.default" },
	{ "AzureChinaCloud", "https://management.chinacloudapi.cn",
	  "https://login.chinacloudapi.cn",
	  "https://management.chinacloudapi.cn/.default" },
};

static const struct cloud *cloud(lua_State *L, int idx) {
	struct span name = options_string(L, idx, "cloud");
	if (!name.p)
		return &clouds[0];
	for (size_t i = 0; i < sizeof clouds / sizeof *clouds; i++)
		if (span_eq(name, span_of(clouds[i].name)))
			return &clouds[i];
	options_bad(L, "cloud",
	            "AzureCloud, AzureUSGovernment or "
	            "AzureChinaCloud expected");
	return NULL;
}

/* https, or http to this very machine where the caller named it; no more than
   an origin. */
static const char *check_origin(struct span s, bool loopback, struct url *u) {
	if (!url_parse(s, u))
		return "https://host[:port] expected";
	if (u->path.n > 0 && !span_eq(u->path, SPAN("/")))
		return "https://host[:port] without a path expected";
	if (span_ieq(u->scheme, SPAN("http")) &&
	    !(loopback && url_is_loopback(u)))
		return loopback ? "https expected (http only to a loopback "
		                  "address)"
		                : "https expected";
	return NULL;
}

static struct span origin(lua_State *L, int idx, const char *name,
                          const char *variable, const char *otherwise) {
	struct url u;
	struct span s = options_string(L, idx, name);
	const char *why = s.p ? check_origin(s, true, &u) : NULL;
	if (why)
		options_bad(L, name, why);
	if (!s.p && variable && options_env_name(variable).p) {
		s = options_env_name(variable);
		why = check_origin(s, false, &u);
		if (why)
			luaL_error(L, "bad environment variable %s (%s)",
			           variable, why);
	}
	if (!s.p)
		s = span_of(otherwise);
	if (s.n > 0 && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

/* A field of `retry`: key at -2, value at -1. */
static void check_retry(lua_State *L) {
	static const char *const names[] = { "max_tries", "base_delay",
		                             "max_delay", "conflict", NULL };
	struct span key = options_key(L);
	bool flag = span_eq(key, SPAN("conflict"));
	lua_Number n = lua_tonumber(L, -1);
	if (!one_of(key, names))
		luaL_error(L, "unknown field 'retry.%s'", key.p);
	if (flag && !lua_isboolean(L, -1))
		luaL_error(L, "bad field 'retry.conflict' (boolean expected)");
	if (!flag &&
	    (lua_type(L, -1) != LUA_TNUMBER || !(n >= 0 && n <= 86400)))
		luaL_error(L,
		           "bad field 'retry.%s' (number from 0 to 86400 "
		           "expected)",
		           key.p);
}

static struct retry_policy retry(lua_State *L, int idx) {
	struct retry_policy p = RETRY_DEFAULT;
	int t;
	if (options_push(L, idx, "retry") == LUA_TNIL) {
		lua_pop(L, 1);
		return p;
	}
	t = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1))
		check_retry(L);
	if (options_push(L, t, "max_tries") != LUA_TNIL) {
		p.max_tries = (int)lua_tointeger(L, -1);
		if (p.max_tries < 1)
			options_bad(L, "retry.max_tries",
			            "positive integer expected");
	}
	options_push(L, t, "conflict");
	p.conflict = lua_toboolean(L, -1);
	p.base_delay = milliseconds(L, t, "base_delay", p.base_delay);
	p.max_delay = milliseconds(L, t, "max_delay", p.max_delay);
	lua_settop(L, t - 1);
	return p;
}

/* One blank-free word, as Azure's User-Agent rule has it. */
static struct span application_id(lua_State *L, int idx) {
	struct span s = options_string(L, idx, "application_id");
	if (!s.p)
		return s;
	if (s.n == 0 || s.n > 24)
		options_bad(L, "application_id", "1 to 24 characters expected");
	header(L, idx, "application_id");
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ' ')
			options_bad(L, "application_id", "no blanks expected");
	return s;
}

/* A URL as curl takes one; empty: none. */
static const char *proxy(lua_State *L, int idx) {
	struct span s = options_string(L, idx, "proxy");
	if (s.p && strlen(s.p) != s.n)
		options_bad(L, "proxy", "a URL expected");
	return s.p;
}

static void check_subscription(lua_State *L, struct span s, bool given) {
	const char *why = arm_check_subscription(s);
	if (why && !given)
		luaL_error(L,
		           "bad environment variable AZURE_SUBSCRIPTION_ID "
		           "(%s)",
		           why);
	if (why)
		options_bad(L, "subscription_id", why);
}

static void warn_subscription(lua_State *L, struct span s) {
	if (!arm_is_guid(s))
		lua_warning(L, "azpec: subscription_id is not a GUID", 0);
}

void options_client(lua_State *L, int idx, struct client_options *o) {
	const struct cloud *c = cloud(L, idx);
	const char *why;
	lua_Integer n = 0;
	o->subscription_id = string_or_env(L, idx, "subscription_id",
	                                   "AZURE_SUBSCRIPTION_ID");
	if (o->subscription_id.p) {
		bool given = options_string(L, idx, "subscription_id").p;
		check_subscription(L, o->subscription_id, given);
		warn_subscription(L, o->subscription_id);
	}
	o->endpoint = origin(L, idx, "endpoint", NULL, c->endpoint);
	if (options_push(L, idx, "discover") == LUA_TBOOLEAN)
		o->discover = lua_toboolean(L, -1);
	lua_pop(L, 1);
	o->authority_host =
		origin(L, idx, "authority_host", "AZURE_AUTHORITY_HOST",
	               o->discover ? NULL : c->authority_host);
	o->scope = options_string(L, idx, "scope");
	if (!o->scope.p && !o->discover)
		o->scope = span_of(c->scope);
	if (o->scope.p && (o->scope.n == 0 || !http_printable(o->scope)))
		options_bad(L, "scope", "https://.../.default expected");
	o->discover = o->discover && (!o->authority_host.p || !o->scope.p);
	o->api_version = options_string(L, idx, "api_version");
	if (!o->api_version.p)
		o->api_version = SPAN("2022-06-01");
	why = arm_check_api_version(o->api_version);
	if (why)
		options_bad(L, "api_version", why);
	o->application_id = application_id(L, idx);
	o->ca_file = path(L, idx, "ca_file");
	o->ca_path = path(L, idx, "ca_path");
	if (!o->ca_file && !o->ca_path) {
		o->ca_file = options_env("SSL_CERT_FILE");
		if (!o->ca_file)
			o->ca_file = options_env("CURL_CA_BUNDLE");
		o->ca_path = options_env("SSL_CERT_DIR");
	}
	o->proxy = proxy(L, idx);
	if (options_push(L, idx, "max_connections") == LUA_TNUMBER)
		n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	o->max_connections = n;
	o->timeout = milliseconds(L, idx, "timeout", 300000);
	o->poll_interval = milliseconds(L, idx, "poll_interval", 0);
	o->retry = retry(L, idx);
}

static size_t count_keys(lua_State *L, int t) {
	size_t n = 0;
	for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1))
		n++;
	return n;
}

size_t options_origins(lua_State *L, int idx, struct url *out, size_t max) {
	size_t n = 0;
	int t;
	if (options_push(L, idx, "trusted_origins") == LUA_TNIL) {
		lua_pop(L, 1);
		return 0;
	}
	t = lua_gettop(L);
	for (n = 0; lua_rawgeti(L, t, (lua_Integer)n + 1) != LUA_TNIL; n++) {
		struct span s = NO_SPAN;
		const char *why;
		if (n == max)
			options_bad(L, "trusted_origins", "too many");
		if (lua_type(L, -1) == LUA_TSTRING)
			s.p = lua_tolstring(L, -1, &s.n);
		why = s.p ? check_origin(s, true, &out[n])
		          : "list of strings expected";
		if (why)
			options_bad(L, "trusted_origins", why);
		lua_pop(L, 1); /* the table still holds it */
	}
	lua_settop(L, t);
	if (count_keys(L, t) != n)
		options_bad(L, "trusted_origins", "list of strings expected");
	lua_settop(L, t - 1);
	return n;
}

/* ---- operations --------------------------------------------------------- */

static struct span part(lua_State *L, int idx, const char *name,
                        const char *(*check)(struct span)) {
	struct span s = required(L, idx, name);
	const char *why = check(s);
	if (why)
		luaL_error(L, "bad field '%s' (%s, got '%s')", name, why, s.p);
	return s;
}

/* azpec.update's one table may name the client's subscription beside an id */
static void refuse_parts(lua_State *L, int idx) {
	static const char *const parts[] = {
		"resource_group_name",
		"account_name",
		"private_endpoint_connection_name",
	};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (options_string(L, idx, parts[i]).p)
			luaL_error(L,
			           "field '%s' beside 'id': give one or the "
			           "other",
			           parts[i]);
}

static void read_id(lua_State *L, int idx, int takes, struct span text,
                    struct arm_id *id) {
	struct span subscription;
	const char *why;
	refuse_parts(L, idx);
	why = takes & FOR_CONNECTION ? arm_parse_id(text, id)
	                             : arm_parse_account_id(text, id);
	if (why)
		options_bad(L, "id", why);
	subscription = options_string(L, idx, "subscription_id");
	if (subscription.p && !span_ieq(subscription, id->subscription))
		options_bad(L, "subscription_id", "not the one in 'id'");
}

static struct span subscription(lua_State *L, int idx,
                                const struct op_defaults *d) {
	struct span s = options_string(L, idx, "subscription_id");
	if (!s.p && !d->subscription_id.p)
		options_bad(L, "subscription_id",
		            "string expected, got nil; neither the client nor "
		            "AZURE_SUBSCRIPTION_ID names one");
	if (!s.p || span_eq(s, d->subscription_id))
		return d->subscription_id; /* checked with the client */
	check_subscription(L, s, true);
	warn_subscription(L, s);
	return s;
}

static void read_parts(lua_State *L, int idx, int takes, struct arm_id *id) {
	if (!(takes & FOR_GROUP) ||
	    options_string(L, idx, "resource_group_name").p)
		id->group =
			part(L, idx, "resource_group_name", arm_check_group);
	if (!(takes & FOR_GROUP))
		id->account = part(L, idx, "account_name", arm_check_account);
	if (takes & FOR_CONNECTION)
		id->connection =
			part(L, idx, "private_endpoint_connection_name",
		             arm_check_connection);
}

static struct arm_id read_names(lua_State *L, int idx, int takes,
                                const struct op_defaults *d) {
	struct arm_id id = { NO_SPAN, NO_SPAN, NO_SPAN, NO_SPAN, NO_SPAN };
	struct span text = options_string(L, idx, "id");
	if (text.p) {
		read_id(L, idx, takes, text, &id);
	} else {
		id.subscription = subscription(L, idx, d);
		read_parts(L, idx, takes, &id);
	}
	if (takes & FOR_LINK)
		id.link = part(L, idx, "private_link_resource_name",
		               arm_check_connection);
	return id;
}

static void add_path(struct buf *url, const struct op_defaults *d,
                     const struct arm_id *id, const char *collection,
                     struct span api_version) {
	buf_set(url, d->endpoint);
	arm_write_path(url, id);
	buf_adds(url, collection);
	buf_adds(url, "?api-version=");
	buf_add(url, api_version);
}

static void write_url(lua_State *L, int idx, const struct call *call,
                      const struct op_defaults *d, const struct arm_id *id,
                      struct buf *url) {
	add_path(url, d, id, call->collection,
	         call->api_version ? span_of(call->api_version)
	                           : d->api_version);
	if (options_push(L, idx, "maxresults") == LUA_TNUMBER) {
		buf_adds(url, "&maxresults=");
		buf_addint(url, lua_tointeger(L, -1));
	}
	lua_pop(L, 1);
}

/* The service declares no limit; ours keeps a request a request. */
static struct span text(lua_State *L, int idx, const char *name) {
	struct span s = options_string(L, idx, name);
	struct span rest = s;
	if (s.n > OPTIONS_MAX_TEXT)
		options_bad(L, name, "at most 65536 bytes expected");
	while (rest.n > 0) {
		size_t n = span_utf8(rest);
		if (n == 0)
			options_bad(L, name, "UTF-8 expected");
		rest = span_from(rest, n);
	}
	return s;
}

static void read_asked(lua_State *L, int idx, struct op_spec *spec) {
	spec->status = required(L, idx, "status");
	if (!enums_is_status(spec->status))
		luaL_error(L, "bad field 'status' (%s expected, got '%s')",
		           enums_statuses(), spec->status.p);
	spec->description = text(L, idx, "description");
	spec->action_required = text(L, idx, "action_required");
}

/* Whom the request goes to. */
static void address(lua_State *L, int idx, const struct call *call,
                    const struct op_defaults *d, struct op_spec *spec,
                    struct buf *url, struct buf *id) {
	struct arm_id parts = read_names(L, idx, call->fields, d);
	write_url(L, idx, call, d, &parts, url);
	buf_clear(id);
	arm_write_id(id, &parts);
	if (url->failed || id->failed)
		luaL_error(L, "not enough memory");
	spec->url = buf_span(url);
	spec->id = buf_span(id);
}

void options_op(lua_State *L, int idx, const struct call *call,
                const struct op_defaults *d, struct op_spec *spec,
                struct buf *url, struct buf *id) {
	if (call->fields & FOR_NAMES)
		address(L, idx, call, d, spec, url, id);
	if (call->fields & FOR_UPDATE)
		read_asked(L, idx, spec);
	spec->kind = call->kind;
	spec->needs = call->needs;
	spec->api_version = d->api_version;
	spec->if_match = header(L, idx, "if_match");
	spec->client_request_id = header(L, idx, "client_request_id");
	spec->traceparent = header(L, idx, "traceparent");
	spec->timeout = milliseconds(L, idx, "timeout", d->timeout);
	spec->poll_interval =
		milliseconds(L, idx, "poll_interval", d->poll_interval);
}

void options_resume(lua_State *L, int idx, const struct op_defaults *d,
                    struct op_spec *spec, struct buf *url) {
	struct arm_id parts;
	arm_parse_id(spec->id, &parts); /* checked with the token */
	add_path(url, d, &parts, "", spec->api_version);
	if (url->failed)
		luaL_error(L, "not enough memory");
	spec->url = buf_span(url);
	spec->read_only = true;
	if (!lua_istable(L, idx))
		return;
	options_push(L, idx, "write");
	spec->read_only = !lua_toboolean(L, -1);
	lua_pop(L, 1);
	spec->traceparent = header(L, idx, "traceparent");
	spec->timeout = milliseconds(L, idx, "timeout", d->timeout);
	spec->poll_interval =
		milliseconds(L, idx, "poll_interval", d->poll_interval);
}

/* From 2022-10-01 on the member is called actionsRequired. */
static const char *action_name(struct span api_version) {
	return api_version.n >= 10 &&
	                       strncmp(api_version.p, "2022-10-01", 10) >= 0
	               ? "actionsRequired"
	               : "actionRequired";
}

void options_push_body(lua_State *L, const struct op_spec *spec) {
	lua_createtable(L, 0, 1);
	lua_createtable(L, 0, 1);
	lua_createtable(L, 0, 3);
	fields_given(L, "status", spec->status);
	fields_given(L, "description", spec->description);
	fields_given(L, action_name(spec->api_version), spec->action_required);
	lua_setfield(L, -2, "privateLinkServiceConnectionState");
	lua_setfield(L, -2, "properties");
}
