#include "cli/import_summary.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/memory.h"

enum mq_status
mq_cli_event_sink(const struct mq_cli *cli, struct mq_object_store *store, struct mq_pool *pool,
                  struct mq_event_log *log, struct mq_event_sink **ret_sink, struct mq_error *err)
{
    const struct mq_event_sink_options options = {
        .store = store,
        .region = mq_cli_region(cli),
        .rules = mq_event_rules_from(cli->config, mq_clock_now_ms()),
        .level = (int)mq_config_int(cli->config, "consume.compression"),
        .pool = pool,
        .log = log,
        .topic = mq_config_text(cli->config, "events.topic")};
    return mq_event_sink_new(&options, ret_sink, err);
}

static json_t *
events_json(const struct mq_event_sink_figures *events)
{
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "topic", events->topic,
                     "through_log", (int)events->through_log, "events", (json_int_t)events->events,
                     "rejected", (json_int_t)events->rejected, "batches_written",
                     (json_int_t)events->batches, "batches_there_already",
                     (json_int_t)events->adopted, "objects_written", (json_int_t)events->objects,
                     "bytes_written", (json_int_t)events->packed);
}

static void
print_events(struct mq_cli *cli, const struct mq_event_sink_figures *events)
{
    if (events->through_log) {
        fprintf(cli->out, "%" PRId64 " events sent to topic %s\n", events->events, events->topic);
        return;
    }
    char first[MQ_DATE_SIZE], last[MQ_DATE_SIZE];
    mq_date_format(events->first_s, first);
    mq_date_format(events->last_s, last);
    fprintf(cli->out, "%" PRId64 " events, %s to %s, as topic %s", events->events, first, last,
            events->topic);
    if (events->batches == 0)
        fprintf(cli->out, ": all were there already\n");
    else
        fprintf(cli->out, ": %" PRId64 " objects in bronze, %.1f MB\n", events->objects,
                (double)events->packed / 1e6);
    if (events->rejected > 0)
        fprintf(cli->out,
                "%" PRId64 " of them are no good events: see bronze/rejected, and why there\n",
                events->rejected);
}

enum mq_status
mq_cli_print_import(struct mq_cli *cli, const struct mq_input_summary *summary,
                    const struct mq_event_sink_figures *events, double seconds,
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
        if (events != NULL)
            json_object_set_new(document, "events", events_json(events));
        return mq_cli_print_json(cli, document, err);
    }
    if (summary->files == 0)
        fprintf(cli->out, "catalogue and users stay as they were");
    else
        fprintf(cli->out, "%" PRId64 " programmes, %" PRId64 " users with a profile",
                summary->items, summary->users);
    if (events == NULL)
        fprintf(cli->out, ", %" PRId64 " plays and %" PRId64 " exposures", summary->plays,
                summary->exposures);
    if (first[0] != '\0')
        fprintf(cli->out, " of %" PRId64 " days from %s to %s", summary->days, first, last);
    fprintf(cli->out, "\n");
    if (events != NULL)
        print_events(cli, events);
    if (summary->files > 0)
        fprintf(cli->out, "%" PRId64 " files, %.1f MB, ", summary->files,
                (double)summary->bytes / 1e6);
    fprintf(cli->out, "into region %s in %.1f s\n", mq_cli_region(cli), seconds);
    mq_autofree char *flags = mq_cli_place_flags(cli);
    if (flags == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a command line");
    if (events == NULL)
        fprintf(cli->out, "next: marquee run --change-type CONTENT%s && marquee run%s\n", flags,
                flags);
    else if (events->through_log)
        fprintf(cli->out,
                "next: marquee consume --until-end%s && marquee run --change-type RATING%s\n",
                flags, flags);
    else
        fprintf(cli->out, "next: marquee run --change-type RATING%s\n", flags);
    return MQ_OK;
}
