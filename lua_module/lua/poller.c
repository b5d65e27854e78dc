/* poller.c -- the poller's methods. */
#include "lua/poller.h"

#include <lauxlib.h>
#include <string.h>

#include "core/random.h"

#include "lua/fields.h"
#include "lua/error.h"
#include "lua/identity.h"
#include "lua/continuation.h"
#include "lua/random.h"
#include "io/sys.h"
#include "lua/wakeup.h"
#include "lua/session.h"
#include "lua/subscription.h"

/* ---- life --------------------------------------------------------------- */

static bool ended(const void *poller) {
	return poller_ended(poller);
}

struct poller *poller_new(lua_State *L, int idx, enum op_kind kind) {
	struct client *c = client_at(L, idx);
	struct poller *p;
	idx = lua_absindex(L, idx);
	p = lua_newuserdatauv(L, sizeof *p,
	                      kind == OP_ENSURE ? PUV_ENSURE_COUNT : PUV_COUNT);
	*p = (struct poller){ .client = c, .ref = LUA_NOREF };
	p->condition =
		(struct condition){ .client = c, .holds = ended, .of = p };
	p->guest = (struct waiter){ .on = &p->condition };
	p->job.op.end = OP_WAIT;
	luaL_setmetatable(L, POLLER_TYPE);
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, UV_CLIENT);
	return p;
}

void poller_init(lua_State *L, struct poller *p, const struct op_spec *spec) {
	struct op_spec s = *spec;
	unsigned char bytes[GUID_BYTES];
	char guid[GUID_LENGTH];
	random_draw(L, &p->client->random, bytes, sizeof bytes);
	memcpy(&s.seed, bytes, sizeof s.seed);
	random_guid(bytes, guid);
	if (!s.client_request_id.p && s.kind != OP_IDENTITY)
		s.client_request_id = (struct span){ guid, sizeof guid };
	if (!op_init(&p->job.op, &p->client->core.cfg, &s))
		luaL_error(L, "not enough memory");
}

void poller_begin(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	struct client *c = p->client;
	idx = lua_absindex(L, idx);
	session_list(L, idx, p);
	if (!scheduler_add(&c->core, &p->job)) {
		session_unlist(L, idx, p);
		luaL_error(L, "not enough memory");
	}
	p->linked = true;
	wakeup_due(c, 0); /* there is work to do at once */
}

static int l_gc(lua_State *L) {
	struct poller *p = session_check_poller(L, 1);
	session_drop(p);
	completion_take(p);
	op_free(&p->job.op);
	return 0;
}

/* ---- outcomes ----------------------------------------------------------- */

/* { changed, before, after }  [-0, +1] */
static void push_ensured(lua_State *L, int idx, const struct op *o) {
	lua_createtable(L, 0, 3);
	fields_boolean(L, "changed", o->changed);
	lua_getiuservalue(L, idx, PUV_BEFORE);
	lua_setfield(L, -2, "before");
	if (o->changed)
		lua_getiuservalue(L, idx, PUV_OUTCOME);
	else
		lua_getiuservalue(L, idx, PUV_BEFORE);
	lua_setfield(L, -2, "after");
}

static void push_result(lua_State *L, int idx, const struct op *o) {
	switch (o->spec.kind) {
	case OP_DELETE:
		lua_pushboolean(L, 1);
		break;
	case OP_ENSURE:
		push_ensured(L, idx, o);
		break;
	case OP_IDENTITY:
		lua_getiuservalue(L, idx, UV_CLIENT);
		subscription_adopt(L, lua_gettop(L));
		identity_push(L, -1);
		break;
	case OP_UPDATE:
	case OP_GET:
	case OP_LIST:
	case OP_QUERY:
		lua_getiuservalue(L, idx, PUV_OUTCOME);
		break;
	}
}

