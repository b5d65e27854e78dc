/* lcredential.c -- the kinds of credential, what each is made of, and what the
   environment offers. */
#include "lcredential.h"

#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "core/flow.h"
#include "options.h"

enum {
	MAX_VALUE = 32768,
	MAX_TEXT = 1024 * 1024,
	MAX_FIELDS = 10,
};

/* ---- the kinds ---------------------------------------------------------- */

enum field_type {
	FIELD_STRING,
	FIELD_FUNCTION,
	FIELD_SECONDS,
	FIELD_BOOLEAN,
	FIELD_SECRET, /* a string, or a function that gives it */
};

struct field {
	const char *name;
	enum field_type type;
	bool required;
};

static const struct kind {
	const char *name;
	const struct flow *flow; /* NULL: chosen by the environment, or a list
	                            of others */
	struct field fields[MAX_FIELDS];
} kinds[] = {
	{ "token",
	  &flow_token,
	  { { "token", FIELD_STRING, false },
	    { "get", FIELD_FUNCTION, false } } },
	{ "client_secret",
	  &flow_client_secret,
	  { { "tenant_id", FIELD_STRING, true },
	    { "client_id", FIELD_STRING, true },
	    { "client_secret", FIELD_SECRET, true } } },
	{ "client_certificate",
	  &flow_client_certificate,
	  { { "tenant_id", FIELD_STRING, true },
	    { "client_id", FIELD_STRING, true },
	    { "certificate_path", FIELD_STRING, false },
	    { "certificate", FIELD_STRING, false },
	    { "key_path", FIELD_STRING, false },
	    { "key", FIELD_STRING, false },
	    { "password", FIELD_STRING, false },
	    { "send_x5c", FIELD_BOOLEAN, false },
	    { "algorithm", FIELD_STRING, false },
	    { "sign", FIELD_FUNCTION, false } } },
	{ "client_assertion",
	  &flow_client_assertion,
	  { { "tenant_id", FIELD_STRING, true },
	    { "client_id", FIELD_STRING, true },
	    { "assertion", FIELD_FUNCTION, true } } },
	{ "workload_identity",
	  &flow_workload_identity,
	  { { "tenant_id", FIELD_STRING, false },
	    { "client_id", FIELD_STRING, false },
	    { "token_file_path", FIELD_STRING, false } } },
	{ "managed_identity",
	  NULL,
	  { { "client_id", FIELD_STRING, false },
	    { "object_id", FIELD_STRING, false },
	    { "resource_id", FIELD_STRING, false } } },
	{ "azure_cli",
	  &flow_azure_cli,
	  { { "tenant_id", FIELD_STRING, false },
	    { "subscription", FIELD_STRING, false },
	    { "timeout", FIELD_SECONDS, false } } },
	{ "azure_developer_cli",
	  &flow_azure_developer_cli,
	  { { "tenant_id", FIELD_STRING, false },
	    { "timeout", FIELD_SECONDS, false } } },
	{ "device_code",
	  &flow_device_code,
	  { { "tenant_id", FIELD_STRING, false },
	    { "client_id", FIELD_STRING, false },
	    { "prompt", FIELD_FUNCTION, true } } },
};

struct credential {
	const struct kind *kind; /* NULL: a chain, or the default one */
	bool is_default;
};

/* ---- checks ------------------------------------------------------------- */

static bool fits(lua_State *L, enum field_type type) {
	switch (type) {
	case FIELD_STRING:
		return lua_type(L, -1) == LUA_TSTRING;
	case FIELD_FUNCTION:
		return options_callable(L, -1);
	case FIELD_SECONDS:
		return lua_type(L, -1) == LUA_TNUMBER &&
		       lua_tonumber(L, -1) > 0 && lua_tonumber(L, -1) <= 3600;
	case FIELD_BOOLEAN:
		return lua_isboolean(L, -1);
	case FIELD_SECRET:
		return lua_type(L, -1) == LUA_TSTRING ||
		       options_callable(L, -1);
	}
	return false;
}

/* A certificate's text may hold a chain; all else goes into requests. */
static size_t longest(const struct field *f) {
	return span_eq(span_of(f->name), SPAN("certificate")) ||
	                       span_eq(span_of(f->name), SPAN("key"))
	               ? MAX_TEXT
	               : MAX_VALUE;
}

