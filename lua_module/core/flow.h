/*
 * flow.h -- the ways to a token, each a row, and what they share.
 */
#ifndef AZPEC_FLOW_H
#define AZPEC_FLOW_H

#include "signin.h"

/* oauth.c: the token endpoint of Microsoft Entra ID */
extern const struct flow flow_client_secret, flow_client_certificate,
	flow_client_assertion, flow_workload_identity, flow_device_code;
/* managed.c: a managed identity's sources */
extern const struct flow flow_imds, flow_app_service, flow_arc,
	flow_service_fabric, flow_cloud_shell, flow_azure_ml;
/* tools.c: what other programs and the host have */
extern const struct flow flow_token, flow_function, flow_azure_cli,
	flow_azure_developer_cli, flow_none;

/* discover.c: what comes before them all where the cloud is to be found out */
extern const struct flow flow_discovery;

/* Takes the token out of an answer, or fails: it holds none. */
void flow_accept(struct signin *s, const struct answer *a);
/* How long the answer's token lives, in s (below zero where that cannot be
   read); false: it does not say. */
bool flow_life(const struct answer *a, int64_t *lives);
/* Fails by an OAuth error, or by what came instead. */
void flow_refused(struct signin *s, const struct answer *a);
/* The scope without "/.default": what older endpoints call a resource. */
struct span flow_resource(const struct signin *s);

#endif
