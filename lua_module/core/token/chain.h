/*
 * chain.h -- from credentials to a token: a state machine that all operations
 * of a client share.  Like an operation, it says what it wants (chain_next) and
 * is fed the answers.  The head of chain.c explains the rules.
 */
#ifndef AZPEC_CHAIN_H
#define AZPEC_CHAIN_H

#include "core/answer.h"
#include "core/fail.h"
#include "core/retry.h"

/* The values of a credential; its flow decides which of them are used. */
enum chain_value {
	SV_TENANT,       /* tenant id or domain */
	SV_CLIENT,       /* the application's client id */
	SV_SECRET,       /* the secret, the ready token, or the value of a
	                    source's header field */
	SV_PATH,         /* file of the federated token */
	SV_ENDPOINT,     /* URL of a managed identity's or pipeline's
	                    endpoint */
	SV_ID_NAME,      /* client_id, object_id or resource_id ... */
	SV_ID,           /* ... and its value: a user-assigned identity */
	SV_SUBSCRIPTION, /* azure_cli's */
	SV_USUAL_TENANT, /* where neither that nor a tenant is named */
	SV_ALGORITHM,    /* PS256 or RS256 */
	SV_THUMBPRINT,   /* of the certificate, in hex: Service Fabric's, or the
	                    application's whose `sign` is the host's */
	SV_AUDIENCE,     /* of GitHub's ID token */
	SV_CONNECTION,   /* of Azure Pipelines: the service connection's id */
	SV_COUNT
};

/* s: the longest accepted lifetime of a token, ten years. */
#define CHAIN_LONGEST INT64_C(315360000)

struct flow;

struct chain_spec {
	const struct flow *flow;
	struct span value[SV_COUNT]; /* copied */
	int64_t timeout;             /* ms, of a program; 0: the default */
	bool send_x5c;
	bool developer; /* a tool in the default chain: its failures do not
	                   end the chain */
	bool probed;    /* first asked whether it is there at all */
	bool shared;    /* its token may serve other processes of the user */
};

/* The outcome of a link in the last sign-in. */
enum link_outcome {
	LINK_UNTRIED,
	LINK_TRYING, /* in progress */
	LINK_TOKEN,
	LINK_FAILED,
	LINK_ABSENT
};

struct link {
	struct chain_spec spec; /* its spans point into `text` */
	struct buf text;
	struct buf refresh_token; /* a signed-in user's, in memory only */
	enum link_outcome outcome;
	struct buf why;       /* it gave no token, or none yet */
	struct buf advice;    /* what to do about that */
	int64_t took;         /* ms; -1: never tried to its end */
	int64_t absent_until; /* monotonic: not to be asked before */
};

enum chain_want {
	CHAIN_IDLE, /* nothing to do */
	CHAIN_SEND, /* send the request that was written */
	CHAIN_NEED, /* provide what scratch.need says, then call
	               chain_provided */
	CHAIN_WAIT, /* call again at *until, or after the next answer */
};

/* What a flow needs from outside the core; lua/provide.c provides it. */
enum chain_need {
	NEED_NOTHING,
	NEED_TOKEN,     /* call the host's `get` with scope and claims */
	NEED_ASSERTION, /* call the host's `assertion` */
	NEED_SECRET, /* call the host's `client_secret`, if it is a function */
	NEED_CERTIFICATE,  /* "thumbprint NUL x5c": base64url SHA-256
	                      (for RS256: SHA-1), and the chain as a
	                      JSON array */
	NEED_SIGNATURE,    /* the signature of scratch.work by the link's
	                      algorithm */
	NEED_FILE,         /* the content of the file named scratch.work, with
	                      its line end; without the file the credential
	                      is not set up, any other error fails it */
	NEED_KEY_FILE,     /* the same, 4096 bytes at most, no symbolic link,
	                      owned by root or by its folder's owner, and
	                      writable by no one else */
	NEED_PROGRAM,      /* what it prints; scratch.work: arguments,
	                      NUL-closed */
	NEED_FINGERPRINTS, /* of the certificate scratch.work (PEM): its SHA-1,
	                      then the SHA-256 of its public key, as bytes */
	NEED_PROMPT,       /* show a person; scratch.work: the user
	                      code, the address and the text, NUL-closed */
	NEED_CACHED,       /* the record of a token that another process left;
	                      no bytes: there is none.  See cache.h */
};

/* What the caller is to do with the cache between processes: see cache.h. */
enum cache_duty {
	CACHE_NOTHING,
	CACHE_STORE,  /* the present token */
	CACHE_REMOVE, /* the record that chain_provided was given last */
};

/* The state of the running flow.  It is empty at the start of each link and
   after the fetch, so nothing that one link read, signed or received is there
   for another. */