static void check_value(lua_State *L, const struct field *f) {
	static const char *const expected[] = {
		[FIELD_STRING] = "string",
		[FIELD_FUNCTION] = "function",
		[FIELD_SECONDS] = "number of seconds from 0 to 3600",
		[FIELD_BOOLEAN] = "boolean",
		[FIELD_SECRET] = "string or function",
	};
	size_t n = 0;
	bool text;
	if (lua_isnil(L, -1) && !f->required)
		return;
	if (!fits(L, f->type))
		luaL_error(L, "bad field '%s' (%s expected, got %s)", f->name,
		           expected[f->type], luaL_typename(L, -1));
	text = lua_type(L, -1) == LUA_TSTRING;
	if (text)
		lua_tolstring(L, -1, &n);
	if (text && n == 0)
		options_bad(L, f->name, "must not be empty");
	if (n > longest(f))
		options_bad(L, f->name,
		            longest(f) == MAX_VALUE
		                    ? "at most 32768 bytes expected"
		                    : "at most 1 MiB expected");
}

static const struct field *find(const struct kind *k, struct span name) {
	for (int i = 0; i < MAX_FIELDS && k->fields[i].name; i++)
		if (span_eq(name, span_of(k->fields[i].name)))
			return &k->fields[i];
	return NULL;
}

static void check_keys(lua_State *L, const struct kind *k) {
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		struct span key = options_key(L);
		if (!find(k, key))
			luaL_error(L, "unknown field '%s'", key.p);
	}
	for (int i = 0; i < MAX_FIELDS && k->fields[i].name; i++) {
		lua_getfield(L, 1, k->fields[i].name);
		check_value(L, &k->fields[i]);
		lua_pop(L, 1);
	}
}

/* A tenant goes into a URL: letters, digits, '.' and '-' only. */
static void check_tenant(lua_State *L, struct span s, bool given) {
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '.' || c == '-'))
			luaL_error(L, given ? "bad field 'tenant_id' (a GUID "
			                      "or a domain expected)"
			                    : "bad environment variable "
			                      "AZURE_TENANT_ID (a GUID or a "
			                      "domain expected)");
	}
}

static bool has(lua_State *L, const char *name) {
	bool is = lua_getfield(L, 1, name) != LUA_TNIL;
	lua_pop(L, 1);
	return is;
}

/* Two names for one thing: exactly, or at most, one of them. */
static void check_one(lua_State *L, const char *a, const char *b, bool needed) {
	if (has(L, a) && has(L, b))
		luaL_error(L, "fields '%s' and '%s': give one or the other", a,
		           b);
	if (needed && !has(L, a) && !has(L, b))
		luaL_error(L, "bad field '%s' (string expected, got nil)", a);
}

/* What a path cannot be; and a secret put where its path belongs would end up
   in messages. */
static void check_path(lua_State *L, const char *name) {
	struct span path = options_string(L, 1, name);
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] < ' ' || path.p[i] == 0x7f)
			options_bad(L, name, "not a path; is it the content?");
}

static void check_together(lua_State *L, const struct kind *k) {
	struct span algorithm = options_string(L, 1, "algorithm");
	check_path(L, "certificate_path");
	check_path(L, "key_path");
	check_path(L, "token_file_path");
	check_tenant(L, options_string(L, 1, "tenant_id"), true);
	if (k->flow == &flow_token)
		check_one(L, "token", "get", true);
	if (k->flow == &flow_client_certificate) {
		check_one(L, "certificate_path", "certificate", true);
		check_one(L, "key_path", "key", false);
		check_one(L, "sign", "key", false);
		check_one(L, "sign", "key_path", false);
	}
	if (algorithm.p && !span_eq(algorithm, SPAN("PS256")) &&
	    !span_eq(algorithm, SPAN("RS256")))
		options_bad(L, "algorithm", "PS256 or RS256 expected");
	if (!k->flow) {
		check_one(L, "client_id", "object_id", false);
		check_one(L, "client_id", "resource_id", false);
		check_one(L, "object_id", "resource_id", false);
	}
}

/* ---- making ------------------------------------------------------------- */

/* The fields of a credential are a copy: the caller's table may change. */
static void push_copy(lua_State *L, int idx) {
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, idx);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
}

/* The table at 1 becomes a credential.  [-0, +1] */
static void push_credential(lua_State *L, const struct kind *k,
                            bool is_default) {
	struct credential *c = lua_newuserdatauv(L, sizeof *c, 1);
	c->kind = k;
	luaL_setmetatable(L, CREDENTIAL_TYPE);
	c->is_default = is_default;
	push_copy(L, 1);
	lua_setiuservalue(L, -2, 1);
}

