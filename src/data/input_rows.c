/* The lines of an input's files: logs of actions, sheets of programmes, the map of users. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/memory.h"
#include "data/input_stage_files.h"
#include "format/number_text.h"

/* Rows of one expand sheet, below the format's own limit. */
#define SHEET_ROWS_MAX 1000000

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
end_line(struct mq_buffer *line, struct mq_input_file *file, struct mq_error *err)
{
    line->data[line->size++] = '\n';
    return mq_writer_put(file->out, line->data, line->size, err);
}

/* ---- actions ---------------------------------------------------------------------------- */

static const char *const kind_names[2] = {"exposure", "play"};

static enum mq_status
open_log(struct mq_input_stage *stage, enum mq_action_kind kind, struct mq_error *err)
{
    struct mq_input_file *file = &stage->logs[kind];
    char date[MQ_DATE_SIZE];
    mq_date_format(stage->day * MQ_DAY_SECONDS, date);
    snprintf(file->path, sizeof(file->path), "system/user-data/action/%s/%s/%slog.%s-00.0.csv%s",
             date, kind_names[kind], kind_names[kind], date,
             stage->options.gzip_level > 0 ? ".gz" : "");
    enum mq_status st = mq_input_open_file(stage, file, err);
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
    enum mq_status st = mq_input_close_file(stage, &stage->logs[0], err);
    if (st == MQ_OK)
        st = mq_input_close_file(stage, &stage->logs[1], err);
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
    struct mq_input_file *file = &stage->logs[kind];
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

enum mq_status
mq_input_end_sheet(struct mq_input_stage *stage, struct mq_error *err)
{
    if (stage->sheet == NULL)
        return MQ_OK;
    enum mq_status st = mq_xlsx_writer_finish(stage->sheet, err);
    mq_xlsx_writer_free(stage->sheet);
    stage->sheet = NULL;
    return st == MQ_OK ? mq_input_close_file(stage, &stage->expand, err) : st;
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
    enum mq_status st = mq_input_open_file(stage, &stage->expand, err);
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
        st = mq_input_end_sheet(stage, err);
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
        st = mq_input_open_file(stage, &stage->basic, err);
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
        st = mq_input_open_file(stage, &stage->users, err);
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
