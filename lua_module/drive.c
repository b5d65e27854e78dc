/* drive.c -- the loop around the machines. */
#include "drive.h"

#include <lauxlib.h>
#include <unistd.h>

#include "events.h"
#include "json.h"
#include "json_error.h"
#include "lidentity.h"
#include "lsignin.h"
#include "sys.h"
#include "waiting.h"

#define GUARD_TYPE "azpec.guard"

/* ---- one step ----------------------------------------------------------- */

/* The connection's etag is what may be given back as if_match.  The string that
   the facts had may go with the member: they take the new one. */
static void keep_etag(lua_State *L, struct answer *a) {
	struct span tag = answer_etag(a);
	if (tag.n == 0)
		return;
	tag.p = lua_pushlstring(L, tag.p, tag.n);
	lua_setfield(L, -2, "etag");
	a->facts.as.resource.etag = tag;
}

/* Cannot raise: the machine has moved on already. */
static void keep(lua_State *L, const struct op *o) {
	static const int slots[] = { [KEEP_RESULT] = PUV_RESULT,
		                     [KEEP_BEFORE] = PUV_BEFORE,
		                     [KEEP_ERROR] = PUV_BODY };
	if (o->keep == KEEP_NOTHING)
		return;
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, -3, slots[o->keep]);
}

/* The error of an operation is redacted before it is kept, and before it is
   read: the facts are spans in it. */
static void read_error(lua_State *L, struct lclient *c, const struct job *job,
                       const struct reply *r, struct facts *facts) {
	json_read_error(L, -1, facts);
	if (!job || !lua_istable(L, -1) || (r->status < 300 && !facts->error))
		return;
	json_redact(L, -1, buf_span(&c->core.signin.token), &c->id);
	json_read_error(L, -1, facts);
}

/* The decoded body is on the top of the stack: what was asked for says how it
   is to be read. */
static void read_document(lua_State *L, struct lclient *c,
                          const struct job *job, struct answer *a) {
	const struct signin *s = &c->core.signin;
	struct facts *facts = &a->facts;
	luaL_checkstack(L, 8, "reply");
	read_error(L, c, job, a->http, facts);
	if (!job && s->first)
		json_read_cloud(L, -1, buf_span(&s->endpoint), facts);
	else if (!job)
		json_read_token(L, -1, facts);
	else if (job->op.spec.kind == OP_LIST)
		json_read_page(L, -1, facts);
	else
		json_read_resource(L, -1, facts);
	if (!job || !lua_istable(L, -1) || facts->document == DOCUMENT_PAGE)
		return; /* a page's connections are prepared one by one */
	json_polish(L, -1);
	if (a->http->status < 300)
		keep_etag(L, a);
}

/* One finished transfer: decoded, judged, kept.  All that may raise comes
   before the machine is fed, so that nothing is lost by it. */
static void feed(lua_State *L, int idx, struct lclient *c, struct transfer *t) {
	const struct reply *r = transfer_reply(t);
	struct job *job = transfer_owner(t);
	struct answer a = { .http = r, .at = sys_now() };
	int top = lua_gettop(L);
	if (job)
		lclient_push_poller(L, idx, job);
	else
		lua_pushnil(L);
	lua_getiuservalue(L, idx, CUV_CODEC);
	json_decode(L, top + 2, buf_span(&r->body), &a.facts);
	lua_remove(L, top + 2); /* the codec */
	read_document(L, c, job, &a);
	event_response(L, idx, top + 1, job ? &job->op : NULL, t);
	if (job && job->transfer != t) { /* on_event let go of it */
		lua_settop(L, top);
		return;
	}
	client_feed(&c->core, job, &a);
	if (job) {
		job->transfer = NULL;
		keep(L, &job->op);
	} else {
		c->core.signin_transfer = NULL;
	}
	curlio_release(c->io, t);
	event_after(L, idx, top + 1, job ? &job->op : NULL, a.at);
	lua_settop(L, top);
}

/* The host's on_event may have ended it, or let go of it. */
static bool wants_to_send(const struct job *job) {
	return job->queue && job->op.end == OP_WAIT;
}

