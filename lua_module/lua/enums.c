/* enums.c -- PrivateLinkServiceConnectionStatus and
   PrivateEndpointConnectionProvisioningState, from the REST API description of
   Microsoft.Batch, 2022-06-01. */
#include "lua/enums.h"

#include <lauxlib.h>

#include "core/transition.h"

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

static int l_next(lua_State *L) {
	lua_settop(L, 2);
	if (lua_next(L, 1))
		return 2;
	lua_pushnil(L);
	return 1;
}

/* pairs(enum): upvalue 1 = the values */
static int l_pairs(lua_State *L) {
	lua_pushcfunction(L, l_next);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushnil(L);
	return 3;
}

/* Pushes the values.  They stand behind an empty table, so they are
   read-only. */
static void push_values(lua_State *L, const char *name, const char *const *v) {
	lua_newtable(L);
	for (; *v; v++) {
		lua_pushstring(L, *v);
		lua_setfield(L, -2, *v);
	}
	lua_createtable(L, 0, 1);
	set_guard(L, name, "__index", l_unknown);
	lua_setmetatable(L, -2);
}

/* Pushes the field of that name of the table on the top; creates a table if it
   is missing.  [-0, +1] */
static void push_field(lua_State *L, const char *name) {
	if (lua_getfield(L, -1, name) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, name);
}

/* transitions[status][wanted] = { result =, way_out = } */
static void set_transitions(lua_State *L) {
	lua_newtable(L);
	for (const struct transition_rule *r = transition_rules; r->status;
	     r++) {
		push_field(L, r->status);
		push_field(L, r->wanted);
		lua_pushstring(L, transition_name(r->result));
		lua_setfield(L, -2, "result");
		lua_pushstring(L, r->way_out);
		lua_setfield(L, -2, "way_out");
		lua_pop(L, 2);
	}
	lua_setfield(L, -2, "transitions");
}

void enums_set(lua_State *L) {
	set_transitions(L);
	for (size_t i = 0; i < sizeof enums / sizeof *enums; i++) {
		lua_newtable(L);
		lua_createtable(L, 0, 3); /* its metatable */
		push_values(L, enums[i].name, enums[i].values);
		lua_pushvalue(L, -1);
		lua_pushcclosure(L, l_pairs, 1);
		lua_setfield(L, -3, "__pairs");
		lua_setfield(L, -2, "__index");
		set_guard(L, enums[i].name, "__newindex", l_constant);
		lua_setmetatable(L, -2);
		lua_setfield(L, -2, enums[i].name);
	}
}
