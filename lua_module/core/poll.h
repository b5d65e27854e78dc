/*
 * poll.h -- a long-running operation of Azure Resource Manager: where to look
 * next, how often, and what an answer means.  Judged by the answer itself and
 * not by the header its URL came from, since Batch puts one URL into both.
 *
 * Rules: "Asynchronous operations" of the Azure Resource Manager RPC contract
 * (Azure/azure-resource-manager-rpc, async-api-reference.md).
 */
#ifndef AZPEC_POLL_H
#define AZPEC_POLL_H

#include "answer.h"

enum poll_source {
	POLL_RESOURCE, /* no header: the resource's own provisioningState */
	POLL_LOCATION, /* Location */
	POLL_ASYNC,    /* Azure-AsyncOperation or Operation-Location */
	POLL_BOTH,     /* both headers hold the same URL */
};

struct poll {
	enum poll_source source;
	struct buf url;   /* empty for POLL_RESOURCE */
	int64_t interval; /* ms: the default's next value */
	int64_t fixed;    /* ms: what the caller asked for; 0: the default */
	bool untrusted;   /* a header named an origin that is not trusted */
};

enum poll_verdict {
	POLL_RUNNING,
	POLL_SUCCEEDED, /* a success word: the resource may now be read */
	POLL_EMPTY,     /* over, without a word: the resource decides */
	POLL_FINAL,     /* this answer is the resource, in its final state */
	POLL_FAILED,
	POLL_CANCELED,
	POLL_ODD, /* not to be understood */
};

void poll_init(struct poll *p, const struct mem *mem, int64_t fixed);
void poll_free(struct poll *p);
/* Takes the newest polling URL out of an answer to the request for `base`.  A
   URL on none of the origins is never taken: with no other left, the resource
   itself is looked at from then on. */
void poll_follow(struct poll *p, const struct reply *r, struct span base,
                 const struct url *origins, size_t count);
/* From now on look at the resource itself. */
void poll_resource(struct poll *p);
enum poll_verdict poll_judge(enum poll_source source, const struct answer *a);
/* ms until the next look; asked: what the service wants, or -1. */
int64_t poll_wait(struct poll *p, int64_t asked);
/* What a word of status or provisioningState means: POLL_SUCCEEDED,
   POLL_FAILED, POLL_CANCELED, or POLL_RUNNING for every other word. */
enum poll_verdict poll_word(struct span word);

#endif
