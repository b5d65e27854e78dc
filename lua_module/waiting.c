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

static bool is_current(const struct waiting *w) {
	return w->era == w->client->era;
}

bool waiting_armed(const struct waiting *w) {
	return is_current(w) && w->armed > 0;
}

void waiting_tell(struct waiting *w) {
	if (!waiting_armed(w) || w->told)
		return;
	w->told = true;
	w->client->news++;
	set_news(w->client);
}

static void untell(struct waiting *w) {
	if (w->told)
		w->client->news--;
	w->told = false;
}

void waiting_forget(struct lclient *c) {
	c->era++;
	c->news = c->armed = 0;
	c->limited = NULL;
	c->limit = c->due = NEVER;
}

/* ---- limits -------------------------------------------------------------- */

/* Each call has its own: of two that wait for one thing each is woken in time,
   whether or not the loop tells the other. */
static void enter(struct lclient *c, struct waiter *w) {
	w->prev = NULL;
	w->next = c->limited;
	if (w->next)
		w->next->prev = w;
	c->limited = w;
	c->limit = sooner(c->limit, w->limit);
	waiting_due(c, sooner(c->due, c->limit));
}

static void leave(struct lclient *c, struct waiter *w) {
	*(w->prev ? &w->prev->next : &c->limited) = w->next;
	if (w->next)
		w->next->prev = w->prev;
}

void waiting_check(struct lclient *c, struct now now) {
	struct waiter *w, *next;
	if (now.mono < c->limit)
		return;
	c->limit = NEVER;
	for (w = c->limited; w; w = next) {
		next = w->next;
		if (w->limit > now.mono) {
			c->limit = sooner(c->limit, w->limit);
			continue;
		}
		leave(c, w);
		w->late = true;
		c->news++;
	}
	set_news(c);
}

/* ---- one call ------------------------------------------------------------ */

void waiter_arm(struct waiter *w) {
	struct waiting *on = w->on;
	struct lclient *c = on->client;
	if (!is_current(on)) {
		on->era = c->era;
		on->armed = 0;
		on->told = false;
	}
	on->armed++;
	c->armed++;
	w->era = c->era;
	w->armed = true;
	w->late = false;
	if (w->limit != NEVER)
		enter(c, w);
	if (on->over(on->of))
		waiting_tell(on);
}

static void unlimit(struct lclient *c, struct waiter *w) {
	if (w->late)
		c->news--;
	else if (w->limit != NEVER)
		leave(c, w);
	w->late = false;
}

/* One descriptor wakes all who wait at it: each of them looks, and arms again
   if it has to go on waiting. */
void waiter_disarm(struct waiter *w) {
	struct waiting *on = w->on;
	struct lclient *c = on->client;
	bool counted = w->armed && w->era == c->era;
	w->armed = false;
	if (!counted)
		return;
	unlimit(c, w);
	on->armed--;
	c->armed--;
	if (on->armed == 0 || !on->over(on->of))
		untell(on);
	if (c->open)
		set_news(c);
	else
		lclient_let_go(c);
}

/* ---- the stock ---------------------------------------------------------- */

/* There is one to hand out, or there will never be another. */
static bool over(const void *stock) {
	const struct stock *s = stock;
	return s->ended.n > 0 || s->left == 0;
}

void stock_init(struct stock *s, struct lclient *c) {
	*s = (struct stock){ .left = 0 };
	s->waiting = (struct waiting){ .client = c, .over = over, .of = s };
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
