/* Does what it is told, line by line, and answers each line with one: a client
 * of tcplimit.sys and of the target, and what a person would do with sc and
 * reg. It judges nothing; who tells it does (xtask/src/wine). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client.h"
#include <sddl.h>
#include "records.h"
#include "target.h"

#define HANDLES 256
/* More than any answer, so that bytes written past the end would show. */
#define ROOM 4096
#define UNTOUCHED 0x55

static struct {
    char name[16];
    HANDLE handle;
} handles[HANDLES];

static unsigned int number(const char *word)
{
    return strtoul(word, NULL, 0);
}

/* The place of the handle that has the name, or a new one. */
static HANDLE *handle(const char *name)
{
    unsigned int place = 0;

    while (place < HANDLES - 1 && *handles[place].name && strcmp(handles[place].name, name))
        place++;
    snprintf(handles[place].name, sizeof handles[place].name, "%s", name);
    return &handles[place].handle;
}

NTSTATUS control(HANDLE device, unsigned int code, const void *input, unsigned int input_length,
              void *output, unsigned int output_length, unsigned int *returned)
{
    IO_STATUS_BLOCK io = {{0}, 0};
    NTSTATUS status = NtDeviceIoControlFile(device, NULL, NULL, NULL, &io, code, (void *)input,
                                            input_length, output, output_length);

    if (status == STATUS_PENDING) {
        WaitForSingleObject(device, INFINITE);
        status = io.Status;
    }
    *returned = status ? 0 : io.Information;
    return status;
}

/* open HANDLE NAME [ro]: a device by its name; HANDLE is what it is called from
 * then on. */
static void open_device(char *const *words)
{
    DWORD access = strcmp(words[3], "ro") ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    char path[MAX_PATH];
    HANDLE device;

    snprintf(path, sizeof path, "\\\\.\\%s", words[2]);
    device = CreateFileA(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0,
                         NULL);
    if (device == INVALID_HANDLE_VALUE) {
        printf("error=%lu\n", GetLastError());
        return;
    }
    *handle(words[1]) = device;
    printf("error=0\n");
}

/* close HANDLE */
static void close_device(char *const *words)
{
    printf("error=%lu\n", CloseHandle(*handle(words[1])) ? 0 : GetLastError());
}

static void print_answer(NTSTATUS status, unsigned int returned, const struct answer *a)
{
    printf("status=0x%x returned=%u", (unsigned int)status, returned);
    if (returned == sizeof *a)
        printf(" size=%u version=%u driver=0x%x module=%u state=%u reason=%u detail0=%u detail1=%u"
               " limit=%u half_open=%u queued=%u peak=%u written=%u original=%u limit_rva=%u"
               " half_open_rva=%u queued_rva=%u time_date_stamp=%u checksum=%u size_of_image=%u"
               " evidence=%u missing=%u configured=%u start=%u start_reason=%u flags=%u",
               a->header.size, a->header.version, a->driver, a->module, a->state, a->reason,
               a->detail[0], a->detail[1], a->limit, a->half_open, a->queued, a->peak, a->written,
               a->original, a->limit_rva, a->half_open_rva, a->queued_rva, a->time_date_stamp,
               a->checksum, a->size_of_image, a->evidence, a->missing, a->configured, a->start,
               a->start_reason, a->flags);
    printf("\n");
}

static void ask(const char *device, unsigned int code, const void *request, unsigned int length)
{
    struct answer answer;
    unsigned int returned;
    NTSTATUS status;

    memset(&answer, UNTOUCHED, sizeof answer);
    status = control(*handle(device), code, request, length, &answer, sizeof answer, &returned);
    print_answer(status, returned, &answer);
}

/* query HANDLE MODULE */
static void query(char *const *words)
{
    struct query query = {{sizeof query, TCPLIMIT_VERSION}, number(words[2])};

    ask(words[1], TCPLIMIT_QUERY, &query, sizeof query);
}

/* set HANDLE MODULE LIMIT [EXPECTED] */
static void set(char *const *words)
{
    struct set set = {{sizeof set, TCPLIMIT_VERSION}, number(words[2]), number(words[3]),
                      number(words[4])};

    ask(words[1], TCPLIMIT_SET, &set, sizeof set);
}

/* reset HANDLE MODULE [EXPECTED] */
static void reset(char *const *words)
{
    struct reset reset = {{sizeof reset, TCPLIMIT_VERSION}, number(words[2]), number(words[3])};

    ask(words[1], TCPLIMIT_RESET, &reset, sizeof reset);
}

/* raw HANDLE CODE INPUT-LENGTH OUTPUT-LENGTH [HEX]: any request at all. The
 * input's bytes are those given, and UNTOUCHED behind them. `stray` counts the
 * output's bytes that changed and were not said to. */
