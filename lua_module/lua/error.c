/* error.c -- failures as Lua tables. */
#include "lua/error.h"

#include <lauxlib.h>

#include "lua/fields.h"
#include "lua/json_error.h"
#include "lua/continuation.h"
#include "io/sys.h"
#include "lua/session.h"

/* Sets the metatable, kind and message.  [-0, +1] */
static void begin(lua_State *L, enum fail_kind kind, struct span message) {
	lua_createtable(L, 0, 12);
	luaL_setmetatable(L, ERROR_TYPE);
	fields_string(L, "kind", fail_kind_name(kind));
	lua_pushlstring(L, message.p ? message.p : "", message.n);
	lua_setfield(L, -2, "message");
}

static void set_elapsed(lua_State *L, const struct op *o) {
	lua_Number all = 0;
	lua_createtable(L, 0, PHASE_COUNT + 1);
	for (int i = 0; i < PHASE_COUNT; i++) {
		lua_Number s = (lua_Number)o->spent[i] / 1000;
		lua_pushnumber(L, s);
		lua_setfield(L, -2, phase_name((enum phase)i));
		all += s;
	}
	lua_pushnumber(L, all);
	lua_setfield(L, -2, "total");
	lua_setfield(L, -2, "elapsed");
}

/* Sets details and additionalInfo of the service's error unchanged. err is on
   the top. */
static void set_details(lua_State *L, int body) {
	int err = lua_gettop(L);
	if (!lua_istable(L, body))
		return;
	json_push_details(L, body);
	lua_setfield(L, err, "additional_info");
	lua_setfield(L, err, "details");
}

/* Sets what the evaluation of a policy has said of a write. */
static void set_policy(lua_State *L, const struct op *o) {
	const struct policy *p = op_writes(o) ? o->change.policy : NULL;
	fields_given(L, "change_reference", o->spec.change_reference);
	if (!p || p->verdict.n == 0)
		return;
	fields_span(L, "policy", buf_span(&p->name));
	fields_span(L, "verdict", buf_span(&p->verdict));
}

/* Sets what an operation that continues and one that failed have in common. */
static void set_common(lua_State *L, int idx, const struct op *o) {
	fields_span(L, "id", o->spec.id);
	fields_span(L, "client_request_id", o->spec.client_request_id);
	set_elapsed(L, o);
	if (o->untrusted)
		fields_boolean(L, "untrusted_poll_url", true);
	if (op_unknown(o)) {
		lua_getiuservalue(L, idx, UV_CLIENT);
		lua_getiuservalue(L, -1, CUV_TOKEN_KEY);
		lua_remove(L, -2);
		continuation_push(L, idx);
		lua_setfield(L, -2, "continuation_token");
	}
}

void error_push(lua_State *L, int idx) {
	const struct op *o = &poller_at(L, idx)->job.op;
	const struct fail *f = &o->fail;
	idx = lua_absindex(L, idx);
	lua_getiuservalue(L, idx, PUV_OUTCOME);
	begin(L, f->kind,
	      f->message.failed ? SPAN("not enough memory for the message")
	                        : buf_span(&f->message));
	fields_span(L, "code", buf_span(&f->code));
	fields_span(L, "target", buf_span(&f->target));
	fields_span(L, "request_id", buf_span(&f->request_id));
	fields_span(L, "correlation_id", buf_span(&f->correlation_id));
	fields_string(L, "phase", phase_name(f->phase));
	fields_string(L, "hint", f->hint);
	fields_boolean(L, "retryable", f->retryable);
	if (f->http_status > 0)
		fields_integer(L, "http_status", f->http_status);
	if (f->retry_after > 0)
		fields_seconds(L, "retry_after", f->retry_after);
	if (f->body)
		set_details(L, lua_absindex(L, -2));
	lua_getiuservalue(L, idx, PUV_LINKS);
	lua_setfield(L, -2, "links");
	if (f->phase == PHASE_POLICY)
		set_policy(L, o);
	if (o->known == KNOWN_REPLACED)
		fields_boolean(L, "replaced", true);
	if (o->vetoed)
		fields_boolean(L, "write_refused", true);
	set_common(L, idx, o);
	lua_remove(L, -2); /* the body */
}

void error_push_timeout(lua_State *L, int idx) {
	struct op *o = &poller_at(L, idx)->job.op;
	idx = lua_absindex(L, idx);
	op_book(o, sys_now());
	begin(L, FAIL_TIMEOUT,
	      SPAN("still running: the wait timed out, the operation "
	           "continues"));
	fields_boolean(L, "retryable", true);
	fields_string(L, "phase", phase_name(op_phase(o)));
	fields_span(L, "request_id", buf_span(&o->fail.request_id));
	fields_span(L, "correlation_id", buf_span(&o->fail.correlation_id));
	set_common(L, idx, o);
}

void error_push_plain(lua_State *L, enum fail_kind kind, const char *message) {
	begin(L, kind, span_of(message));
	fields_boolean(L, "retryable", false);
}

int error_raise_with(lua_State *L, struct client *c, int n) {
	int raised = lua_gettop(L), outcome = raised - 1;
	lua_pushliteral(L, "on_event raised an error: ");
	lua_pushvalue(L, raised);
	session_text(L, c);
	lua_concat(L, 2);
	error_push_plain(L, FAIL_NONE, lua_tostring(L, -1));
	fields_string(L, "kind", "callback");
	fields_string(L, "hint",
	              n == 1 ? "the call itself succeeded: see `result`"
	                     : "the call itself failed: see `err`");
	lua_pushvalue(L, raised);
	lua_setfield(L, -2, "raised");
	lua_pushvalue(L, outcome);
	lua_setfield(L, -2, n == 1 ? "result" : "err");
	return lua_error(L);
}

/* "kind: message; hint; request id ...".  It uses lua_concat, because a
   luaL_Buffer forbids other values above it while text is added. */
static int l_tostring(lua_State *L) {
	static const char *const parts[][2] = {
		{ "kind", "" },
		{ "message", ": " },
		{ "hint", "; " },
		{ "request_id", "; request id " },
	};
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		lua_pushstring(L, parts[i][1]);
		lua_pushstring(L, parts[i][0]);
		if (lua_rawget(L, 1) != LUA_TSTRING)
			lua_pop(L, 2);
	}
	lua_concat(L, lua_gettop(L) - 1);
	return 1;
}

static int l_concat(lua_State *L) {
	luaL_tolstring(L, 1, NULL);
	luaL_tolstring(L, 2, NULL);
	lua_concat(L, 2);
	return 1;
}

static const luaL_Reg metamethods[] = { { "__tostring", l_tostring },
	                                { "__concat", l_concat },
	                                { NULL, NULL } };

void error_open(lua_State *L) {
	luaL_newmetatable(L, ERROR_TYPE);
	luaL_setfuncs(L, metamethods, 0);
	lua_pop(L, 1);
}
