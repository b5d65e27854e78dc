/*
 * scheduler.h -- the operations of one client: which may send, which wait for
 * the token, for a rate limit or for a time, and which have ended.  It does no
 * I/O: the driver (lua/loop.c) calls scheduler_next until it returns
 * SCHEDULER_WAIT, and feeds back each answer.  The head of scheduler.c explains
 * the queues.
 */
#ifndef AZPEC_SCHEDULER_H
#define AZPEC_SCHEDULER_H

#include "core/queue.h"
#include "core/op.h"
#include "core/rate.h"
#include "core/token/chain.h"

/* An operation with its links: to a queue, the heap and its connection's
   writers. */
struct job {
	struct queue_link link; /* in at most one queue */
	struct op op;
	size_t heap_at;          /* 1-based index in the heap; 0: not in it */
	int64_t due;             /* ms: the key in the heap */
	uint64_t arrival;        /* order in which it became ready for its first
	                            request */
	struct job *next_writer; /* the next one with the same hash in
	                            `writers` */
	uint32_t id_hash;        /* of a writer: the hash of its connection */
	bool is_writer;          /* it is in `writers` */
	void *transfer;          /* the driver's transfer, while a request is in
	                            flight */
};

static inline struct job *job_at(struct queue_link *n) {
	return (struct job *)n;
}

enum { SCHEDULER_WRITERS = 64 };

struct scheduler {
	struct op_config cfg;
	struct chain chain;
	struct rate rate;       /* the service's rate limits */
	void *chain_transfer;   /* the driver's transfer of the sign-in */
	struct queue ready;     /* op_next is called for them in this step */
	struct queue blocked;   /* another job writes to their connection */
	struct queue tokenless; /* wait for the bearer token */
	/* By the rate limit that a request counts for. in_flight: jobs whose
	   request was sent. held and new_held: jobs that wait for that limit;
	   those in new_held have not begun. */
	struct queue in_flight[RATE_KINDS];
	struct queue held[RATE_KINDS], new_held[RATE_KINDS];
	struct queue ended; /* not yet reported to the driver */
	struct job **heap;  /* jobs that are due at a time; the earliest
	                       first */
	size_t heap_n, heap_cap;
	/* jobs that write and have not ended, by a hash of their connection's
	   id */
	struct job *writers[SCHEDULER_WRITERS];
	size_t jobs;           /* added and not removed */
	uint64_t arrivals;     /* the last number given to a job's `arrival` */
	size_t max_in_flight;  /* the limit of requests in flight at once */
	bool at_connect_limit; /* libcurl has no free connection at present */
};

enum scheduler_want {
	SCHEDULER_SEND,  /* start *request for *job; job NULL: for the
	                    sign-in */
	SCHEDULER_WRITE, /* the same, for a PATCH or DELETE; or call
	                    scheduler_veto */
	SCHEDULER_NEED,  /* provide what chain.scratch.need asks for, after
	                    scheduler_sent */
	SCHEDULER_ENDED, /* *job has ended: drop its transfer, if any */
	SCHEDULER_WAIT,  /* nothing to do before *until or the next feed */
};

void scheduler_init(struct scheduler *c, const struct op_config *cfg,
                    size_t max_in_flight);
void scheduler_free(struct scheduler *c); /* does not free the jobs */

/* False: out of memory. */
bool scheduler_add(struct scheduler *c, struct job *j);
/* Continues an operation that ended: a list's next page. */
void scheduler_next_page(struct scheduler *c, struct job *j);
/* The driver lost the sign-in's transfer; its request will be sent again. */
void scheduler_lost_signin(struct scheduler *c);
/* Removes a job in any state. */
void scheduler_remove(struct scheduler *c, struct job *j);
/* Ends the job as canceled. scheduler_next then reports it as ended. */
void scheduler_cancel(struct scheduler *c, struct job *j, const char *why,
                      struct now now);
/* Ends the job in place of the write that scheduler_next returned. */
void scheduler_veto(struct scheduler *c, struct job *j, struct span why,
                    struct now now);

enum scheduler_want scheduler_next(struct scheduler *c, struct now now,
                                   struct job **job, struct request *request,
                                   int64_t *until);
/* The time, in ms of the monotonic clock, before which the job that waits for
   its next request sends none: because of its own pause, or of the service's
   rate limit. */
int64_t scheduler_due(const struct scheduler *c, const struct job *j);
/* Call this when the request of scheduler_next was started. */
void scheduler_sent(struct scheduler *c, struct job *job, struct now now);
/* Call this when the token chain was given what it needed. */
void scheduler_provided(struct scheduler *c, struct now now);
/* Passes on an answer. job NULL: to the sign-in. */
void scheduler_feed(struct scheduler *c, struct job *job,
                    const struct answer *a);

#endif
