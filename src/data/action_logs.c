#include "data/action_logs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "data/table_source.h"

static const struct mq_table_column wanted[] = {
    {"user_id", "userid|user|uid", true},
    {"item_id", "itemid|item|program_id|programid|movie_id|movieid", true},
    {"timestamp", "time|ts|event_time|datetime|unix_timestamp", true},
    {"watch_seconds", "watched|watch_s|play_seconds|watch_time", false},
    {"duration_seconds", "duration|length|length_seconds|duration_s", false},
    {"rating", "score|stars", false},
    {"position", "pos|rank|slot", false},
    {"source", "click_source|channel|list", false},
    {"trace", "recommend_trace", false},
};
#define WANTED_COUNT ((int)MQ_COUNT(wanted))
/* The names under which the view shows them. */
static const char *const shown[WANTED_COUNT] = {"user_id",       "item_id",     "time_text",
                                                "watch_text",    "length_text", "rating_text",
                                                "position_text", "source",      "trace"};

struct mq_log_group {
    enum mq_action_kind kind;
    char separator[8];
    int column_count;
    int positions[WANTED_COUNT];
    const char **paths; /* in key order */
    size_t path_count, path_capacity;
};

struct finding {
    struct mq_object_store *store;
    struct mq_sql *sql;
    struct mq_sql_appender *files;
    struct mq_action_logs *logs;
    size_t prefix_length, group_capacity;
    int64_t empty;
};

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* "YYYY-MM-DD/play/file.csv" after the prefix; false for anything else. */
static bool
log_kind(const char *rest, enum mq_action_kind *ret_kind)
{
    if (!ends_with(rest, ".csv") && !ends_with(rest, ".csv.gz"))
        return false;
    const char *name = strrchr(rest, '/');
    if (name == NULL)
        return false;
    const char *folder = name;
    while (folder > rest && folder[-1] != '/')
        folder--;
    size_t n = (size_t)(name - folder);
    if (n == 4 && memcmp(folder, "play", 4) == 0)
        *ret_kind = MQ_ACTION_PLAY;
    else if (n == 8 && memcmp(folder, "exposure", 8) == 0)
        *ret_kind = MQ_ACTION_EXPOSURE;
    else
        return false;
    return true;
}

static enum mq_status
find_group(struct finding *finding, enum mq_action_kind kind, const struct mq_table_header *header,
           const int *positions, struct mq_log_group **ret_group, struct mq_error *err)
{
    struct mq_action_logs *logs = finding->logs;
    for (int g = 0; g < logs->group_count; g++) {
        struct mq_log_group *group = &logs->groups[g];
        if (group->kind == kind && group->column_count == header->column_count &&
            strcmp(group->separator, header->separator) == 0 &&
            memcmp(group->positions, positions, sizeof(group->positions)) == 0) {
            *ret_group = group;
            return MQ_OK;
        }
    }
    enum mq_status st = mq_grow(&logs->groups, &finding->group_capacity,
                                (size_t)logs->group_count + 1, sizeof(*logs->groups), err);
    if (st != MQ_OK)
        return st;
    struct mq_log_group *group = &logs->groups[logs->group_count++];
    *group = (struct mq_log_group){.kind = kind, .column_count = header->column_count};
    memcpy(group->separator, header->separator, sizeof(group->separator));
    memcpy(group->positions, positions, sizeof(group->positions));
    *ret_group = group;
    return MQ_OK;
}

static enum mq_status
add_file(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct finding *finding = context;
    struct mq_action_logs *logs = finding->logs;
    enum mq_action_kind kind;
    if (!log_kind(key + finding->prefix_length, &kind)) {
        logs->ignored_count++;
        return MQ_OK;
    }
    logs->file_count++;
    struct mq_arena names = {0};
    struct mq_table_header header = {.is_empty = true};
    enum mq_status st = MQ_OK;
    if (info->size_bytes > 0)
        st = mq_table_header_read(finding->store, key, &names, &header, err);
    if (st != MQ_OK || header.is_empty) {
        logs->empty_count += st == MQ_OK;
        mq_arena_release(&names);
        return st;
    }
    int positions[WANTED_COUNT];
    st = mq_table_header_match(&header, key, wanted, WANTED_COUNT, positions, err);
    struct mq_log_group *group = NULL;
    if (st == MQ_OK)
        st = find_group(finding, kind, &header, positions, &group, err);
    mq_arena_release(&names);
    mq_autofree char *path = NULL;
    if (st == MQ_OK)
        st = mq_sql_object_path(finding->sql, finding->store, key, &path, err);
    if (st == MQ_OK)
        st = mq_grow(&group->paths, &group->path_capacity, group->path_count + 1,
                     sizeof(*group->paths), err);
    if (st != MQ_OK)
        return st;
    const char *copy = mq_arena_copy(&logs->arena, path, strlen(path));
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    group->paths[group->path_count++] = copy;
    mq_sql_append_text(finding->files, path, strlen(path));
    mq_sql_append_text(finding->files, key, strlen(key));
    mq_sql_append_end(finding->files);
    return MQ_OK;
}

