/**
 * Marquee as a library: open a region of a store, run workflows, ask for recommendations.
 *
 *     struct mq_platform *platform;
 *     struct mq_error err;
 *     if (mq_platform_open("file:./marquee-data", "1", NULL, &platform, &err) != MQ_OK)
 *         …err.message, err.hint…
 *     mq_platform_run(platform, "ACTION", 0, NULL, &err);
 *     char *list;
 *     mq_platform_recommend(platform, "42", "movie", 20, &list, &err);   // JSON, free()
 *     mq_platform_close(platform);
 *
 * Link with `pkg-config --libs marquee`. Answers are JSON texts, laid out in docs/cli (the
 * documents that the commands print with --json). A log of the work goes to standard error;
 * mq_platform_quiet silences it. Signals, the terminal and the process's exit are left alone.
 *
 * Threads: one platform, one thread at a time; platforms of one process share nothing but the log.
 */
#ifndef MARQUEE_MARQUEE_H
#define MARQUEE_MARQUEE_H

#include "marquee/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** "0.1.0". Static. */
const char *mq_version(void);

struct mq_platform;

/**
 * Open a region of a store, with settings from `config_file` and the environment, as the command
 * line does.
 *
 * @param store_uri   "file:PATH" or "s3://bucket/prefix"; NULL: from the settings
 * @param region      NULL: from the settings
 * @param config_file NULL: $MARQUEE_CONFIG, else ./marquee.yaml if it exists
 * @return MQ_OK | MQ_E_CONFIG | MQ_E_NOT_FOUND, MQ_E_FORMAT (the settings file) | MQ_E_NOMEM
 */
enum mq_status mq_platform_open(const char *store_uri, const char *region, const char *config_file,
                                struct mq_platform **ret_platform, struct mq_error *err);

/** NULL allowed. */
void mq_platform_close(struct mq_platform *platform);

/**
 * Set an option (docs/config.md), before the first run or question that it shapes.
 * @return MQ_OK | MQ_E_CONFIG
 */
enum mq_status mq_platform_set(struct mq_platform *platform, const char *option, const char *value,
                               struct mq_error *err);

/** Log warnings only (quiet != 0), or everything a person would want to see (0). Process-wide. */
void mq_platform_quiet(int quiet);

/** mq_platform_run: run the workflow's steps even if up to date. */
#define MQ_PLATFORM_FORCE 1u
/** mq_platform_run: decide and report, change nothing. */
#define MQ_PLATFORM_DRY_RUN 2u

/**
 * Run a workflow: "ACTION", "CONTENT", "MODEL", "USER" or "RATING".
 *
 * @param flags        MQ_PLATFORM_… or 0
 * @param ret_manifest the run's manifest as JSON, free(); also set when a step failed; may be NULL
 * @return MQ_OK | MQ_E_USAGE (unknown workflow) | MQ_E_CONFLICT (another run holds the lock) |
 *         MQ_E_INPUT (an input is missing: the message says which) | MQ_E_CANCELLED | others
 */
enum mq_status mq_platform_run(struct mq_platform *platform, const char *change_type,
                               unsigned flags, char **ret_manifest, struct mq_error *err);

/**
 * Ask a run that is going on, in whatever thread, to stop at its next safe point. May be called in
 * a signal handler.
 */
void mq_platform_cancel(void);

/**
 * A user's list, as `marquee recommend --json --explain` prints it. The models are loaded at the
 * first question and kept; mq_platform_reload takes up what later runs made.
 *
 * @param type     "movie" or "tv"
 * @param n        entries at most, 1…100000
 * @param ret_list JSON, free()
 * @return MQ_OK | MQ_E_USAGE | MQ_E_NOT_FOUND (no catalogue yet) | MQ_E_FORMAT | others
 */
enum mq_status mq_platform_recommend(struct mq_platform *platform, const char *user,
                                     const char *type, int n, char **ret_list,
                                     struct mq_error *err);

/**
 * Why a programme is in a user's list, or which stage dropped it: `marquee explain --json`.
 * @param ret_explanation JSON, free()
 * @return MQ_OK | MQ_E_NOT_FOUND (no such programme) | others
 */
enum mq_status mq_platform_explain(struct mq_platform *platform, const char *user, const char *item,
                                   char **ret_explanation, struct mq_error *err);

/** Forget the loaded models; the next question loads them anew. */
void mq_platform_reload(struct mq_platform *platform);

#ifdef __cplusplus
}
#endif
#endif
