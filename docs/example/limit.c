/* Reads and changes the limit of half-open connections through tcplimit.sys.
 *
 *     limit                      shows the limits of tcpip.sys and tcpip6.sys
 *     limit 100                  sets the limit of tcpip.sys to 100
 *     limit 100 50               the same, but only if it is 50 now
 *     limit reset                sets it back to 10
 *
 * Run it as an Administrator, on Windows XP SP2 or later with the driver loaded.
 * It needs only <windows.h>. docs/interface.md describes the interface.
 *
 *     i686-w64-mingw32-gcc -o limit.exe limit.c
 *     cl limit.c
 *
 * Licence: MIT or Apache-2.0, at your choice. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define TCPLIMIT_DEVICE  "\\\\.\\TcpLimit"
#define TCPLIMIT_VERSION 1

/* CTL_CODE(FILE_DEVICE_UNKNOWN, 0x900, METHOD_BUFFERED, FILE_READ_DATA), and
 * 0x901 and 0x902 with FILE_READ_DATA | FILE_WRITE_DATA. */
#define TCPLIMIT_QUERY 0x00226400
#define TCPLIMIT_SET   0x0022E404
#define TCPLIMIT_RESET 0x0022E408

#define TCPLIMIT_TCPIP  4
#define TCPLIMIT_TCPIP6 6

/* States: 0 absent, 1 not located, 2 located. */
#define TCPLIMIT_LOCATED 2

/* All fields of all records are DWORDs, so there is no padding. */

typedef struct {
    DWORD size; /* of this record, in bytes */
    DWORD version;
    DWORD module;
} TCPLIMIT_QUERY_RECORD;

typedef struct {
    DWORD size;
    DWORD version;
    DWORD module;
    DWORD limit;
    DWORD expected; /* 0: 10, or a limit that the driver wrote */
} TCPLIMIT_SET_RECORD;

typedef struct {
    DWORD size;
    DWORD version;
    DWORD module;
    DWORD expected;
} TCPLIMIT_RESET_RECORD;

typedef struct {
    DWORD size;
    DWORD version;
    DWORD driver;
    DWORD module;
    DWORD state;
    DWORD reason; /* 0: the request was executed */
    DWORD detail[2];
    DWORD limit;
    DWORD half_open;
    DWORD queued;
    DWORD peak;
    DWORD written;
    DWORD original;
    DWORD limit_rva;
    DWORD half_open_rva;
    DWORD queued_rva;
    DWORD time_date_stamp;
    DWORD checksum;
    DWORD size_of_image;
    DWORD evidence;
    DWORD missing;
    DWORD configured;
    DWORD start;
    DWORD start_reason;
    DWORD flags;
} TCPLIMIT_ANSWER;

/* Does not compile if a record lacks the length that the driver expects. */
typedef char query_has_12_bytes[sizeof(TCPLIMIT_QUERY_RECORD) == 12 ? 1 : -1];
typedef char set_has_20_bytes[sizeof(TCPLIMIT_SET_RECORD) == 20 ? 1 : -1];
typedef char reset_has_16_bytes[sizeof(TCPLIMIT_RESET_RECORD) == 16 ? 1 : -1];
typedef char answer_has_104_bytes[sizeof(TCPLIMIT_ANSWER) == 104 ? 1 : -1];

/* Sends a record. FALSE if the request itself failed: see GetLastError. A
 * refusal is not a failure: see `answer->reason`. */
static BOOL send_request(HANDLE device, DWORD code, void *record, DWORD size,
                         TCPLIMIT_ANSWER *answer)
{
    DWORD returned = 0;

    memset(answer, 0, sizeof *answer);
    if (!DeviceIoControl(device, code, record, size, answer, sizeof *answer, &returned, NULL))
        return FALSE;
    if (returned != sizeof *answer || answer->size != sizeof *answer ||
        answer->version != TCPLIMIT_VERSION) {
        SetLastError(ERROR_INVALID_DATA);
        return FALSE;
    }
    return TRUE;
}

static BOOL query(HANDLE device, DWORD module, TCPLIMIT_ANSWER *answer)
{
    TCPLIMIT_QUERY_RECORD record = {sizeof record, TCPLIMIT_VERSION, module};

    return send_request(device, TCPLIMIT_QUERY, &record, sizeof record, answer);
}

static BOOL set(HANDLE device, DWORD module, DWORD limit, DWORD expected, TCPLIMIT_ANSWER *answer)
{
    TCPLIMIT_SET_RECORD record = {sizeof record, TCPLIMIT_VERSION, module, limit, expected};

    return send_request(device, TCPLIMIT_SET, &record, sizeof record, answer);
}

static BOOL reset(HANDLE device, DWORD module, TCPLIMIT_ANSWER *answer)
{
    TCPLIMIT_RESET_RECORD record = {sizeof record, TCPLIMIT_VERSION, module, 0};

    return send_request(device, TCPLIMIT_RESET, &record, sizeof record, answer);
}

/* Prints the answer in a line. Returns 0 if the request was executed, 1 if it was
 * refused. */
static int show(const char *name, const TCPLIMIT_ANSWER *answer)
{
    static const char *const states[] = {"absent", "not-located", "located"};

    printf("%s %s limit=%lu half_open=%lu queued=%lu peak=%lu reason=%lu detail=%lu,%lu\n", name,
           answer->state <= TCPLIMIT_LOCATED ? states[answer->state] : "unknown", answer->limit,
           answer->half_open, answer->queued, answer->peak, answer->reason, answer->detail[0],
           answer->detail[1]);
    return answer->reason ? 1 : 0;
}

static int fail(const char *action)
{
    printf("%s: error=%lu\n", action, GetLastError());
    return 3;
}

int main(int argc, char **argv)
{
    /* A query needs read access, a change also write access. */
    DWORD access = argc > 1 ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    HANDLE device = CreateFileA(TCPLIMIT_DEVICE, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, 0, NULL);
    TCPLIMIT_ANSWER answer;
    BOOL done;
    int code;

    /* 2: the driver is not loaded. 5: not an Administrator. */
    if (device == INVALID_HANDLE_VALUE)
        return fail(TCPLIMIT_DEVICE);
    if (argc == 1) {
        done = query(device, TCPLIMIT_TCPIP, &answer);
        code = done ? show("tcpip.sys", &answer) : fail("query");
        /* Normally absent where IPv6 is not installed, so not an error. */
        if (query(device, TCPLIMIT_TCPIP6, &answer))
            show("tcpip6.sys", &answer);
    } else if (!strcmp(argv[1], "reset")) {
        done = reset(device, TCPLIMIT_TCPIP, &answer);
        code = done ? show("tcpip.sys", &answer) : fail("reset");
    } else {
        DWORD limit = strtoul(argv[1], NULL, 10), expected = 0;

        if (argc > 2)
            expected = strtoul(argv[2], NULL, 10);
        done = set(device, TCPLIMIT_TCPIP, limit, expected, &answer);
        code = done ? show("tcpip.sys", &answer) : fail("set");
    }
    CloseHandle(device);
    return code;
}
