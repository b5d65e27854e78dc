/*
 * op_list.c -- the pages of a list.
 *
 * The service links to the next page.  The link may be wrong: it names another
 * origin, or a page that was requested before, so that the list would never
 * end.  A hash of each requested URL detects the second, at 8 bytes a page;
 * their number has a ceiling.  The present page is good all the same, so the
 * error is reported when the next one is requested.
 *
 * A list has one deadline.  The time that its caller takes between two pages
 * does not count.
 */
#include "op_list.h"

#include <string.h>

#include "opfail.h"

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

static bool was_asked(const struct op *o, struct span url) {
	uint64_t h = hash(url);
	for (size_t at = 0; at < o->pages.n; at += sizeof h)
		if (memcmp(o->pages.p + at, &h, sizeof h) == 0)
			return true;
	return false;
}

/* False: that is one page too many, or there is no memory. */
static bool note_page(struct op *o) {
	uint64_t h = hash(op_request_url(o));
	if (o->pages.n >= MAX_PAGES * sizeof h)
		return false;
	buf_add(&o->pages, (struct span){ (const char *)&h, sizeof h });
	return !o->pages.failed;
}

/* Sets o->next and o->way from the page's link.  False: no memory. */
static bool find_next(struct op *o, struct span link) {
	struct buf next;
	bool found;
	buf_init(&next, o->cfg->mem, OP_MAX_TEXT);
	o->way = WAY_CLEAR;
	if (link.n > 0 &&
	    (!url_resolve(&next, op_request_url(o), link) ||
	     !url_on(buf_span(&next), o->cfg->origins, o->cfg->origin_count)))
		o->way = WAY_FOREIGN;
	else if (link.n > 0 && was_asked(o, buf_span(&next)))
		o->way = WAY_CIRCLE;
	if (o->way == WAY_FOREIGN && !next.failed)
		buf_set(&next, link);
	found = !next.failed;
	if (found)
		buf_move(&o->next, &next);
	buf_free(&next);
	return found;
}

void op_list_page(struct op *o, const struct answer *a) {
	const struct page_facts *page = page_of(a);
	/* the list is not to look as if it ended here */
	if (!note_page(o) || !find_next(o, page->next_link)) {
		op_stop(o, FAIL_LIMIT,
		        "the link to the next page is longer than it may be, "
		        "the list has more pages than it may have, or memory "
		        "is short",
		        a->at);
		return;
	}
	o->empty = page->empty ? o->empty + 1 : 0;
	o->time = o->deadline - a->at.mono;
	if (page->empty && o->way != WAY_CLEAR)
		opfail_next(o);
	else if (o->empty > MAX_EMPTY)
		opfail_protocol(o, a, "page after page is empty", NO_SPAN);
	else if (page->empty && o->next.n > 0)
		op_move(o, LEG_READ, a->at.mono);
	else
		op_done(o, KEEP_RESULT);
}
