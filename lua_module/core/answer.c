/* answer.c -- the facts of an answer, by document. */
#include "core/answer.h"

static bool is(const struct answer *a, enum document document) {
	return a->facts.document == document;
}

bool answer_is_azures(const struct answer *a) {
	return reply_header(a->http, "x-ms-request-id").n > 0 ||
	       reply_header(a->http, "x-ms-correlation-request-id").n > 0;
}

bool answer_is_garbled(const struct answer *a) {
	struct span type = reply_header(a->http, "content-type");
	return a->http->error == NET_OK && a->http->status == 200 &&
	       a->facts.broken &&
	       (span_istarts(type, SPAN("application/json")) ||
	        span_istarts(type, SPAN("text/json")));
}

struct span answer_code(const struct answer *a) {
	struct span code = a->facts.code;
	return code.n > 0 ? code : reply_header(a->http, "x-ms-error-code");
}

static bool is_entity_tag(struct span s) {
	if (s.n > 2 && s.p[0] == 'W' && s.p[1] == '/')
		s = span_from(s, 2);
	return s.n > 1 && s.p[0] == '"' && s.p[s.n - 1] == '"';
}

struct span answer_etag(const struct answer *a) {
	struct span inner = resource_of(a)->etag;
	struct span header = reply_header(a->http, "etag");
	return header.n == 0 || is_entity_tag(inner) ? inner : header;
}

const struct resource_facts *resource_of(const struct answer *a) {
	static const struct resource_facts absent = { .percent = -1 };
	return is(a, DOCUMENT_RESOURCE) ? &a->facts.as.resource : &absent;
}

const struct page_facts *page_of(const struct answer *a) {
	static const struct page_facts absent = { .empty = false };
	return is(a, DOCUMENT_PAGE) ? &a->facts.as.page : &absent;
}

const struct token_facts *token_of(const struct answer *a) {
	static const struct token_facts absent = { .expires_in = -1,
		                                   .expires_on = -1,
		                                   .refresh_in = -1 };
	return is(a, DOCUMENT_TOKEN) ? &a->facts.as.token : &absent;
}

const struct device_facts *device_of(const struct answer *a) {
	static const struct device_facts absent = { .expires_in = -1,
		                                    .interval = -1 };
	return is(a, DOCUMENT_DEVICE) ? &a->facts.as.device : &absent;
}

const struct cloud_facts *cloud_of(const struct answer *a) {
	static const struct cloud_facts absent = { .audience = { NULL, 0 } };
	return is(a, DOCUMENT_CLOUD) ? &a->facts.as.cloud : &absent;
}

const struct policy_facts *policy_of(const struct answer *a) {
	static const struct policy_facts absent = { .retry_after = -1 };
	return is(a, DOCUMENT_POLICY) ? &a->facts.as.policy : &absent;
}