static void optional_table(lua_State *L) {
	lua_settop(L, 1);
	if (lua_isnil(L, 1)) {
		lua_newtable(L);
		lua_replace(L, 1);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
}

/* upvalue 1 = the kind */
static int l_new(lua_State *L) {
	const struct kind *k = lua_touserdata(L, lua_upvalueindex(1));
	optional_table(L);
	check_keys(L, k);
	check_together(L, k);
	push_credential(L, k, false);
	return 1;
}

/* The list at the top has nothing but 1..n.  Raw: what a metamethod shows would
   not be there later. */
static lua_Integer check_list(lua_State *L, const char *what) {
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1), keys = 0;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		struct span key = NO_SPAN;
		keys++;
		if (lua_type(L, -2) == LUA_TSTRING) {
			key.p = lua_tolstring(L, -2, &key.n);
			luaL_error(L, "unknown field '%s'", key.p);
		}
	}
	if (keys != n)
		luaL_error(L, "%s: a list without holes expected", what);
	return n;
}

static int l_chain(lua_State *L) {
	lua_Integer n;
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	n = check_list(L, "chain");
	luaL_argcheck(L, n >= 1 && n <= MAX_LINKS, 1,
	              "1 to 16 credentials expected");
	for (lua_Integer i = 1; i <= n; i++) {
		const struct credential *c;
		lua_rawgeti(L, 1, i);
		c = luaL_testudata(L, -1, CREDENTIAL_TYPE);
		if (!c || !c->kind)
			luaL_error(L,
			           "bad link %I (a credential that is no "
			           "chain expected, got %s)",
			           (LUAI_UACINT)i, luaL_typename(L, -1));
		lua_pop(L, 1);
	}
	push_credential(L, NULL, false);
	return 1;
}

static bool is_link(struct span name);

/* The names at the top are links of the default chain. */
static void check_exclude(lua_State *L) {
	lua_Integer n;
	if (!lua_istable(L, -1))
		luaL_error(L, "bad field 'exclude' (table expected, got %s)",
		           luaL_typename(L, -1));
	n = check_list(L, "bad field 'exclude'");
	for (lua_Integer i = 1; i <= n; i++) {
		struct span name = NO_SPAN;
		if (lua_rawgeti(L, -1, i) == LUA_TSTRING)
			name.p = lua_tolstring(L, -1, &name.n);
		if (!is_link(name))
			luaL_error(L,
			           "bad field 'exclude' ('%s' is no link of "
			           "the default chain)",
			           luaL_tolstring(L, -1, NULL));
		lua_pop(L, 1);
	}
}

/* Leaves a copy of `exclude`, or nil, in a table of its own at index 1. */
static int l_default(lua_State *L) {
	optional_table(L);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		struct span key = options_key(L);
		if (!span_eq(key, SPAN("exclude")))
			luaL_error(L, "unknown field '%s'", key.p);
		check_exclude(L);
	}
	lua_newtable(L);
	if (options_push(L, 1, "exclude") == LUA_TTABLE) {
		push_copy(L, 3);
		lua_setfield(L, 2, "exclude");
	}
	lua_settop(L, 2);
	lua_replace(L, 1);
	push_credential(L, NULL, true);
	return 1;
}

static int l_tostring(lua_State *L) {
	const struct credential *c = luaL_checkudata(L, 1, CREDENTIAL_TYPE);
	lua_pushfstring(L, "azpec.credential (%s)",
	                c->kind         ? c->kind->name
	                : c->is_default ? "default"
	                                : "chain");
	return 1;
}

void lcredential_open(lua_State *L) {
	luaL_newmetatable(L, CREDENTIAL_TYPE);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	lua_newtable(L);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		/* const: the light userdata is only ever read */
		lua_pushlightuserdata(L, (void *)(uintptr_t)&kinds[i]);
		lua_pushcclosure(L, l_new, 1);
		lua_setfield(L, -2, kinds[i].name);
	}
	lua_pushcfunction(L, l_chain);
	lua_setfield(L, -2, "chain");
	lua_pushcfunction(L, l_default);
	lua_setfield(L, -2, "default");
}

/* ---- what the environment offers ---------------------------------------- */

/* Sets fields[name] from the environment where it is not there yet; the
   fields are at the top. */
