/* waiting.c -- who waits at a client's descriptor, and is to be woken. */
#include "waiting.h"

/* ---- the descriptor ------------------------------------------------------ */

static void set_news(struct lclient *c) {
	if (c->open)
		pollset_news(c->ps, c->news > 0);
}

void waiting_due(struct lclient *c, int64_t due) {
	c->due = due;
	pollset_due(c->ps, due);
}

void waiting_tell(struct waiting *w) {
	if (w->armed > 0 && !w->told) {
		w->told = true;
		w->client->news++;
		set_news(w->client);
	}
}

static void untell(struct waiting *w) {
	if (w->told)
		w->client->news--;
	w->told = false;
}

static void unlimit(struct waiting *w) {
	struct waiting *next = w->next;
	if (w->limit == NEVER)
		return;
	w->limit = NEVER;
	*(w->prev ? &w->prev->next : &w->client->limited) = next;
	if (next)
		next->prev = w->prev;
	w->prev = w->next = NULL;
}

static void set_limit(struct waiting *w, int64_t limit) {
	struct lclient *c = w->client;
	if (limit >= w->limit)
		return;
	unlimit(w);
	w->limit = limit;
	w->next = c->limited;
	if (c->limited)
		c->limited->prev = w;
	c->limited = w;
	c->limit = sooner(c->limit, limit);
	waiting_due(c, sooner(c->due, c->limit));
}

void waiting_arm(struct waiting *w, int64_t limit) {
	w->armed++;
	w->client->armed++;
	set_limit(w, limit);
	if (w->over(w->of))
		waiting_tell(w);
}

/* One descriptor wakes all who wait at it: each of them looks, and arms again
   with its own limit if it has to go on waiting. */
void waiting_disarm(struct waiting *w) {
	struct lclient *c = w->client;
	if (w->armed == 0 || c->armed == 0)
		return; /* a fork or the end of the client came between */
	w->armed--;
	c->armed--;
	if (w->armed == 0)
		unlimit(w);
	if (w->armed == 0 || !w->over(w->of))
		untell(w);
	if (c->open)
		set_news(c);
	else
		client_let_go(c);
}

void waiting_forget(struct waiting *w) {
	w->armed = 0;
	w->told = false;
	w->limit = NEVER;
	w->prev = w->next = NULL;
}

/* Those whose limit has passed are told, and the soonest other is noted. */
void waiting_check(struct lclient *c, struct now now) {
	struct waiting *w, *next;
	if (now.mono < c->limit)
		return;
	c->limit = NEVER;
	for (w = c->limited; w; w = next) {
		next = w->next;
		if (w->limit <= now.mono) {
			unlimit(w);
			waiting_tell(w);
		} else {
			c->limit = sooner(c->limit, w->limit);
		}
	}
}

/* ---- the stock ---------------------------------------------------------- */

/* There is one to hand out, or there will never be another. */
static bool over(const void *stock) {
	const struct stock *s = stock;
	return s->ended.n > 0 || s->left == 0;
}

void stock_init(struct stock *s, struct lclient *c) {
	*s = (struct stock){ .left = 0 };
	s->waiting = (struct waiting){ c, over, s, .limit = NEVER };
}

static void put(struct poller *p, struct stock *s) {
	p->stock = s;
	s->left++;
}

void stock_offer(struct poller *p) {
	put(p, &p->client->stock);
}

void stock_ended(struct poller *p) {
	if (!p->stock)
		return;
	queue_enter(&p->stock->ended, &p->job);
	waiting_tell(&p->stock->waiting);
}

void stock_take(struct poller *p) {
	struct stock *s = p->stock;
	if (!s)
		return;
	if (p->job.queue == &s->ended)
		queue_leave(&p->job);
	p->stock = NULL;
	if (--s->left == 0)
		waiting_tell(&s->waiting);
}

void stock_move(struct poller *p, struct stock *to) {
	bool ended = p->job.queue == &p->stock->ended;
	stock_take(p);
	put(p, to);
	if (ended)
		stock_ended(p);
}
