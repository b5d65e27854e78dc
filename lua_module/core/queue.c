/* queue.c -- intrusive doubly linked queues. */
#include "core/queue.h"

/* Inserts a link between two neighbours; NULL: that end of the queue. */
static void join(struct queue *q, struct queue_link *prev,
                 struct queue_link *link, struct queue_link *next) {
	*link = (struct queue_link){ prev, next, q };
	*(prev ? &prev->next : &q->first) = link;
	*(next ? &next->prev : &q->last) = link;
	q->n++;
}

void queue_enter(struct queue *q, struct queue_link *link) {
	queue_leave(link);
	join(q, q->last, link, NULL);
}

void queue_enter_first(struct queue *q, struct queue_link *link) {
	queue_leave(link);
	join(q, NULL, link, q->first);
}

void queue_leave(struct queue_link *link) {
	struct queue *q = link->queue;
	if (!q)
		return;
	*(link->prev ? &link->prev->next : &q->first) = link->next;
	*(link->next ? &link->next->prev : &q->last) = link->prev;
	*link = (struct queue_link){ NULL, NULL, NULL };
	q->n--;
}