static void begin(lua_State *L, struct lclient *c, struct job *job,
                  struct now now) {
	struct transfer *t = curlio_send(c->io, &c->request, job);
	if (!t)
		luaL_error(L, "not enough memory");
	if (job)
		job->transfer = t;
	else
		c->core.signin_transfer = t;
	client_sent(&c->core, job, now);
}

static void send(lua_State *L, int idx, struct lclient *c, struct job *job,
                 struct now now) {
	int top = lua_gettop(L);
	if (request_failed(&c->request))
		luaL_error(L, "not enough memory");
	if (job)
		lclient_push_poller(L, idx, job); /* on_event may drop it */
	event_request(L, idx, job, &c->request);
	if (!job || wants_to_send(job))
		begin(L, c, job, now);
	lua_settop(L, top);
}

/* What the sign-in's links said when it failed: the next one may say other
   things. */
static void keep_links(lua_State *L, int idx, struct job *job) {
	if (job->op.end != OP_FAIL || job->op.fail.phase != PHASE_TOKEN)
		return;
	lclient_push_poller(L, idx, job);
	lidentity_push_links(L, idx);
	lua_setiuservalue(L, -2, PUV_BODY);
	lua_pop(L, 1);
}

void drive_conclude(lua_State *L, int idx, struct job *job) {
	struct poller *p = (struct poller *)job;
	if (p->concluded)
		return;
	p->concluded = true;
	lclient_abort(p->client, job);
	stock_ended(p);
	waiting_tell(&p->waiting);
	keep_links(L, idx, job);
	event_end(L, idx, job);
}

/* Asks the core until it has nothing more to do; returns when to ask again. */
static int64_t turns(lua_State *L, int idx, struct lclient *c) {
	int64_t until;
	int begun = 0;
	for (;;) {
		struct now now = sys_now();
		struct job *job;
		c->core.crowded = curlio_crowded(c->io);
		switch (client_next(&c->core, now, &job, &c->request, &until)) {
		case CLIENT_SEND:
			send(L, idx, c, job, now);
			begun++;
			break;
		case CLIENT_NEED:
			client_sent(&c->core, NULL, now);
			lsignin_meet(L, idx);
			break;
		case CLIENT_ENDED:
			drive_conclude(L, idx, job);
			break;
		case CLIENT_WAIT:
			if (begun == 0)
				return until;
			curlio_step(c->io); /* off they go */
			return c->core.crowded ? now.mono : until;
		}
	}
}

/* stack: 1 = the client */
static int l_step(lua_State *L) {
	struct lclient *c = lclient_at(L, 1);
	struct transfer *t;
	int64_t until;
	luaL_checkstack(L, 16, "step");
	c->steps++;
	curlio_step(c->io);
	while ((t = curlio_finished(c->io)))
		feed(L, 1, c, t);
	lsignin_step(L, 1);
	until = turns(L, 1, c);
	if (curlio_finished(c->io))
		until = 0;
	waiting_check(c, sys_now());
	until = sooner(until, sooner(curlio_due(c->io), c->limit));
	if (c->child)
		until = sooner(until, child_due(c->child));
	waiting_due(c, until);
	return 0;
}

/* As one of the client's own callbacks: a finalizer of the host's that runs
   meanwhile can neither step nor close it. */
void drive_step(lua_State *L, int idx) {
	struct lclient *c = lclient_open_at(L, idx);
	int pid = (int)getpid();
	if (c->busy)
		luaL_error(L, "a client's own callback must not step it");
	idx = lua_absindex(L, idx);
	lua_pushcfunction(L, l_step);
	lua_pushvalue(L, idx);
	if (lclient_call(L, c, 1, 0))
		return;
	lclient_open_at(L, idx); /* in a fork's child: leaves its parent's */
	waiting_due(c, 0); /* what it did not come to is still to be done */
	if (pid == (int)getpid() || !lua_islightuserdata(L, -1))
		lua_error(L);
	lua_pop(L, 1);
}

/* ---- the loop ----------------------------------------------------------- */

/* The default waiter; a function, so that a debugger's hook or lua's own
   Ctrl-C comes through between two waits. */
