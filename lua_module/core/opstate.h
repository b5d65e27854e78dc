/*
 * opstate.h -- an operation's state, and the functions that change it.  op.c
 * builds requests and takes answers, op_rules.c and op_read.c judge them, and
 * opfail.c words failures.  Other files read the fields and change none.
 */
#ifndef AZPEC_OPSTATE_H
#define AZPEC_OPSTATE_H

#include "fail.h"
#include "poll.h"
#include "retry.h"

enum op_kind {
	OP_UPDATE,
	OP_DELETE,
	OP_ENSURE,
	OP_GET,
	OP_LIST,
	OP_IDENTITY /* a token is had, and nothing sent */
};

enum op_want { OP_TOKEN, OP_SEND, OP_WAIT, OP_DONE, OP_FAIL };

/* What the whole conversation of a client shares; outlives its operations. */
struct op_config {
	const struct mem *mem;
	const struct url *origins; /* the endpoint's first, then the trusted */
	size_t origin_count;
	struct retry_policy retry;
	int64_t try_timeout;     /* ms for one request */
	const struct buf *token; /* to be kept out of every message; or NULL */
};

/* What is asked for.  The spans are copied. */
struct op_spec {
	enum op_kind kind;
	struct span url; /* the resource's, whole, with its api-version */
	struct span id;  /* the resource's, for people and for the result */
	struct span api_version;
	struct span body; /* of the PATCH: JSON */
	struct span status, description, action_required; /* what it asks */
	struct span if_match;
	struct span client_request_id, traceparent;
	const char *needs;     /* hint of a 403: static; NULL: by the kind */
	int64_t timeout;       /* ms, for everything together */
	int64_t poll_interval; /* ms; 0: the default */
	uint32_t seed;         /* of the jitter */
	bool read_only;        /* ensure: it may find, but not write */
};

/* What is to become of the reply that was just fed. */
enum op_keep {
	KEEP_NOTHING,
	KEEP_RESULT, /* it is the connection, or the page */
	KEEP_BEFORE, /* ensure: the connection as it was found */
	KEEP_ERROR,  /* its body is the service's error */
};

/* Which request is next, and so what its answer can prove. */
enum op_leg {
	LEG_READ,    /* ensure's look at what is there; get; a page */
	LEG_WRITE,   /* the PATCH or DELETE */
	LEG_POLL,    /* the polling URL */
	LEG_WATCH,   /* the resource, while nobody has said that it is over */
	LEG_CONFIRM, /* the resource, after a word of success */
	LEG_SETTLE,  /* the resource, to decide what a failure left open */
	LEGS
};

/* What is known of the write. */
enum known {
	KNOWN_UNDONE, /* none has reached the service, or it came to nothing */
	KNOWN_DOUBTFUL, /* one may have been carried out, unseen */
	KNOWN_ACCEPTED, /* one was accepted; how it ends is not known */
	KNOWN_DECIDED,  /* the service has said how it ended */
};

/* What the service has said of the operation's end. */
enum said {
	SAID_NOTHING,
	SAID_OVER,   /* a word of success */
	SAID_DENIED, /* an error that may be its result: the resource decides */
};

/* list: the way to the next page. */
enum op_way {
	WAY_CLEAR,
	WAY_FOREIGN, /* on an origin that is not trusted */
	WAY_CIRCLE,  /* asked for already */
};

struct op {
	const struct op_config *cfg;
	struct op_spec spec; /* its spans lie in text */
	struct buf text;
	enum op_leg leg;
	enum op_want end; /* OP_DONE, OP_FAIL; else not over */
	enum op_keep keep;
	struct poll poll;
	struct fail fail;  /* why it failed; or what a settling look decides */
	struct buf etag;   /* ensure: what the PATCH guards itself with */
	struct buf claims; /* of a challenge, for the next token */
	struct buf word;   /* the service's last word on the state */
	struct buf shown;  /* the connection's status when it was last read */
	struct buf next;   /* list: where the next page is */
	struct buf request_id, correlation_id; /* of the last answer */
	enum op_way way;       /* ... and whether it may be asked for */
	struct buf pages;      /* list: hashes of the URLs asked for */
	int percent;           /* percentComplete; -1: never said */
	int64_t time;          /* ms that are left at its begin or restart */
	int64_t deadline;      /* NEVER until the next op_next */
	int64_t not_before;    /* of the next request */
	int64_t missing_since; /* answers are 404 since then; -1: not so */
	int64_t spent[PHASE_COUNT], mark;
	uint32_t random;
	uint32_t token;   /* the granted token's generation; 0: none */
	uint32_t refused; /* the generation that a 401 refused */
	int tries;        /* of the present leg's request */
	int writes;       /* tries of the write, settling looks between them */
	int odd;          /* answers in a row that made no sense */
	int stale;        /* final states that are not what was asked */
	int empty;        /* pages in a row with nothing in them */
	int rounds;       /* ensure: writes that met a 412 */
	int same_tag;     /* ... and then the same ETag was read again */
	int polls;        /* made so far */
	enum known known;
	enum said said;
	unsigned char judged_leg, judged_meaning; /* the last rule applied */
	bool in_flight;    /* stays so at an end that nobody will hear of */
	bool asking;       /* for a token, without an answer yet */
	bool reauthorized; /* a 401 was already answered with a new token */
	bool repeat;       /* the settling look may lead to another write */
	bool head_tag;  /* the body's ETag was refused: the header's is used */
	bool changed;   /* a write was accepted */
	bool rejected;  /* ensure: found rejected or disconnected */
	bool untrusted; /* a polling URL was refused on the way */
};

/* May a write have reached the service whose end is not known? */
bool op_unknown(const struct op *o);

enum { OP_MAX_TEXT = 2 * 1024 * 1024 };

enum phase op_phase(const struct op *o);
bool op_writes(const struct op *o);
struct span op_request_url(const struct op *o);

/* To another leg, or the same one anew; its request may go out at not_before.
   The only way to a leg, as op_done and op_failed are to an end. */
void op_move(struct op *o, enum op_leg leg, int64_t not_before);
uint32_t op_draw(struct op *o); /* for the jitter */
void op_done(struct op *o, enum op_keep keep);
/* Puts text before o->fail's message. */
void op_begin_message(struct op *o, const char *text);
void op_failed(struct op *o); /* o->fail says why */
/* Ends it from outside, as canceled or for another kind of reason. */
void op_stop(struct op *o, enum fail_kind kind, const char *why,
             struct now now);
/* Books the time since the last happening to its phase. */
void op_book(struct op *o, struct now now);

#endif
