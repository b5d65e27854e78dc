/* options.c -- checks what callers pass. */
#include "lua/options.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arm.h"
#include "core/trace.h"
#include "io/regular.h"
#include "lua/enums.h"
#include "lua/fields.h"
#include "lua/schema.h"

enum {
	MAX_ROWS = 1000,          /* of a query, on a page */
	MAX_SUBSCRIPTIONS = 1000, /* of a query */
	MAX_CA_FILE = 16 << 20,
	FOR_NAMES = FOR_GROUP | FOR_ACCOUNT | FOR_CONNECTION | FOR_LINK,
};

/* ---- what a table may hold ---------------------------------------------- */

static bool fits_credential(lua_State *L, const struct schema_type *t) {
	(void)t;
	return luaL_testudata(L, -1, "azpec.credential") != NULL;
}

static const struct schema_type seconds = { .expected =
	                                            "number of seconds from 0 "
	                                            "to 1e9",
	                                    .fits = schema_fits_number,
	                                    .max = 1e9 };
static const struct schema_type count = { .expected =
	                                          "integer from 1 to 1000000",
	                                  .fits = schema_fits_integer,
	                                  .min = 1,
	                                  .max = 1000000 };
/* "Working with large Azure resource data sets": 1000 at most. */
static const struct schema_type page = { .expected = "integer from 1 to 1000",
	                                 .fits = schema_fits_integer,
	                                 .min = 1,
	                                 .max = MAX_ROWS };
static const struct schema_type credential = { .expected = "azpec.credential",
	                                       .fits = fits_credential };

/* The fields of calls come first, since each call is checked. */
static const struct schema_field fields[] = {
	{ "subscription_id", &schema_string, FOR_CLIENT | FOR_NAMES },
	{ "key", &schema_string, FOR_RESUME | FOR_TOKEN },
	{ "timeout", &seconds,
	  FOR_CLIENT | FOR_CALL | FOR_RESUME | FOR_IDENTITY },
	{ "poll_interval", &seconds, FOR_CLIENT | FOR_CALL | FOR_RESUME },
	{ "wait", &schema_function,
	  FOR_CLIENT | FOR_CALL | FOR_RESUME | FOR_IDENTITY },
	{ "client_request_id", &schema_string, FOR_CALL },
	{ "traceparent", &schema_string, FOR_CLIENT | FOR_CALL | FOR_RESUME },
	{ "tracestate", &schema_string, FOR_CLIENT | FOR_CALL | FOR_RESUME },
	{ "write", &schema_boolean, FOR_RESUME },
	{ "id", &schema_string, (FOR_NAMES & ~FOR_GROUP) | FOR_RESUME },
	{ "resource_group_name", &schema_string, FOR_NAMES },
	{ "account_name", &schema_string, FOR_NAMES & ~FOR_GROUP },
	{ "private_endpoint_connection_name", &schema_string, FOR_CONNECTION },
	{ "private_link_resource_name", &schema_string, FOR_LINK },
	{ "status", &schema_string, FOR_UPDATE },
	{ "description", &schema_string, FOR_UPDATE },
	{ "action_required", &schema_string, FOR_UPDATE },
	{ "if_match", &schema_string, FOR_MATCH },
	{ "policy_token", &schema_string, FOR_CLIENT | FOR_MATCH | FOR_RESUME },
	{ "change_reference", &schema_string,
	  FOR_CLIENT | FOR_MATCH | FOR_RESUME },
	{ "skip_read", &schema_boolean, FOR_ENSURE },
	{ "maxresults", &count, FOR_LIST },
	{ "query", &schema_string, FOR_QUERY },
	{ "subscription_ids", &schema_table, FOR_QUERY },
	{ "top", &page, FOR_QUERY },
	{ "credential", &credential, FOR_CLIENT },
	{ "cloud", &schema_string, FOR_CLIENT },
	{ "endpoint", &schema_string, FOR_CLIENT },
	{ "authority_host", &schema_string, FOR_CLIENT },
	{ "scope", &schema_string, FOR_CLIENT },
	{ "discover", &schema_boolean, FOR_CLIENT },
	{ "api_version", &schema_string, FOR_CLIENT },
	{ "retry", &schema_table, FOR_CLIENT },
	{ "ca_file", &schema_string, FOR_CLIENT },
	{ "ca_path", &schema_string, FOR_CLIENT },
	{ "proxy", &schema_string, FOR_CLIENT },
	{ "trusted_origins", &schema_table, FOR_CLIENT },
	{ "application_id", &schema_string, FOR_CLIENT },
	{ "max_connections", &count, FOR_CLIENT },
	{ "on_event", &schema_function, FOR_CLIENT },
	{ "before_write", &schema_function, FOR_CLIENT },
	{ "token_key", &schema_string, FOR_CLIENT },
	{ "token_cache", &schema_string, FOR_CLIENT },
	{ NULL, NULL, 0 },
};

