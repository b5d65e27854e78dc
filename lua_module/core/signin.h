/*
 * signin.h -- from credentials to a token: a machine of its own, shared by all
 * operations of a client.  Asked like an operation what it wants, told what
 * happened; it fetches once for any number of waiters.  A chain's links are
 * tried in order; the one that succeeds is remembered.
 */
#ifndef AZPEC_SIGNIN_H
#define AZPEC_SIGNIN_H

#include "answer.h"
#include "fail.h"
#include "retry.h"

/* What a credential is made of; which kind uses which, flow.h says. */
enum signin_value {
	SV_TENANT,       /* tenant id or domain */
	SV_CLIENT,       /* the application's client id */
	SV_SECRET,       /* its secret; the ready token; a source's header */
	SV_PATH,         /* of the federated token */
	SV_ENDPOINT,     /* of a managed identity's source */
	SV_ID_NAME,      /* client_id, object_id or resource_id ... */
	SV_ID,           /* ... and its value: a user-assigned identity */
	SV_SUBSCRIPTION, /* azure_cli's */
	SV_ALGORITHM,    /* PS256 or RS256 */
	SV_THUMBPRINT,   /* of Service Fabric's certificate: SHA-1, in hex */
	SV_COUNT
};

/* s: what a token's whole life may be, ten years; longer is nonsense. */
#define SIGNIN_LONGEST INT64_C(315360000)

struct flow;

struct signin_spec {
	const struct flow *flow;
	struct span value[SV_COUNT]; /* copied */
	int64_t timeout;             /* ms, of a program; 0: the default */
	bool send_x5c;
	bool developer; /* a tool: its failures let a chain go on */
	bool probed;    /* first asked whether it is there at all */
};

/* What the last sign-in made of a chain's link. */
enum link_outcome {
	LINK_UNTRIED,
	LINK_TRYING, /* at present */
	LINK_TOKEN,
	LINK_FAILED,
	LINK_ABSENT
};

struct link {
	struct signin_spec spec; /* its spans lie in text */
	struct buf text;
	struct buf refresh_token; /* a signed-in user's, in memory only */
	enum link_outcome outcome;
	struct buf why;       /* it gave no token, or none yet */
	int64_t took;         /* ms; -1: never tried to its end */
	int64_t absent_until; /* monotonic: not to be asked before */
};

enum signin_want {
	SIGNIN_IDLE, /* nothing to do */
	SIGNIN_SEND, /* the request that was written */
	SIGNIN_NEED, /* what scratch.need says; answered by signin_meet */
	SIGNIN_WAIT, /* ask again at *until, or after the next answer */
};

/* Who provides what a flow cannot: the driver, or the host's functions. */
enum signin_need {
	NEED_NOTHING,
	NEED_TOKEN,     /* the host's `get`, with scope and claims */
	NEED_ASSERTION, /* the host's `assertion` */
	NEED_SECRET, /* the host's `client_secret`, where that is a function */
	NEED_CERTIFICATE,  /* "thumbprint NUL x5c": base64url SHA-256
	                     (for RS256: SHA-1), and the chain as a
	                     JSON array */
	NEED_SIGNATURE,    /* of scratch.work, by the link's algorithm */
	NEED_FILE,         /* the content of the file named scratch.work */
	NEED_KEY_FILE,     /* the same, 4096 bytes at most, no symbolic link,
	                      of an owner who may prove something */
	NEED_PROGRAM,      /* what it prints; scratch.work: arguments,
	                      NUL-closed */
	NEED_FINGERPRINTS, /* of the certificate scratch.work (PEM): its SHA-1,
	                      then the SHA-256 of its public key, as bytes */
	NEED_PROMPT,       /* a person is to be told; scratch.work: the user
	                      code, the address and the text, NUL-closed */
};

/* The state of the flow that runs at present.  It begins empty for each link
   and ends empty with the fetch: what one link read, signed or was sent is
   never there for another. */
struct scratch {
	int step, tries; /* of the flow; of the step's request */
	enum signin_need need;
	struct buf work;      /* what a need is about */
	struct buf assertion; /* what proves the client; or a header's value */
	struct buf device;    /* device_code's */
	int64_t interval, device_ends; /* the same */
};

struct signin {
	const struct mem *mem;
	struct link *links;
	size_t count;
	size_t at;     /* the link that is tried */
	size_t chosen; /* 1-based: the one that has succeeded; 0: none */
	size_t source; /* the one that the present token is of */
	const struct flow *first;    /* comes before the links; NULL: none */
	struct buf endpoint;         /* whose cloud that is to find out */
	struct buf authority, scope; /* empty: not known yet */
	struct buf token;
	uint32_t generation; /* of the token; 0: none yet */
	bool live;           /* the token may be used until it expires */
	int64_t expires, refresh_at; /* monotonic ms */
	bool wanted;                 /* a fetch is under way */
	bool with_claims;            /* it asks for the claims below */
	bool in_flight;              /* a request is, or a need is being met */
	int64_t not_before, sent_at, began;
	struct buf claims; /* what the new token must satisfy */
	struct retry_policy retry;
	uint32_t random;
	struct fail fail; /* of the last fetch; kind FAIL_NONE: it was fine */
	struct scratch scratch;
};

