#include "cli/input_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"

/* How often a wait for input looks whether the command is to stop. */
#define LOOK_MS 100

void
mq_input_lines_close(struct mq_input_lines *lines)
{
    if (lines->fd > STDIN_FILENO)
        close(lines->fd);
    lines->fd = -1;
}

enum mq_status
mq_input_lines_open(const char *path, struct mq_input_lines *ret_lines, struct mq_error *err)
{
    struct mq_input_lines lines = {.fd = STDIN_FILENO, .name = "standard input"};
    if (strcmp(path, "-") != 0) {
        struct stat is;
        lines.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe too */
        if (lines.fd < 0)
            return mq_fail_errno(err, errno, "cannot open '%s'", path);
        if (fstat(lines.fd, &is) == 0 && S_ISDIR(is.st_mode)) {
            mq_input_lines_close(&lines);
            return mq_fail_errno(err, EISDIR, "cannot read '%s'", path);
        }
        snprintf(lines.name, sizeof(lines.name), "'%s'", path);
    }
    *ret_lines = lines;
    return MQ_OK;
}

/* Read on; nothing is left to take then where the input has ended. */
static enum mq_status
fill(struct mq_input_lines *lines, struct mq_error *err)
{
    struct pollfd wait = {.fd = lines->fd, .events = POLLIN};
    ssize_t got;
    do {
        enum mq_status st = mq_cancel_check(err);
        while (st == MQ_OK && poll(&wait, 1, LOOK_MS) <= 0) /* 0, or a signal came */
            st = mq_cancel_check(err);
        if (st != MQ_OK)
            return st;
        got = read(lines->fd, lines->bytes, sizeof(lines->bytes));
    } while (got < 0 && (errno == EAGAIN || errno == EINTR));
    if (got < 0)
        return mq_fail_errno(err, errno, "cannot read %s, line %lld", lines->name,
                             (long long)lines->number);
    lines->begin = 0;
    lines->end = (size_t)got;
    return MQ_OK;
}

enum mq_status
mq_input_lines_next(struct mq_input_lines *lines, char ret_line[MQ_INPUT_LINE_MAX + 1],
                    bool *ret_more, struct mq_error *err)
{
    size_t size = 0;
    bool ended = false;
    lines->number++;
    for (;;) {
        if (lines->begin == lines->end) {
            enum mq_status st = fill(lines, err);
            if (st != MQ_OK)
                return st;
            ended = lines->begin == lines->end;
            if (ended)
                break;
        }
        char byte = lines->bytes[lines->begin++];
        if (byte == '\n')
            break;
        if (byte == '\0')
            return mq_fail(err, MQ_E_INPUT, "%s, line %lld holds a NUL", lines->name,
                           (long long)lines->number);
        if (size == MQ_INPUT_LINE_MAX)
            return mq_fail(err, MQ_E_INPUT, "%s, line %lld is longer than %d bytes", lines->name,
                           (long long)lines->number, MQ_INPUT_LINE_MAX);
        ret_line[size++] = byte;
    }
    *ret_more = !ended || size > 0;
    while (size > 0 && ret_line[size - 1] == '\r')
        size--;
    ret_line[size] = '\0';
    return MQ_OK;
}