int options_bad(lua_State *L, const char *name, const char *why) {
	return luaL_error(L, "bad field '%s' (%s)", name, why);
}

void options_check(lua_State *L, int idx, int calls) {
	static const struct schema schema = { fields, "", false };
	luaL_checktype(L, idx, LUA_TTABLE);
	schema_check(L, idx, &schema, calls);
}

/* ---- values ------------------------------------------------------------- */

int options_push(lua_State *L, int idx, const char *name) {
	lua_pushstring(L, name);
	return lua_rawget(L, idx);
}

/* The value is anchored in the table, so the span stays valid. */
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

int options_push_key(lua_State *L, int idx, const char *name) {
	int type = lua_istable(L, idx) ? options_push(L, idx, name) : LUA_TNIL;
	if (!lua_istable(L, idx))
		lua_pushnil(L);
	if (type == LUA_TSTRING && lua_rawlen(L, -1) == 0)
		options_bad(L, name, "must not be empty");
	return type;
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

/* A path for libcurl, as a C string. */
static const char *path(lua_State *L, int idx, const char *name) {
	struct span s = options_string(L, idx, name);
	if (s.p && (s.n == 0 || strlen(s.p) != s.n))
		options_bad(L, name, "a path expected");
	return s.p;
}

/* The value of a header field must not end the field. */
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

/* The named one, or the client's. */
static void read_trace(lua_State *L, int idx, struct span *traceparent,
                       struct span *tracestate) {
	struct span parent = header(L, idx, "traceparent");
	struct span state = header(L, idx, "tracestate");
	struct trace t;
	if (parent.p && !trace_parse(parent, &t))
		options_bad(L, "traceparent",
		            "W3C Trace Context expected, as "
		            "00-<32 hex digits>-<16 hex digits>-01");
	if (state.p && !trace_state_fits(state))
		options_bad(L, "tracestate", "at most 32 members expected");
	if (state.p && !parent.p)
		options_bad(L, "tracestate", "it requires 'traceparent'");
	if (!parent.p)
		return;
	*traceparent = parent;
	*tracestate = state;
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

static enum policy_when policy_when(lua_State *L, struct span word) {
	for (int i = 0; i < POLICY_WHENS; i++)
		if (span_eq(word, span_of(policy_when_name(i))))
			return (enum policy_when)i;
	options_bad(L, "policy_token", "auto, always or never expected");
	return POLICY_AUTO;
}

/* The id of a change, as it goes into JSON. */
static struct span change_reference(lua_State *L, int idx) {
	struct span s = text(L, idx, "change_reference");
	if (s.p && (s.n == 0 || s.n > OPTIONS_MAX_HEADER))
		options_bad(L, "change_reference", "1 to 1024 bytes expected");
	if (span_trim(s).n != s.n ||
	    !span_only(s, CHAR_PRINTABLE | CHAR_HIGH, ""))
		options_bad(L, "change_reference",
		            "no blanks around it and no control characters "
		            "expected");
	return s;
}

/* What the table says, over what the client has. */
static void read_policy(lua_State *L, int idx, struct policy_options *o) {
	struct span word = options_string(L, idx, "policy_token");
	struct span change = change_reference(L, idx);
	if (word.p)
		o->when = policy_when(L, word);
	if (change.p && o->when == POLICY_NEVER)
		options_bad(L, "change_reference",
		            "policy_token = \"never\" does not use it");
	o->is_given |= word.p != NULL;
	if (change.p)
		o->change_reference = change;
	if (change.p && !o->is_given)
		o->when = POLICY_ALWAYS;
}

static void set_policy(lua_State *L, int idx, const struct op_defaults *d,
                       struct op_spec *spec) {
	struct policy_options o = d->policy;
	read_policy(L, idx, &o);
	spec->policy = o.when;
	spec->change_reference = o.change_reference;
}

/* ---- azpec.client ------------------------------------------------------- */

/* Public and national clouds, by the names that Azure's tools use. */
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

/* Accepts https, or http on loopback if the caller named it; only an origin. */
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

/* Where tokens are kept for other processes. */
static bool shares_tokens(lua_State *L, int idx) {
	struct span where = options_string(L, idx, "token_cache");
	bool keyring = span_eq(where, SPAN("keyring"));
	if (where.p && !keyring && !span_eq(where, SPAN("none")))
		options_bad(L, "token_cache", "keyring or none expected");
	return keyring;
}

/* The service's error codes are single words. */
static bool fits_codes(lua_State *L, const struct schema_type *t) {
	bool right = lua_istable(L, -1);
	lua_Unsigned n = right ? lua_rawlen(L, -1) : 0;
	(void)t;
	for (lua_Unsigned i = 1; right && i <= n; i++) {
		right = lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING;
		right = right && strpbrk(lua_tostring(L, -1), " \r\n") == NULL;
		lua_pop(L, 1);
	}
	return right;
}

static void check_retry(lua_State *L, int idx) {
	static const struct schema_type tries = {
		.expected = "integer from 1 to 86400",
		.fits = schema_fits_integer,
		.min = 1,
		.max = 86400,
	};
	static const struct schema_type number = {
		.expected = "number from 0 to 86400",
		.fits = schema_fits_number,
		.max = 86400,
	};
	static const struct schema_type codes = {
		.expected = "list of the service's error codes",
		.fits = fits_codes,
	};
	static const struct schema_field rows[] = {
		{ "max_tries", &tries, FOR_CLIENT },
		{ "base_delay", &number, FOR_CLIENT },
		{ "max_delay", &number, FOR_CLIENT },
		{ "max_retry_after", &number, FOR_CLIENT },
		{ "conflict", &schema_boolean, FOR_CLIENT },
		{ "codes", &codes, FOR_CLIENT },
		{ NULL, NULL, 0 },
	};
	static const struct schema schema = { rows, "retry.", false };
	schema_check(L, idx, &schema, FOR_CLIENT);
}

static struct retry_policy retry(lua_State *L, int idx) {
	struct retry_policy p = RETRY_DEFAULT;
	int t;
	if (options_push(L, idx, "retry") == LUA_TNIL) {
		lua_pop(L, 1);
		return p;
	}
	t = lua_gettop(L);
	check_retry(L, t);
	if (options_push(L, t, "max_tries") != LUA_TNIL)
		p.max_tries = (int)lua_tointeger(L, -1);
	options_push(L, t, "conflict");
	p.conflict = lua_toboolean(L, -1);
	p.base_delay = milliseconds(L, t, "base_delay", p.base_delay);
	p.max_delay = milliseconds(L, t, "max_delay", p.max_delay);
	p.max_asked = milliseconds(L, t, "max_retry_after", p.max_delay);
	lua_settop(L, t - 1);
	return p;
}

void options_push_retry_codes(lua_State *L, int idx) {
	luaL_Buffer b;
	lua_Integer n = 0;
	int list, top = lua_gettop(L);
	if (options_push(L, idx, "retry") == LUA_TTABLE &&
	    options_push(L, lua_gettop(L), "codes") == LUA_TTABLE)
		n = (lua_Integer)lua_rawlen(L, -1);
	list = lua_gettop(L);
	luaL_buffinit(L, &b);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, list, i);
		luaL_addvalue(&b);
		luaL_addchar(&b, '\n');
	}
	luaL_pushresult(&b);
	lua_replace(L, top + 1);
	lua_settop(L, top + 1);
}

