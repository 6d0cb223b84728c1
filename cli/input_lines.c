#include "cli/input_lines.h"

#include <errno.h>

enum mq_status
mq_cli_input_line(FILE *in, const char *what, int64_t number, char ret_line[MQ_INPUT_LINE_MAX + 1],
                  bool *ret_more, struct mq_error *err)
{
    size_t size = 0;
    int byte;
    while ((byte = getc_unlocked(in)) != EOF && byte != '\n') {
        if (byte == '\0')
            return mq_fail(err, MQ_E_INPUT, "%s, line %lld holds a NUL", what, (long long)number);
        if (size == MQ_INPUT_LINE_MAX)
            return mq_fail(err, MQ_E_INPUT, "%s, line %lld is longer than %d bytes", what,
                           (long long)number, MQ_INPUT_LINE_MAX);
        ret_line[size++] = (char)byte;
    }
    if (byte == EOF && ferror(in))
        return mq_fail_errno(err, errno, "cannot read %s, line %lld", what, (long long)number);
    *ret_more = byte != EOF || size > 0;
    while (size > 0 && ret_line[size - 1] == '\r')
        size--;
    ret_line[size] = '\0';
    return MQ_OK;
}
