/* Opening of xlsx.h: the package, the list of sheets, styles and shared strings. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/memory.h"
#include "format/number_text.h"
#include "format/utf8.h"
#include "format/xlsx_package.h"

#define EXPANDED_MAX ((int64_t)4 << 30)
#define SHEETS_MAX 4096
#define STYLES_MAX 65536
#define FORMATS_MAX 65536

/* ---- parts ------------------------------------------------------------------------------ */

enum mq_status
mq_xlsx_part_open(struct mq_xlsx *xlsx, const char *path, const struct mq_xml_handlers *handlers,
                  void *context, struct mq_xlsx_part *ret_part, struct mq_error *err)
{
    struct mq_xlsx_part part = {0};
    struct mq_archive_entry entry;
    /* Entries that are passed over count too, once a part that is opened. */
    struct mq_archive_limits limits = {
        .entries_max = 20000, .entry_bytes_max = EXPANDED_MAX, .total_bytes_max = EXPANDED_MAX};
    enum mq_status st = mq_archive_open_memory(xlsx->bytes.data, xlsx->bytes.size, xlsx->name,
                                               &limits, &part.archive, err);
    if (st == MQ_OK && (st = mq_archive_find(part.archive, path, &entry, err)) == MQ_OK &&
        (st = mq_archive_entry_reader(part.archive, &part.reader, err)) == MQ_OK)
        st = mq_xml_new(part.reader, handlers, context, &part.xml, err);
    if (st != MQ_OK) {
        mq_xlsx_part_close(&part);
        return st;
    }
    *ret_part = part;
    return MQ_OK;
}

void
mq_xlsx_part_close(struct mq_xlsx_part *part)
{
    mq_xml_free(part->xml);
    mq_reader_close(part->reader);
    mq_archive_close(part->archive);
    *part = (struct mq_xlsx_part){0};
}

/* Parse a part to its end. */
static enum mq_status
parse_part(struct mq_xlsx *xlsx, const char *path, const struct mq_xml_handlers *handlers,
           void *context, struct mq_error *err)
{
    struct mq_xlsx_part part;
    bool ended;
    enum mq_status st = mq_xlsx_part_open(xlsx, path, handlers, context, &part, err);
    if (st != MQ_OK)
        return st;
    st = mq_xml_run(part.xml, &ended, err);
    mq_xlsx_part_close(&part);
    return st;
}

static char *
keep(struct mq_xlsx *xlsx, const char *text)
{
    return mq_arena_copy(&xlsx->arena, text, strlen(text));
}

/* ---- relations -------------------------------------------------------------------------- */

struct relation {
    const char *id, *type, *target;
};

struct relations {
    struct mq_xlsx *xlsx;
    struct relation *items;
    size_t count, capacity;
};

