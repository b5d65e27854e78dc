/* who.h -- one credential, for tests that need no chain. */
#ifndef AZPEC_WHO_H
#define AZPEC_WHO_H

#include "support.h"

#include "core/token/flow.h"

struct who {
	const struct flow *flow;
	struct span authority, tenant_id, client_id, secret, scope;
};

static inline bool who_init(struct chain *s, const struct who *who) {
	struct chain_spec spec = { .flow = who->flow };
	spec.value[SV_TENANT] = who->tenant_id;
	spec.value[SV_CLIENT] = who->client_id;
	spec.value[SV_SECRET] = who->secret;
	return chain_init(s, test_mem(), &spec, 1, who->authority, who->scope,
	                  1);
}

/* The driver's part of a NEED_TOKEN. */
static inline void who_give(struct chain *s, struct span token,
                            int64_t expires_on, struct now now) {
	chain_sent(s, now);
	chain_give(s, token, expires_on, now);
}

static inline void who_refuse(struct chain *s, struct span why,
                              struct now now) {
	chain_sent(s, now);
	chain_fail_need(s, why, NEED_FAILED, now);
}

#endif