static void fill(lua_State *L, const char *name, const char *variable) {
	if (lua_getfield(L, -1, name) != LUA_TNIL || !options_env(variable)) {
		lua_pop(L, 1);
		return;
	}
	lua_pop(L, 1);
	lua_pushstring(L, options_env(variable));
	lua_setfield(L, -2, name);
}

/* The same of a name or an id, of which blanks around it are no part. */
static void fill_name(lua_State *L, const char *name, const char *variable) {
	struct span s = options_env_name(variable);
	if (lua_getfield(L, -1, name) != LUA_TNIL || !s.p) {
		lua_pop(L, 1);
		return;
	}
	lua_pop(L, 1);
	lua_pushlstring(L, s.p, s.n);
	lua_setfield(L, -2, name);
}

/* A managed identity's sources, the first whose variables are all set. */
static const struct flow *find_source(lua_State *L) {
	static const struct {
		const char *endpoint, *secret, *other;
		const struct flow *flow;
	} sources[] = {
		{ "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
		  "IDENTITY_SERVER_THUMBPRINT", &flow_service_fabric },
		{ "IDENTITY_ENDPOINT", "IDENTITY_HEADER", NULL,
		  &flow_app_service },
		{ "MSI_ENDPOINT", "MSI_SECRET", NULL, &flow_azure_ml },
		{ "MSI_ENDPOINT", NULL, NULL, &flow_cloud_shell },
		{ "IDENTITY_ENDPOINT", NULL, "IMDS_ENDPOINT", &flow_arc },
	};
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		const char *secret = sources[i].secret;
		const char *other = sources[i].other;
		if (!options_env(sources[i].endpoint) ||
		    (secret && !options_env(secret)) ||
		    (other && !options_env(other)))
			continue;
		fill_name(L, "endpoint", sources[i].endpoint);
		if (secret)
			fill(L, "secret", secret);
		if (sources[i].flow == &flow_service_fabric)
			fill(L, "thumbprint", other);
		return sources[i].flow;
	}
	return NULL;
}

static void set(lua_State *L, const char *name, const char *value) {
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

static const struct flow *managed_flow(lua_State *L) {
	static const char *const ids[] = { "client_id", "object_id",
		                           "resource_id" };
	const struct flow *flow = find_source(L);
	const char *imds = options_env("AZURE_POD_IDENTITY_AUTHORITY_HOST");
	if (flow == &flow_azure_ml) /* of a compute: the one it was given */
		fill_name(L, "client_id", "DEFAULT_IDENTITY_CLIENT_ID");
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		struct span id = options_string(L, lua_gettop(L), ids[i]);
		if (!id.p)
			continue;
		lua_pushlstring(L, id.p, id.n);
		lua_setfield(L, -2, "id");
		set(L, "id_name", ids[i]);
	}
	if (flow)
		return flow;
	if (access("/opt/azcmagent/bin/himds", F_OK) == 0) {
		set(L, "endpoint",
		    "http://127.0.0.1:40342/metadata/identity/oauth2/token");
		return &flow_arc;
	}
	lua_pushlstring(L, imds ? imds : "http://169.254.169.254",
	                imds ? strcspn(imds, "?#") : 22);
	if (imds && imds[strlen(imds) - 1] == '/')
		lua_pushfstring(L, "%smetadata/identity/oauth2/token",
		                lua_tostring(L, -1));
	else
		lua_pushfstring(L, "%s/metadata/identity/oauth2/token",
		                lua_tostring(L, -1));
	lua_remove(L, -2);
	lua_setfield(L, -2, "endpoint");
	return &flow_imds;
}

/* An application's own credential from the variables that name it. */
static const struct flow *environment_flow(lua_State *L) {
	bool named = options_env("AZURE_TENANT_ID") &&
	             options_env("AZURE_CLIENT_ID");
	const char *send = options_env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");
	fill_name(L, "tenant_id", "AZURE_TENANT_ID");
	fill_name(L, "client_id", "AZURE_CLIENT_ID");
	if (named && options_env("AZURE_CLIENT_SECRET")) {
		fill(L, "client_secret", "AZURE_CLIENT_SECRET");
		return &flow_client_secret;
	}
	if (named && options_env("AZURE_CLIENT_CERTIFICATE_PATH")) {
		fill(L, "certificate_path", "AZURE_CLIENT_CERTIFICATE_PATH");
		fill(L, "password", "AZURE_CLIENT_CERTIFICATE_PASSWORD");
		lua_pushboolean(L, send && (*send == '1' || *send == 't' ||
		                            *send == 'T'));
		lua_setfield(L, -2, "send_x5c");
		return &flow_client_certificate;
	}
	if (options_env("AZURE_ACCESS_TOKEN")) {
		fill(L, "token", "AZURE_ACCESS_TOKEN");
		return &flow_token;
	}
	return &flow_none;
}

