/* subscription.c -- finds the default subscription of az or azd. */
#include "lua/subscription.h"

#include <lauxlib.h>

#include "core/token/flow.h"
#include "io/sys.h"
#include "lua/events.h"
#include "lua/options.h"

bool subscription_is_wanted(lua_State *L, int idx, int opts) {
	const struct client *c = client_at(L, idx);
	const struct chain *s = &c->core.chain;
	bool may = false;
	for (size_t i = 0; i < s->count; i++)
		may = may || s->links[i].spec.flow->subscribes;
	return may && !c->defaults.subscription_id.p &&
	       !options_string(L, opts, "id").p &&
	       !options_string(L, opts, "subscription_id").p;
}

int subscription_find(lua_State *L, int idx, int opts, lua_KFunction then) {
	static const char *const names[] = { "timeout", "wait" };
	lua_KContext began = (lua_KContext)sys_now().mono | 1;
	lua_pushvalue(L, idx);
	lua_createtable(L, 0, 2);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		options_push(L, opts, names[i]);
		lua_setfield(L, -2, names[i]);
	}
	lua_callk(L, 2, 2, began, then);
	return then(L, LUA_OK, began);
}

/* The context has no more than a pointer's bits. */
int64_t subscription_time_since(lua_KContext began) {
	uintptr_t now = (uintptr_t)sys_now().mono | 1;
	return (int64_t)(now - (uintptr_t)began);
}

void subscription_adopt(lua_State *L, int idx) {
	struct client *c = client_at(L, idx);
	const struct chain *s = &c->core.chain;
	if (c->defaults.subscription_id.p || s->subscription.n == 0)
		return;
	c->defaults.subscription_id = buf_span(&s->subscription);
	c->defaults.subscription_from = s->links[s->source].spec.flow->name;
	event_subscription(L, idx);
}
