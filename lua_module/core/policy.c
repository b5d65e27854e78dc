/* policy.c -- the request for a policy token. */
#include "core/policy.h"

#include "core/date.h"

enum {
	MAX_TOKEN = 64 * 1024, /* the proxies' usual limit of a header field */
	MAX_ID = 256,
	MAX_WORD = 1024, /* a policy's name or verdict */
	MAX_REASON = 4096,
};

const char *policy_when_name(enum policy_when w) {
	static const char *const names[] = { "auto", "always", "never" };
	return names[w];
}

/* "https://host/subscriptions/ID": the head of the write's URL. */
static struct span scope_of(struct span url) {
	static const struct span name = { "/subscriptions/", 15 };
	struct span rest = url;
	while (rest.n > 0 && !span_istarts(rest, name))
		rest = span_from(rest, 1);
	rest = span_from(rest, name.n < rest.n ? name.n : rest.n);
	return (struct span){ url.p, url.n - rest.n + span_cspn(rest, "/?") };
}

void policy_reset(struct policy *p, struct span url) {
	poll_resource(&p->poll);
	buf_set(&p->poll.url, scope_of(url));
	buf_adds(&p->poll.url,
	         "/providers/Microsoft.Authorization/acquirePolicyToken"
	         "?api-version=" POLICY_API_VERSION);
	buf_clear(&p->location);
	buf_clear(&p->token);
	buf_clear(&p->id);
}

struct policy *policy_new(const struct mem *mem, struct span url,
                          int64_t poll_interval) {
	struct policy *p = mem_resize(mem, NULL, 0, sizeof *p);
	if (!p)
		return NULL;
	*p = (struct policy){ .evaluations = 0 };
	poll_init(&p->poll, mem, poll_interval);
	buf_init(&p->location, mem, POLL_MAX_URL);
	buf_init(&p->token, mem, MAX_TOKEN);
	buf_init(&p->id, mem, MAX_ID);
	buf_init(&p->name, mem, MAX_WORD);
	buf_init(&p->verdict, mem, MAX_WORD);
	buf_init(&p->reason, mem, MAX_REASON);
	p->token.secret = true;
	policy_reset(p, url);
	if (!p->poll.url.failed)
		return p;
	policy_free(p);
	return NULL;
}

void policy_free(struct policy *p) {
	const struct mem *mem;
	if (!p)
		return;
	mem = p->token.mem;
	poll_free(&p->poll);
	buf_free(&p->location);
	buf_free(&p->token);
	buf_free(&p->id);
	buf_free(&p->name);
	buf_free(&p->verdict);
	buf_free(&p->reason);
	mem_resize(mem, p, sizeof *p, 0);
}

struct span policy_secret(const struct policy *p) {
	struct span s = buf_span(&p->token);
	size_t scheme = span_cspn(s, " ");
	return scheme < s.n ? span_from(s, scheme + 1) : s;
}

void policy_open_body(struct buf *out, struct span url, enum http_method m,
                      struct span change) {
	buf_addc(out, '{');
	if (change.n > 0) {
		buf_adds(out, "\"changeReference\":");
		buf_add_json(out, change);
		buf_addc(out, ',');
	}
	buf_adds(out, "\"operation\":{\"uri\":");
	buf_add_json(out, url);
	buf_adds(out, ",\"httpMethod\":\"");
	buf_adds(out, http_method_name(m));
	buf_addc(out, '"');
}

int64_t policy_wait(const struct answer *a) {
	int64_t when = policy_of(a)->retry_after;
	int64_t now = date_http(reply_header(a->http, "date"));
	if (when < 0)
		return -1;
	if (now < 0)
		now = a->at.wall;
	return when > now ? when - now : 0;
}
