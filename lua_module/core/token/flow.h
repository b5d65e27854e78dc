/*
 * flow.h -- the flows: the ways to get a token, each a row, and their common
 * functions.
 */
#ifndef AZPEC_FLOW_H
#define AZPEC_FLOW_H

#include "core/token/chain.h"

/* entra.c: at the token endpoint of Microsoft Entra ID */
extern const struct flow flow_client_secret, flow_client_certificate,
	flow_client_assertion, flow_workload_identity, flow_device_code;
/* pipelines.c: with a pipeline's ID token */
extern const struct flow flow_github_actions, flow_azure_pipelines;
/* managed.c: from a managed identity's source */
extern const struct flow flow_imds, flow_app_service, flow_arc,
	flow_service_fabric, flow_cloud_shell, flow_azure_ml;
/* developer_cli.c: from developer CLIs and the host */
extern const struct flow flow_token, flow_function, flow_azure_cli,
	flow_azure_developer_cli, flow_none;

/* cloud.c: what comes before them all where the cloud is to be found out */
extern const struct flow flow_discovery;

/* entra_errors.c: Entra ID's error numbers that a person can act on */
struct entra_error {
	const char *number, *hint;
	bool anew; /* a person's next sign-in cures it */
};
extern const char entra_consent[];
/* The first number that stands anywhere in the text; NULL: none that is
   known. */
const struct entra_error *entra_error_of(struct span text);
/* The number at the head of an error_description; absent: none. */
struct span entra_number(struct span description);

/* program_errors.c: what az and azd print when they fail */
/* Writes the part of the error output that a message shows. */
void program_said(struct buf *out, struct span err);
/* The hint for an error that a new sign-in does not fix; NULL: none. */
const char *program_trouble(struct span err);

/* A value of the present link's credential; absent: it was not given. */
static inline struct span flow_value(const struct chain *s,
                                     enum chain_value v) {
	return chain_link(s)->spec.value[v];
}

/* Takes the token out of an answer, or fails: it holds none. */
void flow_accept(struct chain *s, const struct answer *a);
/* *lives: the lifetime of the answer's token in s, 0 or negative if it is
   invalid.  False: the answer has none. */
bool flow_life(const struct answer *a, int64_t *lives);
/* Fails with the answer's OAuth error, or with its other content. */
void flow_refused(struct chain *s, const struct answer *a);
/* Adds " (HTTP n)" and the other facts of a failure that follow from the
   status. */
void flow_add_status(struct chain *s, const struct answer *a);
/* Handles an answer of the token endpoint. */
void flow_fed_token(struct chain *s, const struct answer *a);
/* Keeps this assertion as the client's proof and moves to the flow's step 1,
   whose request flow_send_assertion writes; fails if it is not an assertion. */
void flow_prove(struct chain *s, struct span assertion, struct now now);
enum chain_want flow_send_assertion(struct chain *s, struct request *q);
/* The bytes of a certificate's thumbprint in hexadecimal digits; colons and
   blanks between them are ignored.  False: it is not so long. */
bool flow_thumbprint(struct span s, unsigned char *out, size_t bytes);
void flow_add_query(struct buf *url, const char *name, struct span text);
/* The scope without "/.default", which older endpoints call a resource. */
struct span flow_resource(const struct chain *s);

#endif
