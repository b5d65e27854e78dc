/* enums.c -- PrivateLinkServiceConnectionStatus and
   PrivateEndpointConnectionProvisioningState, as Microsoft.Batch's REST
   description of 2022-06-01 has them. */
#include "enums.h"

#include <lauxlib.h>

static const char *const statuses[] = { "Approved", "Disconnected", "Pending",
	                                "Rejected", NULL };
static const char *const states[] = { "Cancelled", "Creating",  "Deleting",
	                              "Failed",    "Succeeded", "Updating",
	                              NULL };

static const struct {
	const char *name;
	const char *const *values;
} enums[] = {
	{ "PrivateLinkServiceConnectionStatus", statuses },
	{ "PrivateEndpointConnectionProvisioningState", states },
};

bool enums_is_status(struct span s) {
	for (const char *const *v = statuses; *v; v++)
		if (span_eq(span_of(*v), s))
			return true;
	return false;
}

const char *enums_statuses(void) {
	return "Approved, Disconnected, Pending or Rejected";
}

/* __index: upvalue 1 = the enum's name */
static int l_unknown(lua_State *L) {
	return luaL_error(L, "unknown %s '%s'",
	                  lua_tostring(L, lua_upvalueindex(1)),
	                  luaL_tolstring(L, 2, NULL));
}

static int l_constant(lua_State *L) {
	return luaL_error(L, "%s is constant",
	                  lua_tostring(L, lua_upvalueindex(1)));
}

static void set_guard(lua_State *L, const char *name, const char *event,
                      lua_CFunction f) {
	lua_pushstring(L, name);
	lua_pushcclosure(L, f, 1);
	lua_setfield(L, -2, event);
}

void enums_set(lua_State *L) {
	for (size_t i = 0; i < sizeof enums / sizeof *enums; i++) {
		lua_newtable(L);
		for (const char *const *v = enums[i].values; *v; v++) {
			lua_pushstring(L, *v);
			lua_setfield(L, -2, *v);
		}
		lua_createtable(L, 0, 2); /* its metatable */
		set_guard(L, enums[i].name, "__index", l_unknown);
		set_guard(L, enums[i].name, "__newindex", l_constant);
		lua_setmetatable(L, -2);
		lua_setfield(L, -2, enums[i].name);
	}
}
