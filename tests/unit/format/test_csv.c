#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/csv_reader.h"
#include "format/csv_writer.h"

/* All rows as "line:field|field" joined by blanks, bad lines as "!line:reason". */
struct parsed {
    char text[2048];
    enum mq_status status;
    int64_t rows, bad;
    struct mq_error err;
};

static void
note_bad(void *context, int64_t line, const char *reason, const char *text, size_t size)
{
    struct parsed *parsed = context;
    size_t n = strlen(parsed->text);
    snprintf(parsed->text + n, sizeof(parsed->text) - n, "!%lld:%s<%.*s> ", (long long)line, reason,
             (int)size, text);
}

static struct parsed
parse(const char *bytes, size_t size, struct mq_csv_format format)
{
    struct parsed parsed = {0};
    struct mq_reader *in;
    struct mq_csv_reader *csv;
    struct mq_csv_row row;
    format.on_bad = note_bad;
    format.on_bad_context = &parsed;
    if (mq_reader_from_memory(bytes, size, "x.csv", &in, NULL) != MQ_OK ||
        mq_csv_reader_new(in, &format, &csv, &parsed.err) != MQ_OK)
        abort();
    while ((parsed.status = mq_csv_next(csv, &row, &parsed.err)) == MQ_OK && row.count > 0) {
        size_t n = strlen(parsed.text);
        n += (size_t)snprintf(parsed.text + n, sizeof(parsed.text) - n,
                              "%lld:", (long long)row.line);
        for (size_t i = 0; i < row.count && i < 20; i++)
            n += (size_t)snprintf(parsed.text + n, sizeof(parsed.text) - n, "%s%.40s",
                                  i > 0 ? "|" : "", row.fields[i].text);
        snprintf(parsed.text + n, sizeof(parsed.text) - n, " ");
    }
    parsed.rows = mq_csv_rows(csv);
    parsed.bad = mq_csv_bad_lines(csv);
    mq_csv_reader_free(csv);
    mq_reader_close(in);
    return parsed;
}

#define parses(literal, due, ...)                                                                  \
    do {                                                                                           \
        struct parsed parsed_here =                                                                \
            parse(literal, sizeof(literal) - 1, (struct mq_csv_format){__VA_ARGS__});              \
        assert_int_equal(parsed_here.status, MQ_OK);                                               \
        assert_string_equal(parsed_here.text, due);                                                \
    } while (0)

static void
plain_records(void **state)
{
    parses("a,b,c\n1,,3\n", "1:a|b|c 2:1||3 ", 0);
    parses("a,b\r\nc,d", "1:a|b 2:c|d ", 0);
    parses("\xef\xbb\xbf"
           "a\n\n\r\nb\n",
           "1:a 4:b ", 0);
    parses("", "", 0);
    parses("\n\n", "", 0);
    parses(",\n", "1:| ", 0);
    parses("a\tb\n", "1:a|b ", .separator = "\t");
    parses("1::2::3\n4::\n", "1:1|2|3 2:4| ", .separator = "::");
    parses("u_!_1_!__!_x\na__!_b_!_!_c\n", "1:u|1||x 2:a_|b|!_c ", .separator = "_!_");
    parses(" a ,\tb\n", "1:a|b ", .trim = true);
    parses(" a ,b\n", "1: a |b ", 0);
}

static void
quoted_fields(void **state)
{
    parses("\"a,b\",\"say \"\"hi\"\"\",\"\"\n", "1:a,b|say \"hi\"| ", 0);
    parses("\"two\nlines\",x\ny,z\n", "1:two\nlines|x 3:y|z ", 0);
    parses("\"a\r\nb\"\r\nc\r\n", "1:a\r\nb 3:c ", 0);
    parses("a\"b\",c\n", "1:a\"b\"|c ", 0);
    parses("\"a\"", "1:a ", 0);
    parses("\"a_!_b\"_!_c\n", "1:a_!_b|c ", .separator = "_!_");
    parses("  \"a\"  ,b\n", "1:a|b ", .trim = true);
    parses("\"a\",b\n", "1:\"a\"|b ", .quotes = MQ_CSV_QUOTES_NONE);
    /* Spark's escapes. */
    parses("\"He said \\\"hi\\\"\"_!_\"a\\\\\"_!_\"b\\n\"\n", "1:He said \"hi\"|a\\|b\\n ",
           .separator = "_!_", .backslash = true);
    /* A stray quote is literal and swallows nothing. */
    parses("\"Crocodile\" Dundee,x\n\"open,y\nz\n", "1:\"Crocodile\" Dundee|x 2:\"open|y 3:z ",
           .quotes = MQ_CSV_QUOTES_LENIENT);
}

