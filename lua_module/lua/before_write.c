/* before_write.c -- the argument of before_write, and the meaning of its
   results. */
#include "lua/before_write.h"

#include <lauxlib.h>

#include "io/sys.h"
#include "lua/fields.h"
#include "lua/identity.h"
#include "lua/session.h"

/* Pushes the write as a table, with what is known of the connection.  [-0,
   +1] */
static void push_write(lua_State *L, int client, const struct op *o) {
	struct span found =
		buf_span(o->change.found.n > 0 ? &o->change.found : &o->shown);
	lua_createtable(L, 0, 13);
	fields_string(L, "verb",
	              http_method_name(o->spec.kind == OP_DELETE ? HTTP_DELETE
	                                                         : HTTP_PATCH));
	fields_string(L, "call", op_call(o));
	fields_span(L, "id", o->spec.id);
	fields_span(L, "etag", op_guard(o));
	fields_span(L, "from", found);
	fields_span(L, "to", o->spec.status);
	fields_given(L, "description", o->spec.description);
	fields_given(L, "action_required", o->spec.action_required);
	fields_given(L, "change_reference", o->spec.change_reference);
	if (o->change.policy)
		fields_span(L, "policy_token_id",
		            buf_span(&o->change.policy->id));
	fields_integer(L, "attempt", o->writes_sent + 1);
	fields_span(L, "client_request_id", o->spec.client_request_id);
	identity_push(L, client);
	lua_setfield(L, -2, "identity");
}

/* Pushes "before_write refused the write: " and the second result.  [-0, +1] */
static struct span push_reason(lua_State *L, struct client *c, int results,
                               bool raised) {
	struct span s;
	lua_pushstring(L, raised ? "before_write raised an error: "
	                         : "before_write refused the write: ");
	lua_pushvalue(L, raised ? results : results + 1);
	if (!raised && lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushfstring(L, "it returned %s",
		                lua_isboolean(L, results)
		                        ? "false"
		                        : luaL_typename(L, results));
	}
	session_text(L, c);
	lua_concat(L, 2);
	s.p = lua_tolstring(L, -1, &s.n);
	return s;
}

static bool is_true(lua_State *L, int idx) {
	return lua_isboolean(L, idx) && lua_toboolean(L, idx);
}

void before_write_ask(lua_State *L, int client, struct job *job) {
	struct client *c = client_at(L, client);
	int results = lua_gettop(L) + 1;
	bool raised;
	if (lua_getiuservalue(L, client, CUV_WRITE) != LUA_TNIL) {
		push_write(L, client, &job->op);
		raised = !session_pcall(L, c, 1, 2);
		if (raised && session_interrupted(L))
			lua_error(L);
		if ((raised || !is_true(L, results)) && job->link.queue)
			scheduler_veto(&c->core, job,
			               push_reason(L, c, results, raised),
			               sys_now());
	}
	lua_settop(L, results - 1);
}
