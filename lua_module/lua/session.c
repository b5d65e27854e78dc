/* session.c -- the client's userdata, descriptor, forks and guarded calls. */
#include "lua/session.h"

#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "io/sys.h"
#include "lua/wakeup.h"

/* The metatable's name; its address is the registry key of the pool. */
static const char POOL_TYPE[] = "azpec.pool";

struct client *session_check(lua_State *L, int idx) {
	return luaL_checkudata(L, idx, CLIENT_TYPE);
}

struct poller *session_check_poller(lua_State *L, int idx) {
	return luaL_checkudata(L, idx, POLLER_TYPE);
}

/* ---- the Lua state's pool of descriptors -------------------------------- */

struct pool {
	struct mem mem;
	struct pollset_pool sets;
};

static int l_pool_gc(lua_State *L) {
	struct pool *pool = luaL_checkudata(L, 1, POOL_TYPE);
	pollset_pool_close(&pool->sets);
	return 0;
}

struct pollset_pool *session_push_pool(lua_State *L) {
	struct pool *pool;
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, POOL_TYPE) == LUA_TUSERDATA) {
		pool = lua_touserdata(L, -1);
		return &pool->sets;
	}
	lua_pop(L, 1);
	pool = lua_newuserdatauv(L, sizeof *pool, 0);
	luaL_setmetatable(L, POOL_TYPE);
	pool->mem.alloc = lua_getallocf(L, &pool->mem.ud);
	pollset_pool_init(&pool->sets, &pool->mem);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, POOL_TYPE);
	return &pool->sets;
}

void session_open(lua_State *L) {
	luaL_newmetatable(L, POOL_TYPE);
	lua_pushcfunction(L, l_pool_gc);
	lua_setfield(L, -2, "__gc");
	session_push_pool(L);
	lua_pop(L, 2);
}

void session_open_io(lua_State *L, struct client *c) {
	c->pid = (int)getpid();
	c->ps = pollset_take(c->pool);
	if (!c->ps)
		luaL_error(L, "not enough memory or descriptors for a client");
	c->io = curlio_open(&c->mem, c->ps, &c->io_config);
	if (!c->io) {
		pollset_give(c->pool, c->ps, false);
		c->ps = NULL;
		luaL_error(L, "not enough memory or descriptors for libcurl");
	}
}

/* ---- the host's functions ----------------------------------------------- */

/* A function of the host that forked returns in the child too.  The step that
   called it must not go on there.  So it ends with the error that the function
   raised, on the top, or with a light userdata that means no error. */
static void leave_step(lua_State *L, struct client *c, bool failed) {
	if (!failed)
		lua_pushlightuserdata(L, c);
	lua_error(L);
}

/* The function tried to yield: Lua's error does not say what to do. */
static void explain_yield(lua_State *L) {
	static const char *const refusals[] = {
		"attempt to yield across a C-call boundary",
		"attempt to yield from outside a coroutine",
	};
	const char *why =
		lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
	if (strcmp(why, refusals[0]) != 0 && strcmp(why, refusals[1]) != 0)
		return;
	lua_pop(L, 1);
	lua_pushliteral(L, "a client's callback must not yield: let another "
	                   "coroutine do what waits");
}

bool session_pcall(lua_State *L, struct client *c, int n, int results) {
	bool was = c->busy;
	int failed, pid = c->pid; /* whoever calls has opened it */
	c->busy = true;
	failed = lua_pcall(L, n, results, 0);
	c->busy = was;
	if (failed)
		explain_yield(L);
	if (was && pid != (int)getpid())
		leave_step(L, c, failed);
	return !failed;
}

bool session_interrupted(lua_State *L) {
	static const char word[] = "interrupted!";
	size_t n, m = sizeof word - 1;
	const char *text;
	if (lua_type(L, -1) != LUA_TSTRING)
		return false;
	text = lua_tolstring(L, -1, &n);
	return n >= m && memcmp(text + n - m, word, m) == 0;
}

static int l_text(lua_State *L) {
	lua_settop(L, 1);
	lua_pushliteral(L, "message");
	if (!lua_istable(L, 1) || lua_rawget(L, 1) != LUA_TSTRING)
		luaL_tolstring(L, 1, NULL);
	return 1;
}

struct span session_text(lua_State *L, struct client *c) {
	struct span s;
	lua_pushcfunction(L, l_text);
	lua_insert(L, -2);
	if (!session_pcall(L, c, 1, 1) && !lua_isstring(L, -1)) {
		lua_pop(L, 1);
		lua_pushliteral(
			L, "an error that cannot be converted to a string");
	}
	s.p = lua_tolstring(L, -1, &s.n);
	return s;
}

/* ---- the list of pollers ------------------------------------------------ */

void session_push_poller(lua_State *L, int idx, const struct job *job) {
	lua_getiuservalue(L, idx, CUV_POLLERS);
	lua_rawgeti(L, -1, ((const struct poller *)job)->ref);
	lua_remove(L, -2);
}

void session_list(lua_State *L, int idx, struct poller *p) {
	lua_getiuservalue(L, idx, UV_CLIENT);
	lua_getiuservalue(L, -1, CUV_POLLERS);
	lua_pushvalue(L, idx);
	p->ref = luaL_ref(L, -2);
	lua_pop(L, 2);
}

