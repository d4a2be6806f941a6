/* The limiter of tcpip.sys as Windows XP x64 has it, instruction by
 * instruction: what the locator looks for, and what the target runs. */

/* The three variables, side by side. Uninitialised, as in a genuine driver:
 * start-up code stores the 10. */
    .data
    .balign 16
    .globl QueueLength, ActiveOpenProgressCount
QueueLength:                  .long 0
ActiveOpenProgressThreshold:  .long 0
ActiveOpenProgressCount:      .long 0

    .section INIT, "xwr"
    .globl limiter_start
limiter_start:
    movl    $10, ActiveOpenProgressThreshold(%rip)
    ret

    .text
/* long limiter_connect(void): whether a connection may begin now; if not, it
 * waits in the queue. */
    .globl limiter_connect, limiter_first_gate
limiter_connect:
limiter_first_gate:
    movl    ActiveOpenProgressThreshold(%rip), %ecx
    cmpl    %ecx, ActiveOpenProgressCount(%rip)
    .byte   0x0F, 0x8D                      /* jge, near */
    .long   wait - 1f
1:  lock incl ActiveOpenProgressCount(%rip)
    movl    $1, %eax
    ret

/* long limiter_retry(void): the same for one that waits. */
    .globl limiter_retry
limiter_retry:
    movl    ActiveOpenProgressThreshold(%rip), %r11d
    cmpl    %r11d, ActiveOpenProgressCount(%rip)
    jge     2f
    cmpl    $0, QueueLength(%rip)
    je      2f
    addl    $-1, QueueLength(%rip)
    lock incl ActiveOpenProgressCount(%rip)
    movl    $1, %eax
    ret
2:  xorl    %eax, %eax
    ret

/* Where there is no room. Event 4226 is logged when the queue was empty; here
 * its number is handed back. */
wait:
    xorl    %eax, %eax
    cmpl    $0, QueueLength(%rip)
    jne     3f
#ifndef IPV6
    movl    $0x80001082, %edx
    movl    %edx, %eax
#endif
3:  incl    QueueLength(%rip)
    ret

/* void limiter_connected(void), limiter_refused(void): one is half-open no
 * longer. */
    .globl limiter_connected, limiter_refused
limiter_connected:
    lock decl ActiveOpenProgressCount(%rip)
    ret
limiter_refused:
    orl     $-1, %ecx
    lock xaddl %ecx, ActiveOpenProgressCount(%rip)
    ret
