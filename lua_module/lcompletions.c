/* lcompletions.c -- pollers handed out as they end. */
#include "lcompletions.h"

#include <lauxlib.h>

#include "drive.h"
#include "lpoller.h"
#include "waiting.h"

#define LOOP_TYPE "azpec.completions"

/* ---- a loop ------------------------------------------------------------- */

enum { LOOP_POLLERS = UV_CLIENT + 1, LOOP_VALUES = LOOP_POLLERS };

struct loop {
	struct stock *stock; /* the client's, or its own; NULL: it is over */
	struct stock own;    /* the pollers that were named */
};

/* Of the client c, and in no other loop.  Key at -2, value at -1. */
static struct poller *check_poller(lua_State *L, const struct lclient *c) {
	struct poller *p = luaL_testudata(L, -1, POLLER_TYPE);
	const char *why = !p               ? "is no poller"
	                  : p->client != c ? "is another client's"
	                  : p->stock && p->stock != &c->stock
	                          ? "is in another loop"
	                          : NULL;
	if (why)
		luaL_error(L, "bad argument #1 to 'completions' (item %s %s)",
		           luaL_tolstring(L, -2, NULL), why);
	return p;
}

static void check_pollers(lua_State *L, const struct lclient *c) {
	luaL_checktype(L, 2, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
		check_poller(L, c);
}

/* Those at index 2 become the loop's at the top; what somebody has collected
   already is passed over. */
static void claim(lua_State *L, struct lclient *c, struct loop *l) {
	int loop = lua_gettop(L);
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
		struct poller *p = poller_check(L, -1);
		if (p->stock != &c->stock)
			continue;
		lua_pushvalue(L, -1);
		lua_rawsetp(L, loop + 1, &p->job);
	}
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, loop, LOOP_POLLERS);
	l->own.looped = true;
	l->stock = &l->own; /* nothing raises from here on */
	for (lua_pushnil(L); lua_next(L, loop + 1); lua_pop(L, 1))
		stock_move(poller_at(L, -1), l->stock);
	lua_settop(L, loop);
}

/* What is left of the named ones is anybody's again. */
static int l_close(lua_State *L) {
	struct loop *l = luaL_checkudata(L, 1, LOOP_TYPE);
	lua_settop(L, 1);
	if (l->stock == &l->own) {
		lua_getiuservalue(L, 1, LOOP_POLLERS);
		for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
			struct poller *p = poller_at(L, -1);
			if (p->stock == &l->own)
				stock_move(p, &p->client->stock);
		}
	} else if (l->stock) {
		l->stock->looped = false;
	}
	l->stock = NULL;
	return 0;
}

/* The one that has ended first leaves the stock for the caller's hands. */
static int hand_out(lua_State *L, const struct stock *s) {
	if (!s || !s->ended.first) {
		lua_pushnil(L);
		return 1;
	}
	lclient_push_poller(L, lua_gettop(L), s->ended.first);
	return 1 + lpoller_push_outcome(L, lua_gettop(L));
}

/* Its loop may have been closed while this call waited: then it is over. */
static int next_one(lua_State *L) {
	const struct loop *l = lua_touserdata(L, DRIVE_OBJECT);
	lua_getiuservalue(L, DRIVE_OBJECT, UV_CLIENT);
	return hand_out(L, l->stock);
}

static int l_next(lua_State *L) {
	struct loop *l = luaL_checkudata(L, 1, LOOP_TYPE);
	lua_settop(L, 1);
	if (!l->stock)
		return luaL_error(L, "attempt to go on with a loop that has "
		                     "ended");
	lua_getiuservalue(L, 1, UV_CLIENT);
	drive_push_waiter(L, 2);
	lua_insert(L, DRIVE_WAIT); /* and the client is what it is given */
	lua_settop(L, DRIVE_CLOSE);
	return drive_until(L, &l->stock->waiting, NEVER, next_one);
}

/* completions([pollers]) -> iterator, loop, nil, loop */
int l_completions(lua_State *L) {
	struct lclient *c = lclient_open_at(L, 1);
	struct loop *l;
	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		check_pollers(L, c);
	else if (c->stock.looped)
		return luaL_error(L, "another loop over all completions of "
		                     "this client is running");
	lua_pushcfunction(L, l_next);
	l = lua_newuserdatauv(L, sizeof *l, LOOP_VALUES);
	luaL_setmetatable(L, LOOP_TYPE);
	l->stock = NULL;
	stock_init(&l->own, c);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, UV_CLIENT);
	if (lua_isnil(L, 2)) {
		l->stock = &c->stock;
		c->stock.looped = true;
	} else {
		claim(L, c, l);
	}
	lua_pushnil(L);
	lua_pushvalue(L, -2);
	return 4;
}

/* The generic for's iterator: stack 1 = the client */
static int l_next_finished(lua_State *L) {
	const struct lclient *c = lclient_open_at(L, 1);
	lua_settop(L, 1);
	return hand_out(L, &c->stock);
}

/* finished() -> iterator, client */
int l_finished(lua_State *L) {
	lclient_open_at(L, 1);
	lua_pushcfunction(L, l_next_finished);
	lua_pushvalue(L, 1);
	return 2;
}

void lcompletions_open(lua_State *L) {
	luaL_newmetatable(L, LOOP_TYPE);
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__close");
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}
