/* A program of 2005: it knows the driver tcpip_patcher.sys and nothing else.
 * Written from what is known of that interface; shares nothing with client.c. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define IOCTL_TCPIP_PATCHER_GET 0x226004
#define IOCTL_TCPIP_PATCHER_SET 0x22E008

typedef struct {
    DWORD half_open_limit;
    DWORD current_half_open;
    DWORD error;
    char log[1];
} PATCHER;

int main(int argc, char **argv)
{
    union {
        PATCHER record;
        char bytes[sizeof(PATCHER) + 3072];
    } answer;
    PATCHER request = {0, 0, 0, {0}};
    DWORD returned = 0;
    BOOL done;
    HANDLE device = CreateFileA("\\\\.\\TCPIP_PATCHER", GENERIC_READ | GENERIC_WRITE, 0, NULL,
                                OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);

    if (device == INVALID_HANDLE_VALUE) {
        printf("no driver, error %lu\n", GetLastError());
        return 2;
    }
    memset(&answer, 0x55, sizeof answer);
    if (argc > 1) {
        request.half_open_limit = strtoul(argv[1], NULL, 0);
        done = DeviceIoControl(device, IOCTL_TCPIP_PATCHER_SET, &request, sizeof request, &answer,
                               sizeof answer, &returned, NULL);
    } else {
        done = DeviceIoControl(device, IOCTL_TCPIP_PATCHER_GET, NULL, 0, &answer, sizeof answer,
                               &returned, NULL);
    }
    if (!done) {
        printf("request failed, error %lu\n", GetLastError());
        return 3;
    }
    printf("limit=%lu half_open=%lu error=%lu returned=%lu terminated=%d log=%s\n",
           answer.record.half_open_limit, answer.record.current_half_open, answer.record.error,
           returned, memchr(answer.record.log, 0, returned - 12) != NULL,
           returned > sizeof(PATCHER) ? answer.record.log : "");
    CloseHandle(device);
    return answer.record.error || !answer.record.half_open_limit ? 1 : 0;
}