struct scratch {
	int step, tries; /* of the flow; of the step's request */
	enum chain_need need;
	struct buf work;      /* what a need is about */
	struct buf assertion; /* what proves the client; or a header's value */
	struct buf device;    /* device_code's */
	struct buf subscription; /* that the token found so far is used for */
	int64_t interval, device_ends; /* the same */
};

struct chain {
	const struct mem *mem;
	struct link *links;
	size_t count;
	size_t at;                /* the link that is tried */
	size_t start;             /* asked first: the one that has succeeded */
	size_t source;            /* the one that the present token is of */
	const struct flow *first; /* comes before the links; NULL: none */
	const struct flow *cache; /* looks for a shared token before the links;
	                             NULL: no token is shared */
	struct buf endpoint;      /* whose cloud that is to find out */
	struct buf authority, scope; /* empty: not known yet */
	/* The client's subscription.  Empty: none was named.  The default
	   subscription of az or azd is used after the first token. */
	struct buf subscription;
	bool names_subscription; /* it was named, not found */
	struct buf token;
	uint32_t generation; /* of the token; 0: none yet */
	bool live;           /* the token may be used until it expires */
	bool refused;        /* a 401 refused it, and it is not replaced yet */
	bool from_cache;     /* another process fetched it */
	enum cache_duty duty;
	int64_t expires, refresh_at; /* monotonic ms */
	bool wanted;                 /* a fetch is under way */
	bool with_claims;            /* ... and sends the claims below */
	bool unanswered;             /* ... and a link cannot send them */
	bool in_flight;              /* a request was sent, or a need is being
	                                provided */
	int64_t not_before, sent_at, began;
	struct buf claims; /* the claims that the new token must have */
	struct retry_policy retry;
	uint32_t random;  /* state of the jitter and of ids */
	struct fail fail; /* of the last fetch; FAIL_NONE: it succeeded */
	struct scratch scratch;
};

/* Files of a program in the folder that a variable of the environment names, or
   else in that folder of the user's home.  The last one has no variable. */
struct profile {
	const char *variable, *folder, *file;
};

/* How people sign in to a program. */
struct sign_in {
	struct span command, tenant_option;
	/* The program can be told to use the sign-in of this one, and then
	   names its command; NULL: it cannot. */
	const struct sign_in *also;
};

/* The state machine of one token source.  It is constant; its state is in
   struct scratch.  flow.h lists all flows. */
struct flow {
	const char *name; /* the name in azpec.credential */
	/* Writes the step's request (CHAIN_SEND) or sets scratch.need and
	   scratch.work (CHAIN_NEED); or ends it by chain_fail, chain_absent
	   or chain_take (CHAIN_IDLE).  A second call before an answer returns
	   the same result.  It need not check buffers: chain_next returns
	   nothing from a failed buffer. */
	enum chain_want (*ask)(struct chain *s, struct request *q,
	                       struct now now);
	/* Handles the answer to its request; NULL: it sends none. */
	void (*fed)(struct chain *s, const struct answer *a);
	/* Handles what was provided; NULL: it needs nothing of that kind. */
	void (*provided)(struct chain *s, struct span bytes, struct now now);
	/* Handles the decoded output of the program that it needed, or other
	   JSON that was provided. */
	void (*printed)(struct chain *s, const struct answer *a);
	/* ms until the same request is sent again, or -1; NULL: by the retry
	   policy. */
	int64_t (*again)(const struct chain *s, const struct answer *a,
	                 int64_t asked);
	bool managed;    /* a source of managed identities: its hints speak of
	                    one */
	bool subscribes; /* it may have a default subscription */
	bool claims;     /* a claims challenge can be answered */
	bool shared;     /* its token may serve other processes of the user: the
	                    token costs a request or a program, and the values
	                    identify its owner */
	/* Files that change when other people sign in to a program: no token
	   outlives that.  NULL: none. */
	const struct profile *profile;
	/* Writes the command to run if the flow cannot answer a claims
	   challenge; NULL: none. */
	void (*advise_claims)(const struct chain *s, struct buf *out);
	/* How people sign in to the program that it asks.  NULL: there is no
	   such way, and the program's errors get no advice. */
	const struct sign_in *sign_in;
	/* Variables of the environment that hold its secret, closed by NULL: no
	   program of the same chain gets them.  NULL: none. */
	const char *const *secrets;
};

/* specs: the chain, in order.  False: out of memory. */
bool chain_init(struct chain *s, const struct mem *mem,
                const struct chain_spec *specs, size_t count,
                struct span authority, struct span scope, uint32_t seed);
/* Before the first token: authority and scope, where they are empty, are asked
   of the endpoint.  False: no memory. */
bool chain_find(struct chain *s, const struct flow *how, struct span endpoint);
/* Tokens are shared with other processes, if one of the links may. */
void chain_share(struct chain *s, const struct flow *how);
/* The subscription that the client is for; absent: none was named.  False: no
   memory. */
