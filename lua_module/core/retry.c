/* retry.c -- which outcomes are tried again, and when. */
#include "core/retry.h"

#include "core/advice.h"

static bool net_worthwhile(enum net_error e) {
	switch (e) {
	case NET_RESOLVE:
	case NET_PROXY:
	case NET_CONNECT:
	case NET_TLS:
	case NET_PROXY_TLS:
	case NET_TIMEOUT:
	case NET_SEND:
	case NET_RECV:
	case NET_REFUSED:
	case NET_OTHER:
		return true;
	default: /* bad URL, certificate, CA file; too big; not HTTP */
		return false;
	}
}

static bool names_retry_after(const struct reply *r) {
	return reply_header(r, "retry-after").n > 0 ||
	       reply_header(r, "retry-after-ms").n > 0 ||
	       reply_header(r, "x-ms-retry-after-ms").n > 0;
}

/* True when the caller listed this code as temporary (retry.codes). */
static bool is_listed(const struct retry_policy *p, struct span code) {
	struct span rest = p->codes;
	while (rest.n > 0 && code.n > 0)
		if (span_ieq(span_word(&rest, "\n"), code))
			return true;
	return false;
}

bool retry_passes(const struct retry_policy *p, const struct reply *r,
                  struct span code) {
	if (r->error != NET_OK)
		return net_worthwhile(r->error);
	if (r->status >= 400 && is_listed(p, code))
		return true;
	switch (r->status) {
	case 408:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	case 409:
		return !advice_lasts(code);
	default:
		return false;
	}
}

bool retry_worthwhile(const struct retry_policy *p, const struct reply *r,
                      struct span code) {
	bool asked = r->error != NET_OK || r->status != 409 || p->conflict ||
	             names_retry_after(r) || is_listed(p, code);
	return asked && retry_passes(p, r, code);
}

int64_t retry_backoff(const struct retry_policy *p, int tries,
                      uint32_t random) {
	int64_t factor = ((int64_t)1 << (tries < 20 ? tries : 20)) - 1;
	int64_t most = p->max_delay;
	int64_t ms =
		p->base_delay > most / factor ? most : p->base_delay * factor;
	ms = ms * (800 + (int64_t)(random % 500)) / 1000;
	return ms < most ? ms : most;
}

int64_t retry_delay(const struct retry_policy *p, int tries, int64_t asked,
                    uint32_t random) {
	if (tries >= p->max_tries)
		return -1;
	if (asked > p->max_asked)
		return -1; /* the caller gets the error instead of a longer
		              wait */
	return asked > 0 ? asked : retry_backoff(p, tries, random);
}

bool retry_ambiguous(const struct reply *r) {
	if (r->error != NET_OK)
		return r->sent;
	return r->status == 408 ||
	       (r->status >= 500 && r->status != 501 && r->status != 505);
}
