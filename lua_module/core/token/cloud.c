/*
 * cloud.c -- reads a cloud's addresses from GET {endpoint}/metadata/endpoints,
 * as `az cloud register` and Terraform's metadata_host do.  It needs no token.
 * The answer is one JSON object; up to api-version 2019-10-01 an array of them.
 */
#include "core/token/flow.h"

enum { TRY_TIMEOUT = 30000 }; /* ms */

static const char hint[] =
	"name the cloud by authority_host and scope instead of `discover`";

static enum chain_want ask(struct chain *s, struct request *q, struct now now) {
	struct span endpoint = buf_span(&s->endpoint);
	(void)now;
	request_clear(q);
	q->method = HTTP_GET;
	q->timeout_ms = TRY_TIMEOUT;
	q->allow_http = span_istarts(endpoint, SPAN("http:"));
	q->no_proxy = q->allow_http;
	buf_set(&q->url, endpoint);
	buf_adds(&q->url, "/metadata/endpoints?api-version=2022-09-01");
	request_header(q, "Accept", SPAN("application/json"));
	return CHAIN_SEND;
}

static void refuse(struct chain *s, enum fail_kind kind, const char *why,
                   struct span detail, struct now now) {
	chain_describe(s, why, detail);
	s->fail.kind = kind;
	s->fail.hint = hint;
	chain_fail(s, now);
}

/* The secret will be sent to this host: https, or plain http on loopback if the
   endpoint, which the caller named, is on loopback as well. */
static bool may_sign_in_at(const struct chain *s, struct span host) {
	struct url u;
	if (!url_parse(host, &u) || u.path.n > 0)
		return false;
	return span_ieq(u.scheme, SPAN("https")) ||
	       (span_istarts(buf_span(&s->endpoint), SPAN("http:")) &&
	        url_is_loopback(&u));
}

/* True: the authority is valid. */
static bool check_authority(struct chain *s, const struct answer *a) {
	struct span login = url_without_slashes(cloud_of(a)->login_endpoint);
	if (span_ieq(cloud_of(a)->identity_provider, SPAN("ADFS")))
		refuse(s, FAIL_PROTOCOL,
		       "this cloud uses Active Directory Federation Services "
		       "(ADFS), which azpec does not support",
		       NO_SPAN, a->at);
	else if (login.n == 0)
		refuse(s, FAIL_PROTOCOL,
		       "the endpoint's metadata has no loginEndpoint", NO_SPAN,
		       a->at);
	else if (!may_sign_in_at(s, login))
		refuse(s, FAIL_UNTRUSTED,
		       "the loginEndpoint in the endpoint's metadata is not "
		       "https://host[:port]: ",
		       cloud_of(a)->login_endpoint, a->at);
	else
		return true;
	return false;
}

static bool check_audience(struct chain *s, const struct answer *a) {
	if (cloud_of(a)->audience.n > 0 &&
	    http_printable(cloud_of(a)->audience))
		return true;
	refuse(s, FAIL_PROTOCOL,
	       "the endpoint's metadata has no audience for tokens", NO_SPAN,
	       a->at);
	return false;
}

static void adopt(struct chain *s, const struct answer *a) {
	bool no_authority = s->authority.n == 0, no_scope = s->scope.n == 0;
	if ((no_authority && !check_authority(s, a)) ||
	    (no_scope && !check_audience(s, a)))
		return;
	if (no_authority)
		buf_set(&s->authority,
		        url_without_slashes(cloud_of(a)->login_endpoint));
	if (no_scope) { /* two slashes if the audience ends with one */
		buf_set(&s->scope, cloud_of(a)->audience);
		buf_adds(&s->scope, "/.default");
	}
	if (!s->authority.failed && !s->scope.failed) {
		chain_found(s, a->at);
		return;
	}
	if (no_authority) /* the next sign-in reads it again */
		buf_clear(&s->authority);
	if (no_scope)
		buf_clear(&s->scope);
	chain_exhausted(s, "not enough memory for the endpoint's metadata",
	                a->at);
}

static void fed(struct chain *s, const struct answer *a) {
	if (a->http->status != 200) {
		chain_describe(
			s, "the endpoint did not return its metadata: HTTP ",
			NO_SPAN);
		buf_addint(&s->fail.message, a->http->status);
		s->fail.kind = fail_kind_of(a->http->status);
		s->fail.http_status = a->http->status;
		s->fail.retryable =
			retry_worthwhile(&s->retry, a->http, NO_SPAN);
		s->fail.hint = hint;
		chain_fail(s, a->at);
	} else if (!a->facts.json) {
		refuse(s, FAIL_PROTOCOL,
		       "the endpoint's metadata is not JSON but ",
		       reply_header(a->http, "content-type"), a->at);
	} else {
		adopt(s, a);
	}
}

const struct flow flow_discovery = {
	.name = "discovery",
	.ask = ask,
	.fed = fed,
};
