/* op_read.c -- get and list: interprets the answer of a read. */
#include "core/op_read.h"

#include "core/op_list.h"
#include "core/op_error.h"

/* True when the body is that of another resource. */
static bool is_another(const struct op *o, const struct answer *a) {
	struct span id = resource_of(a)->id;
	return id.n > 0 && o->spec.id.n > 0 && !span_ieq(id, o->spec.id);
}

/* The answer is not what was requested.  A page may be large and is not
   shown. */
static void unreadable(struct op *o, const struct answer *a) {
	static const char *const flaws[PAGE_FLAW_COUNT] = {
		[PAGE_NO_VALUE] = "the page of the list has no 'value'",
		[PAGE_NO_ARRAY] = "the 'value' of the list's page is not an "
				  "array",
		[PAGE_BAD_ITEM] = "an item in the 'value' of the list's page "
				  "is not an object",
		[PAGE_BAD_LINK] = "the link to the next page is not a string",
	};
	if (!a->facts.json)
		op_error_protocol(o, a, op_not_json, buf_span(&a->http->body));
	else if (a->http->status != 200)
		op_error_protocol(o, a, "the response status is not 200",
		                  buf_span(&a->http->body));
	else if (o->spec.kind == OP_QUERY && a->facts.flaw != PAGE_BAD_LINK)
		op_error_protocol(o, a, "the response has no 'data' with rows",
		                  NO_SPAN);
	else if (op_lists(o))
		op_error_protocol(o, a, flaws[a->facts.flaw], NO_SPAN);
	else
		op_error_protocol(o, a, "the response is not a resource",
		                  buf_span(&a->http->body));
}

void op_read(struct op *o, const struct answer *a) {
	bool list = op_lists(o);
	bool shown = list ? a->facts.document == DOCUMENT_PAGE
	                  : resource_of(a)->is_resource;
	if (a->http->error != NET_OK || a->http->status >= 300 ||
	    (a->facts.error && !shown))
		op_error_reply(o, a);
	else if (a->http->status != 200 || !a->facts.json || !shown)
		unreadable(o, a);
	else if (list)
		op_list_page(o, a);
	else if (is_another(o, a))
		op_error_protocol(o, a, "the response is another resource",
		                  resource_of(a)->id);
	else
		op_done(o, KEEP_RESULT);
}
