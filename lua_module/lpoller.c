/* lpoller.c -- the poller's methods. */
#include "lpoller.h"

#include <lauxlib.h>
#include <unistd.h>

#include "fields.h"
#include "lerror.h"
#include "lidentity.h"
#include "passport.h"
#include "sys.h"
#include "waiting.h"

struct poller *poller_check(lua_State *L, int idx) {
	return luaL_checkudata(L, idx, POLLER_TYPE);
}

/* ---- life --------------------------------------------------------------- */

/* A version 4 GUID, as x-ms-client-request-id wants one.  [-0, +1] */
static struct span push_guid(lua_State *L, uint32_t *seed) {
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[16];
	char text[36];
	size_t at = 0;
	if (!sys_random(bytes, sizeof bytes))
		luaL_error(L, "the system has no random bytes to give");
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof bytes; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		text[at++] = hex[bytes[i] >> 4];
		text[at++] = hex[bytes[i] & 15];
	}
	*seed = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	        (uint32_t)bytes[2] << 8 | bytes[3];
	lua_pushlstring(L, text, sizeof text);
	return (struct span){ lua_tostring(L, -1), sizeof text };
}

static bool ended(const void *poller) {
	return poller_ended(poller);
}

struct poller *lpoller_new(lua_State *L, int idx, const struct op_spec *spec) {
	struct lclient *c = lclient_open_at(L, idx);
	struct op_spec s = *spec;
	struct poller *p;
	struct span guid = push_guid(L, &s.seed);
	idx = lua_absindex(L, idx);
	if (!s.client_request_id.p && s.kind != OP_IDENTITY)
		s.client_request_id = guid;
	p = lua_newuserdatauv(L, sizeof *p, PUV_COUNT);
	*p = (struct poller){ .client = c };
	p->waiting = (struct waiting){ .client = c, .over = ended, .of = p };
	p->guest = (struct waiter){ .on = &p->waiting, .limit = NEVER };
	p->job.op.end = OP_WAIT;
	luaL_setmetatable(L, POLLER_TYPE);
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, UV_CLIENT);
	if (!op_init(&p->job.op, &c->core.cfg, &s))
		luaL_error(L, "not enough memory");
	lua_remove(L, -2); /* the GUID */
	return p;
}

/* The client keeps its pollers until their end has been collected. */
static void list(lua_State *L, int idx, struct poller *p) {
	lua_getiuservalue(L, idx, UV_CLIENT);
	lua_getiuservalue(L, -1, CUV_POLLERS);
	lua_pushvalue(L, idx);
	lua_rawsetp(L, -2, &p->job);
	lua_pop(L, 2);
	p->listed = true;
}

static void unlist(lua_State *L, int idx, struct poller *p) {
	if (!p->listed)
		return;
	lua_getiuservalue(L, idx, UV_CLIENT);
	lua_getiuservalue(L, -1, CUV_POLLERS);
	lua_pushnil(L);
	lua_rawsetp(L, -2, &p->job);
	lua_pop(L, 2);
	p->listed = false;
}

void lpoller_begin(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	struct lclient *c = p->client;
	idx = lua_absindex(L, idx);
	list(L, idx, p);
	if (!client_add(&c->core, &p->job)) {
		unlist(L, idx, p);
		luaL_error(L, "not enough memory");
	}
	p->linked = true;
	waiting_due(c, 0); /* there is something to do at once */
}

/* Takes the operation out of its client, whatever it is doing. */
static void drop(struct poller *p) {
	struct lclient *c = p->client;
	waiter_disarm(&p->guest);
	if (!p->linked || !c->open)
		return;
	lclient_abort(c, &p->job);
	client_remove(&c->core, &p->job);
	p->linked = false;
}

static int l_gc(lua_State *L) {
	struct poller *p = poller_check(L, 1);
	drop(p);
	stock_take(p);
	op_free(&p->job.op);
	return 0;
}

/* ---- outcomes ----------------------------------------------------------- */

/* Somebody has it now: the client need not keep it any longer. */
static void collect(lua_State *L, int idx, struct poller *p) {
	drop(p);
	stock_take(p);
	unlist(L, idx, p);
}

