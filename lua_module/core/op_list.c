/*
 * op_list.c -- the pages of a list.
 *
 * The service links to the next page.  Two kinds of link are errors: one to
 * another origin, and one to a page that was already requested, because the
 * list would never end.  A hash of each requested URL detects the second kind;
 * it takes 8 bytes a page, and the number of pages is limited.  The current
 * page is still valid, so the error is reported when the next page is
 * requested.
 *
 * A query of Azure Resource Graph ("Resources - Resources", REST) is a list
 * whose pages all have one URL.  The request's body names the page by a token.
 * Only the token shows that more rows follow.  "resultTruncated" without a
 * token means that the remaining rows cannot be requested.  A header reports
 * subscriptions beyond those that one query covers ("Working with large Azure
 * resource data sets", "Guidance for throttled requests in Azure Resource
 * Graph").
 *
 * A list has one deadline.  The caller's own time between two pages does not
 * count.
 */
#include "core/op_list.h"

#include <string.h>

#include "core/op_error.h"

enum {
	MAX_EMPTY = 100,   /* empty pages in a row */
	MAX_PAGES = 65536, /* of one list */
};

/* FNV-1a, 64 bits. */
static uint64_t hash(struct span s) {
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool was_asked(const struct op *o, struct span page) {
	uint64_t h = hash(page);
	for (size_t at = 0; at < o->pages.hashes.n; at += sizeof h)
		if (memcmp(o->pages.hashes.p + at, &h, sizeof h) == 0)
			return true;
	return false;
}

/* False: too many pages, or out of memory. */
static bool note_page(struct op *o) {
	bool query = o->spec.kind == OP_QUERY;
	uint64_t h = hash(query ? buf_span(&o->pages.next) : op_request_url(o));
	if (o->pages.hashes.n >= MAX_PAGES * sizeof h)
		return false;
	buf_add(&o->pages.hashes, (struct span){ (const char *)&h, sizeof h });
	return !o->pages.hashes.failed;
}

/* Sets o->pages.next and o->pages.way from the page's link.  False: out of
   memory. */
static bool find_next(struct op *o, struct span link) {
	struct buf next;
	bool found;
	buf_init(&next, o->cfg->mem, OP_MAX_TEXT);
	o->pages.way = WAY_CLEAR;
	if (link.n > 0 &&
	    (!url_resolve(&next, op_request_url(o), link) ||
	     !url_on(buf_span(&next), o->cfg->origins, o->cfg->origin_count)))
		o->pages.way = WAY_FOREIGN;
	else if (link.n > 0 && was_asked(o, buf_span(&next)))
		o->pages.way = WAY_CIRCLE;
	if (o->pages.way == WAY_FOREIGN && !next.failed)
		buf_set(&next, link);
	found = !next.failed;
	if (found)
		buf_move(&o->pages.next, &next);
	buf_free(&next);
	return found;
}

/* The same of a query's page. */
static bool find_next_rows(struct op *o, const struct answer *a) {
	const struct page_facts *page = page_of(a);
	struct span limit =
		reply_header(a->http, "x-ms-tenant-subscription-limit-hit");
	o->pages.way = WAY_CLEAR;
	if (page->truncated || span_ieq(limit, SPAN("true")))
		o->pages.way = WAY_NONE;
	else if (page->skip_token.n > 0 && was_asked(o, page->skip_token))
		o->pages.way = WAY_CIRCLE;
	buf_set(&o->pages.next, page->skip_token);
	return !o->pages.next.failed;
}

static bool find_page(struct op *o, const struct answer *a) {
	return o->spec.kind == OP_QUERY ? find_next_rows(o, a)
	                                : find_next(o, page_of(a)->next_link);
}

void op_list_query(const struct op *o, struct buf *out) {
	struct span open = o->spec.query; /* up to its last brace */
	open.n -= open.n > 0;
	buf_set(out, open);
	buf_adds(out, ",\"options\":{\"resultFormat\":\"objectArray\","
	              "\"$top\":");
	buf_addint(out, o->spec.top);
	if (o->pages.next.n > 0) {
		buf_adds(out, ",\"$skipToken\":");
		buf_add_json(out, buf_span(&o->pages.next));
	}
	buf_adds(out, "}}");
}

void op_list_page(struct op *o, const struct answer *a) {
	const struct page_facts *page = page_of(a);
	/* an error, so that the list does not seem complete */
	if (!note_page(o) || !find_page(o, a)) {
		op_stop(o, FAIL_LIMIT,
		        "the link to the next page is too long, the list has "
		        "too many pages, or there is not enough memory",
		        a->at);
		return;
	}
	o->pages.empty = page->empty ? o->pages.empty + 1 : 0;
	o->time = o->deadline - a->at.mono;
	if (page->empty && o->pages.way != WAY_CLEAR)
		op_error_next(o);
	else if (o->pages.empty > MAX_EMPTY)
		op_error_protocol(o, a, "too many empty pages in a row",
		                  NO_SPAN);
	else if (page->empty && o->pages.next.n > 0)
		op_move(o, LEG_READ, a->at.mono);
	else
		op_done(o, KEEP_RESULT);
}
