/*
 * wakeup.c -- many waiting calls, one descriptor.
 *
 * A client has one pollable descriptor (io/pollset.h).  Any number of calls may
 * wait at it, in the host's coroutines: poller:wait, a list's next page, the
 * next completion, client:wait.  The host's loop wakes all of them when the
 * descriptor becomes readable.  So it must be readable exactly when one of them
 * can continue.  The terms are those of condition variables:
 *
 *   condition  what calls wait for: the end of one poller, one more completion,
 *              the client's end.  holds() tells whether it does.
 *   waiter     one waiting call, with its own time limit.
 *   signalled  the condition holds, and no waiter has seen it yet.
 *
 * client->wakeups counts the signalled conditions and the late waiters.  While
 * it is not 0, the pollset's eventfd keeps the descriptor readable:
 *
 *   condition_signal   wakeups + 1, once
 *   wakeup_check       a waiter's limit passed: wakeups + 1
 *   waiter_disarm      the call was woken: its count is taken back
 *
 * So nothing spins: a woken call returns if its condition holds; otherwise it
 * arms again, and the signal is taken back.  And no wake-up is lost: if the
 * condition already holds, waiter_arm signals it.
 *
 * wakeup_due sets the descriptor's timer to the earlier of two times: the next
 * turn of the scheduler, and the next limit of a waiter. wakeup_check enforces
 * the latter.
 *
 * Invariants.
 *
 *   - The descriptor is readable only if wakeups > 0, libcurl has work, or a
 *     time is due.
 *   - wakeups is the number of signalled conditions and late waiters of this
 *     epoch.
 *   - A condition without an armed waiter is never signalled.
 *
 * As with condition variables (pthread_cond_wait(3)), a woken call checks its
 * condition again before it returns.
 *
 * The epoch.  After a fork, and after the client's end, no call waits in this
 * process. wakeup_forget starts a new epoch; waiters and conditions of older
 * epochs are not counted.
 */
#include "lua/wakeup.h"

#include <unistd.h>

bool client_in_own_process(const struct client *c) {
	return c->pid == (int)getpid();
}

/* ---- the descriptor ----------------------------------------------------- */

static void set_news(struct client *c) {
	if (c->open)
		pollset_news(c->ps, c->wakeups > 0);
}

void wakeup_due(struct client *c, int64_t due) {
	c->due = due;
	pollset_due(c->ps, due);
}

static bool is_current(const struct condition *on) {
	return on->epoch == on->client->epoch;
}

bool condition_armed(const struct condition *on) {
	return is_current(on) && on->armed > 0;
}

void condition_signal(struct condition *on) {
	if (!condition_armed(on) || on->signalled)
		return;
	on->signalled = true;
	on->client->wakeups++;
	set_news(on->client);
}

static void take_back(struct condition *on) {
	if (on->signalled)
		on->client->wakeups--;
	on->signalled = false;
}

void wakeup_forget(struct client *c) {
	c->epoch++;
	c->wakeups = c->armed = 0;
	while (c->limited.first)
		queue_leave(c->limited.first);
	c->limit = c->due = NEVER;
}

/* A closed client keeps its descriptor readable for the calls that still wait.
   The last of them gives it back to the pool. */
void wakeup_release(struct client *c) {
	if (!c->ps || c->armed > 0)
		return;
	pollset_give(c->pool, c->ps, !client_in_own_process(c));
	c->ps = NULL;
}

/* ---- limits ------------------------------------------------------------- */

/* Each call has its own limit.  Of two calls that wait for one condition, each
   is woken in time. */
static void enter(struct client *c, struct limit *l) {
	l->late = false;
	queue_enter(&c->limited, &l->link);
	c->limit = sooner(c->limit, l->at);
	wakeup_due(c, sooner(c->due, c->limit));
}

void wakeup_check(struct client *c, int64_t now) {
	struct queue_link *at, *next;
	if (now < c->limit)
		return;
	c->limit = NEVER;
	for (at = c->limited.first; at; at = next) {
		struct limit *l = (struct limit *)at;
		next = at->next;
		if (l->at > now) {
			c->limit = sooner(c->limit, l->at);
			continue;
		}
		queue_leave(at);
		l->late = true;
		c->wakeups++;
	}
	set_news(c);
}

/* ---- one call ----------------------------------------------------------- */

void waiter_arm(struct waiter *w) {
	struct condition *on = w->on;
	struct client *c = on->client;
	if (!is_current(on)) {
		on->epoch = c->epoch;
		on->armed = 0;
		on->signalled = false;
	}
	on->armed++;
	c->armed++;
	w->epoch = c->epoch;
	w->armed = true;
	if (w->limit)
		enter(c, w->limit);
	if (on->holds(on->of))
		condition_signal(on);
}

static void leave(struct client *c, struct limit *l) {
	if (l->late)
		c->wakeups--;
	queue_leave(&l->link);
	l->late = false;
}

/* The descriptor wakes all calls that wait at it.  Each checks its condition,
   and arms again if it must wait longer. */
void waiter_disarm(struct waiter *w) {
	struct condition *on = w->on;
	struct client *c = on->client;
	bool counted = w->armed && w->epoch == c->epoch;
	w->armed = false;
	if (!counted)
		return;
	if (w->limit)
		leave(c, w->limit);
	on->armed--;
	c->armed--;
	if (on->armed == 0 || !on->holds(on->of))
		take_back(on);
	if (c->open)
		set_news(c);
	else
		wakeup_release(c);
}

/* ---- the completion queue ----------------------------------------------- */

/* True when a poller can be handed out, or none will ever come. */
static bool holds(const void *queue) {
	const struct completion_queue *s = queue;
	return s->ended.n > 0 || s->left == 0;
}

void completion_init(struct completion_queue *s, struct client *c) {
	*s = (struct completion_queue){ .left = 0 };
	s->condition =
		(struct condition){ .client = c, .holds = holds, .of = s };
}

static void put(struct poller *p, struct completion_queue *s) {
	p->completions = s;
	s->left++;
}

void completion_offer(struct poller *p) {
	put(p, &p->client->completions);
}

void completion_ended(struct poller *p) {
	if (!p->completions)
		return;
	queue_enter(&p->completions->ended, &p->job.link);
	condition_signal(&p->completions->condition);
}

void completion_take(struct poller *p) {
	struct completion_queue *s = p->completions;
	if (!s)
		return;
	if (p->job.link.queue == &s->ended)
		queue_leave(&p->job.link);
	p->completions = NULL;
	if (--s->left == 0)
		condition_signal(&s->condition);
}

void completion_move(struct poller *p, struct completion_queue *to) {
	bool ended = p->job.link.queue == &p->completions->ended;
	completion_take(p);
	put(p, to);
	if (ended)
		completion_ended(p);
}
