/*
 * client.h -- many operations beside each other: who may send, who waits for
 * the token, for room in the service's limits or for a time, and who has
 * ended.  No I/O; the driver asks client_next until nothing is left to do, and
 * feeds back what happened.
 */
#ifndef AZPEC_CLIENT_H
#define AZPEC_CLIENT_H

#include "op.h"
#include "rate.h"
#include "signin.h"

/* An operation's place in its client: the op and the lists it stands in. */
struct job {
	struct op op;
	struct job *prev, *next; /* of the queue it stands in */
	struct queue *queue;     /* NULL: in none */
	size_t heap_at;          /* 1-based place among the due; 0: none */
	int64_t due;
	void *transfer; /* the driver's, while one is on its way */
};

struct queue {
	struct job *first, *last;
	size_t n;
};

/* A job stands in one queue at most.  The driver may have queues of its own
   for those that have ended. */
void queue_enter(struct queue *q, struct job *j);
void queue_leave(struct job *j);

struct client {
	struct op_config cfg;
	struct signin signin;
	struct rate rate;       /* what the service said of its limits */
	void *signin_transfer;  /* the driver's */
	struct queue ready;     /* to be asked what they want */
	struct queue tokenless; /* wait for the token */
	/* a request of theirs is on its way, by the limit that it counts for;
	   others wait until that limit lets them: those that have begun, and
	   those that have not */
	struct queue flying[RATE_KINDS];
	struct queue held[RATE_KINDS], new_held[RATE_KINDS];
	struct queue ended; /* not yet reported to the driver */
	struct job **heap;  /* waiting for a time, the soonest first */
	size_t heap_n, heap_cap;
	size_t jobs;       /* added and not removed */
	size_t max_flying; /* requests on their way at once */
	bool crowded;      /* the driver takes no more of them just now */
};

enum client_want {
	CLIENT_SEND,  /* start *request for *job (NULL: the sign-in) */
	CLIENT_NEED,  /* see to what signin.need says, after client_sent */
	CLIENT_ENDED, /* *job is over: drop its transfer if it has one */
	CLIENT_WAIT,  /* nothing to do until *until or the next feed */
};

void client_init(struct client *c, const struct op_config *cfg,
                 size_t max_flying);
void client_free(struct client *c); /* the jobs are the owner's */

/* False: no memory. */
bool client_add(struct client *c, struct job *j);
/* An operation that ended, and was told to go on: a list's next page. */
void client_resume(struct client *c, struct job *j);
/* The driver lost the sign-in's transfer: its request is to be sent anew. */
void client_lost_signin(struct client *c);
/* Takes an operation out, whatever it is doing. */
void client_remove(struct client *c, struct job *j);
/* Ends it as canceled; it is then reported as ended. */
void client_cancel(struct client *c, struct job *j, const char *why,
                   struct now now);

enum client_want client_next(struct client *c, struct now now, struct job **job,
                             struct request *request, int64_t *until);
/* The request that client_next gave is on its way. */
void client_sent(struct client *c, struct job *job, struct now now);
/* The sign-in was told something that it needed: who waits for it hears. */
void client_signed(struct client *c, struct now now);
/* What came back; job NULL: for the sign-in. */
void client_feed(struct client *c, struct job *job, const struct answer *a);

#endif
