/*
 * queue.h -- intrusive doubly linked queues: of jobs, of transfers, of waiting
 * calls.  An item is in at most one queue.  Leaving a queue needs neither a
 * search nor memory.
 *
 * The struct queue_link is the first member of an item, so a pointer to the
 * link is also a pointer to the item.
 */
#ifndef AZPEC_QUEUE_H
#define AZPEC_QUEUE_H

#include <stddef.h>

struct queue_link {
	struct queue_link *prev, *next;
	struct queue *queue; /* NULL: in no queue */
};

struct queue {
	struct queue_link *first, *last;
	size_t n;
};

/* Inserts an item at the end or at the start.  One that is already in a queue
   leaves that queue first. */
void queue_enter(struct queue *q, struct queue_link *link);
void queue_enter_first(struct queue *q, struct queue_link *link);
void queue_leave(struct queue_link *link);

#endif
