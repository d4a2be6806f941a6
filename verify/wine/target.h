/* How a client speaks to the target, the stand-in for tcpip.sys. */

#define TARGET_CODE(function) (0x220000 | (function) << 2)

/* Each takes a target_request and returns a target_answer. */
#define TARGET_LOOK      TARGET_CODE(0x800)
#define TARGET_STORE     TARGET_CODE(0x801) /* value in variable */
#define TARGET_CONNECT   TARGET_CODE(0x802) /* through the first gate */
#define TARGET_RETRY     TARGET_CODE(0x803) /* through the second */
#define TARGET_CONNECTED TARGET_CODE(0x804)
#define TARGET_REFUSED   TARGET_CODE(0x805)
#define TARGET_HOOK      TARGET_CODE(0x806) /* value 1: put a jump over the first gate; 0: take it away */
/* Takes a target_driver, returns its device's security descriptor. */
#define TARGET_SECURITY  TARGET_CODE(0x807)

enum variable { QUEUE, LIMIT, COUNT, VARIABLES };

struct target_request {
    unsigned int variable;
    unsigned int value;
};

struct target_driver {
    unsigned int device; /* 0 for the one that was made last */
    char name[60];       /* \Driver\... */
};

struct target_answer {
    unsigned int result;
    unsigned int variables[VARIABLES];
};
