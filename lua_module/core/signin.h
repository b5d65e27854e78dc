/*
 * signin.h -- from a credential to a token: a machine of its own, shared by
 * all operations of a client.  Asked like an operation what it wants, told
 * what happened; it fetches once for any number of waiters.
 *
 * Rules: "Microsoft identity platform and the OAuth 2.0 client credentials
 * flow"; lifetimes as in the Azure SDK guidelines.
 */
#ifndef AZPEC_SIGNIN_H
#define AZPEC_SIGNIN_H

#include "facts.h"
#include "fail.h"
#include "retry.h"

enum signin_kind {
	SIGNIN_NONE,     /* no credential was found */
	SIGNIN_TOKEN,    /* a ready token */
	SIGNIN_FUNCTION, /* the host is asked for one */
	SIGNIN_CLIENT_SECRET,
};

enum signin_want {
	SIGNIN_IDLE, /* nothing to do */
	SIGNIN_SEND, /* the request that was written */
	SIGNIN_CALL, /* the host's function, with scope and claims */
	SIGNIN_WAIT, /* ask again at *until, or after the next feed */
};

/* The spans are copied. */
struct signin_spec {
	enum signin_kind kind;
	struct span authority; /* "https://login.microsoftonline.com" */
	struct span tenant_id, client_id;
	struct span secret; /* the client's secret, or the ready token */
	struct span scope;
};

struct signin {
	const struct mem *mem;
	enum signin_kind kind;
	struct buf authority, tenant_id, client_id, secret, scope;
	struct buf token;
	uint32_t generation; /* of the token; 0: none yet */
	bool live;           /* the token may be used until it expires */
	int64_t expires, refresh_at; /* monotonic ms */
	bool wanted;                 /* a fetch is under way */
	bool in_flight;
	int tries;
	int64_t not_before, sent_at;
	struct buf claims; /* what the new token must satisfy */
	uint32_t refused;  /* the generation those claims are about */
	struct retry_policy retry;
	uint32_t random;
	struct fail fail; /* of the last fetch; kind FAIL_NONE: it was fine */
};

bool signin_init(struct signin *s, const struct mem *mem,
                 const struct signin_spec *spec, uint32_t seed);
void signin_free(struct signin *s);

/* A token that may be used now: its generation, or 0.  Begins a fetch where
   one is due.  refused: the generation that a 401 turned down, or 0. */
uint32_t signin_token(struct signin *s, uint32_t refused, struct span claims,
                      struct now now);
/* Why there is no token; NULL while a fetch is under way. */
const struct fail *signin_failure(const struct signin *s);

enum signin_want signin_next(struct signin *s, struct now now,
                             struct request *out, int64_t *until);
void signin_sent(struct signin *s, struct now now);
void signin_feed(struct signin *s, const struct reply *r, const struct facts *f,
                 struct now now);
/* The host's function answered; expires_on: s since 1970, -1: unknown. */
void signin_give(struct signin *s, struct span token, int64_t expires_on,
                 struct now now);
void signin_refuse(struct signin *s, struct span why, struct now now);

#endif
