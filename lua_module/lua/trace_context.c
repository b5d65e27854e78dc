/* trace_context.c -- the spans of a distributed trace. */
#include "lua/trace_context.h"

#include <string.h>

#include "core/trace.h"
#include "lua/fields.h"
#include "lua/random.h"

static struct span parent_of(const struct client *c, const struct op *o) {
	return o ? o->spec.traceparent : c->defaults.traceparent;
}

/* W3C Trace Context section 3.2.2.4: an all-zero id is invalid. */
static void draw_id(lua_State *L, struct client *c,
                    unsigned char id[TRACE_SPAN_BYTES]) {
	static const unsigned char zeros[TRACE_SPAN_BYTES];
	do
		random_draw(L, &c->random, id, TRACE_SPAN_BYTES);
	while (memcmp(id, zeros, TRACE_SPAN_BYTES) == 0);
}

void trace_context_add(lua_State *L, struct client *c, const struct job *job) {
	unsigned char id[TRACE_SPAN_BYTES];
	struct trace parent;
	if (!trace_parse(parent_of(c, job ? &job->op : NULL), &parent))
		return;
	draw_id(L, c, id);
	trace_add(&c->request, &parent, id,
	          job ? job->op.spec.tracestate : c->defaults.tracestate);
}

void trace_context_tell(lua_State *L, const struct client *c,
                        const struct op *o, const struct request *q) {
	struct trace parent, own;
	if (!trace_of(q, &own) || !trace_parse(parent_of(c, o), &parent))
		return;
	fields_span(L, "trace_id", own.trace_id);
	fields_span(L, "span_id", own.span_id);
	fields_span(L, "parent_id", parent.span_id);
}