bool chain_name_subscription(struct chain *s, struct span subscription);
/* A program's own default subscription, for want of a named one. */
void chain_find_subscription(struct chain *s, struct span subscription);
void chain_free(struct chain *s);

/* Returns the generation of a usable token, or 0.  Starts a fetch if one is
   due. refused: the generation that a 401 refused, or 0. */
uint32_t chain_token(struct chain *s, uint32_t refused, struct span claims,
                     struct now now);
/* The token of the present link that a 401 refused; absent: none was refused
   since the last one was acquired. */
struct span chain_refused(const struct chain *s);
/* Writes the token's claims as JSON text.  False: the token is opaque.  Nobody
   has verified the claims. */
bool chain_claims(const struct chain *s, struct buf *out);
/* Why there is no token; NULL while a fetch is running. */
const struct fail *chain_failure(const struct chain *s);

/* Writes the progress of the fetch for a job whose deadline passed: the
   credential in progress and its last error. */
void chain_progress(const struct chain *s, struct fail *out);

enum chain_want chain_next(struct chain *s, struct now now, struct request *out,
                           int64_t *until);
/* Call this when the request was sent or the need is being provided. */
void chain_sent(struct chain *s, struct now now);
void chain_feed(struct chain *s, const struct answer *a);
/* Passes the bytes that were needed. */
void chain_provided(struct chain *s, struct span bytes, struct now now);
/* Passes the facts of a program's output, or of other JSON, to `printed`;
   a->http is NULL. */
void chain_feed_output(struct chain *s, const struct answer *a);
enum need_failure {
	NEED_FAILED, /* so has the credential */
	NEED_ABSENT, /* the credential is not set up: the chain tries the next
	                one */
	NEED_LATER,  /* as NEED_FAILED, but the same call may succeed later */
};
/* Reports that a need cannot be met. */
void chain_fail_need(struct chain *s, struct span why, enum need_failure how,
                     struct now now);
/* Fails the whole sign-in because of missing memory or the like. */
void chain_exhausted(struct chain *s, const char *why, struct now now);
/* The end of a program that was needed. a: the facts of chain_json(out). */
struct program_result {
	bool not_found; /* on the PATH */
	bool refused;   /* found, but it cannot be executed */
	bool timed_out; /* ended after `timeout` ms */
	bool flooded;   /* ended because it printed too much */
	int64_t timeout;
	int signal; /* that ended it; 0: none */
	int status; /* its exit status; -1: unknown */
	struct span out, err;
};
void chain_program(struct chain *s, const struct program_result *p,
                   const struct answer *a);
/* The JSON object in a program's output, without the warnings around it. */
struct span chain_json(struct span out);
/* Passes the host's token. expires_on: s since 1970, -1: unknown. */
void chain_give(struct chain *s, struct span token, int64_t expires_on,
                struct now now);

/* ---- for the flows ------------------------------------------------------ */

const struct link *chain_link(const struct chain *s);
/* The tenant that the present link is to sign in to; absent: its own choice. */
struct span chain_tenant(const struct chain *s);
enum { CHAIN_USUAL = -1 };         /* a refresh_in: by the rule of chain.c */
extern const char chain_expired[]; /* why a token is refused */
/* A token: lives and refresh_in in s, counted from s->sent_at.  chain_sent sets
   that when a request or a need leaves; a flow that takes a token in `ask`
   sets it itself.  The flow need not look whether a 401 has refused the same
   token: the second 401 ends the operation. */
void chain_take(struct chain *s, struct span token, int64_t lives,
                int64_t refresh_in, struct now now);
/* What can be a bearer token: it can stand in a header field. */
bool chain_is_token(struct span token);
/* Ends a flow that precedes the links (discovery, token cache), and continues
   with the next step. */
void chain_found(struct chain *s, struct now now);
/* s->fail says what failed: the whole sign-in has. */
void chain_fail(struct chain *s, struct now now);
/* This credential is not set up here; the chain's next one is tried. */
void chain_absent(struct chain *s, const char *why, struct span detail,
                  struct now now);
/* s->fail says why this credential gave no token; the chain's next one is
   tried. */
void chain_go_on(struct chain *s, enum link_outcome outcome, struct now now);
/* What was needed has come, or will not.  False: no need is open. */
bool chain_close_need(struct chain *s);
/* Begins the failure's text.  */
void chain_describe(struct chain *s, const char *message, struct span detail);
/* Appends foreign text to the message, without the credential's secret if that
   has at least 8 bytes: a shorter one would hide ordinary words. */
void chain_add(struct chain *s, struct span text);
/* The same for another field of the failure. */
void chain_note(struct chain *s, struct buf *out, struct span text);
void chain_step(struct chain *s, int step, int64_t not_before);

#endif