/* ---- specs -------------------------------------------------------------- */

/* The fields at the top -> a spec. */
static void read_spec(lua_State *L, const struct flow *flow,
                      struct signin_spec *spec) {
	static const char *const names[SV_COUNT] = {
		[SV_TENANT] = "tenant_id",
		[SV_CLIENT] = "client_id",
		[SV_SECRET] = "secret",
		[SV_PATH] = "token_file_path",
		[SV_ENDPOINT] = "endpoint",
		[SV_ID_NAME] = "id_name",
		[SV_ID] = "id",
		[SV_SUBSCRIPTION] = "subscription",
		[SV_ALGORITHM] = "algorithm",
		[SV_THUMBPRINT] = "thumbprint",
	};
	int t = lua_gettop(L);
	*spec = (struct signin_spec){ .flow = flow };
	for (int i = 0; i < SV_COUNT; i++)
		spec->value[i] = options_string(L, t, names[i]);
	if (flow == &flow_client_secret)
		spec->value[SV_SECRET] = options_string(L, t, "client_secret");
	if (flow == &flow_client_certificate) /* to be kept out of messages */
		spec->value[SV_SECRET] = options_string(L, t, "password");
	if (flow == &flow_token)
		spec->value[SV_SECRET] = options_string(L, t, "token");
	if (flow == &flow_token && !spec->value[SV_SECRET].p)
		spec->flow = &flow_function;
	lua_getfield(L, t, "timeout");
	spec->timeout = (int64_t)(lua_tonumber(L, -1) * 1000 + 0.999);
	lua_getfield(L, t, "send_x5c");
	spec->send_x5c = lua_toboolean(L, -1);
	lua_settop(L, t);
	spec->developer = false;
	check_tenant(L, spec->value[SV_TENANT], false);
}

/* The credential's fields, completed from the environment where its kind says
   so, are at the top. */
static void complete(lua_State *L, const struct kind *k,
                     struct signin_spec *spec) {
	const struct flow *flow = k->flow;
	if (flow == &flow_workload_identity) {
		fill_name(L, "tenant_id", "AZURE_TENANT_ID");
		fill_name(L, "client_id", "AZURE_CLIENT_ID");
		fill(L, "token_file_path", "AZURE_FEDERATED_TOKEN_FILE");
	} else if (flow == &flow_device_code) {
		if (!options_string(L, lua_gettop(L), "tenant_id").p)
			set(L, "tenant_id", "organizations");
		if (!options_string(L, lua_gettop(L), "client_id").p)
			set(L, "client_id", /* the developer sign-on's */
			    "04b07795-8ddb-461a-bbee-02f9e1bf7b46");
	} else if (!flow) {
		flow = managed_flow(L);
	}
	read_spec(L, flow, spec);
}

static void append(lua_State *L, int list, size_t n) {
	lua_rawseti(L, list, (lua_Integer)n + 1);
}

/* ---- the default chain -------------------------------------------------- */

/* In Azure's documented order; the names of AZURE_TOKEN_CREDENTIALS. */
static const struct {
	const char *name, *env_name; /* name: a kind's, or the environment */
	bool developer;
} default_links[] = {
	{ "environment", "EnvironmentCredential", false },
	{ "workload_identity", "WorkloadIdentityCredential", false },
	{ "managed_identity", "ManagedIdentityCredential", false },
	{ "azure_cli", "AzureCLICredential", true },
	{ "azure_developer_cli", "AzureDeveloperCLICredential", true },
};

enum { DEFAULT_LINKS = sizeof default_links / sizeof *default_links };

static const struct kind *kind_of(const char *name) {
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (span_eq(span_of(name), span_of(kinds[i].name)))
			return &kinds[i];
	return NULL; /* what the environment says */
}

static bool is_link(struct span name) {
	for (size_t i = 0; i < DEFAULT_LINKS; i++)
		if (span_eq(name, span_of(default_links[i].name)))
			return true;
	return false;
}

