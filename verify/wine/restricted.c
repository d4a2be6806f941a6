/* A thread without the rights of an Administrator. */

#include <stdio.h>
#include "client.h"

/* Whether the thread's token has Administrators enabled. */
static BOOL is_administrator(void)
{
    SID_IDENTIFIER_AUTHORITY authority = {SECURITY_NT_AUTHORITY};
    PSID administrators;
    BOOL member = FALSE;

    if (AllocateAndInitializeSid(&authority, 2, SECURITY_BUILTIN_DOMAIN_RID,
                                 DOMAIN_ALIAS_RID_ADMINS, 0, 0, 0, 0, 0, 0, &administrators)) {
        CheckTokenMembership(NULL, administrators, &member);
        FreeSid(administrators);
    }
    return member;
}

/* Opens a named event that only Administrators may open, as a sign that access
 * is checked at all: the error. */
static DWORD open_guarded_event(void)
{
    HANDLE event = OpenEventA(EVENT_MODIFY_STATE, FALSE, "tcplimit-guarded");
    DWORD error = event ? 0 : GetLastError();

    CloseHandle(event);
    return error;
}

/* restricted NAME: opens a device with a token in which Administrators only
 * denies. */
void restricted_open(char *const *words)
{
    SID_IDENTIFIER_AUTHORITY authority = {SECURITY_NT_AUTHORITY};
    SID_AND_ATTRIBUTES disabled[2] = {{0}};
    SECURITY_ATTRIBUTES attributes = {sizeof attributes, NULL, FALSE};
    SECURITY_DESCRIPTOR descriptor;
    HANDLE token, restricted, impersonation, device, event;
    DWORD error = 0, guarded;
    char path[MAX_PATH];
    BYTE list[128];
    BOOL before, after;

    AllocateAndInitializeSid(&authority, 2, SECURITY_BUILTIN_DOMAIN_RID, DOMAIN_ALIAS_RID_ADMINS,
                             0, 0, 0, 0, 0, 0, &disabled[0].Sid);
    InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    InitializeAcl((ACL *)list, sizeof list, ACL_REVISION);
    AddAccessAllowedAce((ACL *)list, ACL_REVISION, GENERIC_ALL, disabled[0].Sid);
    SetSecurityDescriptorDacl(&descriptor, TRUE, (ACL *)list, FALSE);
    attributes.lpSecurityDescriptor = &descriptor;
    event = CreateEventA(&attributes, FALSE, FALSE, "tcplimit-guarded");
    before = is_administrator();

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &token) ||
        !CreateRestrictedToken(token, 0, 1, disabled, 0, NULL, 0, NULL, &restricted) ||
        !DuplicateToken(restricted, SecurityImpersonation, &impersonation) ||
        !ImpersonateLoggedOnUser(impersonation)) {
        printf("error=%lu impersonated=0\n", GetLastError());
        return;
    }
    after = is_administrator();
    guarded = open_guarded_event();
    snprintf(path, sizeof path, "\\\\.\\%s", words[1]);
    device = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (device == INVALID_HANDLE_VALUE)
        error = GetLastError();
    RevertToSelf();
    CloseHandle(device);
    CloseHandle(event);
    printf("error=%lu impersonated=1 before=%d after=%d guarded=%lu\n", error, before, after,
           guarded);
}