/* { changed, before, after }  [-0, +1] */
static void push_ensured(lua_State *L, int idx, const struct op *o) {
	lua_createtable(L, 0, 3);
	fields_boolean(L, "changed", o->changed);
	lua_getiuservalue(L, idx, PUV_BEFORE);
	lua_setfield(L, -2, "before");
	if (o->changed)
		lua_getiuservalue(L, idx, PUV_RESULT);
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
		lidentity_push(L, -1);
		break;
	case OP_UPDATE:
	case OP_GET:
	case OP_LIST:
		lua_getiuservalue(L, idx, PUV_RESULT);
		break;
	}
}

/* What on_event raised is raised here, once. */
static void raise_kept(lua_State *L, int idx) {
	if (lua_getiuservalue(L, idx, PUV_RAISED) == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	lua_pushnil(L);
	lua_setiuservalue(L, idx, PUV_RAISED);
	lua_error(L);
}

/* Canceled, or at the end of a step that had enough to do: no step has told of
   the end yet. */
static void conclude(lua_State *L, int idx, struct poller *p) {
	if (!p->linked || !p->client->open)
		return;
	lua_getiuservalue(L, idx, UV_CLIENT);
	drive_conclude(L, lua_gettop(L), &p->job);
	lua_pop(L, 1);
}

/* [-0, +(1|2)] */
static int push_outcome(lua_State *L, int idx, const struct poller *p) {
	if (p->job.op.end == OP_DONE) {
		push_result(L, idx, &p->job.op);
		return 1;
	}
	lua_pushnil(L);
	if (lua_getiuservalue(L, idx, PUV_ERROR) == LUA_TNIL) {
		lua_pop(L, 1);
		lerror_push(L, idx);
		lua_pushvalue(L, -1);
		lua_setiuservalue(L, idx, PUV_ERROR);
	}
	return 2;
}

/* Should memory be short, it is still there to be collected. */
int lpoller_push_outcome(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	int n;
	idx = lua_absindex(L, idx);
	conclude(L, idx, p);
	raise_kept(L, idx);
	lclient_abort(p->client, &p->job);
	n = push_outcome(L, idx, p);
	collect(L, idx, p);
	return n;
}

/* The poller at 1, as it is in this process: a fork's child hears whenever it
   looks that its parent's operations are over here. */
static struct poller *look(lua_State *L) {
	struct poller *p = poller_check(L, 1);
	if (p->client->open && p->client->pid != (int)getpid()) {
		lua_getiuservalue(L, 1, UV_CLIENT);
		lclient_open_at(L, -1);
		lua_pop(L, 1);
	}
	return p;
}

/* ---- waiting ------------------------------------------------------------ */

static int waited(lua_State *L) {
	if (poller_ended(poller_at(L, DRIVE_OBJECT)))
		return lpoller_push_outcome(L, DRIVE_OBJECT);
	raise_kept(L, DRIVE_OBJECT);
	lua_pushnil(L);
	lerror_push_timeout(L, DRIVE_OBJECT);
	return 2;
}

void lpoller_push_waiter(lua_State *L, int idx) {
	idx = lua_absindex(L, idx);
	if (lua_getiuservalue(L, idx, PUV_WAIT) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	lua_getiuservalue(L, idx, UV_CLIENT);
	drive_push_waiter(L, -1);
	lua_remove(L, -2);
}

/* The poller is at the top; the slots of drive.h are set up.  closing: index
   of a value to be closed at the end, or 0. */
static struct poller *prepare(lua_State *L, int closing, int64_t limit) {
	int from = lua_gettop(L);
	struct poller *p = poller_at(L, from);
	lpoller_push_waiter(L, from);
	lua_pushvalue(L, from);
	if (closing)
		lua_pushvalue(L, closing);
	else
		lua_pushnil(L);
	for (int to = 1; to <= DRIVE_CLOSE; to++)
		lua_copy(L, from + to - 1, to);
	lua_settop(L, DRIVE_CLOSE);
	if (closing)
		lua_toclose(L, DRIVE_CLOSE);
	drive_guard(L, &p->waiting, limit);
	return p;
}

int lpoller_call(lua_State *L, int closing) {
	struct poller *p = prepare(L, closing, NEVER);
	p->owner = lua_touserdata(L, DRIVE_GUARD);
	lpoller_begin(L, DRIVE_OBJECT);
	return drive_on(L, waited);
}

static int l_wait(lua_State *L) {
	lua_Number s = luaL_optnumber(L, 2, -1);
	int64_t limit = NEVER;
	poller_check(L, 1);
	luaL_argcheck(L, s >= 0 || lua_isnoneornil(L, 2), 2,
	              "seconds expected");
	if (s >= 0 && s <= 1e9)
		limit = sys_now().mono + (int64_t)(s * 1000);
	lua_settop(L, 1);
	prepare(L, 0, limit);
	return drive_on(L, waited);
}

/* ---- looking ------------------------------------------------------------ */

static int l_done(lua_State *L) {
	lua_pushboolean(L, poller_ended(look(L)));
	return 1;
}

static int l_status(lua_State *L) {
	const struct op *o = &look(L)->job.op;
	if (o->word.n > 0)
		lua_pushlstring(L, o->word.p, o->word.n);
	else
		lua_pushnil(L);
	return 1;
}

static int l_result(lua_State *L) {
	if (!poller_ended(look(L)))
		return luaL_error(L, "the operation has not ended yet");
	return lpoller_push_outcome(L, 1);
}

static int l_progress(lua_State *L) {
	struct poller *p = look(L);
	struct op *o = &p->job.op;
	struct now now = sys_now();
	int64_t spent = 0;
	if (!poller_ended(p))
		op_book(o, now);
	for (int i = 0; i < PHASE_COUNT; i++)
		spent += o->spent[i];
	lua_createtable(L, 0, 10);
	fields_span(L, "phase", span_of(phase_name(op_phase(o))));
	fields_span(L, "status", buf_span(&o->word));
	fields_span(L, "request_id", buf_span(&o->request_id));
	fields_span(L, "correlation_id", buf_span(&o->correlation_id));
	fields_span(L, "client_request_id", o->spec.client_request_id);
	fields_integer(L, "polls", o->polls);
	fields_integer(L, "retries", o->tries);
	fields_seconds(L, "elapsed", spent);
	if (o->percent >= 0)
		fields_integer(L, "percent_complete", o->percent);
	if (o->untrusted)
		fields_boolean(L, "untrusted_poll_url", true);
	if (!poller_ended(p) && o->not_before > now.mono)
		fields_seconds(L, "next_wait", o->not_before - now.mono);
	return 1;
}

static int l_continuation_token(lua_State *L) {
	if (op_unknown(&look(L)->job.op))
		passport_push(L, 1);
	else
		lua_pushnil(L);
	return 1;
}

static void cancel(struct poller *p) {
	if (!p->client->open || !p->linked || poller_ended(p))
		return;
	client_cancel(&p->client->core, &p->job,
	              op_unknown(&p->job.op)
	                      ? "stopped waiting: what the service was asked "
	                        "to do goes on"
	                      : "stopped waiting: nothing was changed",
	              sys_now());
	waiting_due(p->client, 0);
}

static int l_cancel(lua_State *L) {
	cancel(look(L));
	return 0;
}

/* ---- a guest in an event loop ------------------------------------------- */

static int l_step(lua_State *L) {
	struct poller *p = look(L);
	lua_settop(L, 1);
	waiter_disarm(&p->guest);
	if (p->client->open) {
		lua_getiuservalue(L, 1, UV_CLIENT);
		drive_step(L, 2);
	}
	lua_pushboolean(L, poller_ended(p));
	return 1;
}

static int l_pollfd(lua_State *L) {
	struct poller *p = look(L);
	if (!p->client->open)
		return luaL_error(L, "attempt to use a closed client");
	if (!waiting_armed(&p->waiting))
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
	static const char *const legs[] = {
		[LEG_READ] = "reading",       [LEG_WRITE] = "writing",
		[LEG_POLL] = "polling",       [LEG_WATCH] = "polling",
		[LEG_CONFIRM] = "confirming", [LEG_SETTLE] = "settling"
	};
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

void poller_let_go(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	cancel(p);
	collect(L, idx, p);
}

/* The end of its scope is the end of anybody's interest in it. */
static int l_close(lua_State *L) {
	look(L);
	poller_let_go(L, 1);
	return 0;
}

static const luaL_Reg metamethods[] = { { "__gc", l_gc },
	                                { "__close", l_close },
	                                { "__tostring", l_tostring },
	                                { "__index", NULL },
	                                { NULL, NULL } };

void lpoller_open(lua_State *L) {
	luaL_newmetatable(L, POLLER_TYPE);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
