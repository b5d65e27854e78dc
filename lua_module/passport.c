/* passport.c -- continuation tokens. */
#include "passport.h"

#include <lauxlib.h>

#include "core/arm.h"
#include "enums.h"
#include "fields.h"
#include "json.h"

enum { VERSION = 1 };

static const char *const operations[] = {
	[OP_UPDATE] = "update", [OP_DELETE] = "delete", [OP_ENSURE] = "ensure"
};
static const char *const sources[] = { [POLL_RESOURCE] = "resource",
	                               [POLL_LOCATION] = "location",
	                               [POLL_ASYNC] = "azure-asyncoperation",
	                               [POLL_BOTH] = "both" };

void passport_push(lua_State *L, int idx) {
	struct poller *p = poller_at(L, idx);
	const struct op *o = &p->job.op;
	lua_getiuservalue(L, idx, UV_CLIENT);
	lua_getiuservalue(L, -1, CUV_CODEC);
	lua_remove(L, -2);
	lua_createtable(L, 0, 14);
	fields_integer(L, "azpec", VERSION);
	fields_given(L, "operation", span_of(operations[o->spec.kind]));
	fields_given(L, "endpoint", p->client->defaults.endpoint);
	fields_given(L, "id", o->spec.id);
	fields_given(L, "api_version", o->spec.api_version);
	fields_given(L, "status", o->spec.status);
	fields_given(L, "description", o->spec.description);
	fields_given(L, "action_required", o->spec.action_required);
	fields_given(L, "if_match", o->spec.if_match);
	fields_given(L, "client_request_id", o->spec.client_request_id);
	fields_given(L, "poll", span_of(sources[o->poll.source]));
	if (o->poll.source != POLL_RESOURCE)
		fields_given(L, "poll_url", buf_span(&o->poll.url));
	fields_boolean(L, "changed", o->changed);
	json_encode(L, lua_absindex(L, -2));
	lua_remove(L, -2); /* the codec */
}

static struct span field(lua_State *L, const char *name) {
	return options_string(L, lua_gettop(L), name);
}

static int index_of(struct span s, const char *const *names, int count) {
	for (int i = 0; i < count; i++)
		if (span_eq(s, span_of(names[i])))
			return i;
	return -1;
}

/* The client it is shown to must be of the same cloud and subscription. */
static const char *check_binding(const struct lclient *c, struct span endpoint,
                                 struct span id) {
	struct arm_id parts;
	struct span ours = c->defaults.subscription_id;
	struct url u;
	if (!url_parse(endpoint, &u) || !url_same_origin(&u, &c->origins[0]))
		return "it belongs to another endpoint";
	if (arm_parse_id(id, &parts))
		return "its id is not a private endpoint connection's";
	if (ours.p && !span_ieq(parts.subscription, ours))
		return "it belongs to another subscription";
	return NULL;
}

/* It comes from outside: what becomes a header field must not end it. */
static const char *read_asked(lua_State *L, struct op_spec *spec) {
	spec->api_version = field(L, "api_version");
	spec->status = field(L, "status");
	spec->description = field(L, "description");
	spec->action_required = field(L, "action_required");
	spec->if_match = field(L, "if_match");
	spec->client_request_id = field(L, "client_request_id");
	if (!http_printable(spec->if_match) ||
	    !http_printable(spec->client_request_id))
		return "a field of it cannot stand in a request";
	if (arm_check_api_version(spec->api_version))
		return "its api_version makes no sense";
	if (spec->kind != OP_DELETE && !enums_is_status(spec->status))
		return "its status makes no sense";
	return NULL;
}

const char *passport_read(lua_State *L, int codec, const struct lclient *c,
                          struct op_spec *spec, enum poll_source *source,
                          struct span *url, bool *changed) {
	struct facts facts;
	struct span text;
	const char *why;
	int operation, poll;
	text.p = lua_tolstring(L, -1, &text.n);
	json_decode(L, codec, text, &facts);
	lua_remove(L, -2); /* the text */
	if (!facts.json)
		return "it is not JSON";
	lua_getfield(L, -1, "azpec");
	if (lua_tonumber(L, -1) != VERSION) {
		lua_pop(L, 1);
		return "it is of another version";
	}
	lua_pop(L, 1);
	operation = index_of(field(L, "operation"), operations, 3);
	poll = index_of(field(L, "poll"), sources, 4);
	if (operation < 0 || poll < 0)
		return "its operation is unknown";
	spec->kind = (enum op_kind)operation;
	spec->id = field(L, "id");
	*source = (enum poll_source)poll;
	*url = field(L, "poll_url");
	why = check_binding(c, field(L, "endpoint"), spec->id);
	if (why)
		return why;
	if (*source != POLL_RESOURCE &&
	    !url_on(*url, c->origins, c->core.cfg.origin_count))
		return "its polling URL is on another origin";
	lua_getfield(L, -1, "changed");
	*changed = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return read_asked(L, spec);
}
