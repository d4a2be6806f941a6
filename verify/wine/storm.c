/* Many threads that open, ask, change and close all at once, on both devices. */

#include <stdio.h>
#include <stdlib.h>
#include "client.h"
#include "records.h"

#define THREADS 64
/* The limits that are set lie from here on, one range for each thread. */
#define FIRST_LIMIT 1000
#define LIMITS 1000

#define LEGACY_GET 0x226004
#define LEGACY_SET 0x22E008

static struct thread {
    HANDLE thread;
    unsigned int index;
    unsigned int requests;  /* to be sent; 0 for as many as it can */
    unsigned int sent;
    unsigned int answered;
    unsigned int opened;
    unsigned int failed; /* error status, or could not be opened */
    unsigned int wrong;  /* an answer that no order of the requests explains */
} threads[THREADS];

static unsigned int running;
static volatile LONG stopping;

static HANDLE open_device(struct thread *self, const char *path)
{
    HANDLE device = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0,
                                NULL);

    if (device == INVALID_HANDLE_VALUE)
        self->failed++;
    else
        self->opened++;
    return device;
}

/* Whether any thread may have set it, or it is from before. */
static BOOL possible(unsigned int limit)
{
    return limit == 10 || (limit >= FIRST_LIMIT && limit < FIRST_LIMIT + THREADS * LIMITS);
}

/* What is asked of our device: mostly a query or a set, now and then a request
 * that must be refused. */
static void ask_ours(struct thread *self, HANDLE device, unsigned int turn)
{
    unsigned int module = turn & 16 ? TCPIP6 : TCPIP;
    unsigned int limit = FIRST_LIMIT + self->index * LIMITS + turn % LIMITS;
    struct query query = {{sizeof query, TCPLIMIT_VERSION}, module};
    struct set set = {{sizeof set, TCPLIMIT_VERSION}, module, limit, 0};
    struct answer answer = {0};
    unsigned int returned;
    NTSTATUS status;

    self->sent++;
    switch (turn % 8) {
    case 0:
        status = control(device, TCPLIMIT_SET, &set, sizeof set - 1, &answer, sizeof answer, &returned);
        self->wrong += NT_SUCCESS(status);
        self->answered++;
        return;
    case 1:
    case 2:
    case 3:
        status = control(device, TCPLIMIT_SET, &set, sizeof set, &answer, sizeof answer, &returned);
        /* One at a time: what was set is what is in force. */
        self->wrong += NT_SUCCESS(status) && (answer.reason || answer.limit != limit);
        break;
    default:
        status = control(device, TCPLIMIT_QUERY, &query, sizeof query, &answer, sizeof answer,
                      &returned);
        self->wrong += NT_SUCCESS(status) && (answer.reason || !possible(answer.limit));
    }
    if (!NT_SUCCESS(status)) {
        self->failed++;
        return;
    }
    self->answered++;
    self->wrong += returned != sizeof answer || answer.module != module;
}

static void ask_legacy(struct thread *self, HANDLE device, unsigned int turn)
{
    unsigned int limit = FIRST_LIMIT + self->index * LIMITS + turn % LIMITS;
    unsigned int record[4] = {limit, 0, 0, 0}, output[4 + 3072 / 4], returned;
    BOOL set = turn & 1;
    NTSTATUS status = set ? control(device, LEGACY_SET, record, sizeof record, output, sizeof output,
                                 &returned)
                          : control(device, LEGACY_GET, NULL, 0, output, sizeof output, &returned);

    self->sent++;
    if (!NT_SUCCESS(status)) {
        self->failed++;
        return;
    }
    self->answered++;
    self->wrong += returned <= sizeof record || output[2] ||
                   (set ? output[0] != limit : !possible(output[0]));
}

static DWORD WINAPI storm(void *context)
{
    struct thread *self = context;
    HANDLE ours = INVALID_HANDLE_VALUE, legacy = INVALID_HANDLE_VALUE;
    unsigned int turn;

    for (turn = 0; !stopping && (!self->requests || self->sent < self->requests); turn++) {
        /* A handle lives for a hundred requests. */
        if (turn % 100 == 0) {
            CloseHandle(ours);
            CloseHandle(legacy);
            ours = open_device(self, "\\\\.\\TcpLimit");
            legacy = open_device(self, "\\\\.\\TCPIP_PATCHER");
            if (ours == INVALID_HANDLE_VALUE || legacy == INVALID_HANDLE_VALUE)
                break;
        }
        if (turn % 5)
            ask_ours(self, ours, turn);
        else
            ask_legacy(self, legacy, turn);
    }
    CloseHandle(ours);
    CloseHandle(legacy);
    return 0;
}

/* storm THREADS REQUESTS: so many requests of each; 0 until they are calmed. */
void storm_begin(char *const *words)
{
    unsigned int index, count = strtoul(words[1], NULL, 0);

    stopping = 0;
    running = min(count, THREADS);
    for (index = 0; index < running; index++) {
        struct thread fresh = {NULL, index, strtoul(words[2], NULL, 0), 0, 0, 0, 0, 0};

        threads[index] = fresh;
        threads[index].thread = CreateThread(NULL, 0, storm, &threads[index], 0, NULL);
    }
    printf("threads=%u\n", running);
}

/* calm [now]: waits until all is sent, or with `now` stops. */
void storm_end(char *const *words)
{
    struct thread sum = {0};
    unsigned int index;

    stopping = words[1][0] != 0;
    for (index = 0; index < running; index++) {
        WaitForSingleObject(threads[index].thread, INFINITE);
        CloseHandle(threads[index].thread);
        sum.sent += threads[index].sent;
        sum.answered += threads[index].answered;
        sum.opened += threads[index].opened;
        sum.failed += threads[index].failed;
        sum.wrong += threads[index].wrong;
    }
    running = 0;
    printf("sent=%u answered=%u opened=%u failed=%u wrong=%u\n", sum.sent, sum.answered,
           sum.opened, sum.failed, sum.wrong);
}
