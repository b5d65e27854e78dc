/* completions.c -- hands out pollers as they end. */
#include "lua/completions.h"

#include <lauxlib.h>

#include "lua/loop.h"
#include "lua/poller.h"
#include "lua/wakeup.h"
#include "lua/session.h"

#define LOOP_TYPE "azpec.completions"

/* ---- a loop ------------------------------------------------------------- */

enum { LOOP_POLLERS = UV_CLIENT + 1, LOOP_VALUES = LOOP_POLLERS };

struct loop {
	struct completion_queue
		*completions; /* the client's, or `own`; NULL: the loop has
		                 ended */
	struct completion_queue own; /* the pollers in the table */
};

/* Returns the poller at -1 if it belongs to c and to no other loop; raises
   otherwise.  Its key is at -2. */
static struct poller *check_poller(lua_State *L, const struct client *c) {
	struct poller *p = luaL_testudata(L, -1, POLLER_TYPE);
	const char *why = !p               ? "is no poller"
	                  : p->client != c ? "is another client's"
	                  : p->completions && p->completions != &c->completions
	                          ? "is in another loop"
	                          : NULL;
	if (why)
		luaL_error(L, "bad argument #1 to 'completions' (item %s %s)",
		           luaL_tolstring(L, -2, NULL), why);
	return p;
}

static void check_pollers(lua_State *L, const struct client *c) {
	luaL_checktype(L, 2, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
		check_poller(L, c);
}

/* Moves the pollers in the table at 2 to the loop on the top.  Pollers that
   were collected already are skipped. */
static void claim(lua_State *L, struct client *c, struct loop *l) {
	int loop = lua_gettop(L);
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
		struct poller *p = session_check_poller(L, -1);
		if (p->completions != &c->completions)
			continue;
		lua_pushvalue(L, -1);
		lua_rawsetp(L, loop + 1, &p->job);
	}
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, loop, LOOP_POLLERS);
	l->own.looped = true;
	l->completions = &l->own; /* nothing below may raise */
	for (lua_pushnil(L); lua_next(L, loop + 1); lua_pop(L, 1))
		completion_move(poller_at(L, -1), l->completions);
	lua_settop(L, loop);
}

/* Returns the remaining pollers of the table to the client's queue. */
static int l_close(lua_State *L) {
	struct loop *l = luaL_checkudata(L, 1, LOOP_TYPE);
	lua_settop(L, 1);
	if (l->completions == &l->own) {
		lua_getiuservalue(L, 1, LOOP_POLLERS);
		for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
			struct poller *p = poller_at(L, -1);
			if (p->completions == &l->own)
				completion_move(p, &p->client->completions);
		}
	} else if (l->completions) {
		l->completions->looped = false;
	}
	l->completions = NULL;
	return 0;
}

/* Pushes the poller that ended first, with its outcome. */
static int hand_out(lua_State *L, const struct completion_queue *s) {
	if (!s || !s->ended.first) {
		lua_pushnil(L);
		return 1;
	}
	session_push_poller(L, lua_gettop(L), job_at(s->ended.first));
	return 1 + poller_push_outcome(L, lua_gettop(L));
}

/* The loop may have been closed while this call waited; then it has ended. */
static int next_one(lua_State *L) {
	const struct loop *l = lua_touserdata(L, LOOP_OBJECT);
	lua_getiuservalue(L, LOOP_OBJECT, UV_CLIENT);
	return hand_out(L, l->completions);
}

static int l_next(lua_State *L) {
	struct loop *l = luaL_checkudata(L, 1, LOOP_TYPE);
	lua_settop(L, 1);
	if (!l->completions)
		return luaL_error(L, "attempt to go on with a loop that has "
		                     "ended");
	lua_getiuservalue(L, 1, UV_CLIENT);
	loop_push_waiter(L, 2);
	lua_insert(L, LOOP_WAIT); /* and the waiter gets the client as its
	                             argument */
	lua_settop(L, LOOP_CLOSE);
	return loop_until(L, &l->completions->condition, NEVER, next_one);
}

/* completions([pollers]) -> iterator, loop, nil, loop */
int l_completions(lua_State *L) {
	struct client *c = session_check_open(L, 1);
	struct loop *l;
	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		check_pollers(L, c);
	else if (c->completions.looped)
		return luaL_error(L, "another loop over all completions of "
		                     "this client is running");
	lua_pushcfunction(L, l_next);
	l = lua_newuserdatauv(L, sizeof *l, LOOP_VALUES);
	luaL_setmetatable(L, LOOP_TYPE);
	l->completions = NULL;
	completion_init(&l->own, c);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, UV_CLIENT);
	if (lua_isnil(L, 2)) {
		l->completions = &c->completions;
		c->completions.looped = true;
	} else {
		claim(L, c, l);
	}
	lua_pushnil(L);
	lua_pushvalue(L, -2);
	return 4;
}

/* The generic for's iterator: stack 1 = the client */
static int l_next_finished(lua_State *L) {
	const struct client *c = session_check_open(L, 1);
	lua_settop(L, 1);
	return hand_out(L, &c->completions);
}

/* finished() -> iterator, client */
int l_finished(lua_State *L) {
	session_check_open(L, 1);
	lua_pushcfunction(L, l_next_finished);
	lua_pushvalue(L, 1);
	return 2;
}

void completions_open(lua_State *L) {
	luaL_newmetatable(L, LOOP_TYPE);
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__close");
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}
