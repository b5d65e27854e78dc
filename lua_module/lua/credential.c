/* credential.c -- the kinds of credential, their fields, and the values that
   the environment provides. */
#include "lua/credential.h"

#include <float.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "core/token/flow.h"
#include "core/url.h"
#include "lua/options.h"
#include "lua/schema.h"

enum {
	MAX_FIELDS = 12,
	MAX_X5C = 32,
	SHA1 = 20,
	SHA256 = 32,
	MAX_VALUE = 32768,
	MAX_TEXT = 1024 * 1024
};

/* ---- the kinds ---------------------------------------------------------- */

static bool fits_secret(lua_State *L, const struct schema_type *t) {
	return schema_fits_string(L, t) || schema_fits_function(L, t);
}

/* A certificate's text may contain a chain; everything else is sent in
   requests. */
static const struct schema_type string = { .expected = "string",
	                                   .fits = schema_fits_string,
	                                   .longest = MAX_VALUE };
static const struct schema_type text = { .expected = "string",
	                                 .fits = schema_fits_string,
	                                 .longest = MAX_TEXT };
static const struct schema_type secret_value = { .expected =
	                                                 "string or function",
	                                         .fits = fits_secret,
	                                         .longest = MAX_VALUE };
static const struct schema_type seconds = {
	.expected = "number of seconds above 0, at most 3600",
	.fits = schema_fits_number,
	.min = DBL_MIN, /* 0 is not a time */
	.max = 3600,
};

/* RFC 7515 4.1.6: the base64 of each certificate in DER. */
static bool fits_x5c(lua_State *L, const struct schema_type *t) {
	size_t n = lua_istable(L, -1) ? (size_t)lua_rawlen(L, -1) : 0;
	bool fits = n >= 1 && n <= MAX_X5C;
	(void)t;
	for (size_t i = 1; fits && i <= n; i++) {
		struct span s = NO_SPAN;
		if (lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING)
			s.p = lua_tolstring(L, -1, &s.n);
		fits = s.n > 0 && span_only(s, CHAR_ALNUM, "+/=");
		lua_pop(L, 1);
	}
	return fits;
}
static const struct schema_type certificates = {
	.expected = "list of 1 to 32 certificates in base64",
	.fits = fits_x5c,
};

enum { NEEDED = SCHEMA_REQUIRED | 1, OPTIONAL = 1 };

static const struct kind {
	const char *name;
	const struct flow *flow; /* NULL: managed_identity, whose source the
	                            environment chooses */
	struct schema_field fields[MAX_FIELDS + 1];
} kinds[] = {
	{ "token",
	  &flow_token,
	  { { "token", &string, OPTIONAL },
	    { "get", &schema_function, OPTIONAL } } },
	{ "client_secret",
	  &flow_client_secret,
	  { { "tenant_id", &string, NEEDED },
	    { "client_id", &string, NEEDED },
	    { "client_secret", &secret_value, NEEDED } } },
	{ "client_certificate",
	  &flow_client_certificate,
	  { { "tenant_id", &string, NEEDED },
	    { "client_id", &string, NEEDED },
	    { "certificate_path", &string, OPTIONAL },
	    { "certificate", &text, OPTIONAL },
	    { "key_path", &string, OPTIONAL },
	    { "key", &text, OPTIONAL },
	    { "password", &string, OPTIONAL },
	    { "send_x5c", &schema_boolean, OPTIONAL },
	    { "algorithm", &string, OPTIONAL },
	    { "sign", &schema_function, OPTIONAL },
	    { "thumbprint", &string, OPTIONAL },
	    { "x5c", &certificates, OPTIONAL } } },
	{ "client_assertion",
	  &flow_client_assertion,
	  { { "tenant_id", &string, NEEDED },
	    { "client_id", &string, NEEDED },
	    { "assertion", &schema_function, NEEDED } } },
	{ "workload_identity",
	  &flow_workload_identity,
	  { { "tenant_id", &string, OPTIONAL },
	    { "client_id", &string, OPTIONAL },
	    { "token_file_path", &string, OPTIONAL } } },
	{ "github_actions",
	  &flow_github_actions,
	  { { "tenant_id", &string, OPTIONAL },
	    { "client_id", &string, OPTIONAL },
	    { "audience", &string, OPTIONAL } } },
	{ "azure_pipelines",
	  &flow_azure_pipelines,
	  { { "tenant_id", &string, OPTIONAL },
	    { "client_id", &string, OPTIONAL },
	    { "service_connection_id", &string, OPTIONAL } } },
	{ "managed_identity",
	  NULL,
	  { { "client_id", &string, OPTIONAL },
	    { "object_id", &string, OPTIONAL },
	    { "resource_id", &string, OPTIONAL } } },
	{ "azure_cli",
	  &flow_azure_cli,
	  { { "tenant_id", &string, OPTIONAL },
	    { "subscription", &string, OPTIONAL },
	    { "timeout", &seconds, OPTIONAL } } },
	{ "azure_developer_cli",
	  &flow_azure_developer_cli,
	  { { "tenant_id", &string, OPTIONAL },
	    { "timeout", &seconds, OPTIONAL } } },
	{ "device_code",
	  &flow_device_code,
	  { { "tenant_id", &string, OPTIONAL },
	    { "client_id", &string, OPTIONAL },
	    { "prompt", &schema_function, NEEDED } } },
};

