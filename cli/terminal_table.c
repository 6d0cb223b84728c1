#include "cli/terminal_table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void
mq_form_count(int64_t count, char ret_text[MQ_FORM_SIZE])
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%lld", (long long)(count < 0 ? -count : count));
    size_t at = 0;
    if (count < 0)
        ret_text[at++] = '-';
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            ret_text[at++] = ',';
        ret_text[at++] = digits[i];
    }
    ret_text[at] = '\0';
}

void
mq_form_bytes(int64_t size_bytes, char ret_text[MQ_FORM_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)size_bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < MQ_COUNT(units)) {
        value /= 1000.0;
        unit++;
    }
    snprintf(ret_text, MQ_FORM_SIZE, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value,
             units[unit]);
}

void
mq_form_seconds(double seconds, char ret_text[MQ_FORM_SIZE])
{
    if (seconds < 99.95) {
        snprintf(ret_text, MQ_FORM_SIZE, "%.1f s", seconds);
        return;
    }
    int64_t whole = (int64_t)(seconds + 0.5);
    if (whole < 3600)
        snprintf(ret_text, MQ_FORM_SIZE, "%lld:%02lld", (long long)(whole / 60),
                 (long long)(whole % 60));
    else
        snprintf(ret_text, MQ_FORM_SIZE, "%lld:%02lld:%02lld", (long long)(whole / 3600),
                 (long long)(whole / 60 % 60), (long long)(whole % 60));
}

void
mq_table_column(struct mq_table *table, const char *title, bool right)
{
    if (table->columns == MQ_TABLE_COLUMNS_MAX) {
        table->failed = true;
        return;
    }
    table->titles[table->columns] = title;
    table->right[table->columns++] = right;
}

void
mq_table_cell(struct mq_table *table, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    char *copy = n >= 0 ? mq_arena_copy(&table->text, text, (size_t)n) : NULL;
    free(n >= 0 ? text : NULL);
    if (copy == NULL || mq_grow(&table->cells, &table->cell_capacity, table->cell_count + 1,
                                sizeof(*table->cells), NULL) != MQ_OK) {
        table->failed = true;
        return;
    }
    for (char *p = copy; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    table->cells[table->cell_count++] = copy;
}

void
mq_table_count(struct mq_table *table, int64_t count)
{
    char form[MQ_FORM_SIZE];
    mq_form_count(count, form);
    mq_table_cell(table, "%s", form);
}

void
mq_table_bytes(struct mq_table *table, int64_t size_bytes)
{
    char form[MQ_FORM_SIZE];
    mq_form_bytes(size_bytes, form);
    mq_table_cell(table, "%s", form);
}

void
mq_table_seconds(struct mq_table *table, double seconds)
{
    char form[MQ_FORM_SIZE];
    mq_form_seconds(seconds, form);
    mq_table_cell(table, "%s", form);
}

/* One code point; malformed bytes count one by one. */
static uint32_t
next_code_point(const unsigned char **p)
{
    uint32_t c = *(*p)++;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    if (more == 0)
        return c;
    c &= 0x3fu >> more;
    for (; more > 0 && (**p & 0xc0) == 0x80; more--)
        c = c << 6 | (*(*p)++ & 0x3fu);
    return c;
}

/* Columns of a code point: combining marks 0, East Asian wide forms and emoji 2 (Unicode 15,
 * by block, which is what terminals agree on). */
static int
columns_of(uint32_t c)
{
    if ((c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200f) ||
        (c >= 0x20d0 && c <= 0x20ff) || (c >= 0xfe00 && c <= 0xfe0f))
        return 0;
    if ((c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
        (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
        (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
        (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
        (c >= 0x20000 && c <= 0x3fffd))
        return 2;
    return 1;
}

static int
width(const char *text)
{
    int total = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';)
        total += columns_of(next_code_point(&p));
    return total;
}

static void
print_row(const struct mq_table *table, const char *const *cells, const int *widths, FILE *out)
{
    for (int c = 0; c < table->columns; c++) {
        int pad = widths[c] - width(cells[c]);
        bool last = c + 1 == table->columns;
        if (table->right[c])
            fprintf(out, "%*s%s", pad, "", cells[c]);
        else if (last)
            fputs(cells[c], out);
        else
            fprintf(out, "%s%*s", cells[c], pad, "");
        fputs(last ? "\n" : "  ", out);
    }
}

enum mq_status
mq_table_print(const struct mq_table *table, FILE *out, bool bold, struct mq_error *err)
{
    if (table->failed)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a table");
    int widths[MQ_TABLE_COLUMNS_MAX] = {0};
    bool titled = false;
    for (int c = 0; c < table->columns; c++) {
        widths[c] = width(table->titles[c]);
        titled = titled || widths[c] > 0;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        int w = width(table->cells[i]);
        int column = (int)(i % (size_t)table->columns);
        widths[column] = MQ_MAX(widths[column], w);
    }
    if (titled) {
        if (bold)
            fputs("\033[1m", out);
        print_row(table, table->titles, widths, out);
        if (bold)
            fputs("\033[0m", out);
    }
    for (size_t i = 0; i + (size_t)table->columns <= table->cell_count; i += (size_t)table->columns)
        print_row(table, table->cells + i, widths, out);
    return MQ_OK;
}

void
mq_table_release(struct mq_table *table)
{
    free(table->cells);
    mq_arena_release(&table->text);
    *table = (struct mq_table){0};
}
