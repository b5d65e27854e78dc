/*
 * poll.h -- a long-running operation of Azure Resource Manager: where to look
 * next, how often, and what a word means.
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

enum {
	POLL_FLOOR = 100,         /* ms */
	POLL_MAX_URL = 64 * 1024, /* bytes */
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
	POLL_SUCCEEDED,
	POLL_FAILED,
	POLL_CANCELED,
};

void poll_init(struct poll *p, const struct mem *mem, int64_t fixed);
void poll_free(struct poll *p);
/* Where an answer came from, and what may be asked. */
struct poll_place {
	struct span base;     /* of relative URLs: the one that was asked */
	struct span resource; /* the resource's own: never a polling URL */
	struct span api_version;
	const struct url *origins; /* the endpoint's first, then the trusted */
	size_t count;
};

/* Takes the newest polling URL out of an answer.  It goes back byte for byte,
   except that one on the endpoint's origin without an api-version gets ours:
   Resource Manager refuses it otherwise.  A URL on none of the origins is never
   taken: with no other left, the resource itself is looked at from then on. */
void poll_follow(struct poll *p, const struct reply *r,
                 const struct poll_place *place);
/* From now on look at the resource itself. */
void poll_resource(struct poll *p);
/* ms until the next look; asked: what the service wants, or -1.  Never less
   than POLL_FLOOR. */
int64_t poll_wait(struct poll *p, int64_t asked);
/* What a word of status or provisioningState means: POLL_SUCCEEDED,
   POLL_FAILED, POLL_CANCELED, or POLL_RUNNING for every other word. */
enum poll_verdict poll_word(struct span word);

#endif
