/*
 * op_state.h -- an operation's state, and the functions that change it. op.c
 * builds requests and takes answers, op_rules.c and op_read.c interpret them,
 * and op_error.c writes error messages.  Other files only read the fields.
 */
#ifndef AZPEC_OP_STATE_H
#define AZPEC_OP_STATE_H

#include "core/fail.h"
#include "core/policy.h"
#include "core/poll.h"
#include "core/retry.h"
#include "core/transition.h"

enum op_kind {
	OP_UPDATE,
	OP_DELETE,
	OP_ENSURE,
	OP_GET,
	OP_LIST,
	OP_QUERY,   /* a list whose pages are requested by POST */
	OP_IDENTITY /* gets a token, and sends nothing */
};

/* The call of the library for each kind.  The first three have continuation
   tokens, which contain these names. */
extern const char *const op_calls[];
enum { OP_RESUMABLE = OP_ENSURE + 1 };

enum op_want { OP_TOKEN, OP_SEND, OP_WAIT, OP_DONE, OP_FAIL };

/* What all operations of a client share; it outlives them. */
struct op_config {
	const struct mem *mem;
	const struct url *origins; /* the endpoint's first, then the trusted
	                              ones */
	size_t origin_count;
	struct retry_policy retry;
	int64_t try_timeout;     /* ms for one request */
	const struct buf *token; /* must appear in no message; or NULL */
};

/* The arguments of an operation.  The spans are copied. */
struct op_spec {
	enum op_kind kind;
	enum policy_when policy;
	uint32_t seed;   /* of the jitter */
	bool read_only;  /* ensure: it must not write */
	bool skip_read;  /* ensure: the caller has read if_match */
	struct span url; /* the resource's URL, complete, with its
	                    api-version */
	struct span id;  /* the resource's, for people and for the result */
	struct span api_version;
	struct span query; /* a query's body without its options: JSON */
	struct span status, description, action_required; /* requested */
	struct span if_match;
	struct span client_request_id, traceparent, tracestate;
	struct span change_reference; /* of the policy token; or absent */
	const char *needs;     /* hint of a 403: static; NULL: by the kind */
	int64_t timeout;       /* ms, for all requests and waits */
	int64_t poll_interval; /* ms; 0: the default */
	int64_t top;           /* query: rows on a page */
};

/* What lua/loop.c keeps of the reply that was just fed. */
enum op_keep {
	KEEP_NOTHING,
	KEEP_RESULT, /* the connection or the page */
	KEEP_BEFORE, /* ensure: the connection before the write */
	KEEP_ERROR,  /* the service's error */
};

/* Which request is next, and so what its answer can prove. */
enum op_leg {
	LEG_READ,    /* ensure's first read; get; a page of a list */
	LEG_ACQUIRE, /* the request for a policy token */
	LEG_AWAIT,   /* that acquisition's polling URL */
	LEG_WRITE,   /* the PATCH or DELETE */
	LEG_POLL,    /* the polling URL */
	LEG_WATCH,   /* the resource, while the operation is running */
	LEG_CONFIRM, /* the resource, after a terminal status Succeeded */
	LEG_SETTLE,  /* the resource, to decide what a failure left open */
	LEGS
};

/* What is known of the write. */
enum known {
	KNOWN_UNDONE,   /* no write reached the service, or it had no effect */
	KNOWN_DOUBTFUL, /* in doubt: one may have been carried out */
	KNOWN_REPLACED, /* it was in doubt; the ETag shows a later change */
	KNOWN_ACCEPTED, /* one was accepted; its end is not known */
	KNOWN_DECIDED,  /* the service has reported its end */
};

/* What the service has reported about the end of the operation. */
enum reported {
	REPORTED_NOTHING,
	REPORTED_SUCCESS, /* terminal status Succeeded, or its equivalent */
	REPORTED_ERROR,   /* an error that may be its result: the resource
	                     decides */
};

/* list: the state of the link to the next page. */
enum op_way {
	WAY_CLEAR,
	WAY_FOREIGN, /* on an origin that is not trusted */
	WAY_CIRCLE,  /* already requested */
	WAY_NONE,    /* there are more rows, but no page that has them */
};

/* Of a list. */
struct op_pages {
	struct buf next;   /* where the next page is; query: its token */
	struct buf hashes; /* of the pages requested so far */
	enum op_way way;   /* may the next page be requested? */
	int empty;         /* empty pages in a row */
};

/* For an operation that writes. */
struct op_change {
	struct buf etag;  /* ensure: If-Match of the PATCH */
	struct buf found; /* the connection's status before the write */
	/* the rule for the status found and the one asked for */
	const struct transition_rule *transition;
	struct policy *policy; /* NULL: no policy token was needed so far */
};