/* One word without blanks, by the rule for Azure's User-Agent. */
static struct span application_id(lua_State *L, int idx) {
	struct span s = options_string(L, idx, "application_id");
	if (!s.p)
		return s;
	if (s.n == 0 || s.n > 24)
		options_bad(L, "application_id", "1 to 24 characters expected");
	header(L, idx, "application_id");
	if (!span_visible(s))
		options_bad(L, "application_id", "no blanks expected");
	return s;
}

/* A URL as curl accepts it; empty: no proxy. */
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

static void read_subscription(lua_State *L, int idx, struct client_options *o) {
	bool given = options_string(L, idx, "subscription_id").p;
	o->subscription_id = string_or_env(L, idx, "subscription_id",
	                                   "AZURE_SUBSCRIPTION_ID");
	if (!o->subscription_id.p)
		return;
	o->subscription_from = given ? "options" : "AZURE_SUBSCRIPTION_ID";
	check_subscription(L, o->subscription_id, given);
	warn_subscription(L, o->subscription_id);
}

/* Why libcurl must not read a file of authorities, or NULL.  It reads the file
   again for later connections, and a pipe would block it.  A missing file is an
   error of the first connection. */
static const char *check_ca_file(const char *file) {
	struct stat st;
	if (!file || stat(file, &st) != 0)
		return NULL;
	return st.st_size > MAX_CA_FILE ? "larger than 16 MiB"
	                                : regular_refuse(st.st_mode);
}