static void
bad_lines_fail_or_are_kept_aside(void **state)
{
    struct parsed p = parse("a,b\n1\n", 6, (struct mq_csv_format){.min_fields = 2});
    assert_int_equal(p.status, MQ_E_FORMAT);
    assert_string_equal(p.err.message,
                        "cannot read 'x.csv': line 2: expected at least 2 fields, found 1");
    p = parse("a,b\n1\n", 6, (struct mq_csv_format){.min_fields = 2, .max_fields = 2});
    assert_string_equal(p.err.message, "cannot read 'x.csv': line 2: expected 2 fields, found 1");
    parses("a,b\n1,2,3\nc,d\n", "1:a|b !2:expected at most 2 fields, found 3<1,2,3> 3:c|d ",
           .bad = MQ_CSV_BAD_SKIP, .max_fields = 2);
    parses("\"a\"b\nc\n", "!1:text follows a closing quote<\"a\"b> 2:c ", .bad = MQ_CSV_BAD_SKIP);
    parses("a\n\"b\nc\n", "1:a !2:a quoted field is not closed<\"b> 3:c ", .bad = MQ_CSV_BAD_SKIP);
    parses("a\nb\0c\nd\n", "1:a !2:holds a NUL byte<b> 3:d ", .bad = MQ_CSV_BAD_SKIP);
    parses("abcdefghijkl\nb\n", "!1:longer than 8 bytes<abcdefgh> 2:b ", .bad = MQ_CSV_BAD_SKIP,
           .line_limit = 8);
    p = parse("1\n2\n\"3", 6, (struct mq_csv_format){.bad = MQ_CSV_BAD_SKIP});
    assert_int_equal(p.rows, 2);
    assert_int_equal(p.bad, 1);
}

static void
long_lines_and_many_fields_are_bounded(void **state)
{
    size_t size = 3 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text + size - 3, "\nb\n", 3);
    struct parsed p = parse(text, size, (struct mq_csv_format){0});
    assert_int_equal(p.status, MQ_E_FORMAT);
    check_contains(p.err.message, "line 1: longer than 1048576 bytes");
    p = parse(text, size, (struct mq_csv_format){.line_limit = size});
    assert_int_equal(p.status, MQ_OK);
    assert_int_equal(p.rows, 2);
    memset(text, ',', 5000);
    text[5000] = '\n';
    p = parse(text, 5001, (struct mq_csv_format){0});
    check_contains(p.err.message, "more than 4096 fields");
    /* A quoted field of a million lines is read in one pass: this must not take long. */
    memset(text, '\n', size);
    text[0] = '"';
    text[size - 1] = '"';
    p = parse(text, size, (struct mq_csv_format){.line_limit = size});
    assert_int_equal(p.rows, 1);
    free(text);

    struct mq_reader *in;
    struct mq_csv_reader *csv;
    struct mq_error err;
    check_ok(mq_reader_from_memory("", 0, "x", &in, &err));
    check_fails(MQ_E_RANGE,
                mq_csv_reader_new(in, &(struct mq_csv_format){.separator = ""}, &csv, &err));
    check_fails(MQ_E_RANGE,
                mq_csv_reader_new(in, &(struct mq_csv_format){.separator = "\""}, &csv, &err));
    mq_reader_close(in);
}

static void
values_and_columns(void **state)
{
    static const char *const missing[] = {"",     " ",    "nan",  "NaN",  " NA\t", "N/A",
                                          "null", "NULL", "#N/A", "\"\"", "''"};
    static const char *const present[] = {"0", "none", "Nancy", "NANA", "na", "-"};
    for (size_t i = 0; i < MQ_COUNT(missing); i++)
        assert_true(mq_csv_is_missing(missing[i], strlen(missing[i])));
    for (size_t i = 0; i < MQ_COUNT(present); i++)
        assert_false(mq_csv_is_missing(present[i], strlen(present[i])));
    int64_t integer = 7;
    double real = 7;
    assert_true(mq_csv_parse_int("-9223372036854775808", 20, &integer) && integer == INT64_MIN);
    assert_false(mq_csv_parse_int("9223372036854775808", 19, &integer));
    assert_false(mq_csv_parse_int("12a", 3, &integer));
    assert_false(mq_csv_parse_int("", 0, &integer));
    assert_false(mq_csv_parse_int("-", 1, &integer));
    assert_true(mq_csv_parse_real("3.25", 4, &real) && real == 3.25);
    assert_true(mq_csv_parse_real("-1.7976931348623157e308", 23, &real) &&
                real == -1.7976931348623157e308);
    assert_true(mq_csv_parse_real("0.1234567890123456789", 21, &real) &&
                real == 0.1234567890123456789);
    assert_true(mq_csv_parse_real(".5", 2, &real) && real == 0.5);
    assert_false(mq_csv_parse_real("1e999", 5, &real));
    assert_false(mq_csv_parse_real("0x10", 4, &real));
    assert_false(mq_csv_parse_real("inf", 3, &real));
    assert_false(mq_csv_parse_real("1.2.3", 5, &real));
    assert_false(mq_csv_parse_real("1e", 2, &real));
    assert_false(mq_csv_parse_real(".", 1, &real));

    struct mq_csv_field fields[] = {{"User_ID", 7, false}, {"item", 4, false}};
    struct mq_csv_row header = {fields, 2, 1};
    assert_int_equal(mq_csv_column(&header, "user_id"), 0);
    assert_int_equal(mq_csv_column(&header, "rating"), -1);
}

