/* op_read.c -- get and list: the resource or the page, or why it is not had. */
#include "op_read.h"

#include "op_list.h"
#include "opfail.h"

/* Another resource's body under this resource's URL. */
static bool is_another(const struct op *o, const struct answer *a) {
	struct span id = resource_of(a)->id;
	return id.n > 0 && o->spec.id.n > 0 && !span_ieq(id, o->spec.id);
}

/* The answer does not fit the read; a page may be large and is not shown. */
static void unreadable(struct op *o, const struct answer *a) {
	static const char *const flaws[PAGE_FLAW_COUNT] = {
		[PAGE_NO_VALUE] = "the page of the list has no 'value'",
		[PAGE_NO_ARRAY] = "the 'value' of the list's page is not an "
				  "array",
		[PAGE_ODD_ITEM] = "an item in the 'value' of the list's page "
				  "is not an object",
	};
	bool list = o->spec.kind == OP_LIST;
	if (!a->facts.json)
		opfail_protocol(o, a, "the answer is not a JSON object",
		                buf_span(&a->http->body));
	else if (a->http->status != 200)
		opfail_protocol(o, a, "the status of the answer is not 200",
		                buf_span(&a->http->body));
	else if (list)
		opfail_protocol(o, a, flaws[a->facts.flaw], NO_SPAN);
	else
		opfail_protocol(o, a, "the answer is not a resource",
		                buf_span(&a->http->body));
}

void op_read(struct op *o, const struct answer *a) {
	bool list = o->spec.kind == OP_LIST;
	bool shown = list ? a->facts.document == DOCUMENT_PAGE
	                  : resource_of(a)->is_resource;
	if (a->http->error != NET_OK || a->http->status >= 300 ||
	    (a->facts.error && !shown))
		opfail_reply(o, a);
	else if (a->http->status != 200 || !a->facts.json || !shown)
		unreadable(o, a);
	else if (list)
		op_list_page(o, a);
	else if (is_another(o, a))
		opfail_protocol(o, a, "the answer is another resource",
		                resource_of(a)->id);
	else
		op_done(o, KEEP_RESULT);
}