struct credential {
	const struct kind *kind; /* NULL: a chain or the default chain */
	bool is_default;
};

/* ---- checks ------------------------------------------------------------- */

/* A tenant becomes a part of a URL: letters, digits, '.' and '-' only. */
static void check_tenant(lua_State *L, struct span s, const char *variable) {
	if (!span_only(s, CHAR_ALNUM, ".-"))
		luaL_error(L, "bad %s%s (a GUID or a domain expected)",
		           variable ? "environment variable "
		                    : "field 'tenant_id'",
		           variable ? variable : "");
}

static bool has(lua_State *L, const char *name) {
	bool is = lua_getfield(L, 1, name) != LUA_TNIL;
	lua_pop(L, 1);
	return is;
}

/* Two fields with the same purpose: exactly one, or at most one, may be
   given. */
static void check_one(lua_State *L, const char *a, const char *b, bool needed) {
	if (has(L, a) && has(L, b))
		luaL_error(L, "fields '%s' and '%s': give one or the other", a,
		           b);
	if (needed && !has(L, a) && !has(L, b))
		luaL_error(L, "fields '%s' and '%s': give one of them", a, b);
}

/* Rejects an impossible path, and what looks like a secret's content: a path is
   shown in messages. */
static void check_path(lua_State *L, const char *name) {
	struct span path = options_string(L, 1, name);
	if (!span_only(path, CHAR_PRINTABLE | CHAR_HIGH, ""))
		options_bad(L, name, "not a path; is it the content?");
}

/* Without a certificate to read, its thumbprint says which one `sign` is of. */
static void check_thumbprint(lua_State *L) {
	struct span algorithm = options_string(L, 1, "algorithm");
	bool rs256 = span_eq(algorithm, SPAN("RS256"));
	unsigned char ignored[SHA256];
	check_one(L, "thumbprint", "certificate", false);
	check_one(L, "thumbprint", "certificate_path", false);
	if (!has(L, "sign"))
		options_bad(L, "thumbprint", "it requires 'sign'");
	if (!flow_thumbprint(options_string(L, 1, "thumbprint"), ignored,
	                     rs256 ? SHA1 : SHA256))
		options_bad(L, "thumbprint",
		            rs256 ? "SHA-1 expected, 40 hexadecimal digits"
		                  : "SHA-256 expected, 64 hexadecimal digits");
	lua_getfield(L, 1, "send_x5c");
	if (lua_toboolean(L, -1) && !has(L, "x5c"))
		options_bad(L, "x5c",
		            "'send_x5c' with 'thumbprint' requires it");
	lua_pop(L, 1);
}

static void check_certificate(lua_State *L) {
	if (has(L, "thumbprint")) {
		check_thumbprint(L);
		return;
	}
	if (has(L, "x5c"))
		options_bad(L, "x5c", "it requires 'thumbprint'");
	check_one(L, "certificate_path", "certificate", true);
	check_one(L, "key_path", "key", false);
}