/* A way to a token: what it asks for step by step, and what it makes of the
   answers.  All state is the sign-in's; the rows are in flow.h. */
struct flow {
	const char *name; /* as in azpec.credential */
	/* Writes the step's request (SIGNIN_SEND) or sets scratch.need and
	   scratch.work (SIGNIN_NEED); or ends it by signin_fail, signin_absent
	   or signin_take (SIGNIN_IDLE).  Asked twice, it answers the same.
	   It need not look whether a buffer failed: signin_next hands nothing
	   out of one that did. */
	enum signin_want (*ask)(struct signin *s, struct request *q,
	                        struct now now);
	/* The answer to its request; NULL: it makes none. */
	void (*fed)(struct signin *s, const struct answer *a);
	/* What it needed; NULL: it needs nothing of that kind. */
	void (*met)(struct signin *s, struct span bytes, struct now now);
	/* What the program that it needed has printed. */
	void (*printed)(struct signin *s, const struct answer *a);
	/* ms to wait before the same request is sent again, or -1; NULL: the
	   policy's rule. */
	int64_t (*again)(const struct signin *s, const struct answer *a,
	                 int64_t asked);
	bool local;  /* it asks this machine or service, nobody beyond */
	bool claims; /* a claims challenge can be answered */
	const char *claims_hint; /* what a person can run who cannot; NULL */
};

/* specs: the chain, in order.  False: no memory. */
bool signin_init(struct signin *s, const struct mem *mem,
                 const struct signin_spec *specs, size_t count,
                 struct span authority, struct span scope, uint32_t seed);
/* Before the first token: authority and scope, where they are empty, are asked
   of the endpoint.  False: no memory. */
bool signin_find(struct signin *s, const struct flow *how,
                 struct span endpoint);
void signin_free(struct signin *s);

/* A token that may be used now: its generation, or 0.  Begins a fetch where
   one is due.  refused: the generation that a 401 turned down, or 0. */
uint32_t signin_token(struct signin *s, uint32_t refused, struct span claims,
                      struct now now);
/* The claims of the token, as JSON text; false: it is opaque.  They are what
   the token says of itself, and nobody here verifies them. */
bool signin_claims(const struct signin *s, struct buf *out);
/* Why there is no token; NULL while a fetch is under way. */
const struct fail *signin_failure(const struct signin *s);

/* For who can wait no longer: what the fetch under way is at, and its trouble
   so far. */
void signin_progress(const struct signin *s, struct fail *out);

enum signin_want signin_next(struct signin *s, struct now now,
                             struct request *out, int64_t *until);
/* The request, or the need, is being seen to. */
void signin_sent(struct signin *s, struct now now);
void signin_feed(struct signin *s, const struct answer *a);
/* The bytes that were needed. */
void signin_meet(struct signin *s, struct span bytes, struct now now);
/* What a program that was needed has printed: no HTTP, its facts alone. */
void signin_print(struct signin *s, const struct answer *a);
/* They are not to be had.  absent: this credential is not set up here, so
   that a chain may go on; otherwise it is, and failed. */
void signin_fail_need(struct signin *s, struct span why, bool absent,
                      struct now now);
/* Memory or the like has run out: the whole sign-in has failed. */
void signin_exhausted(struct signin *s, const char *why, struct now now);
/* How a program that was needed ended.  a: the facts of signin_json(out). */
struct program_result {
	bool not_found;
	bool refused;   /* it is there, but cannot be run */
	bool timed_out; /* after timeout ms, and was ended */
	bool flooded;   /* it printed more than is read, and was ended */
	int64_t timeout;
	int signal; /* that ended it; 0: none */
	int status; /* its exit status; -1: nobody knows it */
	struct span out, err;
};
void signin_program(struct signin *s, const struct program_result *p,
                    const struct answer *a);
/* The JSON object in what a program printed, warnings around it cut off. */
struct span signin_json(struct span out);
/* The host's token; expires_on: s since 1970, -1: unknown. */
void signin_give(struct signin *s, struct span token, int64_t expires_on,
                 struct now now);

/* ---- for the flows ------------------------------------------------------ */

const struct link *signin_link(const struct signin *s);
/* A token: lives and refresh_in in s; refresh_in -1: by the usual rule. */
void signin_take(struct signin *s, struct span token, int64_t lives,
                 int64_t refresh_in, struct now now);
/* Authority and scope are known: on to the links. */
void signin_found(struct signin *s, struct now now);
/* s->fail says what failed: the whole sign-in has. */
void signin_fail(struct signin *s, struct now now);
/* This credential is not set up here; the chain's next one is tried. */
void signin_absent(struct signin *s, const char *why, struct span detail,
                   struct now now);
/* Begins the failure's text.  */
void signin_describe(struct signin *s, const char *message, struct span detail);
/* Adds foreign text to it, without the credential's secret. */
void signin_add(struct signin *s, struct span text);
/* The same into another field of the failure. */
void signin_note(struct signin *s, struct buf *out, struct span text);
void signin_step(struct signin *s, int step, int64_t not_before);

#endif