void session_unlist(lua_State *L, int idx, struct poller *p) {
	if (p->ref == LUA_NOREF)
		return;
	lua_getiuservalue(L, idx, UV_CLIENT);
	lua_getiuservalue(L, -1, CUV_POLLERS);
	luaL_unref(L, -1, p->ref);
	lua_pop(L, 2);
	p->ref = LUA_NOREF;
}

/* ---- the end of a poller ------------------------------------------------ */

/* A request that never reached the service cannot have been carried out. */
void session_abort(struct client *c, struct job *job) {
	if (!job->transfer)
		return;
	if (!client_in_own_process(
		    c)) { /* it belongs to the parent, and is left to
	                             it */
		job->transfer = NULL;
		return;
	}
	if (!transfer_sent(job->transfer))
		op_unsent(&job->op);
	curlio_abort(c->io, job->transfer);
	job->transfer = NULL;
}

void session_drop(struct poller *p) {
	struct client *c = p->client;
	waiter_disarm(&p->guest);
	if (!p->linked || !c->open)
		return;
	session_abort(c, &p->job);
	scheduler_remove(&c->core, &p->job);
	p->linked = false;
}

void session_collect(lua_State *L, int idx, struct poller *p) {
	session_drop(p);
	completion_take(p);
	session_unlist(L, idx, p);
}

void session_cancel(struct poller *p) {
	if (!p->client->open || !p->linked || poller_ended(p))
		return;
	session_abort(p->client, &p->job);
	scheduler_cancel(&p->client->core, &p->job, "stopped waiting",
	                 sys_now());
	wakeup_due(p->client, 0);
}

void session_let_go(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	session_cancel(p);
	session_collect(L, idx, p);
}

/* ---- closing, and the fork ---------------------------------------------- */

/* After close, pollers can no longer be collected, except by a loop over named
   pollers, which still hands them out.  Stack: the list, key, poller. */
static void forget(lua_State *L, struct poller *p) {
	if (p->completions && p->completions->looped)
		return;
	completion_take(p);
	p->ref = LUA_NOREF;
	lua_pushvalue(L, -2);
	lua_pushnil(L);
	lua_rawset(L, -5);
}

void session_left_to_parent(struct op *op, struct now now) {
	op_stop(op, FAIL_CANCELED,
	        "this process was forked: the operation belongs to the parent "
	        "process",
	        now);
}

static void end(struct client *c, struct poller *p, bool closing,
                struct now now) {
	if (!p->linked)
		return;
	session_abort(c, &p->job);
	if (closing)
		op_cancel(&p->job.op, "the client was closed", now);
	else
		session_left_to_parent(&p->job.op, now);
	scheduler_remove(&c->core, &p->job);
	p->linked = false;
	completion_ended(p);
}

/* Ends all live operations as canceled, and detaches them from the client. */
static void end_all(lua_State *L, int idx, struct client *c, bool closing) {
	struct now now = sys_now();
	lua_getiuservalue(L, idx, CUV_POLLERS);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		struct poller *p = poller_at(L, -1);
		if (!p) /* luaL_ref's free list */
			continue;
		end(c, p, closing, now);
		if (closing)
			forget(L, p);
	}
	lua_pop(L, 1);
}

static void close_io(lua_State *L, int idx, struct client *c) {
	bool forked = !client_in_own_process(c);
	end_all(L, idx, c, true);
	c->open = false;
	process_free(c->child, forked);
	c->child = NULL;
	curlio_close(c->io, forked);
	pollset_due(c->ps, NEVER);
	if (c->armed > 0 && !forked)
		pollset_news(c->ps, true); /* wakes the waiting calls */
	else
		wakeup_release(c);
}

void session_close(lua_State *L, int idx) {
	struct client *c = client_at(L, idx);
	if (c->open && c->busy)
		luaL_error(L, "a client's callback must not close the client");
	if (c->open)
		close_io(L, idx, c);
	scheduler_free(&c->core);
	if (c->core.chain.mem)
		chain_free(&c->core.chain);
	request_free(&c->request);
	buf_free(&c->url);
	buf_free(&c->id);
	buf_free(&c->query);
}

/* In a forked child the parent's operations, sockets and epoll must not be
   used.  They end here without a network call, and new ones are opened. */
static void leave_parent(lua_State *L, int idx, struct client *c) {
	end_all(L, idx, c, false);
	process_free(c->child, true);
	c->child = NULL;
	curlio_close(c->io, true);
	pollset_give(c->pool, c->ps, true);
	c->ps = NULL;
	scheduler_lost_signin(&c->core);
	c->random.left = 0;
	wakeup_forget(c);
	c->open = false;
	session_open_io(L, c);
	c->open = true;
}

struct client *session_check_open(lua_State *L, int idx) {
	struct client *c = session_check(L, idx);
	if (!c->open)
		luaL_error(L, "attempt to use a closed client");
	if (!client_in_own_process(c))
		leave_parent(L, lua_absindex(L, idx), c);
	return c;
}
