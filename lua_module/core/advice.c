/* advice.c -- error codes of Azure Resource Manager, and their hints. */
#include "core/advice.h"

static const char wrong_tenant[] =
	"the token is for another tenant than the subscription's: sign in to "
	"the subscription's tenant";
static const char renew[] = "the token has expired or is damaged: sign in "
			    "again, and check this machine's clock";
static const char register_batch[] =
	"the resource provider is not registered in this subscription: "
	"somebody with that permission must run az provider register "
	"--namespace Microsoft.Batch";
static const char subscription[] =
	"check the subscription's id, and that the identity belongs to the "
	"subscription's tenant and has a role there";
static const char disabled[] = "the subscription is disabled or read-only: its "
			       "owner must enable it in the Azure portal";
static const char path[] =
	"check the subscription, resource group, account and full connection "
	"name (it usually ends in a GUID)";
static const char busy[] =
	"another operation on this resource is still running: try again in a "
	"minute, or set retry.conflict";
static const char throttled[] =
	"too many requests: try again after the time that the service gives, "
	"with fewer operations in parallel";
static const char version[] =
	"the service does not support this api-version: omit api_version, or "
	"give one that the message lists";

/* Codes are spelled as on Microsoft's pages, and compared without regard to
   case.  These causes last until somebody removes them. */
static const struct advice lasting[] = {
	/* rights */
	{ "AuthorizationFailed", NULL, FAIL_FORBIDDEN },
	{ "LinkedAuthorizationFailed",
	  "the identity also needs a role on the linked resource that the "
	  "message names, perhaps in another subscription or tenant",
	  FAIL_FORBIDDEN },
	{ "RequestDisallowedByPolicy",
	  "an Azure Policy assignment denies this: its owner can change it or "
	  "grant an exemption; a role does not help",
	  FAIL_FORBIDDEN },
	{ "DenyAssignmentAuthorizationFailed",
	  "a deny assignment blocks this, whatever roles the identity has: the "
	  "owner of the managed application, deployment stack or blueprint "
	  "that created it must change it",
	  FAIL_FORBIDDEN },
	{ "ScopeLocked",
	  "a management lock prevents this: somebody with that permission must "
	  "remove the lock that the message names",
	  FAIL_CONFLICT },
	/* the token */
	{ "InvalidAuthenticationTokenTenant", wrong_tenant, FAIL_CREDENTIAL },
	{ "ExpiredAuthenticationToken", renew, FAIL_CREDENTIAL },
	{ "InvalidAuthenticationToken", NULL, FAIL_CREDENTIAL },
	{ "InvalidAuthenticationTokenAudience",
	  "the token is for another service: it must be for Azure Resource "
	  "Manager of this cloud",
	  FAIL_CREDENTIAL },
	/* the subscription */
	{ "SubscriptionNotFound", subscription, FAIL_NOT_FOUND },
	{ "InvalidSubscriptionId",
	  "a subscription's id is a GUID, not its name", FAIL_NONE },
	{ "MissingSubscriptionRegistration", register_batch, FAIL_SERVICE },
	{ "SubscriptionNotRegistered", register_batch, FAIL_SERVICE },
	{ "MissingRegistrationForLocation", register_batch, FAIL_SERVICE },
	{ "ReadOnlyDisabledSubscription", disabled, FAIL_FORBIDDEN },
	{ "DisabledSubscription", disabled, FAIL_FORBIDDEN },
	{ "SubscriptionDisabled", disabled, FAIL_FORBIDDEN },
	{ "InvalidSubscriptionState", disabled, FAIL_FORBIDDEN },
	/* what is named */
	{ "ResourceGroupNotFound",
	  "check the name of the resource group, and the subscription",
	  FAIL_NOT_FOUND },
	{ "ResourceNotFound", path, FAIL_NOT_FOUND },
	{ "ParentResourceNotFound", path, FAIL_NOT_FOUND },
	{ "ResourceGroupBeingDeleted",
	  "the resource group and everything in it is being deleted",
	  FAIL_CONFLICT },
	{ "InvalidResourceType", version, FAIL_NONE },
	{ "InvalidApiVersionParameter", version, FAIL_NONE },
	{ "NoRegisteredProviderFound", version, FAIL_NONE },
};

/* These causes may end although nobody removes them. */
static const struct advice passing[] = {
	{ "AnotherOperationInProgress", busy, FAIL_CONFLICT },
	{ "OperationNotAllowed",
	  "the state of the account or the connection does not allow this: "
	  "check it first",
	  FAIL_NONE },
	{ "TooManyRequests", throttled, FAIL_THROTTLED },
	{ "SubscriptionRequestsThrottled", throttled, FAIL_THROTTLED },
};

#define FIND(table, code) find(table, sizeof(table) / sizeof(*(table)), code)

static const struct advice *find(const struct advice *table, size_t n,
                                 struct span code) {
	for (size_t i = 0; i < n; i++)
		if (span_ieq(code, span_of(table[i].code)))
			return &table[i];
	return NULL;
}

const struct advice *advice_for(struct span code) {
	const struct advice *a = FIND(lasting, code);
	return a ? a : FIND(passing, code);
}

bool advice_lasts(struct span code) {
	return FIND(lasting, code) != NULL;
}
