/*
 * answer.h -- one answer for a state machine: the HTTP reply, the facts of its
 * JSON body, and the time at which it came.
 *
 * The facts are a union, tagged by the type of document.  Use the functions
 * below (resource_of and the like): for another document they return a value in
 * which every member is absent.
 */
#ifndef AZPEC_ANSWER_H
#define AZPEC_ANSWER_H

#include "core/http.h"

/* Numbers are below this limit, so that seconds can become milliseconds. */
#define FACTS_MAX INT64_C(1000000000000000)

/* A resource, or the status monitor of a long-running operation.  Only the
   body's content tells which; one body may have members of both. */
struct resource_facts {
	bool bad_status;    /* `status` is not a string */
	struct span status; /* the status monitor's */
	int percent;        /* percentComplete; -1: absent */
	bool is_resource;   /* has `properties`, or an id and no status */
	bool is_mere;       /* has `properties`, and no member for an error */
	struct span id, provisioning_state, etag;
	/* properties.privateLinkServiceConnectionState */
	struct span connection_status, description, action_required;
};

/* A page of a list: a body with a `value` array, or with a `data` array if it
   answers a query of Azure Resource Graph. */
struct page_facts {
	bool empty;
	struct span next_link;
	struct span skip_token; /* query: names the next page */
	bool truncated;         /* query: has more rows than can be had */
};

/* Why the answer to a list request is not a page. */
enum page_flaw {
	PAGE_NO_VALUE,
	PAGE_NO_ARRAY, /* `value` is not an array */
	PAGE_BAD_ITEM, /* an item is not an object */
	PAGE_BAD_LINK, /* what names the next page is neither text nor null */
	PAGE_FLAW_COUNT
};

/* The answer of a token endpoint, or the output of a developer CLI. */
struct token_facts {
	struct span access_token, refresh_token;
	struct span id_token; /* `value` or `oidcToken`: the ID token of a
	                         pipeline */
	int64_t expires_in, expires_on, refresh_in; /* s; -1: absent */
	struct span expires_text; /* expires_on or expiresOn, if text */
	struct span trace_id, correlation_id, timestamp;
	struct span subscription, tenant; /* az's */
};

/* The device authorization endpoint's answer. */
struct device_facts {
	struct span device_code, user_code, verification_uri, prompt;
	int64_t expires_in, interval; /* s; -1: absent */
};

/* A cloud's metadata, for the cloud that the endpoint belongs to. audience: the
   one equal to the endpoint, otherwise the first. */
struct cloud_facts {
	struct span login_endpoint, identity_provider, audience;
};

/* The answer to a request for a policy token, or that acquisition's status
   monitor. */
struct policy_facts {
	struct span status; /* the monitor's */
	struct span result; /* Succeeded, Failed */
	struct span token, token_id;
	bool unmet;  /* an evaluation failed, or denies the write */
	bool denied; /* one denies it */
	/* Of the first such evaluation: its policy, and its result. */
	struct span policy, verdict;
	struct span reason;  /* why, in the words of the evaluations */
	int64_t retry_after; /* ms since 1970: no sooner; -1: absent */
};

enum document {
	DOCUMENT_NONE,
	DOCUMENT_RESOURCE,
	DOCUMENT_PAGE,
	DOCUMENT_TOKEN,
	DOCUMENT_DEVICE,
	DOCUMENT_CLOUD,
	DOCUMENT_POLICY,
};

/* What a policy asks of a write that it has refused. */
enum policy_wish {
	POLICY_NOTHING,
	POLICY_TOKEN,
	POLICY_CHANGE, /* a token that was acquired with a change reference */
};

/* Filled by the code that decodes the body.  The spans are valid as long as the
   decoded value. */
struct facts {
	bool json;   /* the body is a JSON object or array */
	bool broken; /* the body is not empty and not JSON */

	/* The error, in any shape that json_error.c knows. code and message are
	   also set when the body's shape alone does not make it an error. */
	bool error;
	struct span code, message, target;
	struct span more; /* a second text, in addition to the message */
	/* `error` and `error_description`, if they are strings */
	struct span oauth_error, oauth_description;
	enum policy_wish policy;

	enum document document;
	enum page_flaw flaw; /* why the body is not a page */
	union {
		struct resource_facts resource;
		struct page_facts page;
		struct token_facts token;
		struct device_facts device;
		struct cloud_facts cloud;
		struct policy_facts policy;
	} as;
};

#define NO_FACTS ((struct facts){ .document = DOCUMENT_NONE })
#define NO_RESOURCE ((struct resource_facts){ .percent = -1 })
#define NO_TOKEN_FACTS                                                         \
	((struct token_facts){                                                 \
		.expires_in = -1, .expires_on = -1, .refresh_in = -1 })
#define NO_POLICY ((struct policy_facts){ .retry_after = -1 })
#define NO_DEVICE ((struct device_facts){ .expires_in = -1, .interval = -1 })

struct answer {
	const struct reply *http; /* NULL: not from HTTP */
	struct facts facts;
	struct now at;
};

/* True when the answer has an id of Azure Resource Manager.  Every answer of
   Resource Manager has one; the answers of proxies in between have none. */
bool answer_is_azures(const struct answer *a);

/* True for a 200 whose Content-Type is JSON and whose body is not: it was
   truncated or damaged on the way. */
bool answer_is_garbled(const struct answer *a);

/* The service's error code: the body's, else the header field's. */
struct span answer_code(const struct answer *a);

/* The ETag of the origin server.  A proxy that encodes the body may change the
   header field (RFC 9110 section 8.8.3.1), but not the body's member.  So the
   body's member is preferred, if it is a valid entity-tag. */
struct span answer_etag(const struct answer *a);

const struct resource_facts *resource_of(const struct answer *a);
const struct page_facts *page_of(const struct answer *a);
const struct token_facts *token_of(const struct answer *a);
const struct device_facts *device_of(const struct answer *a);
const struct cloud_facts *cloud_of(const struct answer *a);
const struct policy_facts *policy_of(const struct answer *a);

#endif
