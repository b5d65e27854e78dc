/* lcredential.c -- the kinds of credential, and what each is made of. */
#include "lcredential.h"

#include <lauxlib.h>

#include "options.h"

enum { MAX_VALUE = 32768 };

/* A row a kind: its name, what it must be given, what it may be given. */
static const struct kind {
	const char *name;
	enum signin_kind kind;
	const char *strings[4];
	const char *functions[2];
} kinds[] = {
	{ "token", SIGNIN_TOKEN, { "token" }, { "get" } },
	{ "client_secret",
	  SIGNIN_CLIENT_SECRET,
	  { "tenant_id", "client_id", "client_secret" },
	  { NULL } },
	{ "default", SIGNIN_NONE, { NULL }, { NULL } },
};

struct credential {
	const struct kind *kind;
};

/* The fields of a credential are a copy: the caller's table may change. */
static void push_copy(lua_State *L, int idx) {
	lua_newtable(L);
	lua_pushnil(L);
	while (lua_next(L, idx)) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
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

static void check_fields(lua_State *L, const struct kind *k) {
	options_only(L, 1, k->strings, k->functions);
	for (int i = 0; i < 4 && k->strings[i]; i++)
		if (options_string(L, 1, k->strings[i]).n > MAX_VALUE)
			options_bad(L, k->strings[i],
			            "at most 32768 bytes expected");
	if (k->kind == SIGNIN_CLIENT_SECRET) {
		for (int i = 0; i < 3; i++)
			options_require(L, 1, k->strings[i]);
		check_tenant(L, options_string(L, 1, "tenant_id"), true);
	} else if (k->kind == SIGNIN_TOKEN) {
		bool get = lua_getfield(L, 1, "get") != LUA_TNIL;
		lua_pop(L, 1);
		if (get && options_string(L, 1, "token").p)
			luaL_error(L, "fields 'token' and 'get': give one or "
			              "the other");
		if (!get)
			options_require(L, 1, "token");
	}
}

/* upvalue 1 = the kind */
static int l_new(lua_State *L) {
	const struct kind *k = lua_touserdata(L, lua_upvalueindex(1));
	struct credential *c;
	if (lua_isnoneornil(L, 1) && k->kind == SIGNIN_NONE) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	lua_settop(L, 1);
	check_fields(L, k);
	c = lua_newuserdatauv(L, sizeof *c, 1);
	c->kind = k;
	luaL_setmetatable(L, CREDENTIAL_TYPE);
	push_copy(L, 1);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

static int l_tostring(lua_State *L) {
	const struct credential *c = luaL_checkudata(L, 1, CREDENTIAL_TYPE);
	lua_pushfstring(L, "azpec.credential (%s)", c->kind->name);
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
}

static void set_env(lua_State *L, const char *name, const char *variable) {
	lua_pushstring(L, options_env(variable));
	lua_setfield(L, -2, name);
}

/* What the environment offers, as a table of fields.  [-0, +1] */
static enum signin_kind push_environment(lua_State *L) {
	lua_newtable(L);
	if (options_env("AZURE_TENANT_ID") && options_env("AZURE_CLIENT_ID") &&
	    options_env("AZURE_CLIENT_SECRET")) {
		set_env(L, "tenant_id", "AZURE_TENANT_ID");
		set_env(L, "client_id", "AZURE_CLIENT_ID");
		set_env(L, "client_secret", "AZURE_CLIENT_SECRET");
		check_tenant(L, options_string(L, lua_gettop(L), "tenant_id"),
		             false);
		return SIGNIN_CLIENT_SECRET;
	}
	if (options_env("AZURE_ACCESS_TOKEN")) {
		set_env(L, "token", "AZURE_ACCESS_TOKEN");
		return SIGNIN_TOKEN;
	}
	return SIGNIN_NONE;
}

void lcredential_read(lua_State *L, int idx, struct signin_spec *spec) {
	const struct credential *c = luaL_testudata(L, idx, CREDENTIAL_TYPE);
	int t;
	if (c && c->kind->kind != SIGNIN_NONE) {
		lua_getiuservalue(L, idx, 1);
		spec->kind = c->kind->kind;
	} else {
		spec->kind = push_environment(L);
	}
	t = lua_gettop(L);
	spec->tenant_id = options_string(L, t, "tenant_id");
	spec->client_id = options_string(L, t, "client_id");
	spec->secret = options_string(
		L, t, spec->kind == SIGNIN_TOKEN ? "token" : "client_secret");
	if (lua_getfield(L, t, "get") != LUA_TNIL)
		spec->kind = SIGNIN_FUNCTION;
}
