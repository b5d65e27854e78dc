/* poll.c -- which URL is polled next, and which statuses are terminal. */
#include "core/poll.h"

#include <string.h>

enum {
	FIRST_INTERVAL = 2000, /* ms */
	MAX_INTERVAL = 30000,
	MAX_ASKED = 600000, /* the contract's longest Retry-After: 10 minutes */
};

void poll_init(struct poll *p, const struct mem *mem, int64_t fixed) {
	*p = (struct poll){ .interval = FIRST_INTERVAL, .fixed = fixed };
	buf_init(&p->url, mem, POLL_MAX_URL);
}

void poll_free(struct poll *p) {
	buf_free(&p->url);
}

void poll_resource(struct poll *p) {
	p->source = POLL_RESOURCE;
	buf_free(&p->url);
}

/* True when the URL's query has that parameter.  Like Resource Manager, it
   compares names without regard to case. */
static bool has_parameter(struct span url, struct span name) {
	bool query = false;
	for (size_t i = 0; i < url.n; i++) {
		query = query || url.p[i] == '?';
		if (!query || (url.p[i] != '?' && url.p[i] != '&'))
			continue;
		if (span_istarts(span_from(url, i + 1), name))
			return true;
	}
	return false;
}

static void add_api_version(struct buf *url, const struct poll_place *place) {
	static const struct span name = { "api-version=", 12 };
	struct span text = buf_span(url);
	char last = text.n > 0 ? text.p[text.n - 1] : '\0';
	bool query = memchr(text.p, '?', text.n) != NULL;
	if (place->api_version.n == 0 || has_parameter(text, name) ||
	    !url_on(text, place->origins, 1))
		return;
	if (last != '?' && last != '&')
		buf_addc(url, query ? '&' : '?');
	buf_add(url, name);
	buf_add(url, place->api_version);
}

/* Sets *out to the last field of that name that can be used. */
static bool pick(struct poll *p, const struct reply *r, const char *name,
                 const struct poll_place *place, struct buf *out) {
	struct span field;
	struct buf url;
	size_t at = 0;
	bool found = false;
	buf_init(&url, out->mem, POLL_MAX_URL);
	while (reply_header_next(r, name, &at, &field)) {
		if (field.n == 0)
			continue;
		if (!url_resolve(&url, place->base, field) ||
		    !url_on(buf_span(&url), place->origins, place->count)) {
			p->untrusted = true;
			continue;
		}
		add_api_version(&url, place);
		if (url.failed || span_eq(buf_span(&url), place->resource))
			continue;
		buf_move(out, &url);
		found = true;
	}
	buf_free(&url);
	return found;
}

bool poll_location(const struct poll *p, const struct reply *r,
                   const struct poll_place *place, struct buf *out) {
	struct poll scratch = *p; /* it is not what is followed */
	return pick(&scratch, r, "location", place, out);
}

static void take(struct poll *p, enum poll_source source, struct buf *url) {
	p->source = source;
	buf_fit(url);
	buf_move(&p->url, url);
}

void poll_follow(struct poll *p, const struct reply *r,
                 const struct poll_place *place) {
	struct buf async, location;
	bool has_async, has_location, bad_async;
	buf_init(&async, p->url.mem, POLL_MAX_URL);
	buf_init(&location, p->url.mem, POLL_MAX_URL);
	p->untrusted = false;
	has_async = pick(p, r, "azure-asyncoperation", place, &async) ||
	            pick(p, r, "operation-location", place, &async);
	bad_async = p->untrusted;
	has_location = pick(p, r, "location", place, &location);
	if (has_async && has_location &&
	    span_eq(buf_span(&async), buf_span(&location)))
		take(p, POLL_BOTH, &async);
	else if (has_async)
		take(p, POLL_ASYNC, &async);
	else if (has_location && p->source != POLL_ASYNC)
		take(p, POLL_LOCATION, &location);
	else if (p->untrusted && (bad_async || p->source != POLL_ASYNC))
		poll_resource(p);
	buf_free(&async);
	buf_free(&location);
}

enum poll_verdict poll_verdict_of(struct span status) {
	static const struct {
		const char *status;
		enum poll_verdict verdict;
	} statuses[] = {
		{ "Succeeded", POLL_SUCCEEDED },
		{ "Completed", POLL_SUCCEEDED },
		{ "Failed", POLL_FAILED },
		{ "Canceled", POLL_CANCELED },
		{ "Cancelled", POLL_CANCELED },
	};
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (span_ieq(status, span_of(statuses[i].status)))
			return statuses[i].verdict;
	return POLL_RUNNING;
}

static int64_t floored(int64_t ms) {
	return ms > POLL_FLOOR ? ms : POLL_FLOOR;
}

int64_t poll_wait(struct poll *p, int64_t asked) {
	int64_t ms = p->fixed > 0 ? p->fixed : p->interval;
	if (asked > 0)
		return floored(asked < MAX_ASKED ? asked : MAX_ASKED);
	if (p->fixed <= 0)
		p->interval = p->interval * 3 / 2 < MAX_INTERVAL
		                      ? p->interval * 3 / 2
		                      : MAX_INTERVAL;
	return floored(ms);
}
