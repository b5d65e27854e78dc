/*
 * poll.h -- polling a long-running operation of Azure Resource Manager: which
 * URL is polled next, how often, and which statuses are terminal.
 *
 * Rules: "Asynchronous operations" of the Azure Resource Manager RPC contract
 * (Azure/azure-resource-manager-rpc, async-api-reference.md).
 */
#ifndef AZPEC_POLL_H
#define AZPEC_POLL_H

#include "core/answer.h"

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
	bool untrusted;   /* a header named an origin that is not trusted */
	struct buf url;   /* empty for POLL_RESOURCE */
	int64_t interval; /* ms: the next default interval */
	int64_t fixed;    /* ms: the caller's interval; 0: use the default */
};

enum poll_verdict {
	POLL_RUNNING,
	POLL_SUCCEEDED,
	POLL_FAILED,
	POLL_CANCELED,
};

void poll_init(struct poll *p, const struct mem *mem, int64_t fixed);
void poll_free(struct poll *p);
/* Where an answer came from, and which URLs may be polled. */
struct poll_place {
	struct span base;     /* base of relative URLs: the requested one */
	struct span resource; /* the resource's own URL: never a polling URL */
	struct span api_version;
	const struct url *origins; /* the endpoint's first, then the trusted */
	size_t count;
};

/* Takes the newest polling URL from an answer's headers.  The URL is sent back
   byte for byte, with one exception: on the endpoint's own origin a missing
   api-version is added, because Resource Manager requires one.  A URL on
   another origin is ignored; if no other URL is known, the resource is
   polled. */
void poll_follow(struct poll *p, const struct reply *r,
                 const struct poll_place *place);
/* Resolves the answer's Location into *out.  False: it names no URL that may be
   requested. */
bool poll_location(const struct poll *p, const struct reply *r,
                   const struct poll_place *place, struct buf *out);
/* From now on, poll the resource itself. */
void poll_resource(struct poll *p);
/* ms until the next poll, at least POLL_FLOOR. asked: the wait that the service
   asked for in ms, or -1.  At most 10 minutes are accepted. */
int64_t poll_wait(struct poll *p, int64_t asked);
/* Classifies a value of status or provisioningState: POLL_SUCCEEDED,
   POLL_FAILED or POLL_CANCELED; every other value is POLL_RUNNING. */
enum poll_verdict poll_verdict_of(struct span status);

#endif
