#include "data/input_stage.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <errno.h>
#include <fcntl.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/filesystem.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/artifact.h"
#include "format/gzip_stream.h"
#include "format/json.h"
#include "format/number_text.h"
#include "format/xlsx.h"
#include "store/json_object.h"

#define RECORD_PATH "system/import.json"
#define STAGE_PREFIX "import-"
#define STAGE_SUFFIX ".partial"
/* Rows of one expand sheet, below the format's own limit. */
#define SHEET_ROWS_MAX 1000000

/* A file being staged. */
struct file {
    struct mq_writer *out; /* NULL: none open */
    char path[512];        /* below the region's folder */
};

/* A staged file: one flat folder holds them, since making trees twice costs more than the data. */
struct staged {
    const char *path; /* below the region's folder; in names */
    size_t number;
};

struct mq_input_stage {
    struct mq_object_store *store;
    char *region, *source, *folder;
    struct mq_input_options options;
    unsigned owned; /* MQ_INPUT_… of what is an import's afterwards */
    struct mq_input_summary summary;
    struct file logs[2], basic, users, expand;
    struct mq_xlsx_writer *sheet;
    int64_t sheet_rows, sheets;
    int64_t day; /* of the open logs */
    struct mq_buffer line;
    struct mq_arena names;
    /* Finished and open files; number n is staged as "<folder>/<n>". */
    struct staged *files;
    size_t file_count, file_capacity;
};

/* ---- plain files without sync: publishing does that ------------------------------------- */

struct plain_writer {
    struct mq_writer base;
    int fd;
    char path[];
};

static enum mq_status
plain_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    struct plain_writer *writer = (struct plain_writer *)base;
    const char *p = bytes;
    while (size > 0) {
        ssize_t n = write(writer->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mq_fail_errno(err, errno, "cannot write '%s'", writer->path);
        p += n;
        size -= (size_t)n;
    }
    return MQ_OK;
}

static enum mq_status
plain_commit(struct mq_writer *base, struct mq_error *err)
{
    (void)base;
    (void)err;
    return MQ_OK;
}

static void
plain_close(struct mq_writer *base)
{
    close(((struct plain_writer *)base)->fd);
    free(base);
}