static const char *ca_file_of(lua_State *L, const char *variable) {
	const char *file = options_env(variable), *why = check_ca_file(file);
	if (why)
		luaL_error(L, "bad environment variable %s ('%s': %s)",
		           variable, file, why);
	return file;
}

/* The certificate authorities to trust. */
static void read_authorities(lua_State *L, int idx, struct client_options *o) {
	const char *why;
	o->ca_file = path(L, idx, "ca_file");
	o->ca_path = path(L, idx, "ca_path");
	why = check_ca_file(o->ca_file);
	if (why)
		options_bad(L, "ca_file",
		            lua_pushfstring(L, "'%s': %s", o->ca_file, why));
	if (o->ca_file || o->ca_path)
		return;
	o->ca_file = ca_file_of(L, "SSL_CERT_FILE");
	if (!o->ca_file)
		o->ca_file = ca_file_of(L, "CURL_CA_BUNDLE");
	o->ca_path = options_env("SSL_CERT_DIR");
}

void options_client(lua_State *L, int idx, struct client_options *o) {
	const struct cloud *c = cloud(L, idx);
	const char *why;
	lua_Integer n = 0;
	read_subscription(L, idx, o);
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
	read_trace(L, idx, &o->traceparent, &o->tracestate);
	read_policy(L, idx, &o->policy);
	read_authorities(L, idx, o);
	o->proxy = proxy(L, idx);
	if (options_push(L, idx, "max_connections") == LUA_TNUMBER)
		n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	o->max_connections = n;
	o->timeout = milliseconds(L, idx, "timeout", 300000);
	o->poll_interval = milliseconds(L, idx, "poll_interval", 0);
	o->retry = retry(L, idx);
	o->shares_tokens = shares_tokens(L, idx);
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
		lua_pop(L, 1); /* the table anchors it */
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

/* The first name that the table has in place of an id; NULL: it has none. */
static const char *find_part(lua_State *L, int idx) {
	static const char *const parts[] = {
		"resource_group_name",
		"account_name",
		"private_endpoint_connection_name",
	};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (options_string(L, idx, parts[i]).p)
			return parts[i];
	return NULL;
}

/* azpec.update's table may have the client's subscription in addition to an
   id */
static void refuse_parts(lua_State *L, int idx) {
	const char *name = find_part(L, idx);
	if (name)
		luaL_error(L, "fields 'id' and '%s': give one or the other",
		           name);
}

static void need_parts(lua_State *L, int idx, int takes) {
	const char *last = takes & FOR_CONNECTION
	                           ? "', 'account_name' and "
	                             "'private_endpoint_connection_name'"
	                           : "' and 'account_name'";
	if (!(takes & FOR_GROUP) && !find_part(L, idx))
		luaL_error(L,
		           "nothing is named: give 'id', or "
		           "'resource_group_name%s",
		           last);
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
		return d->subscription_id; /* checked when the client was
		                              made */
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
	if (!(takes & FOR_NAMES))
		return id;
	if (text.p) {
		read_id(L, idx, takes, text, &id);
	} else {
		need_parts(L, idx, takes);
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

static void read_asked(lua_State *L, int idx, struct op_spec *spec) {
	spec->status = required(L, idx, "status");
	if (!enums_is_status(spec->status))
		luaL_error(L, "bad field 'status' (%s expected, got '%s')",
		           enums_statuses(), spec->status.p);
	spec->description = text(L, idx, "description");
	spec->action_required = text(L, idx, "action_required");
}

/* Reads the resource that the call is for. */
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

/* The list at the top holds subscriptions. */
static void check_subscriptions(lua_State *L) {
	static const char *const name = "subscription_ids";
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
	if (n < 1 || n > MAX_SUBSCRIPTIONS)
		options_bad(L, name, "1 to 1000 subscriptions expected");
	for (lua_Integer i = 1; i <= n; i++) {
		struct span s = NO_SPAN;
		if (lua_rawgeti(L, -1, i) == LUA_TSTRING)
			s.p = lua_tolstring(L, -1, &s.n);
		if (!s.p || arm_check_subscription(s))
			options_bad(L, name, "list of GUIDs expected");
		lua_pop(L, 1);
	}
	if (count_keys(L, lua_gettop(L)) != (size_t)n)
		options_bad(L, name, "list of GUIDs expected");
}

void options_push_query(lua_State *L, int idx) {
	required(L, idx, "query");
	text(L, idx, "query");
	lua_createtable(L, 0, 2);
	options_push(L, idx, "query");
	lua_setfield(L, -2, "query");
	if (options_push(L, idx, "subscription_ids") != LUA_TNIL)
		check_subscriptions(L);
	lua_setfield(L, -2, "subscriptions");
}

static int64_t rows_on_a_page(lua_State *L, int idx) {
	int64_t n = MAX_ROWS;
	if (options_push(L, idx, "top") == LUA_TNUMBER)
		n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return n;
}

/* Without the guard a write could undo what the caller has not read. */
static bool skips_read(lua_State *L, int idx, struct span if_match) {
	bool skips;
	options_push(L, idx, "skip_read");
	skips = lua_toboolean(L, -1);
	lua_pop(L, 1);
	if (skips && !if_match.p)
		luaL_error(L, "bad field 'skip_read' (it needs if_match)");
	return skips;
}

void options_op(lua_State *L, int idx, const struct call *call,
                const struct op_defaults *d, struct op_spec *spec,
                struct buf *url, struct buf *id) {
	if (call->collection)
		address(L, idx, call, d, spec, url, id);
	if (call->fields & FOR_UPDATE)
		read_asked(L, idx, spec);
	if (call->fields & FOR_QUERY)
		spec->top = rows_on_a_page(L, idx);
	spec->kind = call->kind;
	spec->needs = call->needs;
	spec->api_version = d->api_version;
	spec->traceparent = d->traceparent;
	spec->tracestate = d->tracestate;
	spec->if_match = header(L, idx, "if_match");
	spec->skip_read =
		call->fields & FOR_ENSURE && skips_read(L, idx, spec->if_match);
	set_policy(L, idx, d, spec);
	spec->client_request_id = header(L, idx, "client_request_id");
	read_trace(L, idx, &spec->traceparent, &spec->tracestate);
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
	spec->traceparent = d->traceparent;
	spec->tracestate = d->tracestate;
	spec->policy = d->policy.when;
	spec->change_reference = d->policy.change_reference;
	if (!lua_istable(L, idx))
		return;
	set_policy(L, idx, d, spec);
	options_push(L, idx, "write");
	spec->read_only = !lua_toboolean(L, -1);
	lua_pop(L, 1);
	read_trace(L, idx, &spec->traceparent, &spec->tracestate);
	spec->timeout = milliseconds(L, idx, "timeout", d->timeout);
	spec->poll_interval =
		milliseconds(L, idx, "poll_interval", d->poll_interval);
}
