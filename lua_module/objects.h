/*
 * objects.h -- the userdata behind azpec.client and its pollers.  A client
 * owns the descriptor, the transfers and the sign-in; a poller is one
 * operation, anchored in its client until its end has been collected.
 */
#ifndef AZPEC_OBJECTS_H
#define AZPEC_OBJECTS_H

#include <lua.h>

#include "child.h"
#include "core/client.h"
#include "curlio.h"
#include "options.h"
#include "pollset.h"

#define CLIENT_TYPE "azpec.client"
#define POLLER_TYPE "azpec.poller"

enum { MAX_ORIGINS = 16 };

/* User values of a client. */
enum {
	CUV_POLLERS = 1, /* [light userdata of the job] = poller */
	CUV_CODEC,       /* our instance of lua-cjson */
	CUV_WAIT,        /* the waiter, nil: block */
	CUV_EVENT,       /* on_event, or nil */
	CUV_LINKS,       /* the fields of each link's credential */
	CUV_ANCHOR,      /* strings that C points to */
	CUV_POOL,        /* the Lua state's pool of descriptors */
	CUV_COUNT = CUV_POOL
};

/* The first user value of whatever belongs to a client. */
enum { UV_CLIENT = 1 };

/* User values of a poller. */
enum {
	PUV_WAIT = UV_CLIENT + 1, /* this call's waiter, or nil */
	PUV_RESULT,               /* the connection, or the page */
	PUV_BEFORE,               /* ensure: as it was found */
	PUV_BODY,                 /* the service's error body, or the links */
	PUV_ERROR,                /* the err table, once it was asked for */
	PUV_RAISED, /* what on_event raised, until somebody is told */
	PUV_COUNT = PUV_RAISED
};

struct poller;
struct lclient;

/* The calls that wait at the client's descriptor for one thing. */
struct waiting {
	struct lclient *client;
	/* Is it there?  of: what all of this is about. */
	bool (*over)(const void *of);
	const void *of;
	size_t armed; /* calls that wait */
	uint64_t era; /* the client's, in which they were counted */
	bool told;    /* counted in client->news */
};

/* One of these calls. */
struct waiter {
	struct waiting *on;
	int64_t limit;              /* when it gives up waiting; NEVER */
	struct waiter *prev, *next; /* of the client's, with a limit */
	uint64_t era;               /* the client's, when it began to wait */
	bool armed;
	bool late; /* its limit has passed; counted in client->news */
};

/* Pollers that were begun for somebody to collect. */
struct stock {
	struct queue ended;     /* that have ended, the first one first */
	size_t left;            /* these, and those that have not */
	struct waiting waiting; /* for the next one to end */
	bool looped;            /* a loop hands them out */
};

struct lclient {
	struct mem mem;
	struct client core;
	struct pollset_pool *pool;
	struct pollset *ps;
	struct curlio *io;
	struct child *child; /* that the sign-in waits for, or NULL */
	struct url origins[MAX_ORIGINS];
	struct op_defaults defaults;
	struct curlio_config io_config; /* strings anchored in CUV_ANCHOR */
	struct request request;         /* scratch: the next one to be sent */
	struct buf url, id;             /* scratch of options_op */
	struct stock stock;             /* no loop has named them */
	struct waiter *limited;         /* those who will give up */
	int64_t limit;                  /* the soonest of those limits */
	int64_t due;    /* when the descriptor's timer is set to */
	uint64_t steps; /* so far */
	uint64_t era;   /* who waited in another is not counted any more */
	size_t armed;   /* calls that wait */
	size_t news;    /* waited for, and there; or waited too long */
	int pid;        /* a fork's child is another client */
	bool open;
	bool busy; /* one of the host's functions is running */
};

struct poller {
	struct job job; /* first: a job is found again as its poller */
	struct lclient *client;
	bool linked;            /* among the client's jobs */
	bool listed;            /* among the client's pollers */
	bool concluded;         /* its end was told, see drive_conclude */
	const void *owner;      /* the one call that it was made for; NULL */
	struct stock *stock;    /* it can be collected from; NULL */
	struct waiting waiting; /* for its end */
	struct waiter guest;    /* pollfd() armed it, step() will disarm it */
};

/* Ends a job's transfer, if one is on its way. */
void lclient_abort(struct lclient *c, struct job *job);
/* Calls a function of the host's with n arguments; meanwhile the client
   cannot be stepped or closed.  False: what it raised is at the top. */
bool lclient_call(lua_State *L, struct lclient *c, int n, int results);
/* Turns the value at the top into a string, whatever it is.  [-1, +1] */
struct span lclient_text(lua_State *L, struct lclient *c);
/* Pushes the poller of a job of the client at idx.  [-0, +1] */
void lclient_push_poller(lua_State *L, int idx, const struct job *job);
/* What a caller passed as a client, open or not; raises on all else. */
struct lclient *lclient_check(lua_State *L, int idx);
struct lclient *lclient_open_at(lua_State *L, int idx); /* ... or if closed */
/* A closed client keeps its descriptor readable for those who still wait at
   it; the last of them lets it go. */
void lclient_let_go(struct lclient *c);
struct poller *poller_check(lua_State *L, int idx); /* as lclient_check */
/* Nobody is interested in the poller at idx any longer: ends its operation
   here and lets its client forget it.  [-0, +0] */
void poller_let_go(lua_State *L, int idx);

/* What our own code has put there. */
static inline struct lclient *lclient_at(lua_State *L, int idx) {
	return lua_touserdata(L, idx);
}

static inline struct poller *poller_at(lua_State *L, int idx) {
	return lua_touserdata(L, idx);
}

static inline bool poller_ended(const struct poller *p) {
	return p->job.op.end != OP_WAIT;
}

#endif
