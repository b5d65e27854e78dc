/* entra_errors.c -- Microsoft Entra ID's error numbers, and their cure.

   The texts may change, the numbers have not ("Microsoft Entra authentication
   and authorization error codes").  They stand at the head of an
   error_description, and amid what az and azd print. */
#include "core/token/flow.h"

const char entra_consent[] =
	"consent is missing: an administrator must consent to the "
	"application's use of Azure's management API";

static const char multifactor[] =
	"the tenant requires multifactor authentication: a user signs in with "
	"az login or device_code, a program as an application";
static const char policy[] = "a conditional access policy of the tenant blocks "
			     "this sign-in: ask its administrator";
static const char device[] =
	"a conditional access policy of the tenant requires a registered "
	"device: sign in on such a device";
static const char signature[] =
	"the assertion's signature was rejected: check that the certificate is "
	"registered with the application and has not expired";
static const char federation[] =
	"no federated credential of the application matches the token's "
	"issuer, subject and audience";
static const char no_tenant[] = "no such tenant: check tenant_id and the cloud";
static const char no_user[] = "the tenant has no such user: check tenant_id, "
			      "or invite the user as a guest";

/* anew: the text before the colon says why, whatever signs in anew. */
static const struct entra_error errors[] = {
	/* applications */
	{ "AADSTS7000215",
	  "the client secret is wrong: give the secret's value, not its id",
	  false },
	{ "AADSTS7000222",
	  "the client secret has expired: create a new one for the application",
	  false },
	{ "AADSTS700016",
	  "no such application in this tenant: check client_id and tenant_id",
	  false },
	{ "AADSTS7000112", "the application is disabled", false },
	{ "AADSTS50012", signature, false },
	{ "AADSTS700027",
	  "the assertion's signature was rejected: check that the certificate "
	  "is registered with the application and has not expired; where its "
	  "subject name and issuer are registered, send the chain (send_x5c)",
	  false },
	{ "AADSTS7000213",
	  "the certificate chain was rejected: check that the certificate's "
	  "file has its issuers, and send the chain (send_x5c)",
	  false },
	{ "AADSTS50027",
	  "the assertion or federated token is malformed: check the file or "
	  "the function that it comes from",
	  false },
	{ "AADSTS700024",
	  "the assertion is not valid at this time: check this machine's clock",
	  false },
	{ "AADSTS70021", federation, false },
	{ "AADSTS700211", federation, false },
	{ "AADSTS700212", federation, false },
	{ "AADSTS700213", federation, false },
	{ "AADSTS7002131", federation, false },
	{ "AADSTS700222",
	  "a token of Microsoft Entra ID cannot serve as a federated token: "
	  "give one of another issuer, or use a managed identity",
	  false },
	{ "AADSTS70023",
	  "the federated token is valid for more than a day: is it the right "
	  "file (AZURE_FEDERATED_TOKEN_FILE)?",
	  false },
	{ "AADSTS7002138",
	  "the subject of the application's federated credential and of the "
	  "token differ in letter case: they must be equal",
	  false },
	{ "AADSTS70025", federation, false },
	{ "AADSTS7000229",
	  "the application has no service principal in this tenant: an "
	  "administrator must create one (az ad sp create --id, with its "
	  "client id)",
	  false },
	{ "AADSTS50194",
	  "the application belongs to one tenant: give that tenant's own id "
	  "as tenant_id",
	  false },
	{ "AADSTS7000218",
	  "the application must allow public client flows, or sign in with a "
	  "secret or a certificate",
	  false },
	/* tenants and scopes */
	{ "AADSTS90002", no_tenant, false },
	{ "AADSTS50059", no_tenant, false },
	{ "AADSTS50128", no_tenant, false },
	{ "AADSTS900023", "tenant_id is neither a GUID nor a domain", false },
	{ "AADSTS90038",
	  "the tenant belongs to another cloud: check cloud or authority_host",
	  false },
	{ "AADSTS500011",
	  "the scope's resource is unknown in this tenant: check cloud or "
	  "scope",
	  false },
	{ "AADSTS9001023",
	  "this sign-in needs the tenant's own id or domain as tenant_id",
	  false },
	{ "AADSTS50196",
	  "the same token was requested too often: wait, then try again",
	  false },
	{ "AADSTS90055",
	  "too many requests to the tenant: wait, then try again", false },
	{ "AADSTS700022",
	  "a token is for one resource: request the scope of one", false },
	{ "AADSTS70011", "the scope is not valid: it must end in /.default",
	  false },
	/* people */
	{ "AADSTS50076", multifactor, true },
	{ "AADSTS50079", multifactor, true },
	{ "AADSTS50072", multifactor, true },
	{ "AADSTS50074", multifactor, true },
	{ "AADSTS50078",
	  "multifactor authentication has expired: sign in again", true },
	{ "AADSTS50158",
	  "the tenant requires another verification step: sign in again",
	  true },
	{ "AADSTS50199",
	  "the tenant requires the user to confirm the sign-in: sign in again",
	  true },
	{ "AADSTS16000",
	  "the tenant requires the user to choose an account: sign in again",
	  true },
	{ "AADSTS70000", "the sign-in is no longer valid: sign in again",
	  true },
	{ "AADSTS700081",
	  "the sign-in has expired because it is too old: sign in again",
	  true },
	{ "AADSTS700082",
	  "the sign-in has expired because it was not used: sign in again",
	  true },
	{ "AADSTS70043",
	  "the sign-in has expired because a policy of the tenant limits its "
	  "lifetime: sign in again",
	  true },
	{ "AADSTS70008", "the sign-in has expired: sign in again", true },
	{ "AADSTS50132", "the sign-in was revoked: sign in again", true },
	{ "AADSTS50133", "the sign-in was revoked: sign in again", true },
	{ "AADSTS50173",
	  "the sign-in was revoked, or the password has changed since: sign in "
	  "again",
	  true },
	{ "AADSTS50058", "the user is no longer signed in: sign in again",
	  true },
	{ "AADSTS50055",
	  "the user's password has expired: change it, then sign in again",
	  false },
	{ "AADSTS50144",
	  "the user's password has expired: change it, then sign in again",
	  false },
	{ "AADSTS50057", "the user's account is disabled", false },
	{ "AADSTS500571", "the guest's account is disabled", false },
	{ "AADSTS50053",
	  "the user's account is locked after too many attempts: wait, or ask "
	  "an administrator to unlock it",
	  false },
	{ "AADSTS50020", no_user, false },
	{ "AADSTS50034", no_user, false },
	{ "AADSTS90072", no_user, false },
	{ "AADSTS50105",
	  "the user is not assigned to the application in this tenant: ask its "
	  "administrator",
	  false },
	{ "AADSTS50005", device, false },
	{ "AADSTS50097", device, false },
	{ "AADSTS50131", policy, false },
	{ "AADSTS53000", device, false },
	{ "AADSTS53001", device, false },
	{ "AADSTS53002", policy, false },
	{ "AADSTS53003", policy, false },
	{ "AADSTS53004", policy, false },
	{ "AADSTS530003", device, false },
	{ "AADSTS530032", policy, false },
	{ "AADSTS700003", device, false },
	{ "AADSTS65001", entra_consent, false },
	{ "AADSTS65004", "the user declined to consent", false },
};

static struct span digits_at(struct span s) {
	size_t n = 0;
	while (n < s.n && char_is(s.p[n], CHAR_DIGIT))
		n++;
	return (struct span){ s.p, n };
}

static const struct entra_error *find(struct span digits) {
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (span_eq(digits, span_of(errors[i].number + 6)))
			return &errors[i];
	return NULL;
}

const struct entra_error *entra_error_of(struct span text) {
	static const struct span mark = { "AADSTS", 6 };
	for (; text.n > mark.n; text = span_from(text, 1))
		if (span_istarts(text, mark) && char_is(text.p[6], CHAR_DIGIT))
			return find(digits_at(span_from(text, mark.n)));
	return NULL;
}

struct span entra_number(struct span description) {
	struct span number = span_cut(&description, ':');
	if (!span_istarts(number, SPAN("AADSTS")))
		return NO_SPAN;
	return (struct span){ number.p, number.n < 32 ? number.n : 32 };
}
