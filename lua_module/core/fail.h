/*
 * fail.h -- the one structure of all runtime failures: a closed list of
 * kinds, and the facts that a person or a program needs to act on it.
 */
#ifndef AZPEC_FAIL_H
#define AZPEC_FAIL_H

#include "core/http.h"
#include "core/redact.h"

enum fail_kind {
	FAIL_NONE,
	FAIL_CREDENTIAL,   /* no token, or the token was refused */
	FAIL_FORBIDDEN,    /* 403 */
	FAIL_NOT_FOUND,    /* 404 */
	FAIL_PRECONDITION, /* 412: the ETag has changed */
	FAIL_CONFLICT,     /* 409 */
	FAIL_THROTTLED,    /* 429 */
	FAIL_SERVICE,      /* any other error status */
	FAIL_OPERATION,    /* ended Failed or Canceled, or not as asked */
	FAIL_TIMEOUT,      /* the deadline passed */
	FAIL_CANCELED,     /* the caller canceled the wait */
	FAIL_TRANSPORT,    /* below HTTP */
	FAIL_PROTOCOL,     /* an answer that cannot be interpreted */
	FAIL_UNTRUSTED,    /* a certificate or URL that is not trusted */
	FAIL_LIMIT,        /* a limit of azpec */
	FAIL_KIND_COUNT
};

/* Where the failure happened, and which part of the call took the time. */
enum phase {
	PHASE_TOKEN,
	PHASE_POLICY,
	PHASE_REQUEST,
	PHASE_POLL,
	PHASE_RESULT,
	PHASE_COUNT
};

struct fail {
	enum fail_kind kind;
	enum phase phase;
	int http_status;     /* 0: no answer */
	bool body;           /* the reply kept as KEEP_ERROR holds more
	                        details */
	bool retryable;      /* the same call may succeed later */
	int64_t retry_after; /* ms that the service asked for; -1: none */
	const char *hint;    /* how to cure it; NULL: no advice.  It may be in
	                        `advice`: see fail_copy_hint */
	struct buf advice;   /* the text of a hint made for this failure */
	struct buf message, code, target;
	struct buf request_id, correlation_id; /* the service's */
};

const char *fail_kind_name(enum fail_kind k);
const char *phase_name(enum phase p);
void fail_init(struct fail *f, const struct mem *mem);
void fail_free(struct fail *f);
void fail_set(struct fail *f, enum fail_kind kind, enum phase phase,
              const char *message);
/* Appends foreign text to the message: without secrets, at most 1,024 bytes. */
void fail_add_without(struct fail *f, struct span foreign,
                      struct secrets secrets);
void fail_add(struct fail *f, struct span foreign);
/* Makes the text in `advice` the hint. */
void fail_advise(struct fail *f);
/* Copies the hint, and its text where it is in `advice`. */
void fail_copy_hint(struct fail *to, const struct fail *from);
/* Copies all but a request id and correlation id that `to` already has. */
void fail_copy(struct fail *to, const struct fail *from);
/* The kind of an HTTP error status. */
enum fail_kind fail_kind_of(int status);
/* The kind of an error below HTTP. */
enum fail_kind fail_kind_of_net(enum net_error e);

#endif
