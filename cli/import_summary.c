#include "cli/import_summary.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/memory.h"

enum mq_status
mq_cli_print_import(struct mq_cli *cli, const struct mq_input_summary *summary, double seconds,
                    struct mq_error *err)
{
    char first[MQ_DATE_SIZE] = "", last[MQ_DATE_SIZE] = "";
    if (summary->first_s <= summary->last_s) {
        mq_date_format(summary->first_s, first);
        mq_date_format(summary->last_s, last);
    }
    if (cli->json) {
        json_t *document = json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:f}", "items",
            (json_int_t)summary->items, "users", (json_int_t)summary->users, "plays",
            (json_int_t)summary->plays, "exposures", (json_int_t)summary->exposures, "days",
            (json_int_t)summary->days, "files", (json_int_t)summary->files, "bytes",
            (json_int_t)summary->bytes, "first_day", first, "last_day", last, "seconds", seconds);
        return mq_cli_print_json(cli, document, err);
    }
    fprintf(cli->out,
            "%" PRId64 " programmes, %" PRId64 " users with a profile, %" PRId64
            " plays and %" PRId64 " exposures",
            summary->items, summary->users, summary->plays, summary->exposures);
    if (first[0] != '\0')
        fprintf(cli->out, " of %" PRId64 " days from %s to %s", summary->days, first, last);
    fprintf(cli->out, "\n%" PRId64 " files, %.1f MB, into region %s in %.1f s\n", summary->files,
            (double)summary->bytes / 1e6, mq_cli_region(cli), seconds);
    mq_autofree char *flags = mq_cli_place_flags(cli);
    if (flags == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a command line");
    fprintf(cli->out, "next: marquee run --change-type CONTENT%s && marquee run%s\n", flags, flags);
    return MQ_OK;
}