static void raw(char *const *words)
{
    unsigned char input[ROOM], output[ROOM], *next = input;
    unsigned int input_length = number(words[3]) % ROOM, output_length = number(words[4]) % ROOM;
    unsigned int returned, stray = 0, byte, at;
    const char *hex = words[5];
    NTSTATUS status;

    memset(input, UNTOUCHED, sizeof input);
    memset(output, UNTOUCHED, sizeof output);
    for (; next < input + sizeof input && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        *next++ = byte;
    status = control(*handle(words[1]), number(words[2]), input, input_length, output, output_length,
                  &returned);
    for (at = returned; at < sizeof output; at++)
        stray += output[at] != UNTOUCHED;
    printf("status=0x%x returned=%u stray=%u\n", (unsigned int)status, returned, stray);
}

/* The place of a word in a list, or the list's length. */
static unsigned int place(const char *word, const char *const *list, unsigned int length)
{
    unsigned int place = 0;

    while (place < length && strcmp(word, list[place]))
        place++;
    return place;
}

/* target HANDLE DEED, or target HANDLE store VARIABLE VALUE: what the target
 * does, and what it sees of its variables then. */
static void target(char *const *words)
{
    static const char *const deeds[] = {"look",      "store",   "connect", "retry",
                                        "connected", "refused", "unhook",  "hook"};
    static const char *const names[] = {"queue", "limit", "count"};
    static const unsigned int codes[] = {
        TARGET_LOOK,      TARGET_STORE,   TARGET_CONNECT, TARGET_RETRY,
        TARGET_CONNECTED, TARGET_REFUSED, TARGET_HOOK,    TARGET_HOOK,
    };
    unsigned int deed = place(words[2], deeds, ARRAYSIZE(deeds)), returned;
    struct target_request request = {place(words[3], names, VARIABLES), number(words[4])};
    struct target_answer answer = {0};
    NTSTATUS status;

    if (deed == ARRAYSIZE(deeds)) {
        printf("unknown=%s\n", words[2]);
        return;
    }
    if (codes[deed] == TARGET_HOOK)
        request.value = !strcmp(words[2], "hook");
    status = control(*handle(words[1]), codes[deed], &request, sizeof request, &answer,
                     sizeof answer, &returned);
    printf("status=0x%x result=%u queued=%u limit=%u half_open=%u\n", (unsigned int)status,
           answer.result, answer.variables[QUEUE], answer.variables[LIMIT],
           answer.variables[COUNT]);
}

/* security HANDLE DRIVER DEVICE: who may open a driver's device, by the target. */
static void security(char *const *words)
{
    struct target_driver driver = {number(words[3]), {0}};
    unsigned char descriptor[1024] = {0};
    unsigned int returned;
    char *text = NULL;
    NTSTATUS status;

    snprintf(driver.name, sizeof driver.name, "\\Driver\\%s", words[2]);
    status = control(*handle(words[1]), TARGET_SECURITY, &driver, sizeof driver, descriptor,
                     sizeof descriptor, &returned);
    if (NT_SUCCESS(status))
        ConvertSecurityDescriptorToStringSecurityDescriptorA(
            descriptor, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &text, NULL);
    printf("status=0x%x list=%s\n", (unsigned int)status, text ? text : "");
    LocalFree(text);
}

/* error STATUS: what programs of Win32 are told of a status. */
static void error(char *const *words)
{
    printf("error=%lu\n", RtlNtStatusToDosError(number(words[1])));
}

static const struct {
    const char *name;
    verb *run;
} verbs[] = {
    {"open", open_device},         {"close", close_device},
    {"query", query},              {"set", set},
    {"reset", reset},              {"raw", raw},
    {"target", target},            {"security", security},
    {"create", service_create},    {"start", service_start},
    {"stop", service_stop},        {"delete", service_delete},
    {"state", service_state},      {"parameter", parameter_set},
    {"value", parameter_get},      {"no-parameter", parameter_delete},
    {"forget", memory_delete},     {"memory", memory_security},
    {"memory-list", memory_share}, {"change", service_change},
    {"storm", storm_begin},        {"calm", storm_end},
    {"restricted", restricted_open}, {"error", error},
};

static void obey(char *line)
{
    char *words[WORDS];
    unsigned int word, verb;

    words[0] = strtok(line, " \r\n");
    if (!words[0])
        return;
    for (word = 1; word < WORDS; word++) {
        words[word] = strtok(NULL, " \r\n");
        if (!words[word])
            words[word] = "";
    }
    for (verb = 0; verb < ARRAYSIZE(verbs); verb++)
        if (!strcmp(words[0], verbs[verb].name)) {
            verbs[verb].run(words);
            return;
        }
    printf("unknown=%s\n", words[0]);
}

int main(void)
{
    static char line[16384];

    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        obey(line);
        fflush(stdout);
    }
    return 0;
}