static void
what_python_wrote(void **state)
{
    char path[MQ_PATH_MAX];
    struct mq_error err;
    struct mq_reader *in;
    struct mq_buffer buffer = {0};
    snprintf(path, sizeof(path), "%s/tests/golden/data/csv-python.csv", getenv("MARQUEE_SOURCE"));
    check_ok(mq_reader_from_file(path, &in, &err));
    check_ok(mq_reader_all(in, 4096, &buffer, &err));
    mq_reader_close(in);
    static const char due[] = "1:id|title|score 2:1|Plain|0.1 "
                              "3:2|With \"quotes\", and a comma|3.0 4:3|Two\nlines|-1e-07 "
                              "6:4|| 7:5|Amélie 日本 😀|1e+300 8:6| blanks |7 9:7|\"|8 ";
    struct parsed p = parse(buffer.data, buffer.size, (struct mq_csv_format){0});
    assert_string_equal(p.text, due);
    /* A planted wrong byte is seen. */
    char *place = strstr(buffer.data, "quotes");
    assert_non_null(place);
    *place = 'Q';
    p = parse(buffer.data, buffer.size, (struct mq_csv_format){0});
    assert_string_not_equal(p.text, due);
    mq_buffer_release(&buffer);
}

static char *
write_row(const char *separator, enum mq_csv_quoting quoting, const char *const *fields,
          size_t count, enum mq_status *ret_status, struct mq_error *err)
{
    struct mq_buffer buffer = {0};
    struct mq_writer *out;
    struct mq_csv_writer csv;
    check_fails(MQ_OK, mq_writer_to_buffer(&buffer, &out, NULL));
    check_fails(MQ_OK, mq_csv_writer_init(&csv, out, separator, quoting, NULL));
    for (size_t i = 0; i < count; i++)
        mq_csv_put_text(&csv, fields[i]);
    mq_csv_end_row(&csv);
    *ret_status = mq_csv_finish(&csv, err);
    check_fails(MQ_OK, mq_writer_commit(out, NULL));
    mq_writer_close(out);
    return mq_buffer_take(&buffer);
}

#define writes(due, separator, quoting, ...)                                                       \
    do {                                                                                           \
        static const char *const fields[] = {__VA_ARGS__};                                         \
        enum mq_status written_status;                                                             \
        struct mq_error written_err;                                                               \
        char *text = write_row(separator, quoting, fields, MQ_COUNT(fields), &written_status,      \
                               &written_err);                                                      \
        assert_int_equal(written_status, MQ_OK);                                                   \
        assert_string_equal(text, due);                                                            \
        free(text);                                                                                \
    } while (0)

#define cannot_write(part, separator, ...)                                                         \
    do {                                                                                           \
        static const char *const fields[] = {__VA_ARGS__};                                         \
        enum mq_status written_status;                                                             \
        struct mq_error written_err;                                                               \
        free(write_row(separator, MQ_CSV_WRITE_PLAIN, fields, MQ_COUNT(fields), &written_status,   \
                       &written_err));                                                             \
        assert_int_equal(written_status, MQ_E_RANGE);                                              \
        check_contains(written_err.message, part);                                                 \
    } while (0)

static void
only_what_needs_it_is_quoted(void **state)
{
    writes("a,\"b,c\",\"d\"\"e\",\"f\ng\",\" h\",\n", ",", MQ_CSV_WRITE_QUOTED, "a", "b,c", "d\"e",
           "f\ng", " h", "");
    writes("\"\"\n", ",", MQ_CSV_WRITE_QUOTED, "");
    writes("a\"b_!_\"\"\"c\"_!_\"x_!_y\"_!_\"d_!\"_!_e_\n", "_!_", MQ_CSV_WRITE_QUOTED, "a\"b",
           "\"c", "x_!_y", "d_!", "e_");
    writes("\"a\\\"b\\\\\",c\\d\n", ",", MQ_CSV_WRITE_BACKSLASH, "a\"b\\", "c\\d");
    writes("say \"hi\"_!_x_\n", "_!_", MQ_CSV_WRITE_PLAIN, "say \"hi\"", "x_");
    cannot_write("row 1, field 2 'a_!_b' holds the separator", "_!_", "x", "a_!_b");
    cannot_write("holds the separator", "_!_", "a_!");
    cannot_write("line end", "_!_", "a\nb");
    cannot_write("is the only one and empty", "_!_", "");
    writes("\"\xef\xbb\xbfx\"\n", ",", MQ_CSV_WRITE_QUOTED, "\xef\xbb\xbfx");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_records),
        cmocka_unit_test(quoted_fields),
        cmocka_unit_test(bad_lines_fail_or_are_kept_aside),
        cmocka_unit_test(long_lines_and_many_fields_are_bounded),
        cmocka_unit_test(values_and_columns),
        cmocka_unit_test(what_python_wrote),
        cmocka_unit_test(only_what_needs_it_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