static void check_together(lua_State *L, const struct kind *k) {
	struct span algorithm = options_string(L, 1, "algorithm");
	check_path(L, "certificate_path");
	check_path(L, "key_path");
	check_path(L, "token_file_path");
	check_tenant(L, options_string(L, 1, "tenant_id"), NULL);
	if (k->flow == &flow_token)
		check_one(L, "token", "get", true);
	if (k->flow == &flow_client_certificate) {
		check_certificate(L);
		check_one(L, "sign", "key", false);
		check_one(L, "sign", "key_path", false);
	}
	if (algorithm.p && !span_eq(algorithm, SPAN("PS256")) &&
	    !span_eq(algorithm, SPAN("RS256")))
		options_bad(L, "algorithm", "PS256 or RS256 expected");
	if (k->flow == &flow_azure_cli) /* az takes no two */
		check_one(L, "tenant_id", "subscription", false);
	if (!k->flow) {
		check_one(L, "client_id", "object_id", false);
		check_one(L, "client_id", "resource_id", false);
		check_one(L, "object_id", "resource_id", false);
	}
}

/* ---- making ------------------------------------------------------------- */

/* A credential's fields are copied, because the caller may change the table. */
static void push_copy(lua_State *L, int idx) {
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, idx);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
}

/* Makes a credential of the table at 1.  [-0, +1] */
static void push_credential(lua_State *L, const struct kind *k,
                            bool is_default) {
	struct credential *c = lua_newuserdatauv(L, sizeof *c, 1);
	c->kind = k;
	luaL_setmetatable(L, CREDENTIAL_TYPE);
	c->is_default = is_default;
	push_copy(L, 1);
	lua_setiuservalue(L, -2, 1);
}

/* A list of the caller's may change as well: of x5c the credential at the top
   has the JSON text, as the assertion's header has it. */
static void copy_x5c(lua_State *L) {
	luaL_Buffer b;
	lua_Integer n;
	if (lua_getfield(L, 1, "x5c") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	n = (lua_Integer)lua_rawlen(L, -1);
	luaL_buffinit(L, &b);
	for (lua_Integer i = 1; i <= n; i++) {
		luaL_addstring(&b, i == 1 ? "[\"" : "\",\"");
		lua_getfield(L, 1, "x5c");
		lua_rawgeti(L, -1, i);
		lua_remove(L, -2);
		luaL_addvalue(&b);
	}
	luaL_addstring(&b, "\"]");
	luaL_pushresult(&b);
	lua_getiuservalue(L, -3, 1);
	lua_insert(L, -2);
	lua_setfield(L, -2, "x5c");
	lua_pop(L, 2);
}

static void optional_table(lua_State *L) {
	lua_settop(L, 1);
	if (lua_isnil(L, 1)) {
		lua_newtable(L);
		lua_replace(L, 1);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
}

/* upvalue 1 = the kind's row */
static int l_new(lua_State *L) {
	const struct kind *k = lua_touserdata(L, lua_upvalueindex(1));
	optional_table(L);
	schema_check(L, 1, &(struct schema){ k->fields, "", true }, OPTIONAL);
	check_together(L, k);
	push_credential(L, k, false);
	copy_x5c(L);
	return 1;
}

/* Raises unless the list on the top has only the keys 1..n.  Access is raw,
   because the copy has no metamethods. */
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
			           "bad link %I (a credential other than a "
			           "chain expected, got %s)",
			           (LUAI_UACINT)i, luaL_typename(L, -1));
		lua_pop(L, 1);
	}
	push_credential(L, NULL, false);
	return 1;
}

static bool is_link(struct span name);

/* Raises unless the names on the top are links of the default chain. */
static void check_exclude(lua_State *L) {
	lua_Integer n;
	n = check_list(L, "bad field 'exclude'");
	for (lua_Integer i = 1; i <= n; i++) {
		struct span name = NO_SPAN;
		if (lua_rawgeti(L, -1, i) == LUA_TSTRING)
			name.p = lua_tolstring(L, -1, &name.n);
		if (!is_link(name))
			luaL_error(L,
			           "bad field 'exclude' ('%s' is not in the "
			           "default chain)",
			           luaL_tolstring(L, -1, NULL));
		lua_pop(L, 1);
	}
}

/* The fields of the default chain. */
static const struct schema_field default_fields[] = {
	{ "exclude", &schema_table, OPTIONAL },
	{ "timeout", &seconds, OPTIONAL },
	{ NULL, NULL, 0 },
};

