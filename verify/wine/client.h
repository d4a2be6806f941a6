/* What the parts of the client share. */

#include <windows.h>
#include <winternl.h>

/* Sends a control code and waits; the status as the system gave it, and how
 * many bytes came back. */
NTSTATUS control(HANDLE device, unsigned int code, const void *input, unsigned int input_length,
              void *output, unsigned int output_length, unsigned int *returned);

/* Verbs: each gets its words, with "" for those that are missing, and prints
 * one line. */
#define WORDS 8
typedef void verb(char *const *words);

verb service_create, service_start, service_stop, service_change, service_delete, service_state;
verb parameter_set, parameter_get, parameter_delete;
verb memory_delete, memory_security, memory_share;
verb storm_begin, storm_end;
verb restricted_open;
