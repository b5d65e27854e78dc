/*
 * loop.c -- the loop around the machines.
 *
 * The scheduler and the sign-in (core/) only say what they want; libcurl, the
 * programs and the host's functions do it.  One step brings them together and
 * never waits:
 *
 *   curlio_step          libcurl moves its transfers
 *   feed                 each finished one: decode the body, tell on_event,
 *                        feed the machine, keep the result
 *   provide_step         the sign-in's program, file or function
 *   turns                ask the scheduler until it has nothing more to do:
 *                        send (a write only if before_write allows it),
 *                        provide, or report an end
 *   wakeup_due           the descriptor's timer is set to the next turn
 *
 * All that may raise (decoding, on_event, before_write) comes before the
 * machine is fed or after its result is kept, so that an error of the host
 * loses no outcome.
 *
 * Waiting.  A call that waits runs turn(): step, look whether its condition
 * holds, arm a waiter, call the waiter function, and again.  The waiter
 * function is the only difference between the three ways to wait:
 *
 *   blocking   l_block: poll() on the client's descriptor
 *   yielding   the host's `wait`, which yields until the descriptor is readable
 *   guest      the host polls the descriptor and calls step itself
 *
 * turn() is its own continuation (lua_callk), and its state is on the Lua stack
 * and in struct wait.  So the waiter may yield anywhere.  LOOP_GUARD's __close
 * disarms the waiter however the call ends: by an error, by coroutine.close,
 * or with a coroutine that is never resumed.
 *
 * Of all calls that wake together the first one steps; the others see that the
 * client has moved (`seen`) and only check their conditions.
 *
 * Invariants.
 *
 *   - A step never waits, and ends after STEP_US or STEP_SENDS requests.  The
 *     rest keeps the descriptor readable.
 *   - One step runs at a time: the host's functions cannot step the client that
 *     calls them (`busy`).
 *   - An answer is fed once.  An error raised before that leaves the transfer
 *     for the next step.
 *
 * Sources.  Continuations: "Handling Yields in C", Lua 5.4 manual, section 4.5.
 * To-be-closed slots: lua_toclose, section 4.6.
 */
#include "lua/loop.h"

#include <lauxlib.h>
#include <unistd.h>

#include "lua/events.h"
#include "lua/json.h"
#include "lua/json_error.h"
#include "lua/identity.h"
#include "lua/provide.h"
#include "lua/trace_context.h"
#include "lua/token_cache.h"
#include "io/sys.h"
#include "lua/before_write.h"
#include "lua/wakeup.h"
#include "lua/session.h"

#define GUARD_TYPE "azpec.guard"

/* ---- one step ----------------------------------------------------------- */

/* The connection's etag is the value for if_match.  The facts must point to the
   new string, since the old one may be collected. */
static void store_etag(lua_State *L, struct answer *a) {
	struct span tag = answer_etag(a);
	if (tag.n == 0)
		return;
	tag.p = lua_pushlstring(L, tag.p, tag.n);
	lua_setfield(L, -2, "etag");
	a->facts.as.resource.etag = tag;
}

/* Stores the decoded body.  It cannot raise, because the operation has moved
   on. */
static void keep(lua_State *L, const struct op *o) {
	int slot = o->keep == KEEP_BEFORE ? PUV_BEFORE : PUV_OUTCOME;
	if (o->keep == KEEP_NOTHING)
		return;
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, -3, slot);
}

/* The error of an operation is redacted before it is kept and read: the facts
   are spans in it.  A 2xx is redacted only if it turns out to be an error. */
static void read_error(lua_State *L, struct client *c, const struct job *job,
                       const struct reply *r, struct facts *facts) {
	struct span secrets[OP_SECRETS];
	bool failed = r->status >= 300;
	bool kept =
		job && lua_istable(L, -1) && (failed || !op_acquires(&job->op));
	if (!failed)
		json_read_error(L, -1, facts);
	if (kept && (failed || facts->error))
		json_redact(L, -1, op_secrets(&job->op, secrets), &c->id);
	if (failed || (kept && facts->error))
		json_read_error(L, -1, facts);
}