struct op {
	const struct op_config *cfg;
	struct op_spec spec; /* its spans point into `text` */
	struct buf text;
	enum op_leg leg;
	enum op_want end; /* OP_DONE or OP_FAIL; otherwise OP_WAIT */
	enum op_keep keep;
	int percent; /* percentComplete; -1: not reported */
	struct poll poll;
	/* the reason of the failure, or the failure that SETTLE decides about;
	   the ids of the last answer in any case */
	struct fail fail;
	union {
		struct op_pages pages;   /* OP_LIST, OP_QUERY */
		struct op_change change; /* the others */
	};
	struct buf claims;      /* of a challenge, for the next token */
	struct buf last_status; /* the last status that the service reported */
	struct buf shown;       /* the connection's status when last read */
	int64_t time;       /* ms for the operation from its start or restart */
	int64_t deadline;   /* NEVER until the first op_next */
	int64_t not_before; /* earliest time of the next request */
	int64_t missing_since; /* since then every answer was 404; -1: no */
	int64_t spent[PHASE_COUNT], booked_at;
	uint32_t random;  /* state of the jitter */
	uint32_t token;   /* generation of the granted token; 0: none */
	uint32_t refused; /* the generation that a 401 refused */
	int tries;        /* tries of the current leg's request */
	int writes;       /* tries of the write, across SETTLE */
	int writes_sent;  /* PATCHes or DELETEs sent, whatever their result */
	int bad_answers;  /* unusable answers in a row */
	int stale_reads;  /* final states that were not as asked */
	int conflicts;    /* ensure: writes that a 412 refused */
	int same_tag;     /* ensure: after a 412 the same ETag was read again */
	int polls;        /* number of polls so far */
	enum known known;
	enum reported reported;
	unsigned char judged_leg, judged_meaning; /* the last rule applied */
	bool in_flight;    /* stays true if the operation ends meanwhile */
	bool asking;       /* waits for a token */
	bool reauthorized; /* a 401 already led to a new token */
	bool no_token;     /* it ended because the sign-in failed */
	bool vetoed;       /* it ended because before_write refused a write */
	bool repeat;       /* SETTLE may lead to another write */
	bool head_tag;     /* use the header's ETag: the body's was refused */
	bool changed;      /* a write was accepted */
	bool resumed;      /* started by another process */
	bool untrusted;    /* a polling URL was refused */
};

/* True when a write may have reached the service and its end is not known. */
bool op_unknown(const struct op *o);

/* True when no write has reached the service, or none had an effect. */
bool op_untouched(const struct op *o);

enum { OP_MAX_TEXT = 2 * 1024 * 1024 };

enum phase op_phase(const struct op *o);
/* Does it read the resource only to send the write again? */
bool op_retries_write(const struct op *o);
/* How often the present request has failed, or the write that is retried. */
int op_failures(const struct op *o);
/* Is it acquiring a policy token? */
bool op_acquires(const struct op *o);
/* Does it request a token again because an evaluation has failed? */
bool op_evaluates_again(const struct op *o);
/* Does o->fail hold what the next answers decide about? */
bool op_keeps_failure(const struct op *o);
/* Writes to list what no message may show, even if an answer echoes it; list
   has room for OP_SECRETS. */
/* The call that began it: one of op_calls, or "resume". */
const char *op_call(const struct op *o);
enum { OP_SECRETS = 2 };
struct secrets op_secrets(const struct op *o, struct span *list);
bool op_writes(const struct op *o);
bool op_lists(const struct op *o);
struct span op_request_url(const struct op *o);
/* Where a list's next page is; absent: it has none. */
struct span op_next_url(const struct op *o);
/* The If-Match of the write; absent: none. */
struct span op_guard(const struct op *o);

/* Moves to a leg, or repeats it; the request may go out at not_before.  Only
   this function changes the leg; only op_done and op_failed end the
   operation. */
void op_move(struct op *o, enum op_leg leg, int64_t not_before);
void op_done(struct op *o, enum op_keep keep);
/* Puts text in front of o->fail's message. */
void op_begin_message(struct op *o, const char *text);
void op_failed(struct op *o); /* o->fail has the reason */
/* Ends the operation with this kind and reason. */
void op_stop(struct op *o, enum fail_kind kind, const char *why,
             struct now now);
/* Ends the operation as canceled.  The message adds what is known of its
   write. */
void op_cancel(struct op *o, const char *why, struct now now);
/* Adds the time since the last event to the phase that it belongs to. */
void op_book(struct op *o, struct now now);

#endif
