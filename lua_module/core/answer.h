/*
 * answer.h -- one answer as a machine is given it: the HTTP reply, the facts
 * of its JSON body, and the time it came.
 *
 * The facts are a union, tagged by the document that was read.  Use the
 * functions below (resource_of and its like): for another document they give
 * one in which every member is absent.
 */
#ifndef AZPEC_ANSWER_H
#define AZPEC_ANSWER_H

#include "http.h"

/* Numbers are below this, so that seconds may become milliseconds. */
#define FACTS_MAX INT64_C(1000000000000000)

/* A resource, or the status monitor of a long-running operation.  Which of the
   two it is shows in the answer alone: one may have members of both. */
struct resource_facts {
	bool odd_status;    /* a `status` that is no string */
	struct span status; /* the monitor's */
	int percent;        /* percentComplete; -1: absent */
	bool is_resource;   /* has `properties`, or an id and no status */
	struct span id, provisioning_state, etag;
	/* properties.privateLinkServiceConnectionState */
	struct span connection_status, description, action_required;
};

/* A page of a list: has a `value` array. */
struct page_facts {
	bool empty;
	struct span next_link;
};

/* Why the answer to a list is no page. */
enum page_flaw {
	PAGE_NO_VALUE,
	PAGE_NO_ARRAY, /* `value` is something else */
	PAGE_ODD_ITEM, /* one that is null, or no object */
	PAGE_FLAW_COUNT
};

/* What a token endpoint answers, or a program prints. */
struct token_facts {
	struct span access_token, refresh_token;
	int64_t expires_in, expires_on, refresh_in; /* s; -1: absent */
	struct span expires_text; /* expires_on, or an odd expiresOn: a text */
	struct span trace_id, correlation_id, timestamp;
};

/* The device authorization endpoint's answer. */
struct device_facts {
	struct span device_code, user_code, verification_uri, prompt;
	int64_t expires_in, interval; /* s; -1: absent */
};

/* A cloud's metadata: of the endpoint's own cloud; the audience that is the
   endpoint, or the first. */
struct cloud_facts {
	struct span login_endpoint, identity_provider, audience;
};

enum document {
	DOCUMENT_NONE,
	DOCUMENT_RESOURCE,
	DOCUMENT_PAGE,
	DOCUMENT_TOKEN,
	DOCUMENT_DEVICE,
	DOCUMENT_CLOUD,
};

/* Filled by the code that decodes the body.  The spans live as long as the
   decoded value. */
struct facts {
	bool json;   /* the body is one JSON object */
	bool broken; /* the body is there and is no JSON */

	/* an error, as json_error.c finds it in the shapes that there are; code
	   and text also where the body is no error by its shape alone */
	bool error;
	struct span code, message, target;
	struct span more; /* a second text beside the message */
	/* `error` and `error_description`, when texts */
	struct span oauth_error, oauth_description;

	enum document document;
	enum page_flaw flaw; /* why the body is not a page */
	union {
		struct resource_facts resource;
		struct page_facts page;
		struct token_facts token;
		struct device_facts device;
		struct cloud_facts cloud;
	} as;
};

#define NO_FACTS ((struct facts){ .document = DOCUMENT_NONE })
#define NO_RESOURCE ((struct resource_facts){ .percent = -1 })
#define NO_TOKEN_FACTS                                                         \
	((struct token_facts){                                                 \
		.expires_in = -1, .expires_on = -1, .refresh_in = -1 })
#define NO_DEVICE ((struct device_facts){ .expires_in = -1, .interval = -1 })

struct answer {
	const struct reply *http; /* NULL: no HTTP brought it */
	struct facts facts;
	struct now at;
};

/* Azure Resource Manager gives each answer an id; what stands in its way does
   not. */
bool answer_is_azures(const struct answer *a);

/* The ETag that the origin server knows.  A proxy that encodes the body may
   change the header (RFC 9110 section 8.8.3.1), not the member of the body: so
   that one comes first, unless it is no entity-tag. */
struct span answer_etag(const struct answer *a);

const struct resource_facts *resource_of(const struct answer *a);
const struct page_facts *page_of(const struct answer *a);
const struct token_facts *token_of(const struct answer *a);
const struct device_facts *device_of(const struct answer *a);
const struct cloud_facts *cloud_of(const struct answer *a);

#endif
