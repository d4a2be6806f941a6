/* Services and their keys: what `sc` and `reg` do, without a process for each. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client.h"
#include <sddl.h>

#define MEMORY "System\\CurrentControlSet\\Control\\TcpLimit"
#define SERVICES "System\\CurrentControlSet\\Services\\"

static SC_HANDLE manager(void)
{
    static SC_HANDLE manager;

    if (!manager)
        manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    return manager;
}

static void print_error(BOOL done)
{
    printf("error=%lu\n", done ? 0 : GetLastError());
}

/* create NAME FILE: a driver in system32\drivers. All are in one group, for then
 * Wine loads them into one process. */
void service_create(char *const *words)
{
    char path[MAX_PATH];
    SC_HANDLE service;

    snprintf(path, sizeof path, "C:\\windows\\system32\\drivers\\%s", words[2]);
    service = CreateServiceA(manager(), words[1], NULL, SERVICE_ALL_ACCESS, SERVICE_KERNEL_DRIVER,
                             SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, path, "PNP_TDI", NULL,
                             NULL, NULL, NULL);
    print_error(service != NULL);
    CloseServiceHandle(service);
}

/* start NAME */
void service_start(char *const *words)
{
    SC_HANDLE service = OpenServiceA(manager(), words[1], SERVICE_ALL_ACCESS);

    print_error(StartServiceA(service, 0, NULL));
    CloseServiceHandle(service);
}

/* stop NAME */
void service_stop(char *const *words)
{
    SC_HANDLE service = OpenServiceA(manager(), words[1], SERVICE_ALL_ACCESS);
    SERVICE_STATUS status;

    print_error(ControlService(service, SERVICE_CONTROL_STOP, &status));
    CloseServiceHandle(service);
}

/* delete NAME */
void service_delete(char *const *words)
{
    SC_HANDLE service = OpenServiceA(manager(), words[1], SERVICE_ALL_ACCESS);

    print_error(DeleteService(service));
    CloseServiceHandle(service);
}

/* state NAME: 1 stopped, 3 about to stop, 4 running. */
void service_state(char *const *words)
{
    SC_HANDLE service = OpenServiceA(manager(), words[1], SERVICE_ALL_ACCESS);
    SERVICE_STATUS status = {0};

    if (QueryServiceStatus(service, &status))
        printf("error=0 state=%lu code=%lu\n", status.dwCurrentState, status.dwWin32ExitCode);
    else
        printf("error=%lu\n", GetLastError());
    CloseServiceHandle(service);
}

static HKEY key(const char *service, const char *below)
{
    char path[MAX_PATH];
    HKEY key = NULL;

    snprintf(path, sizeof path, SERVICES "%s\\%s", service, below);
    RegCreateKeyExA(HKEY_LOCAL_MACHINE, path, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key, NULL);
    return key;
}

/* parameter SERVICE VALUE NUMBER, or a text where it is no number. */
void parameter_set(char *const *words)
{
    HKEY parameters = key(words[1], "Parameters");
    char *end;
    DWORD value = strtoul(words[3], &end, 0);
    LSTATUS error;

    if (*end)
        error = RegSetValueExA(parameters, words[2], 0, REG_SZ, (const BYTE *)words[3],
                               strlen(words[3]) + 1);
    else
        error = RegSetValueExA(parameters, words[2], 0, REG_DWORD, (const BYTE *)&value,
                               sizeof value);
    RegCloseKey(parameters);
    printf("error=%ld\n", error);
}

/* value SERVICE VALUE */
void parameter_get(char *const *words)
{
    HKEY parameters = key(words[1], "Parameters");
    DWORD value = 0, size = sizeof value;
    LSTATUS error = RegQueryValueExA(parameters, words[2], NULL, NULL, (BYTE *)&value, &size);

    RegCloseKey(parameters);
    printf("error=%ld value=%lu\n", error, value);
}

/* no-parameter SERVICE VALUE */
void parameter_delete(char *const *words)
{
    HKEY parameters = key(words[1], "Parameters");
    LSTATUS error = RegDeleteValueA(parameters, words[2]);

    RegCloseKey(parameters);
    printf("error=%ld\n", error);
}

/* change NAME FILE: another driver for a service, whose key stays. */
void service_change(char *const *words)
{
    SC_HANDLE service = OpenServiceA(manager(), words[1], SERVICE_ALL_ACCESS);
    char path[MAX_PATH];

    snprintf(path, sizeof path, "C:\\windows\\system32\\drivers\\%s", words[2]);
    print_error(ChangeServiceConfigA(service, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE,
                                     SERVICE_NO_CHANGE, path, NULL, NULL, NULL, NULL, NULL, NULL));
    CloseServiceHandle(service);
}

/* forget: deletes the key that the driver remembers in, as a restart of the
 * system does. */
void memory_delete(char *const *words)
{
    (void)words;
    printf("error=%ld\n", RegDeleteKeyA(HKEY_LOCAL_MACHINE, MEMORY));
}

/* memory: who owns that key, and who may do what with it. */
void memory_security(char *const *words)
{
    SECURITY_INFORMATION parts = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    unsigned char descriptor[1024];
    DWORD size = sizeof descriptor;
    char *text = NULL;
    HKEY memory = NULL;
    LSTATUS error = RegOpenKeyExA(HKEY_LOCAL_MACHINE, MEMORY, 0, READ_CONTROL, &memory);

    (void)words;
    if (!error)
        error = RegGetKeySecurity(memory, parts, descriptor, &size);
    if (!error)
        ConvertSecurityDescriptorToStringSecurityDescriptorA(descriptor, SDDL_REVISION_1, parts,
                                                             &text, NULL);
    printf("error=%ld list=%s\n", error, text ? text : "");
    LocalFree(text);
    RegCloseKey(memory);
}

/* memory-list SDDL: another owner or list for it. */
void memory_share(char *const *words)
{
    SECURITY_INFORMATION parts = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    SECURITY_DESCRIPTOR *descriptor = NULL;
    HKEY memory = NULL;
    LSTATUS error = RegOpenKeyExA(HKEY_LOCAL_MACHINE, MEMORY, 0, WRITE_DAC | WRITE_OWNER, &memory);

    if (!error && !ConvertStringSecurityDescriptorToSecurityDescriptorA(
                      words[1], SDDL_REVISION_1, (PSECURITY_DESCRIPTOR *)&descriptor, NULL))
        error = GetLastError();
    if (!error)
        error = RegSetKeySecurity(memory, parts, descriptor);
    printf("error=%ld\n", error);
    LocalFree(descriptor);
    RegCloseKey(memory);
}
