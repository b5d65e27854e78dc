/* list.c -- the iterator over the items of a list. */
#include "lua/list.h"

#include <lauxlib.h>

#include "lua/json.h"
#include "lua/loop.h"
#include "lua/poller.h"
#include "lua/session.h"
#include "lua/wakeup.h"
#include "io/sys.h"

/* Upvalues of the iterator. */
enum { LUV_ITEMS = 1, LUV_AT, LUV_CLIENT, LUV_COUNT = LUV_CLIENT };

static bool push_item(lua_State *L) {
	lua_Integer at = lua_tointeger(L, lua_upvalueindex(LUV_AT)) + 1;
	if (!lua_istable(L, lua_upvalueindex(LUV_ITEMS)) ||
	    lua_rawgeti(L, lua_upvalueindex(LUV_ITEMS), at) == LUA_TNIL)
		return false;
	lua_pushinteger(L, at);
	lua_replace(L, lua_upvalueindex(LUV_AT));
	if (lua_istable(L, -1))
		json_polish(L, -1);
	return true;
}

/* A page has come: its items replace the last page's, which may go. */
static int paged(lua_State *L) {
	const struct op *op = &poller_at(L, LOOP_OBJECT)->job.op;
	bool query = op->spec.kind == OP_QUERY;
	if (op->end == OP_FAIL) {
		poller_push_outcome(L, LOOP_OBJECT);
		return lua_error(L); /* the err table */
	}
	lua_getiuservalue(L, LOOP_OBJECT, PUV_OUTCOME);
	lua_getfield(L, -1, query ? "data" : "value");
	lua_replace(L, lua_upvalueindex(LUV_ITEMS));
	lua_pushinteger(L, 0);
	lua_replace(L, lua_upvalueindex(LUV_AT));
	lua_pushnil(L);
	lua_setiuservalue(L, LOOP_OBJECT, PUV_OUTCOME);
	if (push_item(L))
		return 1;
	lua_pushnil(L);
	return 1;
}

/* A page that came while another call waited is still to be read. */
static bool has_page(lua_State *L) {
	bool has = lua_getiuservalue(L, LOOP_OBJECT, PUV_OUTCOME) != LUA_TNIL;
	lua_pop(L, 1);
	return has;
}

/* In a forked child, the list is left to the parent: what has come is still
   read, then it fails, once. */
static int end_in_child(lua_State *L, struct poller *p) {
	struct op *op = &p->job.op;
	if (p->ref == LUA_NOREF) /* the end was handed out */
		return luaL_error(L,
		                  "attempt to continue a list that has ended");
	if (op->end == OP_DONE && has_page(L))
		return paged(L);
	if (op->end == OP_DONE && op_next_page(op))
		session_left_to_parent(op, sys_now());
	poller_push_outcome(L, LOOP_OBJECT); /* collects it */
	if (op->end == OP_FAIL)
		return lua_error(L);
	lua_pushnil(L);
	return 1;
}

/* The generic for's iterator: stack 1 = the poller, 2 = the last item */
static int l_next(lua_State *L) {
	struct poller *p = session_check_poller(L, 1);
	lua_settop(L, 1);
	if (push_item(L))
		return 1;
	lua_settop(L, 1);
	session_check_open(L, lua_upvalueindex(LUV_CLIENT));
	if (!p->linked)
		return end_in_child(L, p);
	if (p->job.op.end == OP_DONE && !has_page(L)) {
		if (!op_next_page(&p->job.op)) {
			poller_push_outcome(L, 1); /* collects it */
			lua_pushnil(L);
			return 1;
		}
		scheduler_next_page(&p->client->core, &p->job);
		wakeup_due(p->client, 0);
		p->concluded = false;
	}
	poller_push_waiter(L, 1);
	lua_pushvalue(L, lua_upvalueindex(LUV_CLIENT));
	lua_settop(L, LOOP_CLOSE);
	return loop_until(L, &p->condition, NEVER, paged);
}

int list_iterate(lua_State *L) {
	lua_pushnil(L);
	lua_pushinteger(L, 0);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, l_next, LUV_COUNT);
	poller_begin(L, 3);
	lua_pushvalue(L, 3);
	lua_pushnil(L);
	lua_pushvalue(L, 3); /* closed at the loop's end, break included */
	return 4;
}
