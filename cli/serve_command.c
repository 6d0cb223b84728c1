#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/redact.h"
#include "cli/command.h"
#include "serve/api_server.h"

static _Atomic bool reload_wanted;

static void
on_hangup(int signal_number)
{
    (void)signal_number;
    atomic_store(&reload_wanted, true);
}

/* Wait for signals, which only this thread takes, and only here. */
static void
wait_for_the_end(struct mq_api *api, const sigset_t *outside)
{
    while (!mq_cancel_requested()) {
        if (atomic_exchange(&reload_wanted, false)) {
            struct mq_error error = {0};
            if (mq_api_reload(api, &error) != MQ_OK)
                mq_log(MQ_LOG_ERROR, "tokens: the old ones stay: %s", error.message);
        }
        (void)ppoll(NULL, 0, NULL, outside);
    }
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_api *api;
    mq_log_configure(cli->quiet     ? MQ_LOG_WARN
                     : cli->verbose ? MQ_LOG_DEBUG
                                    : MQ_LOG_INFO,
                     strcmp(mq_config_text(cli->config, "serve.log_form"), "json") == 0);
    /* The server's threads inherit the mask: a signal never interrupts one of them. */
    sigset_t ours, outside;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    struct sigaction hangup = {.sa_handler = on_hangup};
    sigemptyset(&hangup.sa_mask);
    sigaction(SIGHUP, &hangup, NULL);
    pthread_sigmask(SIG_BLOCK, &ours, &outside);
    enum mq_status st = mq_api_start(cli->config, &api, err);
    if (st == MQ_OK) {
        char events[512];
        mq_redact_uri(mq_config_text(cli->config, "events.log"), events, sizeof(events));
        mq_log_info("serving on %s, events to %s", mq_api_url(api), events);
        wait_for_the_end(api, &outside);
        mq_log_info("stopping");
        int cut = mq_api_stop(api);
        mq_log_info("stopped, %d requests cut off", cut);
    }
    pthread_sigmask(SIG_SETMASK, &outside, NULL);
    return st;
}

const struct mq_command mq_command_serve = {
    .name = "serve",
    .summary = "take user events and give recommendations over HTTP",
    .help =
        "Serves POST /v1/events, /healthz, /readyz, /metrics and /openapi.json. An event is "
        "answered with 202 when the event log has made it durable. Events go to --events: an "
        "embedded log (lmdb:FOLDER) or Kafka (kafka:HOST:PORT).\n\n"
        "With a hybrid model deployed in the store (marquee run --change-type RATING) it answers "
        "GET /v1/users/{id}/recommendations and more, each event counting at the user's next "
        "request; POST /v1/reload takes up the model that is deployed then.\n\n"
        "Clients need a token (marquee token create). SIGHUP reads the tokens again. SIGTERM "
        "stops: "
        "no new connections, requests in flight are finished, what is queued is written.\n\n"
        "Logs are JSON lines on standard error: errors always, each request with --verbose. "
        "docs/howto/events.md and docs/howto/recommend.md show clients.",
    .flags = (const struct mq_flag[]){{.name = "--host",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "ADDRESS",
                                       .option = "serve.host",
                                       .help = "address to listen on (127.0.0.1)"},
                                      {.name = "--port",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "PORT",
                                       .option = "serve.port",
                                       .max = 65535,
                                       .help = "port to listen on, 0 for any free one (8080)"},
                                      {.name = "--events",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "URI",
                                       .option = "events.log",
                                       .help = "event log (lmdb:./marquee-events)"},
                                      {.name = "--tokens",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .option = "serve.tokens",
                                       .help = "file of tokens (./marquee-tokens.json)"},
                                      {.name = "--no-auth",
                                       .option = "serve.no_auth",
                                       .help = "serve without tokens; on a loopback address only"},
                                      {.name = "--certificate",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .option = "serve.certificate",
                                       .help = "TLS certificate chain (PEM); with --key"},
                                      {.name = "--key",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .option = "serve.key",
                                       .help = "TLS private key (PEM)"},
                                      {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee serve --no-auth", "On this machine, without tokens"},
            {"marquee serve --host 0.0.0.0 --port 443 --certificate chain.pem --key key.pem "
             "--events kafka:broker1:9092,broker2:9092",
             "For a network, into Kafka"},
            {0}},
    .run = run,
};