static enum mq_status
relation_start(void *context, const char *name, const char *const *attributes, struct mq_error *err)
{
    struct relations *r = context;
    const char *mode = mq_xml_attribute(attributes, "TargetMode");
    const char *id = mq_xml_attribute(attributes, "Id");
    const char *type = mq_xml_attribute(attributes, "Type");
    const char *target = mq_xml_attribute(attributes, "Target");
    if (strcmp(name, "Relationship") != 0 || (mode != NULL && strcmp(mode, "External") == 0) ||
        id == NULL || type == NULL || target == NULL)
        return MQ_OK;
    if (r->count == SHEETS_MAX)
        return mq_fail(err, MQ_E_RANGE, "workbook '%s' has more than %d relations", r->xlsx->name,
                       SHEETS_MAX);
    enum mq_status st = mq_grow(&r->items, &r->capacity, r->count + 1, sizeof(*r->items), err);
    if (st != MQ_OK)
        return st;
    struct relation item = {keep(r->xlsx, id), keep(r->xlsx, type), keep(r->xlsx, target)};
    if (item.id == NULL || item.type == NULL || item.target == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate relations of '%s'", r->xlsx->name);
    r->items[r->count++] = item;
    return MQ_OK;
}

static enum mq_status
read_relations(struct mq_xlsx *xlsx, const char *path, struct relations *ret_relations,
               struct mq_error *err)
{
    static const struct mq_xml_handlers handlers = {.start = relation_start};
    *ret_relations = (struct relations){.xlsx = xlsx};
    return parse_part(xlsx, path, &handlers, ret_relations, err);
}

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Target of the relation with this id, or of the first of this kind; NULL for none. */
static const char *
find_target(const struct relations *r, const char *id, const char *kind)
{
    for (size_t i = 0; i < r->count; i++) {
        if (id != NULL ? strcmp(r->items[i].id, id) == 0 : ends_with(r->items[i].type, kind))
            return r->items[i].target;
    }
    return NULL;
}

/* Path of a target that is named from a part: "/xl/x.xml", "x.xml" or "../x.xml". */
static char *
resolve(struct mq_xlsx *xlsx, const char *from, const char *target)
{
    if (target[0] == '/')
        return keep(xlsx, target + 1);
    const char *slash = strrchr(from, '/');
    int folder = slash != NULL ? (int)(slash - from) : 0;
    while (strncmp(target, "../", 3) == 0 || strncmp(target, "./", 2) == 0) {
        if (target[1] == '.') {
            while (folder > 0 && from[folder - 1] != '/')
                folder--;
            folder -= folder > 0;
        }
        target = strchr(target, '/') + 1;
    }
    return folder > 0 ? mq_arena_format(&xlsx->arena, "%.*s/%s", folder, from, target)
                      : keep(xlsx, target);
}

/* ---- the workbook ----------------------------------------------------------------------- */

static enum mq_status
workbook_start(void *context, const char *name, const char *const *attributes, struct mq_error *err)
{
    struct mq_xlsx *xlsx = context;
    if (strcmp(name, "workbookPr") == 0) {
        const char *date = mq_xml_attribute(attributes, "date1904");
        xlsx->date_1904 = date != NULL && (strcmp(date, "1") == 0 || strcmp(date, "true") == 0);
    }
    const char *sheet = mq_xml_attribute(attributes, "name");
    const char *id = mq_xml_attribute(attributes, "id");
    if (strcmp(name, "sheet") != 0 || sheet == NULL || id == NULL)
        return MQ_OK;
    if (xlsx->sheet_count == SHEETS_MAX)
        return mq_fail(err, MQ_E_RANGE, "workbook '%s' has more than %d sheets", xlsx->name,
                       SHEETS_MAX);
    enum mq_status st = mq_grow(&xlsx->sheets, &xlsx->sheets_capacity, xlsx->sheet_count + 1,
                                sizeof(*xlsx->sheets), err);
    if (st != MQ_OK)
        return st;
    struct mq_xlsx_sheet item = {keep(xlsx, sheet), keep(xlsx, id)};
    if (item.name == NULL || item.relation == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate sheets of '%s'", xlsx->name);
    xlsx->sheets[xlsx->sheet_count++] = item;
    return MQ_OK;
}

/* ---- styles ----------------------------------------------------------------------------- */

struct styles {
    struct mq_xlsx *xlsx;
    int64_t *date_formats; /* numbers of custom formats that show a date */
    size_t count, capacity;
    bool in_cell_formats;
};

static bool
number_of(const char *const *attributes, const char *name, int64_t *ret_number)
{
    const char *text = mq_xml_attribute(attributes, name);
    return text != NULL && mq_text_to_int(text, strlen(text), ret_number);
}

static enum mq_status
styles_start(void *context, const char *name, const char *const *attributes, struct mq_error *err)
{
    struct styles *s = context;
    struct mq_xlsx *xlsx = s->xlsx;
    int64_t number;
    enum mq_status st;
    if (strcmp(name, "numFmt") == 0 && number_of(attributes, "numFmtId", &number)) {
        const char *code = mq_xml_attribute(attributes, "formatCode");
        if (code == NULL || !mq_xlsx_format_is_date(code))
            return MQ_OK;
        if (s->count == FORMATS_MAX)
            return mq_fail(err, MQ_E_RANGE, "workbook '%s' has too many formats", xlsx->name);
        if ((st = mq_grow(&s->date_formats, &s->capacity, s->count + 1, sizeof(*s->date_formats),
                          err)) != MQ_OK)
            return st;
        s->date_formats[s->count++] = number;
    } else if (strcmp(name, "cellXfs") == 0) {
        s->in_cell_formats = true;
    } else if (strcmp(name, "xf") == 0 && s->in_cell_formats) {
        if (xlsx->style_count == STYLES_MAX)
            return mq_fail(err, MQ_E_RANGE, "workbook '%s' has more than %d styles", xlsx->name,
                           STYLES_MAX);
        if ((st = mq_grow(&xlsx->style_is_date, &xlsx->style_capacity, xlsx->style_count + 1, 1,
                          err)) != MQ_OK)
            return st;
        bool date = false;
        if (number_of(attributes, "numFmtId", &number)) {
            date = mq_xlsx_builtin_is_date(number);
            for (size_t i = 0; i < s->count && !date; i++)
                date = s->date_formats[i] == number;
        }
        xlsx->style_is_date[xlsx->style_count++] = date;
    }
    return MQ_OK;
}

static enum mq_status
styles_end(void *context, const char *name, struct mq_error *err)
{
    (void)err;
    struct styles *s = context;
    if (strcmp(name, "cellXfs") == 0)
        s->in_cell_formats = false;
    return MQ_OK;
}

static enum mq_status
read_styles(struct mq_xlsx *xlsx, const char *path, struct mq_error *err)
{
    static const struct mq_xml_handlers handlers = {.start = styles_start, .end = styles_end};
    struct styles styles = {.xlsx = xlsx};
    enum mq_status st = parse_part(xlsx, path, &handlers, &styles, err);
    free(styles.date_formats);
    return st;
}

/* ---- shared strings --------------------------------------------------------------------- */

void
mq_xlsx_unescape(struct mq_buffer *text, size_t begin)
{
    if (text->size - begin < 7 || memmem(text->data + begin, text->size - begin, "_x", 2) == NULL)
        return;
    char *out = text->data + begin;
    const char *p = out, *end = text->data + text->size;
    while (p < end) {
        unsigned code = 0;
        bool escape = end - p >= 7 && p[0] == '_' && p[1] == 'x' && p[6] == '_';
        for (int i = 2; i < 6 && escape; i++) {
            int digit = mq_hex_digit(p[i]);
            escape = digit >= 0;
            code = code * 16 + (unsigned)(digit >= 0 ? digit : 0);
        }
        if (escape && code != 0 && (code < 0xd800 || code > 0xdfff)) {
            out += mq_utf8_encode(code, out); /* at most 3 bytes in place of 7 */
            p += 7;
        } else {
            *out++ = *p++;
        }
    }
    text->size = (size_t)(out - text->data);
    text->data[text->size] = '\0';
}

struct strings {
    struct mq_xlsx *xlsx;
    bool in_item, in_text;
    int phonetic;
};

static enum mq_status
strings_start(void *context, const char *name, const char *const *attributes, struct mq_error *err)
{
    (void)attributes;
    struct strings *s = context;
    struct mq_xlsx *xlsx = s->xlsx;
    if (strcmp(name, "si") == 0) {
        enum mq_status st = mq_grow(&xlsx->string_begin, &xlsx->string_capacity,
                                    xlsx->string_count + 2, sizeof(*xlsx->string_begin), err);
        if (st != MQ_OK)
            return st;
        xlsx->string_begin[xlsx->string_count] = xlsx->strings.size;
        s->in_item = true;
    } else if (strcmp(name, "rPh") == 0) {
        s->phonetic++;
    } else if (strcmp(name, "t") == 0) {
        s->in_text = s->in_item && s->phonetic == 0;
    }
    return MQ_OK;
}

static enum mq_status
strings_text(void *context, const char *text, size_t size, struct mq_error *err)
{
    struct strings *s = context;
    struct mq_xlsx *xlsx = s->xlsx;
    if (!s->in_text)
        return MQ_OK;
    if (xlsx->strings.size + size - xlsx->string_begin[xlsx->string_count] > MQ_XLSX_CELL_MAX ||
        xlsx->strings.size + size > MQ_XLSX_STRINGS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "workbook '%s': shared string %zu is longer than %zu bytes, or all of them "
                       "than %zu",
                       xlsx->name, xlsx->string_count, MQ_XLSX_CELL_MAX, MQ_XLSX_STRINGS_MAX);
    return mq_buffer_append(&xlsx->strings, text, size, err);
}

static enum mq_status
strings_end(void *context, const char *name, struct mq_error *err)
{
    struct strings *s = context;
    struct mq_xlsx *xlsx = s->xlsx;
    if (strcmp(name, "t") == 0) {
        s->in_text = false;
    } else if (strcmp(name, "rPh") == 0) {
        s->phonetic--;
    } else if (strcmp(name, "si") == 0 && s->in_item) {
        s->in_item = false;
        mq_xlsx_unescape(&xlsx->strings, xlsx->string_begin[xlsx->string_count]);
        enum mq_status st = mq_buffer_append_char(&xlsx->strings, '\0', err);
        if (st != MQ_OK)
            return st;
        xlsx->string_begin[++xlsx->string_count] = xlsx->strings.size;
    }
    return MQ_OK;
}

static enum mq_status
read_strings(struct mq_xlsx *xlsx, const char *path, struct mq_error *err)
{
    static const struct mq_xml_handlers handlers = {strings_start, strings_end, strings_text};
    struct strings strings = {.xlsx = xlsx};
    return parse_part(xlsx, path, &handlers, &strings, err);
}

/* ---- opening ---------------------------------------------------------------------------- */

/* The named sheet, or the first that has rows (a chart has none). */
static enum mq_status
pick_sheet(struct mq_xlsx *xlsx, const struct relations *relations, const char *sheet,
           const char **ret_target, struct mq_error *err)
{
    for (size_t i = 0; i < xlsx->sheet_count; i++) {
        if (sheet != NULL && strcmp(xlsx->sheets[i].name, sheet) != 0)
            continue;
        for (size_t k = 0; k < relations->count; k++) {
            const struct relation *r = &relations->items[k];
            if (strcmp(r->id, xlsx->sheets[i].relation) == 0 && ends_with(r->type, "/worksheet")) {
                *ret_target = r->target;
                return MQ_OK;
            }
        }
    }
    enum mq_status st = mq_fail(err, MQ_E_NOT_FOUND, "workbook '%s' has no sheet%s%s%s", xlsx->name,
                                sheet != NULL ? " '" : "", sheet != NULL ? sheet : "",
                                sheet != NULL ? "'" : " with rows");
    struct mq_buffer names = {0};
    for (size_t i = 0; i < xlsx->sheet_count && i < 10; i++)
        (void)!mq_buffer_printf(&names, NULL, "%s'%s'", i > 0 ? ", " : "", xlsx->sheets[i].name);
    if (names.size > 0)
        mq_error_hint(err, "its sheets are %s%s", names.data, xlsx->sheet_count > 10 ? ", …" : "");
    mq_buffer_release(&names);
    return st;
}

/* A part that a workbook may do without. */
static enum mq_status
optional(enum mq_status st)
{
    return st == MQ_E_NOT_FOUND ? MQ_OK : st;
}

static enum mq_status
open_sheet(struct mq_xlsx *xlsx, const char *sheet, const char *workbook,
           const char *relations_path, struct mq_error *err)
{
    static const struct mq_xml_handlers handlers = {.start = workbook_start};
    struct relations relations;
    enum mq_status st = parse_part(xlsx, workbook, &handlers, xlsx, err);
    if (st != MQ_OK)
        return st;
    const char *target = NULL;
    if ((st = read_relations(xlsx, relations_path, &relations, err)) == MQ_OK &&
        (st = pick_sheet(xlsx, &relations, sheet, &target, err)) == MQ_OK) {
        const char *strings = find_target(&relations, NULL, "/sharedStrings");
        const char *styles = find_target(&relations, NULL, "/styles");
        const char *path = resolve(xlsx, workbook, target);
        if (path == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path of '%s'", xlsx->name);
        if (st == MQ_OK && styles != NULL && (styles = resolve(xlsx, workbook, styles)) != NULL)
            st = optional(read_styles(xlsx, styles, err));
        if (st == MQ_OK && strings != NULL && (strings = resolve(xlsx, workbook, strings)) != NULL)
            st = optional(read_strings(xlsx, strings, err));
        if (st == MQ_OK)
            st = mq_xlsx_rows_open(xlsx, path, err);
    }
    free(relations.items);
    return st;
}

static enum mq_status
open_workbook(struct mq_xlsx *xlsx, const char *sheet, struct mq_error *err)
{
    const char *data = xlsx->bytes.data;
    if (xlsx->bytes.size >= 4 && memcmp(data, "\xd0\xcf\x11\xe0", 4) == 0) {
        enum mq_status st =
            mq_fail(err, MQ_E_UNSUPPORTED, "workbook '%s' is encrypted, or of the older .xls kind",
                    xlsx->name);
        mq_error_hint(err, "save it as .xlsx without a password");
        return st;
    }
    if (xlsx->bytes.size < 4 || memcmp(data, "PK\003\004", 4) != 0)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is not an .xlsx workbook: it is no zip file",
                       xlsx->name);
    struct relations relations;
    const char *workbook = NULL;
    enum mq_status st = optional(read_relations(xlsx, "_rels/.rels", &relations, err));
    if (st == MQ_OK)
        workbook = find_target(&relations, NULL, "/officeDocument");
    free(relations.items);
    if (st != MQ_OK)
        return st;
    workbook = workbook != NULL ? resolve(xlsx, "", workbook) : "xl/workbook.xml";
    if (workbook == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path of '%s'", xlsx->name);
    const char *slash = strrchr(workbook, '/');
    int folder = slash != NULL ? (int)(slash - workbook) + 1 : 0;
    const char *path =
        mq_arena_format(&xlsx->arena, "%.*s_rels/%s.rels", folder, workbook, workbook + folder);
    if (path == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path of '%s'", xlsx->name);
    return open_sheet(xlsx, sheet, workbook, path, err);
}

enum mq_status
mq_xlsx_open(struct mq_reader *reader, const char *sheet, struct mq_xlsx **ret_xlsx,
             struct mq_error *err)
{
    struct mq_xlsx *xlsx = calloc(1, sizeof(*xlsx));
    char *name = mq_strdup(reader->name);
    if (xlsx == NULL || name == NULL) {
        free(xlsx);
        free(name);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of '%s'", reader->name);
    }
    xlsx->name = name;
    mq_arena_init(&xlsx->arena, (size_t)64 << 20);
    mq_buffer_init(&xlsx->bytes, MQ_XLSX_BYTES_MAX + ((size_t)1 << 20));
    mq_buffer_init(&xlsx->strings, MQ_XLSX_STRINGS_MAX + ((size_t)64 << 20));
    mq_buffer_init(&xlsx->rows.texts, MQ_XLSX_ROW_MAX + ((size_t)1 << 20));
    enum mq_status st = mq_reader_all(reader, MQ_XLSX_BYTES_MAX, &xlsx->bytes, err);
    if (st == MQ_OK)
        st = open_workbook(xlsx, sheet, err);
    if (st != MQ_OK) {
        mq_xlsx_close(xlsx);
        if (st == MQ_E_NOT_FOUND || st == MQ_E_UNSUPPORTED)
            return st;
        return mq_fail_context(err, st, "cannot read workbook");
    }
    *ret_xlsx = xlsx;
    return MQ_OK;
}

void
mq_xlsx_close(struct mq_xlsx *xlsx)
{
    if (xlsx == NULL)
        return;
    mq_xlsx_rows_release(xlsx);
    mq_buffer_release(&xlsx->bytes);
    mq_buffer_release(&xlsx->strings);
    mq_arena_release(&xlsx->arena);
    free(xlsx->sheets);
    free(xlsx->string_begin);
    free(xlsx->style_is_date);
    free(xlsx->name);
    free(xlsx);
}

size_t
mq_xlsx_sheet_count(const struct mq_xlsx *xlsx)
{
    return xlsx->sheet_count;
}

const char *
mq_xlsx_sheet_name(const struct mq_xlsx *xlsx, size_t i)
{
    return xlsx->sheets[i].name;
}
