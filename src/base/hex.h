/**
 * Hexadecimal digits in escapes of JSON, URLs and XML. Threads: reentrant.
 */
#ifndef MQ_BASE_HEX_H
#define MQ_BASE_HEX_H

/** 0 to 15, or -1: no hexadecimal digit, of either case. */
static inline int
mq_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

#endif
