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
    .seh_proc limiter_connect
limiter_connect:
    .seh_endprologue
limiter_first_gate:
    movl    ActiveOpenProgressThreshold(%rip), %ecx
    cmpl    %ecx, ActiveOpenProgressCount(%rip)
    .byte   0x0F, 0x8D                      /* jge, near */
    .long   wait - 1f
1:  lock incl ActiveOpenProgressCount(%rip)
    movl    $1, %eax
    ret
    .seh_endproc

/* long limiter_retry(void): the same for one that waits. */
    .globl limiter_retry
    .seh_proc limiter_retry
limiter_retry:
    .seh_endprologue
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
    .seh_endproc

/* Where there is no room. Event 4226 is logged when the queue was empty; here
 * its number is handed back. */
    .seh_proc wait
wait:
    .seh_endprologue
    xorl    %eax, %eax
    cmpl    $0, QueueLength(%rip)
    jne     3f
#ifndef IPV6
    movl    $0x80001082, %edx
    movl    %edx, %eax
#endif
3:  incl    QueueLength(%rip)
    ret
    .seh_endproc

/* void limiter_connected(void), limiter_refused(void): one is half-open no
 * longer. */
    .globl limiter_connected, limiter_refused
    .seh_proc limiter_connected
limiter_connected:
    .seh_endprologue
    lock decl ActiveOpenProgressCount(%rip)
    ret
    .seh_endproc
    .seh_proc limiter_refused
limiter_refused:
    .seh_endprologue
    orl     $-1, %ecx
    lock xaddl %ecx, ActiveOpenProgressCount(%rip)
    ret
    .seh_endproc

/* Functions that call functions, as there are around each gate of a genuine
 * driver: each calls the next one, and nobody the first. */
    .altmacro
    .macro neighbour number, next
    .seh_proc neighbour\number
neighbour\number:
    subq    $40, %rsp
    .seh_stackalloc 40
    .seh_endprologue
    call    neighbour\next
    addq    $40, %rsp
    ret
    .seh_endproc
    .endm
    .set    number, 0
    .rept   12
    neighbour %number, %(number + 1)
    .set    number, number + 1
    .endr
    .seh_proc neighbour12
neighbour12:
    .seh_endprologue
    ret
    .seh_endproc
