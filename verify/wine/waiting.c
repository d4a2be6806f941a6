/* A program with half-open connections: to a full queue of its own, on the loopback
 * address. A line in, a line out, as client.c. */

#include <winsock2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64

/* The first is connected. */
static SOCKET sockets[MOST];
static unsigned int count;

static SOCKET tcp(void)
{
    return socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
}

/* wait NUMBER: listens, fills the queue with one connection, and begins so many
 * more, which nothing answers. Returns whether that was done. */
static int wait_for(unsigned int number)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int length = sizeof address;
    SOCKET listener = tcp();
    u_long yes = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (number >= MOST || bind(listener, (struct sockaddr *)&address, length) ||
        listen(listener, 0) || getsockname(listener, (struct sockaddr *)&address, &length))
        return 0;
    sockets[0] = tcp();
    if (connect(sockets[0], (struct sockaddr *)&address, length) ||
        ioctlsocket(sockets[0], FIONBIO, &yes))
        return 0;
    for (count = 1; count <= number; count++) {
        sockets[count] = tcp();
        if (ioctlsocket(sockets[count], FIONBIO, &yes) ||
            !connect(sockets[count], (struct sockaddr *)&address, length) ||
            WSAGetLastError() != WSAEWOULDBLOCK)
            return 0;
    }
    printf("error=0 pid=%lu port=%u\n", GetCurrentProcessId(), ntohs(address.sin_port));
    return 1;
}

/* call: Wine knows whose a socket is only once that has been used. Nothing is there
 * to be received. */
static void call(void)
{
    unsigned int each;
    char byte;

    for (each = 0; each < count; each++)
        recv(sockets[each], &byte, 1, 0);
    printf("error=0\n");
}

int main(void)
{
    char line[64];
    WSADATA data;

    if (WSAStartup(MAKEWORD(2, 2), &data))
        return 1;
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "wait ", 5)) {
            if (!wait_for(strtoul(line + 5, NULL, 0)))
                printf("error=%d\n", WSAGetLastError());
        } else if (!strncmp(line, "call", 4))
            call();
        else
            printf("unknown\n");
        fflush(stdout);
    }
    return 0;
}
