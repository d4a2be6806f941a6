/* The limiter of tcpip.sys as Windows XP for x86 has it, instruction by
 * instruction: what the locator looks for, and what the target runs. */

/* The three variables, side by side. Zero in the file, as in a genuine driver:
 * start-up code stores the 10. */
    .data
    .balign 16
    .globl _QueueLength, _ActiveOpenProgressCount
_QueueLength:                  .long 0
_ActiveOpenProgressThreshold:  .long 0
_ActiveOpenProgressCount:      .long 0

    .section INIT, "xwr"
    .globl _limiter_start
_limiter_start:
    movl    $10, _ActiveOpenProgressThreshold
    ret

    .text
/* long limiter_connect(void): whether a connection may begin now; if not, it
 * waits in the queue. */
    .globl _limiter_connect, _limiter_first_gate
_limiter_connect:
    pushl   %esi
_limiter_first_gate:
    movl    _ActiveOpenProgressCount, %eax
    cmpl    _ActiveOpenProgressThreshold, %eax
    .byte   0x0F, 0x8D                      /* jge, near */
    .long   wait - 1f
1:  movl    $_ActiveOpenProgressCount, %eax
    xorl    %ecx, %ecx
    incl    %ecx
    lock xaddl %ecx, (%eax)
    movl    $1, %eax
    popl    %esi
    ret

/* long limiter_retry(void): the same for one that waits. */
    .globl _limiter_retry
_limiter_retry:
    movl    _ActiveOpenProgressCount, %eax
    cmpl    _ActiveOpenProgressThreshold, %eax
    jge     2f
    cmpl    $0, _QueueLength
    je      2f
    decl    _QueueLength
    movl    $_ActiveOpenProgressCount, %eax
    xorl    %ecx, %ecx
    incl    %ecx
    lock xaddl %ecx, (%eax)
    movl    $1, %eax
    ret
2:  xorl    %eax, %eax
    ret

/* Where there is no room. Event 4226 is logged when the queue was empty; here
 * its number is handed back. */
wait:
    xorl    %esi, %esi
    xorl    %eax, %eax
    cmpl    %esi, _QueueLength
    jne     3f
#ifndef IPV6
    pushl   $0x80001082
    popl    %eax
#endif
3:  incl    _QueueLength
    popl    %esi
    ret

/* void limiter_connected(void), limiter_refused(void): one is half-open no
 * longer. */
    .globl _limiter_connected, _limiter_refused
_limiter_connected:
    movl    $_ActiveOpenProgressCount, %eax
    orl     $-1, %ecx
    lock xaddl %ecx, (%eax)
    ret
_limiter_refused:
    movl    $_ActiveOpenProgressCount, %eax
    orl     $-1, %ecx
    lock xaddl %ecx, (%eax)
    ret
