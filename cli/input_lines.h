/**
 * Lines of standard input, for commands that take what they work on from there.
 * Threads: main.
 */
#ifndef MQ_CLI_INPUT_LINES_H
#define MQ_CLI_INPUT_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "marquee/status.h"

/** Longest line; ids have at most 512 bytes. */
#define MQ_INPUT_LINE_MAX 4096

/**
 * The next line without its end ("\n" or "\r\n"; the last one needs none). Of endless input no more
 * is taken into memory than a line may be.
 * @param what   the input's name in messages: "standard input"
 * @param number the line's, from 1, for messages
 * @param ret_more false: the input has ended, there is no line
 * @return MQ_OK | MQ_E_INPUT (too long, or a NUL in it) | MQ_E_IO
 */
enum mq_status mq_cli_input_line(FILE *in, const char *what, int64_t number,
                                 char ret_line[MQ_INPUT_LINE_MAX + 1], bool *ret_more,
                                 struct mq_error *err);

#endif