/* The request decides which document is expected. */
static enum document expected(const struct client *c, const struct job *job) {
	if (!job)
		return c->core.chain.first ? DOCUMENT_CLOUD : DOCUMENT_TOKEN;
	if (job->op.spec.kind == OP_LIST || job->op.spec.kind == OP_QUERY)
		return DOCUMENT_PAGE;
	return op_acquires(&job->op) ? DOCUMENT_POLICY : DOCUMENT_RESOURCE;
}

/* Most answers are a resource with no error in it, which is read once. */
static void read_resource(lua_State *L, struct client *c, const struct job *job,
                          struct answer *a) {
	struct facts *facts = &a->facts;
	json_read_resource(L, -1, facts);
	if (a->http->status >= 300 || !facts->as.resource.is_mere) {
		read_error(L, c, job, a->http, facts);
		json_read_resource(L, -1, facts);
	}
	if (!lua_istable(L, -1))
		return;
	json_polish(L, -1);
	if (a->http->status < 300)
		store_etag(L, a);
}

/* Reads the facts of the decoded body on the top of the stack.  A page's
   connections are prepared one by one. */
static void read_document(lua_State *L, struct client *c, const struct job *job,
                          struct answer *a) {
	enum document document = expected(c, job);
	struct facts *facts = &a->facts;
	luaL_checkstack(L, 8, "reply");
	if (document == DOCUMENT_RESOURCE) {
		read_resource(L, c, job, a);
		return;
	}
	read_error(L, c, job, a->http, facts);
	if (document == DOCUMENT_CLOUD)
		json_read_cloud(L, -1, buf_span(&c->core.chain.endpoint),
		                facts);
	else if (document == DOCUMENT_TOKEN)
		json_read_token(L, -1, facts);
	else if (document == DOCUMENT_POLICY)
		json_read_policy(L, -1, facts);
	else if (job && job->op.spec.kind == OP_QUERY)
		json_read_rows(L, -1, facts);
	else
		json_read_page(L, -1, facts);
}

/* Handles one finished transfer: decodes, feeds and stores it.  Everything that
   may raise comes first. */
static void feed(lua_State *L, int idx, struct client *c, struct transfer *t,
                 struct now now) {
	const struct reply *r = transfer_reply(t);
	struct job *job = transfer_owner(t);
	struct answer a = { .http = r, .at = now };
	bool acquires = job && op_acquires(&job->op);
	int top = lua_gettop(L);
	if (job)
		session_push_poller(L, idx, job);
	else
		lua_pushnil(L);
	lua_getiuservalue(L, idx, CUV_CODEC);
	json_decode(L, top + 2, buf_span(&r->body), &a.facts);
	lua_remove(L, top + 2); /* remove the codec */
	read_document(L, c, job, &a);
	event_response(L, idx, top + 1, job ? &job->op : NULL, t);
	if (job && job->transfer != t) { /* on_event dropped it */
		lua_settop(L, top);
		return;
	}
	scheduler_feed(&c->core, job, &a);
	if (job) {
		job->transfer = NULL;
		keep(L, &job->op);
	} else {
		c->core.chain_transfer = NULL;
	}
	curlio_release(c->io, t);
	if (acquires)
		event_policy(L, idx, top + 1, &job->op);
	event_after(L, idx, top + 1, job ? &job->op : NULL, a.at);
	lua_settop(L, top);
}

/* False if the host's functions ended or dropped the operation, or took too
   long. */
static bool wants_to_send(const struct job *job, struct now now) {
	return job->link.queue && job->op.end == OP_WAIT &&
	       job->op.deadline > now.mono;
}

static void begin(lua_State *L, struct client *c, struct job *job,
                  struct now now) {
	struct transfer *t = curlio_send(c->io, &c->request, job);
	if (!t)
		luaL_error(L, "not enough memory");
	if (job)
		job->transfer = t;
	else
		c->core.chain_transfer = t;
	scheduler_sent(&c->core, job, now);
}

static void send(lua_State *L, int idx, struct client *c, struct job *job) {
	struct now now = sys_now();
	if (!job || wants_to_send(job, now))
		event_request(L, idx, job, &c->request);
	if (!job || wants_to_send(job, now))
		begin(L, c, job, now);
}

/* Offers a request: the sign-in's (job NULL), a read or a write. */
static void offer(lua_State *L, int idx, struct client *c, struct job *job,
                  bool writes) {
	int top = lua_gettop(L);
	trace_context_add(L, c, job);
	if (request_failed(&c->request))
		luaL_error(L, "not enough memory");
	if (job) /* the host's functions may drop it */
		session_push_poller(L, idx, job);
	if (writes)
		before_write_ask(L, idx, job);
	send(L, idx, c, job);
	lua_settop(L, top);
}