/* Raises the error of on_event, once. */
static void raise_kept(lua_State *L, int idx) {
	if (lua_getiuservalue(L, idx, PUV_RAISED) == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	lua_pushnil(L);
	lua_setiuservalue(L, idx, PUV_RAISED);
	lua_error(L);
}

/* Reports the end, if no step has done so yet: the operation was canceled, or
   its step ran out of time. */
static void conclude(lua_State *L, int idx, struct poller *p) {
	if (!p->linked || !p->client->open)
		return;
	lua_getiuservalue(L, idx, UV_CLIENT);
	loop_conclude(L, lua_gettop(L), &p->job);
	lua_pop(L, 1);
}

/* [-0, +(1|2)] */
static int push_outcome(lua_State *L, int idx, struct poller *p) {
	if (p->job.op.end == OP_DONE) {
		push_result(L, idx, &p->job.op);
		return 1;
	}
	if (!p->has_error) {
		error_push(L, idx);
		lua_setiuservalue(L, idx, PUV_OUTCOME);
		p->has_error = true;
	}
	lua_pushnil(L);
	lua_getiuservalue(L, idx, PUV_OUTCOME);
	return 2;
}

/* When out of memory, the outcome can still be collected.  The poller of a
   blocking call is asked only once, so its outcome is returned together with
   the error of on_event. */
int poller_push_outcome(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	int n;
	idx = lua_absindex(L, idx);
	conclude(L, idx, p);
	if (!p->owner)
		raise_kept(L, idx);
	session_abort(p->client, &p->job);
	n = push_outcome(L, idx, p);
	session_collect(L, idx, p);
	if (lua_getiuservalue(L, idx, PUV_RAISED) != LUA_TNIL)
		error_raise_with(L, p->client, n);
	lua_pop(L, 1);
	return n;
}

/* The poller at 1.  In a forked child it first ends the parent's operations. */
static struct poller *look(lua_State *L) {
	struct poller *p = session_check_poller(L, 1);
	if (p->client->open && !client_in_own_process(p->client)) {
		lua_getiuservalue(L, 1, UV_CLIENT);
		session_check_open(L, -1);
		lua_pop(L, 1);
	}
	return p;
}

/* ---- waiting ------------------------------------------------------------ */

static int waited(lua_State *L) {
	if (poller_ended(poller_at(L, LOOP_OBJECT)))
		return poller_push_outcome(L, LOOP_OBJECT);
	raise_kept(L, LOOP_OBJECT);
	lua_pushnil(L);
	error_push_timeout(L, LOOP_OBJECT);
	return 2;
}

void poller_push_waiter(lua_State *L, int idx) {
	idx = lua_absindex(L, idx);
	if (lua_getiuservalue(L, idx, PUV_WAIT) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	lua_getiuservalue(L, idx, UV_CLIENT);
	loop_push_waiter(L, -1);
	lua_remove(L, -2);
}

/* Prepares the stack slots of loop.h; the poller is on the top. closing: the
   index of a value to close at the end, or 0. */
static struct poller *prepare(lua_State *L, int closing, int64_t limit) {
	int from = lua_gettop(L);
	struct poller *p = poller_at(L, from);
	poller_push_waiter(L, from);
	lua_pushvalue(L, from);
	if (closing)
		lua_pushvalue(L, closing);
	else
		lua_pushnil(L);
	for (int to = 1; to <= LOOP_CLOSE; to++)
		lua_copy(L, from + to - 1, to);
	lua_settop(L, LOOP_CLOSE);
	if (closing)
		lua_toclose(L, LOOP_CLOSE);
	loop_guard(L, &p->condition, limit);
	return p;
}

int poller_call(lua_State *L, int closing) {
	struct poller *p = prepare(L, closing, NEVER);
	p->owner = lua_touserdata(L, LOOP_GUARD);
	poller_begin(L, LOOP_OBJECT);
	return loop_on(L, waited);
}

static int l_wait(lua_State *L) {
	lua_Number s = -1;
	int64_t limit = NEVER;
	session_check_poller(L, 1);
	if (!lua_isnoneornil(L, 2)) {
		luaL_checktype(L, 2, LUA_TNUMBER); /* no string of digits */
		s = lua_tonumber(L, 2);
		luaL_argcheck(L, s >= 0, 2, "0 or more seconds expected");
	}
	if (s >= 0 && s <= 1e9)
		limit = sys_mono() + (int64_t)(s * 1000);
	lua_settop(L, 1);
	prepare(L, 0, limit);
	return loop_on(L, waited);
}

/* ---- state -------------------------------------------------------------- */

/* Pushes whether the poller at 1 has ended.  client:finished then hands it
   out, so the end is reported first. */
static int push_done(lua_State *L, struct poller *p) {
	bool done = poller_ended(p);
	if (done)
		conclude(L, 1, p);
	lua_pushboolean(L, done);
	return 1;
}

static int l_done(lua_State *L) {
	return push_done(L, look(L));
}

static int l_status(lua_State *L) {
	const struct op *o = &look(L)->job.op;
	if (o->last_status.n > 0)
		lua_pushlstring(L, o->last_status.p, o->last_status.n);
	else
		lua_pushnil(L);
	return 1;
}

static int l_result(lua_State *L) {
	if (!poller_ended(look(L)))
		return luaL_error(L, "the operation has not ended yet");
	return poller_push_outcome(L, 1);
}

static int l_progress(lua_State *L) {
	struct poller *p = look(L);
	struct op *o = &p->job.op;
	struct now now = sys_now();
	int64_t spent = 0, due = scheduler_due(&p->client->core, &p->job);
	if (!poller_ended(p))
		op_book(o, now);
	for (int i = 0; i < PHASE_COUNT; i++)
		spent += o->spent[i];
	lua_createtable(L, 0, 10);
	fields_span(L, "id", o->spec.id);
	fields_span(L, "phase", span_of(phase_name(op_phase(o))));
	fields_span(L, "status", buf_span(&o->last_status));
	fields_span(L, "request_id", buf_span(&o->fail.request_id));
	fields_span(L, "correlation_id", buf_span(&o->fail.correlation_id));
	fields_span(L, "client_request_id", o->spec.client_request_id);
	fields_integer(L, "polls", o->polls);
	fields_integer(L, "retries", op_failures(o));
	fields_seconds(L, "elapsed", spent);
	if (o->percent >= 0)
		fields_integer(L, "percent_complete", o->percent);
	if (o->untrusted)
		fields_boolean(L, "untrusted_poll_url", true);
	if (!poller_ended(p) && due > now.mono)
		fields_seconds(L, "next_wait", due - now.mono);
	return 1;
}

/* continuation_token([{ key = ... }]) */
static int l_continuation_token(lua_State *L) {
	const struct poller *p = look(L);
	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		options_check(L, 2, FOR_TOKEN);
	lua_getiuservalue(L, 1, UV_CLIENT);
	continuation_push_key(L, 3, 2);
	if (op_unknown(&p->job.op))
		continuation_push(L, 1);
	else
		lua_pushnil(L);
	return 1;
}

static int l_cancel(lua_State *L) {
	session_cancel(look(L));
	return 0;
}

/* ---- a guest in an event loop ------------------------------------------- */

static int l_step(lua_State *L) {
	struct poller *p = look(L);
	lua_settop(L, 1);
	waiter_disarm(&p->guest);
	if (p->client->open) {
		lua_getiuservalue(L, 1, UV_CLIENT);
		loop_step(L, 2);
	}
	return push_done(L, p);
}

static int l_pollfd(lua_State *L) {
	struct poller *p = look(L);
	if (!p->client->open)
		return luaL_error(L, "attempt to use a closed client");
	if (!condition_armed(&p->condition))
		waiter_arm(&p->guest);
	lua_pushinteger(L, pollset_fd(p->client->ps));
	return 1;
}

static int l_events(lua_State *L) {
	lua_pushliteral(L, "r");
	return 1;
}

/* The descriptor has its own timer: nobody needs to keep one for us. */
static int l_timeout(lua_State *L) {
	lua_pushnil(L);
	return 1;
}

static int l_tostring(lua_State *L) {
	const struct poller *p = look(L);
	static const char *const legs[] = { [LEG_ACQUIRE] =
		                                    "acquiring a policy token",
		                            [LEG_AWAIT] =
		                                    "acquiring a policy token",
		                            [LEG_READ] = "reading",
		                            [LEG_WRITE] = "writing",
		                            [LEG_POLL] = "polling",
		                            [LEG_WATCH] = "polling",
		                            [LEG_CONFIRM] = "confirming",
		                            [LEG_SETTLE] = "settling" };
	const struct op *o = &p->job.op;
	lua_pushfstring(L, "azpec.poller (%s)",
	                o->end == OP_DONE   ? "done"
	                : o->end == OP_FAIL ? fail_kind_name(o->fail.kind)
	                                    : legs[o->leg]);
	return 1;
}

static const luaL_Reg methods[] = { { "done", l_done },
	                            { "status", l_status },
	                            { "result", l_result },
	                            { "progress", l_progress },
	                            { "wait", l_wait },
	                            { "cancel", l_cancel },
	                            { "step", l_step },
	                            { "pollfd", l_pollfd },
	                            { "events", l_events },
	                            { "timeout", l_timeout },
	                            { "continuation_token",
	                              l_continuation_token },
	                            { NULL, NULL } };

/* __close: cancels the operation if it has not ended. */
static int l_close(lua_State *L) {
	look(L);
	session_let_go(L, 1);
	return 0;
}

static const luaL_Reg metamethods[] = { { "__gc", l_gc },
	                                { "__close", l_close },
	                                { "__tostring", l_tostring },
	                                { "__index", NULL },
	                                { NULL, NULL } };

void poller_open(lua_State *L) {
	luaL_newmetatable(L, POLLER_TYPE);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