static bool excluded(lua_State *L, int fields, const char *name) {
	bool is = false;
	if (lua_getfield(L, fields, "exclude") == LUA_TTABLE)
		for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, -1);
		     i++) {
			if (lua_rawgeti(L, -1, i) == LUA_TSTRING)
				is = is || span_eq(span_of(lua_tostring(L, -1)),
				                   span_of(name));
			lua_pop(L, 1);
		}
	lua_pop(L, 1);
	return is;
}

/* Azure's other libraries know more names than these. */
static int refuse_selection(lua_State *L, const char *which) {
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	for (size_t i = 0; i < DEFAULT_LINKS; i++) {
		luaL_addstring(&b, i + 1 < DEFAULT_LINKS ? ", " : " or ");
		luaL_addstring(&b, default_links[i].env_name);
	}
	luaL_pushresult(&b);
	return luaL_error(L,
	                  "bad environment variable AZURE_TOKEN_CREDENTIALS "
	                  "(dev, prod%s expected, got '%s')",
	                  lua_tostring(L, -1), which);
}

/* AZURE_TOKEN_CREDENTIALS: dev, prod, or one link's name. */
static bool selected(lua_State *L, size_t i) {
	struct span which = span_of(options_env("AZURE_TOKEN_CREDENTIALS"));
	if (!which.p)
		return true;
	if (span_ieq(which, SPAN("dev")))
		return default_links[i].developer;
	if (span_ieq(which, SPAN("prod")))
		return !default_links[i].developer;
	for (size_t k = 0; k < DEFAULT_LINKS; k++)
		if (span_ieq(which, span_of(default_links[k].env_name)))
			return i == k;
	return refuse_selection(L, which.p);
}

static size_t push_default(lua_State *L, int fields, int list,
                           struct signin_spec *specs) {
	struct span which = span_of(options_env("AZURE_TOKEN_CREDENTIALS"));
	bool chosen = which.p && !span_ieq(which, SPAN("dev")) &&
	              !span_ieq(which, SPAN("prod"));
	size_t n = 0;
	for (size_t i = 0; i < DEFAULT_LINKS; i++) {
		const struct kind *kind = kind_of(default_links[i].name);
		if (!selected(L, i) ||
		    (fields && excluded(L, fields, default_links[i].name)))
			continue;
		lua_newtable(L);
		if (kind && !kind->flow) /* managed; this one user-assigned */
			fill_name(L, "client_id", "AZURE_CLIENT_ID");
		if (kind)
			complete(L, kind, &specs[n]);
		else
			read_spec(L, environment_flow(L), &specs[n]);
		specs[n].developer = default_links[i].developer;
		specs[n].probed = specs[n].flow == &flow_imds;
		append(L, list, n++);
	}
	if (n == 0)
		luaL_error(L, "the default chain has no link left (see "
		              "'exclude' and AZURE_TOKEN_CREDENTIALS)");
	if (chosen)
		specs[0].probed = false; /* it was named: no hurry */
	return n;
}

static size_t push_chain(lua_State *L, int fields, int list,
                         struct signin_spec *specs) {
	size_t n = (size_t)lua_rawlen(L, fields);
	for (size_t i = 0; i < n; i++) {
		const struct credential *c;
		lua_rawgeti(L, fields, (lua_Integer)i + 1);
		c = lua_touserdata(L, -1);
		lua_getiuservalue(L, -1, 1);
		lua_remove(L, -2);
		push_copy(L, lua_gettop(L));
		lua_remove(L, -2);
		complete(L, c->kind, &specs[i]);
		specs[i].probed = specs[i].flow == &flow_imds;
		append(L, list, i);
	}
	return n;
}

size_t lcredential_push(lua_State *L, int idx,
                        struct signin_spec specs[MAX_LINKS]) {
	const struct credential *c = luaL_testudata(L, idx, CREDENTIAL_TYPE);
	int list, fields;
	size_t n = 1;
	lua_newtable(L);
	list = lua_gettop(L);
	if (!c)
		return push_default(L, 0, list, specs);
	lua_getiuservalue(L, idx, 1);
	fields = lua_gettop(L);
	if (c->is_default) {
		n = push_default(L, fields, list, specs);
	} else if (!c->kind) {
		n = push_chain(L, fields, list, specs);
	} else {
		push_copy(L, fields);
		complete(L, c->kind, &specs[0]);
		append(L, list, 0);
	}
	lua_settop(L, list);
	return n;
}
