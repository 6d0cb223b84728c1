#include <string.h>

#include "base/log.h"
#include "cli/bronze_report.h"
#include "cli/consume_setup.h"
#include "serve/metrics_server.h"
#include "store/event_log_settings.h"

static enum mq_status
start_metrics(const struct mq_config *config, struct mq_metrics *metrics,
              struct mq_metrics_server **ret_server, struct mq_error *err)
{
    int port = (int)mq_config_int(config, "consume.metrics_port");
    if (port == 0)
        return MQ_OK;
    enum mq_status st = mq_metrics_server_start(mq_config_text(config, "consume.metrics_host"),
                                                port, metrics, ret_server, err);
    if (st == MQ_OK)
        mq_log_info("consume: metrics at http://%s/metrics",
                    mq_metrics_server_address(*ret_server));
    return st;
}

static enum mq_status
consume(struct mq_cli *cli, struct mq_event_log *log, struct mq_error *err)
{
    struct mq_metrics *metrics = NULL;
    struct mq_metrics_server *server = NULL;
    struct mq_consume_options options;
    struct mq_consume_figures figures;
    char layer[MQ_CLI_LAYER_NAME_MAX];
    enum mq_status st = mq_cli_consume_options(cli, log, &options, err);
    if (st == MQ_OK)
        st = mq_metrics_new(&metrics, err);
    if (st == MQ_OK) {
        options.metrics = metrics;
        options.until_end = mq_cli_given(cli, "--until-end");
        options.give_up_ms = options.until_end ? MQ_CLI_GIVE_UP_MS : 0;
        mq_metrics_add_process(metrics);
        mq_cli_layer_name(options.layer.store, options.layer.region, layer);
        mq_log_info("consume: topic '%s' of '%s' as group '%s' into '%s'", options.topic,
                    mq_event_log_uri(log), options.group, layer);
        st = start_metrics(cli->config, metrics, &server, err);
    }
    if (st == MQ_OK)
        st = mq_consume(&options, &figures, err);
    mq_metrics_server_stop(server);
    mq_metrics_free(metrics);
    return st == MQ_OK ? mq_cli_consume_report(cli, &figures, err) : st;
}

/* A consumer makes no topic to read: a name with a slip would be waited for in vain. */
static enum mq_status
check_topics(const struct mq_config *config, struct mq_event_log *log, struct mq_error *err)
{
    const char *topic = mq_config_text(config, "events.topic");
    int partitions;
    if (strcmp(topic, mq_config_text(config, "events.rejected_topic")) == 0)
        return mq_fail(err, MQ_E_CONFIG,
                       "events.topic and events.rejected_topic are both '%s': what is rejected "
                       "would be read as events again",
                       topic);
    enum mq_status st = mq_event_log_partitions(log, topic, &partitions, err);
    if (st == MQ_E_NOT_FOUND) {
        mq_fail(err, st, "there is no topic '%s' in '%s'", topic, mq_event_log_uri(log));
        mq_error_hint(err, "correct the name (--topic, events.topic), or make the topics that the "
                           "settings name: `marquee stores create`");
    }
    return st;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_event_log *log;
    enum mq_status st = mq_event_log_open_configured(cli->config, &log, err);
    if (st != MQ_OK)
        return st;
    st = check_topics(cli->config, log, err);
    if (st == MQ_OK)
        st = consume(cli, log, err);
    mq_event_log_free(log);
    return st;
}

const struct mq_command mq_command_consume = {
    .name = "consume",
    .without_store = true,
    .summary = "write user events from the log to the bronze layer, each exactly once",
    .help =
        "Joins the consumer group and writes what arrives to bronze/user-events/dt=YYYY-MM-DD/, by "
        "the event's own day, each line the event's original bytes. What cannot be read as an "
        "event "
        "goes, with the reason, to bronze/rejected/ and the topic events.rejected_topic; it never "
        "stops the stream. What the API refused is read from that topic into bronze/rejected/ too. "
        "Offsets are committed when the objects are durable, and objects are "
        "named by offsets, so whatever dies when, each event is there once: marquee bronze verify "
        "proves it.\n\n"
        "Runs until it is told to stop (SIGTERM, SIGINT): then it writes what it holds and leaves "
        "the group. Stores and brokers that are away are waited for. Several consumers of one "
        "group "
        "share the partitions.",
    .flags =
        (const struct mq_flag[]){
            {.name = "--events",
             .type = MQ_FLAG_TEXT,
             .placeholder = "URI",
             .option = "events.log",
             .help = "the event log: lmdb:FOLDER or kafka:HOST:PORT"},
            {.name = "--topic",
             .type = MQ_FLAG_TEXT,
             .placeholder = "NAME",
             .option = "events.topic",
             .help = "topic to read"},
            {.name = "--group",
             .type = MQ_FLAG_TEXT,
             .placeholder = "NAME",
             .option = "events.group",
             .help = "consumer group to join"},
            {.name = "--batch-bytes",
             .type = MQ_FLAG_TEXT,
             .placeholder = "N",
             .option = "consume.batch_bytes",
             .help = "bytes of events that make a batch"},
            {.name = "--batch-age",
             .type = MQ_FLAG_TEXT,
             .placeholder = "SECONDS",
             .option = "consume.batch_age_s",
             .help = "age at which a batch is written, however small"},
            {.name = "--metrics-port",
             .type = MQ_FLAG_TEXT,
             .placeholder = "PORT",
             .option = "consume.metrics_port",
             .help = "serve /metrics and /healthz there"},
            {.name = "--project-actions",
             .help = "write the day's exposure and play logs for marquee run too"},
            {.name = "--until-end",
             .help = "stop when all is written that the topic held at the beginning"},
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee consume", "from the embedded log to the local store, for ever"},
            {"marquee consume --events kafka:localhost:9092 --store s3://films/marquee "
             "--metrics-port "
             "9464",
             "from Kafka to S3, watched by Prometheus"},
            {"marquee consume --until-end --project-actions && marquee run",
             "what came in today, into tonight's lists"},
            {0}},
    .run = run,
};
