/* The records of driver/protocol, as a program in C would declare them: written
 * from its documentation, not made from it, so that a slip in either shows. */

#define TCPLIMIT_VERSION 1
#define TCPLIMIT_QUERY 0x00226400
#define TCPLIMIT_SET   0x0022E404
#define TCPLIMIT_RESET 0x0022E408

#define TCPIP  4
#define TCPIP6 6

struct header {
    unsigned int size;
    unsigned int version;
};

struct query {
    struct header header;
    unsigned int module;
};

struct set {
    struct header header;
    unsigned int module;
    unsigned int limit;
    unsigned int expected; /* 0 leaves it to the driver */
};

struct reset {
    struct header header;
    unsigned int module;
    unsigned int expected;
};

struct answer {
    struct header header;
    unsigned int driver;
    unsigned int module;
    unsigned int state;
    unsigned int reason;
    unsigned int detail[2];
    unsigned int limit;
    unsigned int half_open;
    unsigned int queued;
    unsigned int peak;
    unsigned int written;
    unsigned int original;
    unsigned int limit_rva;
    unsigned int half_open_rva;
    unsigned int queued_rva;
    unsigned int time_date_stamp;
    unsigned int checksum;
    unsigned int size_of_image;
    unsigned int evidence;
    unsigned int missing;
    unsigned int configured;
    unsigned int start;
    unsigned int start_reason;
    unsigned int flags;
};

_Static_assert(sizeof(struct query) == 12, "a query has 12 bytes");
_Static_assert(sizeof(struct set) == 20, "a set has 20 bytes");
_Static_assert(sizeof(struct reset) == 16, "a reset has 16 bytes");
_Static_assert(sizeof(struct answer) == 104, "an answer has 104 bytes");