/* Stores the outcomes of the sign-in's links, because the next sign-in may
   change them. */
static void store_links(lua_State *L, int idx, struct job *job) {
	const struct op *o = &job->op;
	bool of_sign_in = o->no_token || o->fail.phase == PHASE_TOKEN;
	if (o->end != OP_FAIL || !of_sign_in)
		return;
	session_push_poller(L, idx, job);
	identity_push_links(L, idx);
	lua_setiuservalue(L, -2, PUV_LINKS);
	lua_pop(L, 1);
}

void loop_conclude(lua_State *L, int idx, struct job *job) {
	struct poller *p = (struct poller *)job;
	if (p->concluded)
		return;
	p->concluded = true;
	session_abort(p->client, job);
	completion_ended(p);
	condition_signal(&p->condition);
	store_links(L, idx, job);
	event_end(L, idx, job);
}

/* A step is short, because the host's loop has other work.  When its time is
   up, the rest keeps the descriptor readable and the next step continues.  Each
   kind of work has at least one turn.  Only a few requests are started in one
   step, since libcurl handles all of them in one later call. */
enum { STEP_US = 500, STEP_SENDS = 4 };

/* Calls scheduler_next until nothing is left or the step's time is up, with one
   reading of the clock.  Returns the time of the next turn. */
static int64_t run_scheduler(lua_State *L, int idx, struct client *c,
                             int64_t enough) {
	struct now now = sys_now();
	int64_t until;
	int begun = 0;
	do {
		struct job *job;
		enum scheduler_want want;
		c->core.at_connect_limit = curlio_at_connect_limit(c->io);
		want = scheduler_next(&c->core, now, &job, &c->request, &until);
		switch (want) {
		case SCHEDULER_SEND:
		case SCHEDULER_WRITE:
			offer(L, idx, c, job, want == SCHEDULER_WRITE);
			begun++;
			break;
		case SCHEDULER_NEED:
			scheduler_sent(&c->core, NULL, now);
			provide_start(L, idx);
			break;
		case SCHEDULER_ENDED:
			loop_conclude(L, idx, job);
			break;
		case SCHEDULER_WAIT:
			if (begun == 0)
				return until;
			curlio_step(c->io, enough); /* start them */
			return c->core.at_connect_limit ? now.mono : until;
		}
	} while (begun < STEP_SENDS && sys_micros() < enough);
	return 0;
}

/* stack: 1 = the client */
static int l_step(lua_State *L) {
	struct client *c = client_at(L, 1);
	struct transfer *t;
	int64_t enough = sys_micros() + STEP_US, until;
	struct now now;
	luaL_checkstack(L, 16, "step");
	c->steps++;
	curlio_step(c->io, enough);
	now = sys_now();
	while ((t = curlio_finished(c->io))) {
		feed(L, 1, c, t, now);
		if (sys_micros() >= enough)
			break;
	}
	provide_step(L, 1);
	until = run_scheduler(L, 1, c, enough);
	token_cache_settle(L, 1);
	if (curlio_finished(c->io))
		until = 0;
	wakeup_check(c, sys_mono());
	until = sooner(until, sooner(curlio_due(c->io), c->limit));
	if (c->child)
		until = sooner(until, process_due(c->child));
	wakeup_due(c, until);
	return 0;
}

/* Guarded like a callback of the host: a finalizer that runs meanwhile must not
   step the client. */
void loop_step(lua_State *L, int idx) {
	struct client *c = session_check_open(L, idx);
	int pid = c->pid;
	if (c->busy)
		luaL_error(L, "a client's callback must not step the client");
	idx = lua_absindex(L, idx);
	lua_pushcfunction(L, l_step);
	lua_pushvalue(L, idx);
	if (session_pcall(L, c, 1, 0))
		return;
	session_check_open(L, idx); /* a forked child leaves the parent's
	                            resources */
	wakeup_due(c, 0);           /* the rest is still to be done */
	if (pid == (int)getpid() || !lua_islightuserdata(L, -1))
		lua_error(L);
	lua_pop(L, 1);
}

/* ---- the loop ----------------------------------------------------------- */