static enum mq_status
plain_new(const char *path, struct mq_writer **ret_writer, struct mq_error *err)
{
    size_t size = strlen(path) + 1;
    struct plain_writer *writer = calloc(1, sizeof(*writer) + size);
    if (writer == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer");
    memcpy(writer->path, path, size);
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (writer->fd < 0) {
        int e = errno;
        free(writer);
        return mq_fail_errno(err, e, "cannot create '%s'", path);
    }
    writer->base = (struct mq_writer){
        .write = plain_write, .commit = plain_commit, .close = plain_close, .name = writer->path};
    *ret_writer = &writer->base;
    return MQ_OK;
}

/* ---- begin and end ---------------------------------------------------------------------- */

static enum mq_status
region_key(const char *region, const char *path, char ret_key[MQ_OBJECT_KEY_MAX],
           struct mq_error *err)
{
    if (snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s/%s", region, path) >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "region name is too long");
    return MQ_OK;
}

/* Places of the store that an import may own, as the record names them. */
static const struct place {
    const char *name;
    unsigned bit;
    enum mq_artifact artifact;
} places[] = {{"users", MQ_INPUT_USERS, MQ_ARTIFACT_PROFILE_MAP},
              {"items", MQ_INPUT_ITEMS, MQ_ARTIFACT_ITEM_BASIC},
              {"items", MQ_INPUT_ITEMS, MQ_ARTIFACT_ITEM_EXPAND},
              {"logs", MQ_INPUT_LOGS, MQ_ARTIFACT_ACTION_LOGS}};
#define ALL_PLACES (MQ_INPUT_USERS | MQ_INPUT_ITEMS | MQ_INPUT_LOGS)

/* The import record's state, "" where there is none, and what is an import's. */
static enum mq_status
read_state(struct mq_object_store *store, const char *region, char ret_state[32],
           unsigned *ret_owned, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_error local;
    struct mq_reader *reader;
    enum mq_status st = region_key(region, RECORD_PATH, key, err);
    if (st != MQ_OK)
        return st;
    ret_state[0] = '\0';
    *ret_owned = 0;
    st = mq_object_reader(store, key, &reader, &local);
    if (st == MQ_E_NOT_FOUND)
        return MQ_OK;
    mq_autojson json_t *record = NULL;
    if (st == MQ_OK) {
        st = mq_json_read(reader, 1 << 20, &record, &local);
        mq_reader_close(reader);
    }
    const char *state;
    if (st == MQ_OK)
        st = mq_json_need_text(record, "state", &state, &local);
    if (st != MQ_OK) {
        if (err != NULL)
            *err = local;
        return st;
    }
    snprintf(ret_state, 32, "%s", state);
    /* Records without the member are of imports that owned everything. */
    const json_t *owns = json_object_get(record, "owns"), *name;
    size_t i;
    *ret_owned = owns == NULL ? ALL_PLACES : 0;
    json_array_foreach(owns, i, name)
    {
        for (size_t p = 0; p < MQ_COUNT(places); p++)
            if (json_is_string(name) && strcmp(json_string_value(name), places[p].name) == 0)
                *ret_owned |= places[p].bit;
    }
    return MQ_OK;
}

enum mq_status
mq_input_check(struct mq_object_store *store, const char *region, struct mq_error *err)
{
    char state[32];
    unsigned owned;
    enum mq_status st = read_state(store, region, state, &owned, err);
    if (st == MQ_OK && strcmp(state, "writing") == 0) {
        st = mq_fail(err, MQ_E_INPUT,
                     "the input of region %s in '%s' is incomplete: an import was interrupted",
                     region, mq_object_store_uri(store));
        mq_error_hint(err, "run the import again");
    }
    return st;
}

static enum mq_status
write_record(struct mq_input_stage *stage, const char *state, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], now[MQ_INSTANT_SIZE];
    const struct mq_input_summary *s = &stage->summary;
    mq_instant_format(mq_clock_now_s(), now);
    json_t *owns = json_array();
    for (size_t p = 0; owns != NULL && p < MQ_COUNT(places); p++)
        if ((stage->owned & places[p].bit) != 0 && (p == 0 || places[p].bit != places[p - 1].bit))
            json_array_append_new(owns, json_string(places[p].name));
    mq_autojson json_t *record =
        json_pack("{s:i, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "schema", 1, "state", state,
                  "source", stage->source, "at", now, "owns", owns, "items", (json_int_t)s->items,
                  "users", (json_int_t)s->users, "plays", (json_int_t)s->plays, "exposures",
                  (json_int_t)s->exposures, "days", (json_int_t)s->days);
    enum mq_status st = region_key(stage->region, RECORD_PATH, key, err);
    return st == MQ_OK ? mq_object_put_json(stage->store, key, record, MQ_JSON_INDENTED, 0,
                                            MQ_PUT_ALWAYS, NULL, NULL, err)
                       : st;
}

/* What this import is to replace must be an import's. @param ret_owned what is one's now */
static enum mq_status
check_owner(struct mq_object_store *store, const char *region,
            const struct mq_input_options *options, unsigned *ret_owned, struct mq_error *err)
{
    char state[32];
    enum mq_status st = read_state(store, region, state, ret_owned, err);
    for (size_t p = 0; st == MQ_OK && !options->replace && p < MQ_COUNT(places); p++) {
        bool exists;
        if (((options->keep | *ret_owned) & places[p].bit) != 0)
            continue;
        st = mq_artifact_exists(store, region, places[p].artifact, MQ_PROGRAM_MOVIE, &exists, err);
        if (st == MQ_OK && exists) {
            st = mq_fail(err, MQ_E_CONFLICT,
                         "region %s of '%s' has input that no import put there ('%s')", region,
                         mq_object_store_uri(store), mq_artifact_info(places[p].artifact)->path);
            mq_error_hint(err, "give --replace to remove it, or import into another --region");
        }
    }
    return st;
}

/* Remove staging folders of imports that died. */
static enum mq_status
remove_stale(void *context, const char *path, const char *name, bool is_folder, int64_t size_bytes,
             struct mq_error *err)
{
    (void)context;
    (void)size_bytes;
    long process;
    char tail[16];
    if (is_folder && sscanf(name, STAGE_PREFIX "%ld%15s", &process, tail) == 2 &&
        strcmp(tail, STAGE_SUFFIX) == 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH)
        return mq_fs_remove(path, err);
    return MQ_OK;
}

static enum mq_status
make_folder(struct mq_input_stage *stage, struct mq_error *err)
{
    char region[MQ_PATH_MAX];
    if (!mq_object_store_local_path(stage->store, stage->region, region, sizeof(region)))
        return mq_fs_scratch(&stage->folder, err);
    /* In the store's own file system, so that publishing is renaming. */
    if (mq_fs_is_folder(region)) {
        enum mq_status st = mq_fs_list(region, remove_stale, NULL, err);
        if (st != MQ_OK)
            return st;
    }
    stage->folder = mq_strfmt("%s/" STAGE_PREFIX "%ld" STAGE_SUFFIX, region, (long)getpid());
    if (stage->folder == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st = mq_fs_remove(stage->folder, err);
    return st == MQ_OK ? mq_fs_make_folders(stage->folder, err) : st;
}

enum mq_status
mq_input_begin(struct mq_object_store *store, const char *region,
               const struct mq_input_options *options, struct mq_input_stage **ret_stage,
               struct mq_error *err)
{
    unsigned owned;
    enum mq_status st = check_owner(store, region, options, &owned, err);
    if (st != MQ_OK)
        return st;
    struct mq_input_stage *stage = calloc(1, sizeof(*stage));
    if (stage == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an import");
    stage->store = store;
    stage->options = *options;
    stage->options.source = NULL;
    stage->owned = (owned & options->keep) | (ALL_PLACES & ~options->keep);
    stage->region = mq_strdup(region);
    stage->source = mq_strdup(options->source);
    stage->day = INT64_MIN;
    stage->summary.first_s = INT64_MAX;
    stage->summary.last_s = INT64_MIN;
    st = stage->region == NULL || stage->source == NULL
             ? mq_fail(err, MQ_E_NOMEM, "cannot allocate an import")
             : make_folder(stage, err);
    if (st != MQ_OK) {
        mq_input_free(stage);
        return st;
    }
    *ret_stage = stage;
    return MQ_OK;
}

void
mq_input_free(struct mq_input_stage *stage)
{
    if (stage == NULL)
        return;
    mq_xlsx_writer_free(stage->sheet);
    struct file *const files[] = {&stage->logs[0], &stage->logs[1], &stage->basic, &stage->users,
                                  &stage->expand};
    for (size_t i = 0; i < MQ_COUNT(files); i++)
        mq_writer_close(files[i]->out);
    if (stage->folder != NULL)
        (void)!mq_fs_remove(stage->folder, NULL);
    mq_buffer_release(&stage->line);
    mq_arena_release(&stage->names);
    free(stage->files);
    free(stage->folder);
    free(stage->region);
    free(stage->source);
    free(stage);
}

/* ---- staged files ----------------------------------------------------------------------- */

static enum mq_status
open_file(struct mq_input_stage *stage, struct file *file, struct mq_error *err)
{
    mq_autofree char *path = mq_strfmt("%s/%zu", stage->folder, stage->file_count);
    const char *name = mq_arena_copy(&stage->names, file->path, strlen(file->path));
    if (path == NULL || name == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st = mq_grow(&stage->files, &stage->file_capacity, stage->file_count + 1,
                                sizeof(*stage->files), err);
    struct mq_writer *out;
    if (st == MQ_OK)
        st = plain_new(path, &out, err);
    size_t n = strlen(file->path);
    if (st == MQ_OK && n > 3 && strcmp(file->path + n - 3, ".gz") == 0)
        st = mq_gzip_writer(out, stage->options.gzip_level, &out, err);
    if (st != MQ_OK)
        return st;
    file->out = out;
    stage->files[stage->file_count] = (struct staged){name, stage->file_count};
    stage->file_count++;
    return MQ_OK;
}

static enum mq_status
close_file(struct mq_input_stage *stage, struct file *file, struct mq_error *err)
{
    if (file->out == NULL)
        return MQ_OK;
    enum mq_status st = mq_writer_commit(file->out, err);
    if (st == MQ_OK) {
        stage->summary.files++;
        stage->summary.bytes += file->out->offset;
    }
    mq_writer_close(file->out);
    file->out = NULL;
    return st;
}

/* ---- lines ------------------------------------------------------------------------------ */

static void
put_bytes(struct mq_buffer *line, const char *bytes, size_t size)
{
    memcpy(line->data + line->size, bytes, size);
    line->size += size;
}

/* Add a field, quoted where it must be. The caller reserved 2 * size + 3 bytes. */
static void
put_text(struct mq_buffer *line, struct mq_text text)
{
    bool plain = text.size == 0 || (text.bytes[0] != ' ' && text.bytes[text.size - 1] != ' ');
    for (size_t i = 0; i < text.size && plain; i++)
        plain = text.bytes[i] != ',' && text.bytes[i] != '"' && text.bytes[i] != '\n' &&
                text.bytes[i] != '\r';
    if (plain) {
        if (text.size > 0)
            put_bytes(line, text.bytes, text.size);
        return;
    }
    line->data[line->size++] = '"';
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '"')
            line->data[line->size++] = '"';
        line->data[line->size++] = text.bytes[i];
    }
    line->data[line->size++] = '"';
}

static void
put_int(struct mq_buffer *line, int64_t value)
{
    char digits[24];
    char *p = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--p = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        *--p = '-';
    put_bytes(line, p, (size_t)(digits + sizeof(digits) - p));
}

/* A number, whole ones without a point; nothing for what is unknown. */
static void
put_real(struct mq_buffer *line, double value, bool known)
{
    if (!known || !isfinite(value))
        return;
    if (value == floor(value) && fabs(value) < 1e15) {
        put_int(line, (int64_t)value);
        return;
    }
    char text[MQ_REAL_TEXT_SIZE];
    put_bytes(line, text, mq_real_text(value, text));
}

static void
put_comma(struct mq_buffer *line)
{
    line->data[line->size++] = ',';
}

static enum mq_status
start_line(struct mq_buffer *line, const struct mq_text *texts, size_t count, struct mq_error *err)
{
    size_t need = 512;
    for (size_t i = 0; i < count; i++)
        need += 2 * texts[i].size + 4;
    mq_buffer_reset(line);
    return mq_buffer_reserve(line, need, err);
}

static enum mq_status
end_line(struct mq_buffer *line, struct file *file, struct mq_error *err)
{
    line->data[line->size++] = '\n';
    return mq_writer_put(file->out, line->data, line->size, err);
}

/* ---- actions ---------------------------------------------------------------------------- */

static const char *const kind_names[2] = {"exposure", "play"};

static enum mq_status
open_log(struct mq_input_stage *stage, enum mq_action_kind kind, struct mq_error *err)
{
    struct file *file = &stage->logs[kind];
    char date[MQ_DATE_SIZE];
    mq_date_format(stage->day * MQ_DAY_SECONDS, date);
    snprintf(file->path, sizeof(file->path), "system/user-data/action/%s/%s/%slog.%s-00.0.csv%s",
             date, kind_names[kind], kind_names[kind], date,
             stage->options.gzip_level > 0 ? ".gz" : "");
    enum mq_status st = open_file(stage, file, err);
    if (st != MQ_OK)
        return st;
    unsigned columns =
        kind == MQ_ACTION_PLAY ? stage->options.play_columns : stage->options.exposure_columns;
    return mq_writer_printf(
        file->out, err, "user_id,item_id,timestamp%s%s%s%s%s\n",
        columns & MQ_LOG_WATCH ? ",watch_seconds,duration_seconds" : "",
        columns & MQ_LOG_RATING ? ",rating" : "", columns & MQ_LOG_POSITION ? ",position" : "",
        columns & MQ_LOG_SOURCE ? ",source" : "", columns & MQ_LOG_TRACE ? ",trace" : "");
}

static enum mq_status
start_day(struct mq_input_stage *stage, int64_t day, struct mq_error *err)
{
    if (day < stage->day)
        return mq_fail(err, MQ_E_INTERNAL, "actions of an import go back by a day");
    enum mq_status st = close_file(stage, &stage->logs[0], err);
    if (st == MQ_OK)
        st = close_file(stage, &stage->logs[1], err);
    stage->day = day;
    stage->summary.days++;
    return st == MQ_OK ? mq_cancel_check(err) : st;
}

enum mq_status
mq_input_add_action(struct mq_input_stage *stage, enum mq_action_kind kind,
                    const struct mq_input_action *action, struct mq_error *err)
{
    int64_t t = action->time_s;
    int64_t day = t >= 0 ? t / MQ_DAY_SECONDS : -((-t + MQ_DAY_SECONDS - 1) / MQ_DAY_SECONDS);
    enum mq_status st = MQ_OK;
    if (day != stage->day)
        st = start_day(stage, day, err);
    struct file *file = &stage->logs[kind];
    if (st == MQ_OK && file->out == NULL)
        st = open_log(stage, kind, err);
    const struct mq_text texts[] = {action->user, action->item, action->source, action->trace};
    struct mq_buffer *line = &stage->line;
    if (st == MQ_OK)
        st = start_line(line, texts, MQ_COUNT(texts), err);
    if (st != MQ_OK)
        return st;
    unsigned columns =
        kind == MQ_ACTION_PLAY ? stage->options.play_columns : stage->options.exposure_columns;
    put_text(line, action->user);
    put_comma(line);
    put_text(line, action->item);
    put_comma(line);
    put_int(line, t);
    if (columns & MQ_LOG_WATCH) {
        put_comma(line);
        put_real(line, action->watch_s, action->watch_s >= 0);
        put_comma(line);
        put_real(line, action->length_s, action->length_s >= 0);
    }
    if (columns & MQ_LOG_RATING) {
        put_comma(line);
        put_real(line, action->rating, action->rating >= 0);
    }
    if (columns & MQ_LOG_POSITION) {
        put_comma(line);
        if (action->position >= 0)
            put_int(line, action->position);
    }
    if (columns & MQ_LOG_SOURCE) {
        put_comma(line);
        put_text(line, action->source);
    }
    if (columns & MQ_LOG_TRACE) {
        put_comma(line);
        put_text(line, action->trace);
    }
    *(kind == MQ_ACTION_PLAY ? &stage->summary.plays : &stage->summary.exposures) += 1;
    stage->summary.first_s = MQ_MIN(stage->summary.first_s, t);
    stage->summary.last_s = MQ_MAX(stage->summary.last_s, t);
    return end_line(line, file, err);
}

/* ---- programmes and users --------------------------------------------------------------- */

static struct mq_xlsx_cell
text_cell(struct mq_text text)
{
    /* Longer texts than a cell may hold are cut, between characters. */
    size_t size = MQ_MIN(text.size, (size_t)32000);
    while (size < text.size && size > 0 && ((unsigned char)text.bytes[size] & 0xc0) == 0x80)
        size--;
    return size > 0 ? mq_xlsx_text(text.bytes, size)
                    : (struct mq_xlsx_cell){.kind = MQ_XLSX_EMPTY, .text = ""};
}

static enum mq_status
end_sheet(struct mq_input_stage *stage, struct mq_error *err)
{
    if (stage->sheet == NULL)
        return MQ_OK;
    enum mq_status st = mq_xlsx_writer_finish(stage->sheet, err);
    mq_xlsx_writer_free(stage->sheet);
    stage->sheet = NULL;
    return st == MQ_OK ? close_file(stage, &stage->expand, err) : st;
}

static enum mq_status
start_sheet(struct mq_input_stage *stage, struct mq_error *err)
{
    static const char *const names[] = {"program_id",      "description", "available_from",
                                        "available_until", "territories", "duration_s",
                                        "poster"};
    snprintf(stage->expand.path, sizeof(stage->expand.path),
             "system/item-data/expand/%" PRId64 ".xlsx", ++stage->sheets);
    stage->sheet_rows = 0;
    enum mq_status st = open_file(stage, &stage->expand, err);
    if (st == MQ_OK)
        st = mq_xlsx_writer_new(stage->expand.out, "expand", &stage->sheet, err);
    struct mq_xlsx_cell cells[MQ_COUNT(names)];
    for (size_t i = 0; i < MQ_COUNT(names); i++)
        cells[i] = mq_xlsx_text(names[i], strlen(names[i]));
    return st == MQ_OK ? mq_xlsx_write_row(stage->sheet, cells, MQ_COUNT(cells), err) : st;
}

static struct mq_xlsx_cell
date_cell(int64_t epoch_s)
{
    /* Excel's dates lie in 1900-03-01…9999-12-31. */
    return epoch_s > INT64_C(-2203891200) && epoch_s < INT64_C(253402300800)
               ? mq_xlsx_date(epoch_s * 1000)
               : (struct mq_xlsx_cell){.kind = MQ_XLSX_EMPTY, .text = ""};
}

static enum mq_status
add_expand(struct mq_input_stage *stage, const struct mq_input_item *item, struct mq_error *err)
{
    if (item->description.size == 0 && item->territories.size == 0 && item->poster.size == 0 &&
        item->available_from == MQ_TIME_MIN && item->available_until == MQ_TIME_MAX &&
        item->duration_s == 0)
        return MQ_OK;
    enum mq_status st = MQ_OK;
    if (stage->sheet_rows == SHEET_ROWS_MAX)
        st = end_sheet(stage, err);
    if (st == MQ_OK && stage->sheet == NULL)
        st = start_sheet(stage, err);
    if (st != MQ_OK)
        return st;
    const struct mq_xlsx_cell empty = {.kind = MQ_XLSX_EMPTY, .text = ""};
    const struct mq_xlsx_cell cells[] = {
        text_cell(item->id),
        text_cell(item->description),
        date_cell(item->available_from),
        date_cell(item->available_until),
        text_cell(item->territories),
        item->duration_s > 0 ? mq_xlsx_number(item->duration_s) : empty,
        text_cell(item->poster),
    };
    stage->sheet_rows++;
    return mq_xlsx_write_row(stage->sheet, cells, MQ_COUNT(cells), err);
}

enum mq_status
mq_input_add_item(struct mq_input_stage *stage, const struct mq_input_item *item,
                  struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (stage->basic.out == NULL) {
        strcpy(stage->basic.path, "system/item-data/basic/1.csv");
        st = open_file(stage, &stage->basic, err);
        if (st == MQ_OK)
            st = mq_writer_printf(stage->basic.out, err,
                                  "program_id,program_type,program_name,release_year,director,"
                                  "actor,category_property,language,ticket_num,popularity,score,"
                                  "level,is_new\n");
    }
    const struct mq_text texts[] = {item->id,       item->title,    item->director, item->actor,
                                    item->category, item->language, item->level};
    struct mq_buffer *line = &stage->line;
    if (st == MQ_OK)
        st = start_line(line, texts, MQ_COUNT(texts), err);
    if (st != MQ_OK)
        return st;
    put_text(line, item->id);
    put_comma(line);
    const char *type = mq_program_type_name(item->type);
    put_bytes(line, type, strlen(type));
    put_comma(line);
    put_text(line, item->title);
    put_comma(line);
    if (item->year > 0)
        put_int(line, item->year);
    for (int i = 2; i <= 5; i++) {
        put_comma(line);
        put_text(line, texts[i]);
    }
    put_comma(line);
    put_real(line, item->ticket_num, true);
    put_comma(line);
    put_real(line, item->popularity, true);
    put_comma(line);
    put_real(line, item->score, true);
    put_comma(line);
    put_text(line, item->level);
    put_comma(line);
    put_int(line, item->is_new);
    stage->summary.items++;
    st = end_line(line, &stage->basic, err);
    return st == MQ_OK ? add_expand(stage, item, err) : st;
}

enum mq_status
mq_input_add_user(struct mq_input_stage *stage, const struct mq_input_user *user,
                  struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (stage->users.out == NULL) {
        strcpy(stage->users.path, "system/user-data/portrait/ProfileMap.csv");
        st = open_file(stage, &stage->users, err);
        if (st == MQ_OK)
            st = mq_writer_printf(stage->users.out, err,
                                  "user_id,sex,age,registered,name,occupation,zip\n");
    }
    const struct mq_text texts[] = {user->id, user->sex, user->name, user->occupation, user->zip};
    struct mq_buffer *line = &stage->line;
    if (st == MQ_OK)
        st = start_line(line, texts, MQ_COUNT(texts), err);
    if (st != MQ_OK)
        return st;
    put_text(line, user->id);
    put_comma(line);
    put_text(line, user->sex);
    put_comma(line);
    if (user->age > 0)
        put_int(line, user->age);
    put_comma(line);
    if (user->registered_s >= 0)
        put_int(line, user->registered_s);
    for (int i = 2; i <= 4; i++) {
        put_comma(line);
        put_text(line, texts[i]);
    }
    stage->summary.users++;
    return end_line(line, &stage->users, err);
}

void
mq_input_staged(const struct mq_input_stage *stage, struct mq_input_summary *ret_summary)
{
    *ret_summary = stage->summary;
}

/* ---- publishing ------------------------------------------------------------------------- */

struct publishing {
    struct mq_input_stage *stage;
    struct mq_progress progress;
    /* What lies in the input's places and is not staged, to be removed. */
    struct mq_arena names;
    const char **old;
    size_t old_count, old_capacity;
};

static enum mq_status
publish_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    (void)worker;
    struct publishing *publishing = context;
    struct mq_input_stage *stage = publishing->stage;
    for (int64_t i = begin; i < end; i++) {
        char key[MQ_OBJECT_KEY_MAX], path[MQ_PATH_MAX];
        enum mq_status st = region_key(stage->region, stage->files[i].path, key, err);
        snprintf(path, sizeof(path), "%s/%zu", stage->folder, stage->files[i].number);
        if (st == MQ_OK)
            st = mq_object_put_file(stage->store, key, path, err);
        if (st != MQ_OK)
            return st;
        mq_progress_add(&publishing->progress, 1);
    }
    return MQ_OK;
}

/* All at once, where the store is a directory. */
static enum mq_status
publish_together(struct mq_input_stage *stage, struct mq_error *err)
{
    struct mq_arena names = {0};
    size_t n = stage->file_count;
    const char **keys = mq_arena_array(&names, n + 1, sizeof(*keys));
    const char **paths = mq_arena_array(&names, n + 1, sizeof(*paths));
    bool complete = keys != NULL && paths != NULL;
    for (size_t i = 0; i < n && complete; i++) {
        keys[i] = mq_arena_format(&names, "%s/%s", stage->region, stage->files[i].path);
        paths[i] = mq_arena_format(&names, "%s/%zu", stage->folder, stage->files[i].number);
        complete = keys[i] != NULL && paths[i] != NULL;
    }
    enum mq_status st = complete ? mq_object_put_files(stage->store, keys, paths, n, err)
                                 : mq_fail(err, MQ_E_NOMEM, "cannot allocate names");
    mq_arena_release(&names);
    return st;
}

static int
compare_staged(const void *a, const void *b)
{
    return strcmp(((const struct staged *)a)->path, ((const struct staged *)b)->path);
}

static enum mq_status
note_old(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct publishing *publishing = context;
    struct mq_input_stage *stage = publishing->stage;
    const struct staged wanted = {.path = key + strlen(stage->region) + 1};
    if (stage->file_count > 0 && bsearch(&wanted, stage->files, stage->file_count,
                                         sizeof(*stage->files), compare_staged) != NULL)
        return MQ_OK;
    enum mq_status st = mq_grow(&publishing->old, &publishing->old_capacity,
                                publishing->old_count + 1, sizeof(*publishing->old), err);
    const char *copy = mq_arena_copy(&publishing->names, key, strlen(key));
    if (st == MQ_OK && copy == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a key");
    if (st == MQ_OK)
        publishing->old[publishing->old_count++] = copy;
    return st;
}

static enum mq_status
remove_old(struct publishing *publishing, struct mq_error *err)
{
    struct mq_input_stage *stage = publishing->stage;
    enum mq_status st = MQ_OK;
    for (size_t p = 0; p < MQ_COUNT(places) && st == MQ_OK; p++) {
        char key[MQ_OBJECT_KEY_MAX];
        if ((stage->options.keep & places[p].bit) != 0)
            continue;
        st = mq_artifact_key(stage->region, places[p].artifact, MQ_PROGRAM_MOVIE, key, err);
        if (st == MQ_OK)
            st = mq_object_list(stage->store, key, note_old, publishing, err);
    }
    return st == MQ_OK ? mq_object_delete(stage->store, publishing->old, publishing->old_count, err)
                       : st;
}

enum mq_status
mq_input_publish(struct mq_input_stage *stage, struct mq_pool *pool,
                 struct mq_input_summary *ret_summary, struct mq_error *err)
{
    enum mq_status st = end_sheet(stage, err);
    struct file *const files[] = {&stage->logs[0], &stage->logs[1], &stage->basic, &stage->users};
    for (size_t i = 0; i < MQ_COUNT(files) && st == MQ_OK; i++)
        st = close_file(stage, files[i], err);
    if (st == MQ_OK)
        st = mq_cancel_check(err);
    if (st == MQ_OK)
        st = write_record(stage, "writing", err);
    if (st != MQ_OK)
        return st;
    struct publishing publishing = {.stage = stage};
    if (stage->file_count > 0)
        qsort(stage->files, stage->file_count, sizeof(*stage->files), compare_staged);
    char local[MQ_PATH_MAX];
    if (mq_object_store_local_path(stage->store, stage->region, local, sizeof(local))) {
        st = publish_together(stage, err);
    } else {
        mq_progress_begin(&publishing.progress, "publishing", "files", (int64_t)stage->file_count);
        st = mq_pool_for(pool, (int64_t)stage->file_count, 8, publish_range, &publishing, err);
        mq_progress_end(&publishing.progress);
    }
    if (st == MQ_OK)
        st = remove_old(&publishing, err);
    mq_arena_release(&publishing.names);
    free(publishing.old);
    if (st == MQ_OK && stage->options.meanwhile != NULL)
        st = stage->options.meanwhile(stage->options.context, err);
    if (st == MQ_OK)
        st = write_record(stage, "complete", err);
    if (st == MQ_OK && ret_summary != NULL)
        *ret_summary = stage->summary;
    return st;
}
