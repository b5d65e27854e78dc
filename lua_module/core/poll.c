/* poll.c -- where to look next, and what is final. */
#include "poll.h"

enum {
	MAX_URL = 64 * 1024,
	FIRST_INTERVAL = 2000, /* ms */
	MAX_INTERVAL = 30000,
	MAX_ASKED = 600000, /* the contract's longest Retry-After: 10 minutes */
};

void poll_init(struct poll *p, const struct mem *mem, int64_t fixed) {
	*p = (struct poll){ .interval = FIRST_INTERVAL, .fixed = fixed };
	buf_init(&p->url, mem, MAX_URL);
}

void poll_free(struct poll *p) {
	buf_free(&p->url);
}

void poll_resource(struct poll *p) {
	p->source = POLL_RESOURCE;
	buf_free(&p->url);
}

/* The last field of that name that can be used becomes *out. */
static bool pick(struct poll *p, const struct reply *r, const char *name,
                 struct span base, const struct url *origins, size_t count,
                 struct buf *out) {
	struct span field;
	struct buf url;
	size_t at = 0;
	bool found = false;
	buf_init(&url, out->mem, MAX_URL);
	while (reply_header_next(r, name, &at, &field)) {
		if (field.n == 0)
			continue;
		if (url_resolve(&url, base, field) &&
		    url_on(buf_span(&url), origins, count)) {
			buf_move(out, &url);
			found = true;
		} else {
			p->untrusted = true;
		}
	}
	buf_free(&url);
	return found;
}

static void take(struct poll *p, enum poll_source source, struct buf *url) {
	p->source = source;
	buf_move(&p->url, url);
}

void poll_follow(struct poll *p, const struct reply *r, struct span base,
                 const struct url *origins, size_t count) {
	struct buf async, location;
	bool has_async, has_location, bad_async;
	buf_init(&async, p->url.mem, MAX_URL);
	buf_init(&location, p->url.mem, MAX_URL);
	p->untrusted = false;
	has_async =
		pick(p, r, "azure-asyncoperation", base, origins, count,
	             &async) ||
		pick(p, r, "operation-location", base, origins, count, &async);
	bad_async = p->untrusted;
	has_location = pick(p, r, "location", base, origins, count, &location);
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

enum poll_verdict poll_word(struct span word) {
	static const struct {
		const char *word;
		enum poll_verdict verdict;
	} words[] = {
		{ "Succeeded", POLL_SUCCEEDED },
		{ "Completed", POLL_SUCCEEDED },
		{ "Failed", POLL_FAILED },
		{ "Canceled", POLL_CANCELED },
		{ "Cancelled", POLL_CANCELED },
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (span_ieq(word, span_of(words[i].word)))
			return words[i].verdict;
	return POLL_RUNNING;
}

/* No provisioningState at all means Succeeded. */
static enum poll_verdict judge_resource(const struct answer *a) {
	enum poll_verdict v;
	if (resource_of(a)->provisioning_state.n == 0)
		return a->facts.error ? POLL_FAILED : POLL_FINAL;
	v = poll_word(resource_of(a)->provisioning_state);
	return v == POLL_SUCCEEDED ? POLL_FINAL : v;
}

/* Does it show a state at all?  A monitor's answer without its word, and an
   output that is not the connection, do not. */
static bool shows_state(const struct answer *a) {
	return !resource_of(a)->odd_status &&
	       (resource_of(a)->provisioning_state.n > 0 ||
	        resource_of(a)->connection_status.n > 0);
}

enum poll_verdict poll_judge(enum poll_source source, const struct answer *a) {
	bool resource = source == POLL_RESOURCE;
	if (a->http->status == 204)
		return resource ? POLL_ODD : POLL_EMPTY;
	if (resource_of(a)->status.n > 0 &&
	    !(resource && resource_of(a)->is_resource))
		return poll_word(resource_of(a)->status);
	if (a->http->status == 202)
		return POLL_RUNNING;
	if (resource_of(a)->is_resource && (resource || shows_state(a)))
		return judge_resource(a);
	if (a->facts.error)
		return POLL_FAILED;
	if (a->http->body.n == 0)
		return resource ? POLL_ODD : POLL_EMPTY;
	/* A 200 at a Location says "over", whatever stands in it. */
	return source == POLL_LOCATION && a->facts.json ? POLL_EMPTY : POLL_ODD;
}

int64_t poll_wait(struct poll *p, int64_t asked) {
	int64_t ms = p->fixed > 0 ? p->fixed : p->interval;
	if (asked > 0)
		return asked < MAX_ASKED ? asked : MAX_ASKED;
	if (p->fixed <= 0)
		p->interval = p->interval * 3 / 2 < MAX_INTERVAL
		                      ? p->interval * 3 / 2
		                      : MAX_INTERVAL;
	return ms;
}
