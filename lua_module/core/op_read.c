/* op_read.c -- get and list: the resource or the page, or why it is not had. */
#include "op_read.h"

#include "op_list.h"
#include "opfail.h"

/* Another resource's body under this resource's URL. */
static bool is_another(const struct op *o, const struct answer *a) {
	struct span id = resource_of(a)->id;
	return id.n > 0 && o->spec.id.n > 0 && !span_ieq(id, o->spec.id);
}

void op_read(struct op *o, const struct answer *a) {
	bool list = o->spec.kind == OP_LIST;
	bool page_came = a->facts.document == DOCUMENT_PAGE;
	bool shown = list ? page_came : resource_of(a)->is_resource;
	if (a->http->error != NET_OK || a->http->status >= 300 ||
	    (a->facts.error && !shown))
		opfail_reply(o, a);
	else if (a->http->status != 200 || !a->facts.json ||
	         (list && !page_came))
		opfail_protocol(o, a, "the answer is not a JSON object",
		                buf_span(&a->http->body));
	else if (list)
		op_list_page(o, a);
	else if (!shown)
		opfail_protocol(o, a, "the answer is not a resource",
		                buf_span(&a->http->body));
	else if (is_another(o, a))
		opfail_protocol(o, a, "the answer is another resource",
		                resource_of(a)->id);
	else
		op_done(o, KEEP_RESULT);
}