/* Its lists are copied: the caller's tables may change. */
static int l_default(lua_State *L) {
	optional_table(L);
	schema_check(L, 1, &(struct schema){ default_fields, "", true },
	             OPTIONAL);
	if (options_push(L, 1, "exclude") == LUA_TTABLE)
		check_exclude(L);
	push_copy(L, 1);
	if (lua_istable(L, 2)) {
		push_copy(L, 2);
		lua_setfield(L, 3, "exclude");
	}
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

void credential_open(lua_State *L) {
	luaL_newmetatable(L, CREDENTIAL_TYPE);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	lua_newtable(L);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		/* const: the light userdata is only read */
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

/* Sets fields[name] from the environment if it is absent; the fields are on the
   top. */
static void fill(lua_State *L, const char *name, const char *variable) {
	if (lua_getfield(L, -1, name) != LUA_TNIL || !options_env(variable)) {
		lua_pop(L, 1);
		return;
	}
	lua_pop(L, 1);
	lua_pushstring(L, options_env(variable));
	lua_setfield(L, -2, name);
}

/* The same for a name or an id: blanks around it are removed. */
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

/* The sources of a managed identity; the first one whose variables are all set
   is used. */
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
	struct span imds =
		options_env_name("AZURE_POD_IDENTITY_AUTHORITY_HOST");
	if (flow == &flow_azure_ml) /* on a compute instance: its own
	                               identity */
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
	if (!imds.p)
		imds = SPAN("http://169.254.169.254");
	imds.n = span_cspn(imds, "?#");
	imds = url_without_slashes(imds);
	lua_pushlstring(L, imds.p, imds.n);
	lua_pushfstring(L, "%s/metadata/identity/oauth2/token",
	                lua_tostring(L, -1));
	lua_remove(L, -2);
	lua_setfield(L, -2, "endpoint");
	return &flow_imds;
}

/* The credential of an application, from the variables that name it. */
static const struct flow *environment_flow(lua_State *L) {
	bool named = options_env("AZURE_TENANT_ID") &&
	             options_env("AZURE_CLIENT_ID");
	struct span send =
		options_env_name("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");
	fill_name(L, "tenant_id", "AZURE_TENANT_ID");
	fill_name(L, "client_id", "AZURE_CLIENT_ID");
	if (named && options_env("AZURE_CLIENT_SECRET")) {
		fill(L, "client_secret", "AZURE_CLIENT_SECRET");
		return &flow_client_secret;
	}
	if (named && options_env("AZURE_CLIENT_CERTIFICATE_PATH")) {
		fill(L, "certificate_path", "AZURE_CLIENT_CERTIFICATE_PATH");
		fill(L, "password", "AZURE_CLIENT_CERTIFICATE_PASSWORD");
		lua_pushboolean(L, span_eq(send, SPAN("1")) ||
		                           span_ieq(send, SPAN("true")));
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

/* The variables that provide an absent field, by kind. */
static const struct {
	const struct flow *flow;
	const char *name, *variable;
} variables[] = {
	{ &flow_workload_identity, "tenant_id", "AZURE_TENANT_ID" },
	{ &flow_workload_identity, "client_id", "AZURE_CLIENT_ID" },
	{ &flow_workload_identity, "token_file_path",
	  "AZURE_FEDERATED_TOKEN_FILE" },
	{ &flow_github_actions, "tenant_id", "AZURE_TENANT_ID" },
	{ &flow_github_actions, "client_id", "AZURE_CLIENT_ID" },
	{ &flow_github_actions, "endpoint", "ACTIONS_ID_TOKEN_REQUEST_URL" },
	{ &flow_github_actions, "secret", "ACTIONS_ID_TOKEN_REQUEST_TOKEN" },
	{ &flow_azure_pipelines, "tenant_id", "AZURESUBSCRIPTION_TENANT_ID" },
	{ &flow_azure_pipelines, "client_id", "AZURESUBSCRIPTION_CLIENT_ID" },
	{ &flow_azure_pipelines, "service_connection_id",
	  "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID" },
	{ &flow_azure_pipelines, "endpoint", "SYSTEM_OIDCREQUESTURI" },
	{ &flow_azure_pipelines, "secret", "SYSTEM_ACCESSTOKEN" },
};

enum { VARIABLES = sizeof variables / sizeof *variables };

static void fill_all(lua_State *L, const struct flow *flow) {
	for (size_t i = 0; i < VARIABLES; i++)
		if (variables[i].flow == flow)
			fill_name(L, variables[i].name, variables[i].variable);
}

static const char *tenant_variable(const struct flow *flow) {
	for (size_t i = 0; i < VARIABLES; i++)
		if (variables[i].flow == flow) /* the first one is the tenant */
			return variables[i].variable;
	return "AZURE_TENANT_ID";
}

/* A function may give one process's secret today and another's tomorrow. */
static bool has_own_function(lua_State *L, int fields) {
	static const char *const names[] = { "client_secret", "sign" };
	bool has_one = false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		has_one = lua_getfield(L, fields, names[i]) == LUA_TFUNCTION ||
		          has_one;
		lua_pop(L, 1);
	}
	return has_one;
}

/* The folders in which a program keeps its login. */
static bool has_folders(const struct profile *p) {
	while (p && p->variable &&
	       (options_env("HOME") || options_env(p->variable)))
		p++;
	return !p || !p->variable;
}

/* The fields at the top -> a spec. */
static void read_spec(lua_State *L, const struct flow *flow,
                      struct chain_spec *spec) {
	static const char *const names[SV_COUNT] = {
		[SV_TENANT] = "tenant_id",
		[SV_CLIENT] = "client_id",
		[SV_SECRET] = "secret",
		[SV_PATH] = "token_file_path",
		[SV_ENDPOINT] = "endpoint",
		[SV_ID_NAME] = "id_name",
		[SV_ID] = "id",
		[SV_SUBSCRIPTION] = "subscription",
		[SV_USUAL_TENANT] = "usual_tenant",
		[SV_ALGORITHM] = "algorithm",
		[SV_THUMBPRINT] = "thumbprint",
		[SV_AUDIENCE] = "audience",
		[SV_CONNECTION] = "service_connection_id",
	};
	int t = lua_gettop(L);
	*spec = (struct chain_spec){ .flow = flow };
	for (int i = 0; i < SV_COUNT; i++)
		spec->value[i] = options_string(L, t, names[i]);
	if (flow == &flow_client_secret)
		spec->value[SV_SECRET] = options_string(L, t, "client_secret");
	if (flow == &flow_client_certificate) /* kept out of messages */
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
	spec->shared = flow->shared && !has_own_function(L, t) &&
	               has_folders(flow->profile);
	check_tenant(L, spec->value[SV_TENANT], tenant_variable(flow));
	check_tenant(L, spec->value[SV_USUAL_TENANT], "AZURE_TENANT_ID");
}

/* The credential's fields are on the top; the environment completes them if the
   kind allows it. */
static void complete(lua_State *L, const struct kind *k,
                     struct chain_spec *spec) {
	const struct flow *flow = k->flow;
	fill_all(L, flow);
	if (flow == &flow_device_code) {
		if (!options_string(L, lua_gettop(L), "tenant_id").p)
			set(L, "tenant_id", "organizations");
		if (!options_string(L, lua_gettop(L), "client_id").p)
			set(L, "client_id", /* for developer sign-on */
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

/* In the order that Azure documents, with the names of
   AZURE_TOKEN_CREDENTIALS. */
static const struct {
	const char *name, *env_name; /* a kind's name, or "environment" */
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
	return NULL; /* chosen by the environment */
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

/* AZURE_TOKEN_CREDENTIALS: dev, prod, or the name of one link. */
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

/* As in DefaultAzureCredential, the usual tenant is that of AZURE_TENANT_ID.
   The link's fields are at the top, the chain's at `chain`, or 0. */
static void fill_developer(lua_State *L, int chain) {
	fill_name(L, "usual_tenant", "AZURE_TENANT_ID");
	if (chain) {
		lua_getfield(L, chain, "timeout");
		lua_setfield(L, -2, "timeout");
	}
}

static size_t push_default(lua_State *L, int fields, int list,
                           struct chain_spec *specs) {
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
		if (default_links[i].developer)
			fill_developer(L, fields);
		if (kind)
			complete(L, kind, &specs[n]);
		else
			read_spec(L, environment_flow(L), &specs[n]);
		specs[n].developer = default_links[i].developer;
		specs[n].probed = specs[n].flow == &flow_imds;
		append(L, list, n++);
	}
	if (n == 0)
		luaL_error(L, "the default chain is empty (see 'exclude' and "
		              "AZURE_TOKEN_CREDENTIALS)");
	if (chosen)
		specs[0].probed = false; /* it was named, so it is not only
		                            probed */
	return n;
}

static size_t push_chain(lua_State *L, int fields, int list,
                         struct chain_spec *specs) {
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

size_t credential_push(lua_State *L, int idx,
                       struct chain_spec specs[MAX_LINKS]) {
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
