/*
 * fail.h -- the one shape of every failure the world hands us: a closed list
 * of kinds, and what a person or a program needs to act on it.
 */
#ifndef AZPEC_FAIL_H
#define AZPEC_FAIL_H

#include "http.h"

enum fail_kind {
	FAIL_NONE,
	FAIL_CREDENTIAL,   /* no token, or the token was refused */
	FAIL_FORBIDDEN,    /* 403 */
	FAIL_NOT_FOUND,    /* 404 */
	FAIL_PRECONDITION, /* 412: the ETag is another one now */
	FAIL_CONFLICT,     /* 409 */
	FAIL_THROTTLED,    /* 429 */
	FAIL_SERVICE,      /* any other error status */
	FAIL_OPERATION,    /* ended Failed or Canceled, or not as asked */
	FAIL_TIMEOUT,      /* our deadline passed */
	FAIL_CANCELED,     /* our caller stopped waiting */
	FAIL_TRANSPORT,    /* below HTTP */
	FAIL_PROTOCOL,     /* an answer nobody can make sense of */
	FAIL_UNTRUSTED,    /* a certificate or an address we may not trust */
	FAIL_LIMIT,        /* a ceiling of ours */
	FAIL_KIND_COUNT
};

/* Where it happened, and where the time went. */
enum phase {
	PHASE_TOKEN,
	PHASE_REQUEST,
	PHASE_POLL,
	PHASE_RESULT,
	PHASE_COUNT
};

struct fail {
	enum fail_kind kind;
	enum phase phase;
	int http_status;     /* 0: no answer */
	bool body;           /* the reply kept as KEEP_ERROR tells more */
	bool retryable;      /* the same call may well succeed later */
	int64_t retry_after; /* ms the service asked for; -1: none */
	const char *hint;    /* what to do about it; NULL */
	struct buf message, code, target;
	struct buf request_id, correlation_id; /* the service's */
};

const char *fail_kind_name(enum fail_kind k);
const char *phase_name(enum phase p);
void fail_init(struct fail *f, const struct mem *mem);
void fail_free(struct fail *f);
void fail_set(struct fail *f, enum fail_kind kind, enum phase phase,
              const char *message);
/* What must not be shown, whoever echoes it; absent spans are passed over. */
struct secrets {
	const struct span *list;
	size_t count;
};

/* Copies text for people up to a length of out: no control characters, nothing
   that looks like a bearer token or a form's secret parameter, and no secret,
   be it raw, percent-encoded or escaped for JSON.  Returns the rest. */
struct span fail_redact(struct buf *out, struct span text,
                        struct secrets secrets, size_t limit);
/* Adds foreign text to the message that way, cut at a ceiling. */
void fail_add_without(struct fail *f, struct span foreign,
                      struct secrets secrets);
void fail_add(struct fail *f, struct span foreign);
void fail_copy(struct fail *to, const struct fail *from);
/* What an HTTP status means. */
enum fail_kind fail_kind_of(int status);
/* What ended a try below HTTP. */
enum fail_kind fail_kind_of_net(enum net_error e);

#endif