static int l_block(lua_State *L) {
	struct lclient *c = lclient_at(L, lua_upvalueindex(1));
	if (c->open)
		pollset_wait(c->ps, -1);
	return 0;
}

void drive_push_waiter(lua_State *L, int idx) {
	idx = lua_absindex(L, idx);
	if (lua_getiuservalue(L, idx, CUV_WAIT) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	lua_pushvalue(L, idx);
	lua_pushcclosure(L, l_block, 1);
}

/* What one waiting call has asked for; a wait that is cut short, by an error,
   by coroutine.close or with a coroutine that nobody resumes any more, takes
   it back. */
struct wait {
	struct waiter waiter; /* on what is in the object in the user value */
	uint64_t seen;        /* the client's steps when it began to wait */
};

/* A poller that was this call's alone ends with it. */
static int l_unwait(lua_State *L) {
	struct wait *w = luaL_checkudata(L, 1, GUARD_TYPE);
	const struct poller *p;
	waiter_disarm(&w->waiter);
	lua_getiuservalue(L, 1, 1);
	p = luaL_testudata(L, -1, POLLER_TYPE);
	if (p && p->owner == w)
		poller_let_go(L, lua_gettop(L));
	return 0;
}

void drive_open(lua_State *L) {
	luaL_newmetatable(L, GUARD_TYPE);
	lua_pushcfunction(L, l_unwait);
	lua_setfield(L, -2, "__close");
	lua_pushcfunction(L, l_unwait);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

/* A host's loop has its turn before the call's first step: many calls that
   begin at once must not keep it from its other business. */
static bool waits_first(lua_State *L, const struct lclient *c, int64_t limit) {
	return lua_tocfunction(L, DRIVE_WAIT) != l_block &&
	       sys_now().mono < limit && c->pid == (int)getpid();
}

void drive_guard(lua_State *L, struct waiting *on, int64_t limit) {
	struct wait *w;
	lua_settop(L, DRIVE_CLOSE);
	w = lua_newuserdatauv(L, sizeof *w, 1);
	*w = (struct wait){ .waiter = { .on = on, .limit = limit },
		            .seen = on->client->steps };
	luaL_setmetatable(L, GUARD_TYPE);
	if (waits_first(L, on->client, limit))
		w->seen--;
	lua_pushvalue(L, DRIVE_OBJECT);
	lua_setiuservalue(L, -2, 1);
	lua_toclose(L, DRIVE_GUARD);
}

/* Of all who are woken together the first steps, and so has moved the work of
   the others: what is left to do keeps the descriptor readable.  In a fork's
   child each of them first learns that it is there. */
static bool has_to_step(const struct wait *w) {
	const struct waiting *on = w->waiter.on;
	const struct lclient *c = on->client;
	return !on->over(on->of) &&
	       (w->seen == c->steps || c->pid != (int)getpid());
}

/* Also its own continuation: all state is in the wait and on the stack. */
static int drive(lua_State *L, int status, lua_KContext ctx) {
	drive_end end = (drive_end)ctx;
	struct wait *w = lua_touserdata(L, DRIVE_GUARD);
	struct waiting *on = w->waiter.on;
	(void)status;
	for (;;) {
		lua_settop(L, DRIVE_TOP);
		waiter_disarm(&w->waiter);
		if (has_to_step(w)) {
			lua_getiuservalue(L, DRIVE_OBJECT, UV_CLIENT);
			drive_step(L, lua_gettop(L));
			lua_settop(L, DRIVE_TOP);
		}
		if (on->over(on->of) || sys_now().mono >= w->waiter.limit)
			return end(L);
		waiter_arm(&w->waiter);
		w->seen = on->client->steps;
		lua_pushvalue(L, DRIVE_WAIT);
		lua_pushvalue(L, DRIVE_PASSED);
		lua_callk(L, 1, 0, ctx, drive);
	}
}

int drive_on(lua_State *L, drive_end end) {
	return drive(L, LUA_OK, (lua_KContext)end);
}

int drive_until(lua_State *L, struct waiting *w, int64_t limit, drive_end end) {
	drive_guard(L, w, limit);
	return drive_on(L, end);
}
