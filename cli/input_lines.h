/**
 * Lines of standard input or a file, for commands that take what they work on from there.
 * Threads: main.
 */
#ifndef MQ_CLI_INPUT_LINES_H
#define MQ_CLI_INPUT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

/** Longest line; ids have at most 512 bytes. */
#define MQ_INPUT_LINE_MAX 4096

/** Where lines come from: open it, close it. */
struct mq_input_lines {
    char name[256]; /**< for messages: standard input, 'users.txt' */
    int64_t number; /**< of the last line, from 1 */
    int fd;
    size_t begin, end;
    char bytes[MQ_INPUT_LINE_MAX]; /* read and not yet taken */
};

/** @param path "-": standard input  @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_IO */
enum mq_status mq_input_lines_open(const char *path, struct mq_input_lines *ret_lines,
                                   struct mq_error *err);

/**
 * The next line without its end ("\n", after any "\r"; the last one needs none). Of endless input
 * no more is taken into memory than a line may be. Waits, until the command is asked to stop.
 * @param ret_line on failure its contents are undefined
 * @param ret_more false: the input has ended, there is no line
 * @return MQ_OK | MQ_E_INPUT (too long, or a NUL in it) | MQ_E_IO | MQ_E_CANCELLED
 */
enum mq_status mq_input_lines_next(struct mq_input_lines *lines,
                                   char ret_line[MQ_INPUT_LINE_MAX + 1], bool *ret_more,
                                   struct mq_error *err);

/** Standard input stays open. */
void mq_input_lines_close(struct mq_input_lines *lines);

#endif
