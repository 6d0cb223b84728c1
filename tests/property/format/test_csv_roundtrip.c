/* Random rows under every separator and quoting, and random doubles: what is written comes back. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "format/csv_writer.h"
#include "format/number_text.h"

static uint64_t
chosen_seed(void)
{
    const char *given = getenv("MARQUEE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu (MARQUEE_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

/* Made of what separators, quotes and line ends are made of. */
static size_t
random_field(struct mq_rng *rng, char text[40], const char *separator, bool plain)
{
    static const char alphabet[] = "a_!:,\t\"\\ é\n\r";
    for (;;) {
        size_t n = mq_rng_below(rng, 8);
        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[mq_rng_below(rng, sizeof(alphabet) - 1)];
        text[n] = '\0';
        if (!plain)
            return n;
        /* Unquoted: the separator must not arise, also not across the field's end. */
        char joined[64];
        memcpy(joined, text, n);
        memcpy(joined + n, separator, strlen(separator) + 1);
        if (strpbrk(text, "\r\n") == NULL && strstr(joined, separator) == joined + n)
            return n;
    }
}

static void
random_rows_come_back(void **state)
{
    static const char *const separators[] = {",", "\t", "::", "_!_", "_", "aa"};
    uint64_t seed = chosen_seed();
    for (uint64_t round = 0; round < 3000; round++) {
        enum { ROWS = 5, FIELDS = 4 };
        struct mq_rng rng;
        mq_rng_init(&rng, seed, round);
        const char *separator = separators[mq_rng_below(&rng, 6)];
        enum mq_csv_quoting quoting = (enum mq_csv_quoting)mq_rng_below(&rng, 3);
        char fields[ROWS][FIELDS][40];
        size_t sizes[ROWS][FIELDS];
        struct mq_error err;
        struct mq_buffer buffer = {0};
        struct mq_writer *out;
        struct mq_csv_writer writer;
        check_ok(mq_writer_to_buffer(&buffer, &out, &err));
        check_ok(mq_csv_writer_init(&writer, out, separator, quoting, &err));
        for (int row = 0; row < ROWS; row++) {
            for (int i = 0; i < FIELDS; i++) {
                sizes[row][i] =
                    random_field(&rng, fields[row][i], separator, quoting == MQ_CSV_WRITE_PLAIN);
                mq_csv_put(&writer, fields[row][i], sizes[row][i]);
            }
            mq_csv_end_row(&writer);
        }
        check_ok(mq_csv_finish(&writer, &err));
        check_ok(mq_writer_commit(out, &err));
        mq_writer_close(out);

        struct mq_reader *in;
        struct mq_csv_reader *csv;
        struct mq_csv_row found;
        struct mq_csv_format format = {
            .separator = separator,
            .backslash = quoting == MQ_CSV_WRITE_BACKSLASH,
            .quotes = quoting == MQ_CSV_WRITE_PLAIN ? MQ_CSV_QUOTES_NONE : MQ_CSV_QUOTES_STRICT};
        check_ok(mq_reader_from_memory(buffer.data, buffer.size, "round trip", &in, &err));
        check_ok(mq_csv_reader_new(in, &format, &csv, &err));
        for (int row = 0; row < ROWS; row++) {
            check_ok(mq_csv_next(csv, &found, &err));
            assert_int_equal(found.count, FIELDS);
            for (int i = 0; i < FIELDS; i++) {
                assert_int_equal(found.fields[i].size, sizes[row][i]);
                assert_memory_equal(found.fields[i].text, fields[row][i], sizes[row][i]);
            }
        }
        check_ok(mq_csv_next(csv, &found, &err));
        assert_int_equal(found.count, 0);
        mq_csv_reader_free(csv);
        mq_reader_close(in);
        mq_buffer_release(&buffer);
    }
}

static void
doubles_come_back_to_the_bit(void **state)
{
    uint64_t seed = chosen_seed();
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    for (int round = 0; round < 200000; round++) {
        uint64_t bits = mq_rng_next(&rng);
        double value, found = 0;
        memcpy(&value, &bits, 8);
        if (round % 2 == 0)
            value = round % 4 == 0 ? mq_rng_uniform(&rng) * 100 : round / 8.0;
        if (!isfinite(value))
            continue;
        char text[MQ_REAL_TEXT_SIZE];
        size_t size = mq_real_text(value, text);
        assert_true(size < MQ_REAL_TEXT_SIZE && strlen(text) == size);
        assert_true(mq_text_to_real(text, size, &found));
        assert_true(found == value);
        /* Strict parsing agrees with strtod on a decimal of any form. */
        snprintf(text, sizeof(text), "%.*f", (int)mq_rng_below(&rng, 8), value * 0x1p-900);
        assert_true(mq_text_to_real(text, strlen(text), &found));
        assert_true(found == strtod(text, NULL));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_rows_come_back),
                                       cmocka_unit_test(doubles_come_back_to_the_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
