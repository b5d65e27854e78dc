/* answer.c -- the facts of an answer, by document. */
#include "answer.h"

static bool is(const struct answer *a, enum document document) {
	return a->facts.document == document;
}

bool answer_is_azures(const struct answer *a) {
	return reply_header(a->http, "x-ms-request-id").n > 0 ||
	       reply_header(a->http, "x-ms-correlation-request-id").n > 0;
}

const struct resource_facts *resource_of(const struct answer *a) {
	static const struct resource_facts absent = { .percent = -1 };
	return is(a, DOCUMENT_RESOURCE) ? &a->facts.as.resource : &absent;
}

const struct page_facts *page_of(const struct answer *a) {
	static const struct page_facts absent = { false, { NULL, 0 } };
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