/* Exposures before plays: what was shown comes before its play in the same second. */
static void
order_groups(struct mq_action_logs *logs)
{
    for (int i = 1; i < logs->group_count; i++)
        for (int j = i; j > 0 && logs->groups[j].kind < logs->groups[j - 1].kind; j--) {
            struct mq_log_group swapped = logs->groups[j];
            logs->groups[j] = logs->groups[j - 1];
            logs->groups[j - 1] = swapped;
        }
}

enum mq_status
mq_action_logs_open(struct mq_object_store *store, const char *region, struct mq_sql *sql,
                    struct mq_action_logs *ret_logs, struct mq_error *err)
{
    struct mq_action_logs logs = {0};
    struct finding finding = {.store = store, .sql = sql, .logs = &logs};
    char prefix[MQ_OBJECT_KEY_MAX];
    enum mq_status st =
        mq_artifact_key(region, MQ_ARTIFACT_ACTION_LOGS, MQ_PROGRAM_MOVIE, prefix, err);
    finding.prefix_length = st == MQ_OK ? strlen(prefix) : 0;
    if (st == MQ_OK)
        st = mq_sql_statement(
            sql, "create or replace temp table log_file (path varchar, key varchar)", err);
    if (st == MQ_OK)
        st = mq_sql_appender_new(sql, "log_file", &finding.files, err);
    if (st == MQ_OK)
        st = mq_object_list(store, prefix, add_file, &finding, err);
    enum mq_status ended = mq_sql_appender_free(finding.files, st == MQ_OK ? err : NULL);
    if (st == MQ_OK)
        st = ended;
    if (st == MQ_OK && logs.file_count == 0)
        st = mq_artifact_missing(store, region, MQ_ARTIFACT_ACTION_LOGS, MQ_PROGRAM_MOVIE, err);
    if (st != MQ_OK) {
        mq_action_logs_release(&logs);
        return st;
    }
    order_groups(&logs);
    *ret_logs = logs;
    return MQ_OK;
}

void
mq_action_logs_release(struct mq_action_logs *logs)
{
    for (int g = 0; g < logs->group_count; g++)
        free(logs->groups[g].paths);
    free(logs->groups);
    mq_arena_release(&logs->arena);
    *logs = (struct mq_action_logs){0};
}

enum mq_action_kind
mq_action_logs_kind(const struct mq_action_logs *logs, int group)
{
    return logs->groups[group].kind;
}

static enum mq_status
append_view(const struct mq_log_group *group, struct mq_buffer *text, struct mq_error *err)
{
    enum mq_status st =
        mq_buffer_append_text(text, "create or replace temp view log_line as select ", err);
    for (int i = 0; i < WANTED_COUNT && st == MQ_OK; i++)
        st = group->positions[i] >= 0
                 ? mq_buffer_printf(text, err, "c%d as %s, ", group->positions[i], shown[i])
                 : mq_buffer_printf(text, err, "cast(null as varchar) as %s, ", shown[i]);
    if (st == MQ_OK)
        st = mq_buffer_append_text(text, "filename as path from read_csv([", err);
    for (size_t i = 0; i < group->path_count && st == MQ_OK; i++) {
        if (i > 0)
            st = mq_buffer_append_char(text, ',', err);
        if (st == MQ_OK)
            st = mq_sql_append_literal(text, group->paths[i], err);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(text, "], columns = {", err);
    for (int i = 0; i < group->column_count && st == MQ_OK; i++)
        st = mq_buffer_printf(text, err, "%s'c%d': 'VARCHAR'", i > 0 ? ", " : "", i);
    if (st == MQ_OK)
        st = mq_buffer_printf(text, err,
                              "}, auto_detect = false, header = true, quote = '\"', escape = '\"', "
                              "filename = true, store_rejects = true, rejects_limit = 0, "
                              "max_line_size = %zu, delim = ",
                              MQ_LOG_LINE_MAX);
    if (st == MQ_OK)
        st = mq_sql_append_literal(text, group->separator, err);
    return st == MQ_OK ? mq_buffer_append_char(text, ')', err) : st;
}

enum mq_status
mq_action_logs_view(const struct mq_action_logs *logs, int group, struct mq_sql *sql,
                    struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = append_view(&logs->groups[group], &text, err);
    if (st == MQ_OK)
        st = mq_sql_statement(sql, text.data, err);
    mq_buffer_release(&text);
    return st;
}
