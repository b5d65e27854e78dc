/*
 * policy.h -- the policy token of a write: whether one is asked for, the
 * request that acquires it, and the header field that carries it.
 *
 * A policy of Azure Policy with external evaluation lets a write through only
 * with such a token.  It is acquired for one operation, "Policy Tokens -
 * Acquire" of Microsoft.Authorization: the write's URL, its method and its
 * body, byte for byte; If-Match is no part of it.
 *
 * Sources: Azure/azure-rest-api-specs, Microsoft.Authorization, openapi.json
 * of 2025-11-01; Azure/azure-policy, ExternalEvaluationPolicies.
 */
#ifndef AZPEC_POLICY_H
#define AZPEC_POLICY_H

#include "core/poll.h"

enum policy_when {
	POLICY_AUTO,   /* after a refusal that asks for a token */
	POLICY_ALWAYS, /* before the first write */
	POLICY_NEVER,
	POLICY_WHENS
};

/* Of an operation that acquires one. */
struct policy {
	struct poll poll;    /* the acquisition's; url: what is asked next */
	struct buf location; /* the other place where its result may be */
	struct buf token;    /* empty: there is none yet */
	struct buf id;       /* the token's, for journals */
	/* Of the last evaluation that gave no token; empty: there was none. */
	struct buf name, verdict, reason;
	int evaluations; /* that failed, and may be tried again */
	bool refused;    /* op->fail is the service's refusal of the write */
	bool renewed;    /* a write with a token was refused, see op_rules.c */
};

#define POLICY_API_VERSION "2025-11-01"
#define POLICY_HEADER "x-ms-policy-external-evaluations"

const char *policy_when_name(enum policy_when w);

/* For the write to that URL.  NULL: no memory. */
struct policy *policy_new(const struct mem *mem, struct span url,
                          int64_t poll_interval);
void policy_free(struct policy *p); /* or NULL */
/* The next acquisition begins anew, without a token. */
void policy_reset(struct policy *p, struct span url);
/* The part of the token to redact in foreign text: the token without "PoP ". */
struct span policy_secret(const struct policy *p);

/* The body of the request, up to the write's own body, if it has one, and the
   two braces at the end.  change: the change reference, or absent. */
void policy_open_body(struct buf *out, struct span url, enum http_method m,
                      struct span change);

/* ms until an evaluation that failed may be tried again, by the service's own
   clock where the answer tells it; -1: it does not pass by itself. */
int64_t policy_wait(const struct answer *a);

#endif