/* The default waiter: blocks.  It is a Lua function, so that a debugger's hook
   or lua's own SIGINT handler can interrupt it. */
static int l_block(lua_State *L) {
	struct client *c = client_at(L, lua_upvalueindex(1));
	if (c->open)
		pollset_wait(c->ps, -1);
	return 0;
}

void loop_push_waiter(lua_State *L, int idx) {
	idx = lua_absindex(L, idx);
	if (lua_getiuservalue(L, idx, CUV_WAIT) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	lua_pushvalue(L, idx);
	lua_pushcclosure(L, l_block, 1);
}

/* The state of one waiting call.  It is taken back however the call ends, by an
   error too. */
struct wait {
	struct waiter waiter; /* for the condition of the object in the user
	                         value */
	struct limit limit;
	uint64_t seen; /* the client's step count when it began to wait */
};

/* A poller that belongs to this call ends with it. */
static int l_unwait(lua_State *L) {
	struct wait *w = luaL_checkudata(L, 1, GUARD_TYPE);
	const struct poller *p;
	waiter_disarm(&w->waiter);
	lua_getiuservalue(L, 1, 1);
	p = luaL_testudata(L, -1, POLLER_TYPE);
	if (p && p->owner == w)
		session_let_go(L, lua_gettop(L));
	return 0;
}

void loop_open(lua_State *L) {
	luaL_newmetatable(L, GUARD_TYPE);
	lua_pushcfunction(L, l_unwait);
	lua_setfield(L, -2, "__close");
	lua_pushcfunction(L, l_unwait);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

/* A yielding call yields before its first step, so that many calls that start
   together do not delay the host's loop. */
static bool waits_first(lua_State *L, const struct client *c, int64_t limit) {
	return lua_tocfunction(L, LOOP_WAIT) != l_block && sys_mono() < limit &&
	       client_in_own_process(c);
}

void loop_guard(lua_State *L, struct condition *on, int64_t limit) {
	struct wait *w;
	lua_settop(L, LOOP_CLOSE);
	w = lua_newuserdatauv(L, sizeof *w, 1);
	*w = (struct wait){ .waiter = { .on = on },
		            .limit = { .at = limit },
		            .seen = on->client->steps };
	if (limit != NEVER)
		w->waiter.limit = &w->limit;
	luaL_setmetatable(L, GUARD_TYPE);
	if (waits_first(L, on->client, limit))
		w->seen--; /* so the first turn does not step */
	lua_pushvalue(L, LOOP_OBJECT);
	lua_setiuservalue(L, -2, 1);
	lua_toclose(L, LOOP_GUARD);
}

/* Of all calls that are woken together, only the first one steps; it moves the
   work of the others as well. */
static bool has_to_step(const struct wait *w) {
	const struct condition *on = w->waiter.on;
	const struct client *c = on->client;
	return !on->holds(on->of) &&
	       (w->seen == c->steps || !client_in_own_process(c));
}

/* One turn of the loop.  It is its own continuation: its state is in struct
   wait and on the stack. */
static int turn(lua_State *L, int status, lua_KContext ctx) {
	loop_end end = (loop_end)ctx;
	struct wait *w = lua_touserdata(L, LOOP_GUARD);
	struct condition *on = w->waiter.on;
	(void)status;
	for (;;) {
		lua_settop(L, LOOP_TOP);
		waiter_disarm(&w->waiter);
		if (has_to_step(w)) {
			lua_getiuservalue(L, LOOP_OBJECT, UV_CLIENT);
			loop_step(L, lua_gettop(L));
			lua_settop(L, LOOP_TOP);
		}
		if (on->holds(on->of) || sys_mono() >= w->limit.at)
			return end(L);
		waiter_arm(&w->waiter);
		w->seen = on->client->steps;
		lua_pushvalue(L, LOOP_WAIT);
		lua_pushvalue(L, LOOP_PASSED);
		lua_callk(L, 1, 0, ctx, turn);
	}
}

int loop_on(lua_State *L, loop_end end) {
	return turn(L, LUA_OK, (lua_KContext)end);
}

/* Returns at once, without a guard, if the condition already holds. */
int loop_until(lua_State *L, struct condition *on, int64_t limit,
               loop_end end) {
	if (on->holds(on->of))
		return end(L);
	loop_guard(L, on, limit);
	return loop_on(L, end);
}
